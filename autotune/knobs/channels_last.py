"""channels_last: the memory layout that convolution kernels like best, for a faster denoiser."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where a noticeable share of the denoiser's weights is in convolutions over two dimensions."""
    blueprint = situation.blueprint
    part = blueprint.parts.get(blueprint.denoiser or "")
    if part is None:
        return Choice((False,), why="this pipeline has no denoiser that is known here")
    # `conv_share` counts convolutions of pictures only: those over time reject the layout (Wan: "required
    # rank 4 tensor").
    if part.conv_share <= 0.1:
        return Choice((False,), why="the denoiser is not made of two-dimensional convolutions")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Lay the denoiser's weights out channels last; what it computes from them follows."""
    import torch

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    part.to(memory_format=torch.channels_last)


def applied(setup: Setup, value: bool) -> str | None:
    """Look at the strides of every convolution weight."""
    from autotune.knobs._evidence import why_not_channels_last

    name = "unet" if getattr(setup.pipeline, "unet", None) is not None else "transformer"
    return why_not_channels_last(getattr(setup.pipeline, name), name)


KNOB = Knob(
    name="channels_last",
    summary="Lays the denoiser's convolution weights out channels last, as tensor cores and oneDNN prefer.",
    stage=Stage.EDIT,
    order=60,
    touches=frozenset({Touches.STEP}),
    domain=domain,
    turn=turn,
    applied=applied,
)
