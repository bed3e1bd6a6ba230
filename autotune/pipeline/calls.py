"""One call of the pipeline: the same prompts and the same first latents for every recipe."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from autotune.knob import Setup
from autotune.workload import Call

CLIP_FRAMES = 8
"""Frames of a clip that are checked, compared and kept, evenly spread, the first and the last among them."""


def make_pictures(setup: Setup, call: Call, *, extra: dict[str, Any] | None = None) -> Tensor:
    """Run the pipeline once and wait for the device.

    Args:
        setup: A finished setup.
        call: Prompts and seeds.
        extra: Further arguments of the pipeline call.

    Returns:
        Shape (pictures, 3, height, width), float32 on the CPU, values 0 to 1; NaN is kept. Of clips, all
        frames of the first, then all of the second, and so on.
    """
    arguments = call_arguments(setup, call) | (extra or {})
    with torch.inference_mode(), noise_in_32_bits(setup.pipeline):
        output = setup.pipeline(**arguments)
    made = output.frames if hasattr(output, "frames") else output.images
    if setup.device.startswith("cuda"):
        torch.cuda.synchronize(setup.device)
    pictures = made.detach().float().cpu() if isinstance(made, Tensor) else torch.from_numpy(made)
    return pictures.flatten(0, -4) if pictures.dim() > 4 else pictures


def spread_frames(pictures: Tensor, clips: int) -> Tensor:
    """Return at most `CLIP_FRAMES` frames of each clip, evenly spread; pictures come back as they are.

    Args:
        pictures: As `make_pictures` returned them.
        clips: How many clips, or pictures, the call made.
    """
    frames = pictures.unflatten(0, (clips, -1))
    count = frames.shape[1]
    chosen = torch.linspace(0, count - 1, min(count, CLIP_FRAMES)).round().long()
    return frames[:, chosen].flatten(0, 1)


def call_arguments(setup: Setup, call: Call) -> dict[str, Any]:
    """Return the arguments of the pipeline call for these prompts and seeds, knobs of stage CALL included."""
    arguments = {"prompt": list(call.prompts), **plain_arguments(setup), "output_type": "pt"}
    return arguments | first_noise(setup, call.seeds) | setup.call


def plain_arguments(setup: Setup) -> dict[str, Any]:
    """Return the arguments of every call, as far as this pipeline takes them: steps, guidance and size."""
    workload = setup.workload
    wanted: dict[str, Any] = {
        "num_inference_steps": workload.steps,
        "guidance_scale": workload.guidance,
        "height": workload.height_px,
        "width": workload.width_px,
    }
    return {name: value for name, value in wanted.items() if name in taken_arguments(setup.pipeline)}


def fixed_arguments(setup: Setup) -> dict[str, Any]:
    """Return the arguments that some families need so as to make the workload's very size."""
    wanted: dict[str, Any] = {
        "num_frames": setup.workload.frames,
        "use_resolution_binning": False,  # else PixArt and Sana draw another size and stretch it
    }
    return {name: value for name, value in wanted.items() if name in taken_arguments(setup.pipeline)}


def taken_arguments(pipeline: Any) -> frozenset[str]:
    """Return the names of the arguments that a pipeline's call takes."""
    return frozenset(inspect.signature(type(pipeline).__call__).parameters)


def first_noise(setup: Setup, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return the argument that fixes the first latents: drawn on the CPU, one generator a picture.

    Drawn on the device, noise would depend on it, and every recipe would paint something else. A UNet's
    latents are drawn here, so that a scheduler that draws noise of its own does not move them; the other
    families' are packed, or scaled, by their pipeline, and get the generators: see `noise_in_32_bits`.
    """
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    denoiser = getattr(setup.pipeline, "unet", None)
    if denoiser is None:
        return {"generator": generators}
    scale = int(setup.pipeline.vae_scale_factor)
    shape = (
        int(denoiser.config.in_channels),
        setup.workload.height_px // scale,
        setup.workload.width_px // scale,
    )
    noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
    dtype = denoiser.dtype
    return {"latents": noise.to(dtype=dtype if dtype.is_floating_point else torch.float32)}


@contextmanager
def noise_in_32_bits(pipeline: Any) -> Iterator[None]:
    """Let a pipeline and its scheduler draw their noise in float32 and round it to the dtype that they want.

    Up to torch 2.12, 16 bits drawn on a CPU are other numbers than 32 (seen in 2.11; 2.13 rounds by itself):
    recipes of another dtype would paint another picture.
    """
    parts = [part for part in (pipeline, getattr(pipeline, "scheduler", None)) if part is not None]
    names = {kind.__module__ for part in parts for kind in type(part).__mro__}
    modules = [sys.modules[name] for name in sorted(names) if hasattr(sys.modules.get(name), "randn_tensor")]
    draws = [vars(module)["randn_tensor"] for module in modules]
    for module, draw in zip(modules, draws, strict=True):
        vars(module)["randn_tensor"] = _rounded(draw)
    try:
        yield
    finally:
        for module, draw in zip(modules, draws, strict=True):
            vars(module)["randn_tensor"] = draw


def _rounded(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What draws noise in float32, whatever dtype is asked for, and rounds it to that."""

    @functools.wraps(draw)
    def drawn(
        shape: Any,
        generator: Any = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        layout: Any = None,
    ) -> Tensor:
        noise = draw(shape, generator=generator, device=device, dtype=torch.float32, layout=layout)
        return noise if dtype is None else noise.to(dtype)

    return drawn
