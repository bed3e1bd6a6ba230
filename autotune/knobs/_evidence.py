"""Evidence: experiments on a finished pipeline, for the `applied` of several knobs."""

from typing import Any

from autotune.knob import Setup


def shape_seen_by_decoder(setup: Setup) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of one call's latents, and of the first piece that the VAE's decoder is given of them.

    The VAE's own `decode` is called, but stopped as soon as it hands anything to its decoder.
    """
    import torch

    vae = setup.pipeline.vae
    scale = setup.pipeline.vae_scale_factor
    shape = (
        setup.workload.batch,
        vae.config.latent_channels,
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


def compiled_versions(function: Any) -> int:
    """Return how many compiled versions of a function exist: 0 when never compiled, or never called since.

    Functions are looked at through their decorators, each of which may be what was compiled.
    """
    from torch._dynamo.eval_frame import _debug_get_cache_entry_list

    count = 0
    while function is not None:
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        count += len(_debug_get_cache_entry_list(code)) if code is not None else 0
        function = getattr(function, "__wrapped__", None)
    return count


def compiled_modules(part: Any) -> list[Any]:
    """Return the modules of a part, itself included, that are called through `torch.compile`."""
    return [module for module in part.modules() if getattr(module, "_compiled_call_impl", None) is not None]


def compiler_options(module: Any) -> dict[str, Any]:
    """Return the options that a compiled module hands to the code generator; empty for other backends."""
    import inspect

    from torch._dynamo.eval_frame import innermost_backend

    callback = inspect.getclosurevars(module._compiled_call_impl).nonlocals.get("callback")  # noqa: SLF001
    return dict(getattr(innermost_backend(callback), "config", {}))
