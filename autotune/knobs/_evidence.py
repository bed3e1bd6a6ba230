"""Evidence: experiments on a finished pipeline, for the `applied` of several knobs."""

from typing import Any

from autotune.knob import Setup


def shape_seen_by_decoder(setup: Setup) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of one call's latents, and of the first piece that the VAE's decoder is given of them.

    The VAE's own `decode` is called, but stopped as soon as it hands anything to its decoder. Latents of a
    clip have five dimensions; two frames of them tell as much as all.
    """
    import torch

    vae = setup.pipeline.vae
    config = vae.config
    scale = pixels_per_latent(vae)
    is_clip = any(isinstance(module, torch.nn.Conv3d) for module in vae.decoder.modules())
    shape = (
        setup.workload.batch,
        getattr(config, "latent_channels", None) or config.z_dim,
        *((2,) if is_clip else ()),
        setup.workload.height_px // scale,
        setup.workload.width_px // scale,
    )
    seen: list[tuple[int, ...]] = []

    class EnoughSeenError(Exception):
        """The decoder was reached."""

    def look(_module: Any, arguments: tuple[Any, ...]) -> None:
        seen.append(tuple(arguments[0].shape))
        raise EnoughSeenError

    # The class's function, not the instance's attribute: that one may be compiled.
    decode = type(vae).decode
    handle = vae.decoder.register_forward_pre_hook(look)
    try:
        with torch.no_grad():
            decode(vae, torch.zeros(shape, dtype=vae.dtype, device=setup.device))
    except EnoughSeenError:
        pass
    finally:
        handle.remove()
        setup.pipeline.maybe_free_model_hooks()
    return shape, seen[0] if seen else ()


def pixels_per_latent(vae: Any) -> int:
    """Return how many pixels a latent stands for, to a side."""
    for name in ("spatial_compression_ratio", "spatial_scale_factor"):
        if hasattr(vae, name):
            return int(getattr(vae, name))
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def kept_in_fp32(part: Any, path: str, dtype: Any) -> bool:
    """Whether a model declares that a weight stays in 32 bits when the model is loaded in `dtype`.

    diffusers keeps what it declares in any format (Wan's time embedding and norms); transformers keeps one
    list in float16 only (T5's "wo") and another in bfloat16 too.
    """
    import torch

    if dtype == torch.float32:
        return False
    declared = set(getattr(part, "_keep_in_fp32_modules", None) or ())
    if type(part).__module__.startswith("transformers.") and dtype != torch.float16:
        declared = set()
    declared |= set(getattr(part, "_keep_in_fp32_modules_strict", None) or ())
    return not declared.isdisjoint(path.split("."))


def why_not_channels_last(part: Any, name: str) -> str | None:
    """Return which of a part's convolution weights is not laid out channels last, or None when all are.

    A 1 x 1 kernel or a single channel has one order of values only. Its strides still tell the kernels which
    layout is wanted, and they are what is looked at where a part has no other weights (Sana).
    """
    import torch

    weights = [
        (path, weight)
        for path, weight in part.named_parameters()
        if weight.dim() == 4 and weight.device.type != "meta"
    ]
    plain = [row for row in weights if row[1].shape[1] > 1 and row[1].shape[2] * row[1].shape[3] > 1]
    for path, weight in plain:
        if not weight.is_contiguous(memory_format=torch.channels_last):
            return f"{name}.{path} is not laid out channels last: its strides are {tuple(weight.stride())}."
    if plain:
        return None
    for path, weight in weights:
        _, channels, height, width = weight.shape
        if weight.stride() != (channels * height * width, 1, width * channels, channels):
            return f"{name}.{path} does not ask for channels last: its strides are {tuple(weight.stride())}."
    return None if weights else "No convolution weight has a layout that could be changed."


def compiled_versions(function: Any, compiler: Any) -> list[str]:
    """Return what each version of a function from a compiler demands of its inputs, in torch's words.

    None are there when it was never compiled, or never called since. Functions are looked at through their
    decorators and hooks, each of which may be what was compiled, and on behind what broke them.
    """
    from torch._dynamo.eval_frame import _debug_get_cache_entry_list

    found: list[str] = []
    while function is not None:
        # A hook's function is one for all modules that have it: the versions of this one's class count.
        owner = next(iter(getattr(function, "args", ())), None)
        plain = getattr(function, "func", getattr(function, "__func__", function))
        for code in _with_continuations(getattr(plain, "__code__", None)):
            # Modules of one class share their code, and with it what was compiled of it.
            entries = [each for each in _debug_get_cache_entry_list(code) if each.backend == compiler]
            guards = [str(entry.guard_manager) for entry in entries]
            found += [each for each in guards if owner is None or f".{type(owner).__name__}'" in each]
        function = getattr(function, "__wrapped__", None)
    return found


def _with_continuations(code: Any) -> list[Any]:
    """Return code and what torch made of its rest wherever something in it could not be compiled."""
    from torch._dynamo.resume_execution import ContinueExecutionCache

    if code is None:
        return []
    resumed = ContinueExecutionCache.cache.get(code, {}).values()
    return [code, *(each for rest in resumed for each in _with_continuations(rest))]


def compiled_modules(part: Any) -> list[Any]:
    """Return the modules of a part, itself included, that are called through `torch.compile`."""
    return [module for module in part.modules() if getattr(module, "_compiled_call_impl", None) is not None]
