"""Sizes: what a model's pictures and clips measure, how its VAE shrinks them, and which sizes it can make."""

import inspect
import math
import re
from dataclasses import replace
from typing import Any

from autotune.blueprint import Blueprint, Json
from autotune.errors import PlanError
from autotune.workload import Workload

_OWN_CHECK = re.compile(r"\b(?:height|width) % (\d+)")
_FLUX_LATENTS = 128  # on a side, written down in FluxPipeline: its transformer knows no size
_PLAYED_PER_S = 16  # frames a second at which clips are shown whose pipeline does not ask for the rate (Wan)


def resolve_size(workload: Workload, blueprint: Blueprint) -> Workload:
    """Return the workload with its size, and for a model of video its frames, filled in from the model's own.

    Raises:
        PlanError: The size is unknown or does not suit the model, or it makes no clips.
    """
    own, multiple = blueprint.number("default_size_px"), blueprint.number("size_multiple", 1)
    multiple = math.lcm(max(multiple, 1), max(blueprint.number("vae_scale_factor", 8), 1))
    width = workload.width_px or blueprint.number("default_width_px", own)
    height = workload.height_px or blueprint.number("default_height_px", own)
    if not width or not height:
        raise PlanError(
            f"'{workload.model}' does not say its picture size. Give one with --size, such as 1024x1024."
        )
    if width % multiple or height % multiple:
        raise PlanError(
            f"The size {width}x{height} does not suit '{workload.model}': use multiples of {multiple} px."
        )
    return replace(workload, width_px=width, height_px=height, frames=_frames(workload, blueprint))


def size_facts(pipeline_class: Any, denoiser: Any, vae: Any) -> dict[str, Json]:
    """Return the facts about sizes: the model's own, the factors of its VAE, and the multiples it can make.

    Args:
        pipeline_class: Class of the pipeline.
        denoiser: The module that is run at every step, or None.
        vae: The autoencoder, or None.
    """
    arguments = inspect.signature(pipeline_class.__call__).parameters
    scale = _spatial_factor(vae)
    facts: dict[str, Json] = {"vae_scale_factor": scale}
    if vae is not None:
        channels = getattr(vae.config, "latent_channels", None) or getattr(vae.config, "z_dim", None)
        facts["latent_channels"] = int(channels or 4)
    if denoiser is not None:
        facts |= _own_size(pipeline_class, denoiser, scale, arguments)
        checked = [int(found) for found in _OWN_CHECK.findall(_source_of_checks(pipeline_class))]
        facts["size_multiple"] = math.lcm(scale * _patch(denoiser, facts), *checked)
    if "num_frames" in arguments:
        default, rate = arguments["num_frames"].default, arguments.get("frame_rate")
        facts["default_frames"] = default if isinstance(default, int) else 1
        facts["frames_per_s"] = rate.default if rate else _PLAYED_PER_S
        facts["vae_frame_factor"] = _temporal_factor(vae)
    return facts


def _frames(workload: Workload, blueprint: Blueprint) -> int:
    own, factor = blueprint.number("default_frames"), max(blueprint.number("vae_frame_factor", 1), 1)
    if not own:
        if workload.frames:
            message = f"'{workload.model}' makes pictures, no clips: leave out 'frames' (--frames)."
            raise PlanError(message)
        return 0
    frames = workload.frames or own
    if (frames - 1) % factor:
        nearest = max(round((frames - 1) / factor), 1) * factor + 1
        raise PlanError(
            f"{frames} frames do not suit '{workload.model}': its clips have one frame more than a multiple "
            f"of {factor}, such as {nearest}."
        )
    return frames


def _spatial_factor(vae: Any) -> int:
    """By how much a VAE shrinks each side; the classes say it in different words."""
    if vae is None:
        return 8
    said = getattr(vae.config, "scale_factor_spatial", None) or getattr(
        vae, "spatial_compression_ratio", None
    )
    levels = getattr(vae.config, "block_out_channels", None)
    return int(said or (2 ** (len(levels) - 1) if levels else 8))


def _temporal_factor(vae: Any) -> int:
    said = getattr(getattr(vae, "config", None), "scale_factor_temporal", None)
    return int(said or getattr(vae, "temporal_compression_ratio", None) or 1)


def _own_size(pipeline_class: Any, denoiser: Any, scale: int, arguments: Any) -> dict[str, Json]:
    """The size that the pipeline takes when it is told none."""
    size = getattr(denoiser.config, "sample_size", None)
    if size is None and pipeline_class.__name__.startswith("Flux"):
        size = _FLUX_LATENTS
    if size is not None:
        return {"default_size_px": int(size[0] if isinstance(size, (list, tuple)) else size) * scale}
    sides = {side: arguments[side].default for side in ("width", "height") if side in arguments}
    if len(sides) < 2 or not all(isinstance(pixels, int) for pixels in sides.values()):
        return {"default_size_px": 0}
    facts: dict[str, Json] = {f"default_{side}_px": pixels for side, pixels in sides.items()}
    return {"default_size_px": max(sides.values()), **facts}


def _patch(denoiser: Any, facts: dict[str, Json]) -> int:
    """How many latents on a side make one token; a UNet looks at each."""
    size = getattr(denoiser.config, "patch_size", None) or 1
    patch = int(size[-1] if isinstance(size, (list, tuple)) else size)
    channels = getattr(denoiser.config, "in_channels", 0)
    is_packed = patch == 1 and "default_frames" not in facts and channels == 4 * int(facts["latent_channels"])  # type: ignore[arg-type]
    return 2 if is_packed else patch


def _source_of_checks(pipeline_class: Any) -> str:
    """The pipeline's check of its arguments: some demand larger multiples than VAE and patches do."""
    check = getattr(pipeline_class, "check_inputs", None)
    return inspect.getsource(check) if check is not None else ""
