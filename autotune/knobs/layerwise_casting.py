"""layerwise_casting: the denoiser's weights stored in 8 bits and cast when used, for half of their memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where the denoiser can cast; any device can store 8 bits, none needs to compute in them."""
    if not situation.blueprint.can("layerwise_casting"):
        return Choice(("none",), why="this denoiser cannot cast its layers one by one")
    # e5m2 keeps a bit less of each weight, for a range that weights do not need.
    return Choice(("none", "float8_e4m3fn"), on_request=("float8_e5m2",))


def turn(setup: Setup, value: str) -> None:
    """Store the weights of the denoiser's layers in 8 bits; each layer is cast while it runs."""
    import torch

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    part.enable_layerwise_casting(storage_dtype=getattr(torch, value), compute_dtype=part.dtype)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what cannot follow weights that change their format at each use."""
    if settings.get("layerwise_casting", "none") == "none":
        return None
    if settings.get("compile", "none") != "none":
        return (
            "layerwise_casting does not go with compile: it makes new parameters at each use, which breaks "
            "the graph of every layer ('torch.nn.Parameter() constructor', seen with diffusers 0.42)."
        )
    if settings.get("quantization", "none") != "none":
        return (
            "layerwise_casting does not go with quantization: those weights cannot be cast ('aten.to' of "
            "Int8Tensor, seen with torchao 0.18), and are small already."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Weigh the denoiser, and look at the format in which each layer that casts rests."""
    import torch

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    wanted = getattr(torch, value)
    weights = list(part.parameters())
    share = sum(w.numel() for w in weights if w.dtype == wanted) / max(1, sum(w.numel() for w in weights))
    if share < 0.3:
        return f"{share:.0%} of the denoiser's weights are stored in {value}."
    casting = [module for module in part.modules() if hasattr(module, "_diffusers_hook")]
    casting = [m for m in casting if m._diffusers_hook.get_hook("layerwise_casting") is not None]  # noqa: SLF001
    left = [m for m in casting if any(w.dtype != wanted for w in m.parameters(recurse=False))]
    if not casting or left:
        return f"{len(left)} of {len(casting)} casting layers do not rest in {value}."
    return None


KNOB = Knob(
    name="layerwise_casting",
    summary="Stores the denoiser's weights in 8 bits and casts each layer while it runs: smaller and slower.",
    effect="Half of the bytes of 16-bit weights (diffusers, 'Reduce memory usage').",
    stage=Stage.EDIT,
    order=65,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
