"""Compiling: what the knobs that compile share: what breaks a graph, what forbids CUDA graphs, what ran."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from autotune.knob import Settings, Situation
from autotune.knobs._evidence import compiled_modules, compiled_versions

NO_COMPILER = "torch.compile cannot build kernels here: install g++, or Triton for a GPU"
GRAPH_MODES = ("reduce-overhead", "max-autotune")
"""The modes that record CUDA graphs."""


def is_anything_compiled(settings: Settings) -> bool:
    """Whether any part is compiled in this recipe."""
    parts = bool(settings.get("compile_vae", False)) or bool(settings.get("compile_text_encoder", False))
    return parts or settings.get("compile", "none") != "none"


def why_broken(settings: Settings, situation: Situation) -> str:
    """Return what in this recipe breaks a graph and why, "" when nothing does."""
    around = [name for name in ("compile_vae", "compile_text_encoder") if settings.get(name, False)]
    around += ["compile = full"] if settings.get("compile", "none") == "full" else []
    if settings.get("offload", "none") == "model" and around:
        return f"offload = model ({around[0]} would have to look into its hook, accelerate #3885)"
    if settings.get("compile", "none") == "none":
        return ""
    return _why_cache_breaks(settings) or _why_layers_break(settings, situation)


def _why_cache_breaks(settings: Settings) -> str:
    cache = str(settings.get("step_cache", "none")).partition(":")[0]
    if cache in ("pab", "fastercache"):
        return f"step_cache = {cache} (it branches on the timestep, seen with diffusers 0.42)"
    if cache != "none":
        return (
            f"step_cache = {cache} (it decides in a function marked torch.compiler.disable, diffusers 0.42)"
        )
    return ""


def _why_layers_break(settings: Settings, situation: Situation) -> str:
    offload = str(settings.get("offload", "none"))
    # A UNet's groups are whole stages, which hold the blocks that are compiled one by one.
    is_unet = situation.blueprint.denoiser == "unet"
    is_outside = is_unet and offload == "group_block" and settings.get("compile") == "regional"
    if offload.startswith("group") and not is_outside:
        return f"offload = {offload} (its hooks are marked torch.compiler.disable, diffusers 0.42)"
    if "xformers" in str(settings.get("attention", "sdpa")):
        return "attention = xformers (its operators break the graph, xformers #765)"
    return ""


def why_no_cuda_graphs(settings: Settings) -> str:
    """Return why the denoiser of this recipe cannot be recorded as CUDA graphs, "" when it can."""
    if settings.get("compile") == "regional":
        return "needs compile = full: the graphs of blocks overwrite one another's outputs (pytorch #152887)"
    if settings.get("offload", "none") != "none":
        return "does not go with offload: recorded weights must stay where they are (diffusers #8879)"
    if settings.get("step_cache", "none") != "none":
        return "does not go with step_cache: what it keeps for later steps is overwritten (PyTorch docs)"
    if settings.get("compile_dynamic", "auto") == "true":
        return "does not go with compile_dynamic = true: a recorded graph has one size"
    return "does not go with guidance_cutoff: the batch changes midway" if changes_batch(settings) else ""


def changes_batch(settings: Settings) -> bool:
    """Whether the denoiser is called with batches of two sizes in this recipe."""
    return 0 < float(settings.get("guidance_cutoff", 1.0)) < 1


def denoisers(pipeline: Any) -> list[Any]:
    """Return the parts that are run at every step: one, or the two that Wan 2.2 takes turns with."""
    parts = [getattr(pipeline, name, None) for name in ("unet", "transformer", "transformer_2")]
    return [part for part in parts if part is not None]


def text_encoders(pipeline: Any) -> list[Any]:
    """Return the text encoders that the pipeline holds."""
    found = [part for name, part in pipeline.components.items() if name.startswith("text_encoder")]
    return [part for part in found if part is not None]


def compiled_parts(pipeline: Any) -> list[tuple[str, list[str], Any]]:
    """Return all that is called compiled: denoisers, text encoders and the VAE's `decode`."""
    calls = list(compiled_calls([*denoisers(pipeline), *text_encoders(pipeline)]))
    decode = getattr(getattr(pipeline, "vae", None), "decode", None)
    plain = getattr(decode, "_torchdynamo_orig_callable", None)
    if plain is None:
        return calls
    compiler = _compiler(decode)
    return [*calls, ("VAE", compiled_versions(plain, compiler), compiler)]


def compiled_calls(parts: Iterable[Any]) -> Iterator[tuple[str, list[str], Any]]:
    """Yield each module that is called compiled: its class, its compiled versions, and its compiler.

    Where a loop over its blocks was broken, torch leaves a module alone and compiles what it calls.
    """
    for part in parts:
        for module in compiled_modules(part):
            compiler = _compiler(module._compiled_call_impl)  # noqa: SLF001
            versions = (compiled_versions(child.forward, compiler) for child in module.modules())
            yield type(module).__name__, next(filter(None, versions), []), compiler


def options_of(compiler: Any) -> dict[str, Any]:
    """Return the options that a compiler was given; torch keeps them where it likes for each of them."""
    kept = getattr(compiler, "config", None)
    return dict(kept if kept is not None else getattr(compiler, "kwargs", {}).get("options", {}))


def has_open_sizes(guards: str) -> bool:
    """Whether a compiled version takes tensors of several sizes."""
    return re.search(r"size=\[[^\]]*\bNone\b", guards) is not None


def has_frozen_weights(guards: str) -> bool:
    """Whether a compiled version holds for one set of weights only, which became part of it."""
    return re.search(r"ID_MATCH: ___check_obj_id\([^\n]*_parameters\[", guards) is not None


def _compiler(compiled: Any) -> Any:
    import inspect

    from torch._dynamo.eval_frame import innermost_backend

    return innermost_backend(inspect.getclosurevars(compiled).nonlocals.get("callback"))
