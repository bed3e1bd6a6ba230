"""channels_last: the memory layout that convolution kernels like best, for faster UNets and VAEs."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where a noticeable share of the denoiser's or VAE's weights is in convolutions."""
    blueprint = situation.blueprint
    parts = [blueprint.parts[name] for name in ("unet", "transformer", "vae") if name in blueprint.parts]
    if not any(part.conv_share > 0.1 for part in parts):
        return Choice((False,), why="neither the denoiser nor the VAE is made of convolutions")
    if any(word in part.class_name for part in parts for word in ("3D", "Wan", "LTX", "Video")):
        return Choice((False,), why="the layout is for pictures: models of video have convolutions over time")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Lay the weights of denoiser and VAE out channels last."""
    import torch

    for name in ("unet", "transformer", "vae"):
        part = getattr(setup.pipeline, name, None)
        if part is not None:
            part.to(memory_format=torch.channels_last)


def applied(setup: Setup, value: bool) -> str | None:
    """Look at the strides of every convolution weight."""
    import torch

    seen = 0
    for name in ("unet", "transformer", "vae"):
        part = getattr(setup.pipeline, name, None)
        for path, weight in part.named_parameters() if part is not None else ():
            # A 1 x 1 kernel or a single channel has one layout only: nothing to see there.
            if weight.dim() != 4 or weight.shape[1] == 1 or weight.shape[2] * weight.shape[3] == 1:
                continue
            seen += 1
            if weight.device.type != "meta" and not weight.is_contiguous(memory_format=torch.channels_last):
                return (
                    f"{name}.{path} is not laid out channels last: its strides are {tuple(weight.stride())}."
                )
    return None if seen else "No convolution weight has a layout that could be changed."


KNOB = Knob(
    name="channels_last",
    summary="Lays convolution weights out channels last, which tensor cores and oneDNN prefer.",
    stage=Stage.EDIT,
    order=60,
    touches=frozenset({Touches.STEP, Touches.DECODE}),
    domain=domain,
    turn=turn,
    applied=applied,
)
