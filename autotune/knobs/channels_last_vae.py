"""channels_last_vae: the memory layout that convolution kernels like best, for a faster decode."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it for the VAEs of pictures: convolutions over time reject the layout."""
    part = situation.blueprint.parts.get("vae")
    if part is None:
        return Choice((False,), why="this pipeline has no VAE")
    if any(word in part.class_name for word in ("Wan", "LTX", "Video", "3D")):
        return Choice((False,), why="this VAE decodes video: its convolutions over time reject the layout")
    if part.conv_share <= 0.1:
        return Choice((False,), why="this VAE is not made of two-dimensional convolutions")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Lay the VAE's weights out channels last; what it computes from them follows."""
    import torch

    setup.pipeline.vae.to(memory_format=torch.channels_last)


def applied(setup: Setup, value: bool) -> str | None:
    """Look at the strides of every convolution weight."""
    from autotune.knobs._evidence import why_not_channels_last

    return why_not_channels_last(setup.pipeline.vae, "vae")


KNOB = Knob(
    name="channels_last_vae",
    summary="Lays the VAE's convolution weights out channels last, as tensor cores and oneDNN prefer.",
    stage=Stage.EDIT,
    order=62,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY}),
    domain=domain,
    turn=turn,
    applied=applied,
)
