"""attention_slicing: attention in slices, for less memory where the fused kernels are not available."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where attention can be sliced; a transformer would ignore the call without a word."""
    if not situation.blueprint.can("attention_slicing"):
        return Choice(
            ("none",), why="this denoiser's attention cannot be sliced: diffusers would ignore the request"
        )
    return Choice(("none", "auto", "max"))


def turn(setup: Setup, value: str) -> None:
    """Slice the attention of the denoiser: in two ("auto") or head by head ("max")."""
    setup.pipeline.unet.set_attention_slice(value)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what slicing would undo: it installs attention processors of its own."""
    if settings.get("attention_slicing", "none") == "none":
        return None
    if settings.get("fuse_qkv", False):
        return "attention_slicing replaces the processors that use the fused projections of fuse_qkv."
    if settings.get("attention", "sdpa") != "sdpa":
        return f"attention_slicing replaces the processors or kernels of attention = {settings['attention']}."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the class of each attention processor and at how many heads it takes at once."""
    part = getattr(setup.pipeline, "unet", None)
    if part is None:
        return "This pipeline has no UNet to slice."
    processors = part.attn_processors.values()
    unsliced = sorted({type(p).__name__ for p in processors if not type(p).__name__.startswith("Sliced")})
    if unsliced:
        return f"Attention is still computed by {', '.join(unsliced)}."
    if value == "max" and any(processor.slice_size != 1 for processor in processors):
        return "Attention is sliced, but not head by head."
    return None


KNOB = Knob(
    name="attention_slicing",
    summary="Computes attention in slices: slower; saves memory only without fused kernels.",
    stage=Stage.EDIT,
    order=75,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
