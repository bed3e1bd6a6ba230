"""conv1x1_to_linear: 1 x 1 convolutions as matrix products, which quantization and GPUs handle better."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where the denoiser has such convolutions and torchao is there to swap them."""
    if not situation.blueprint.can("conv_1x1"):
        return Choice((False,), why="the denoiser has no 1 x 1 convolutions")
    if not situation.target.has("torchao"):
        return Choice((False,), why="it needs the package 'torchao'")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Swap the denoiser's 1 x 1 convolutions for linear layers; strided or grouped ones are no products."""
    import torch
    from torchao.quantization import swap_conv2d_1x1_to_linear

    def is_product(module: torch.nn.Module, *_: object) -> bool:
        return (
            isinstance(module, torch.nn.Conv2d)
            and (module.kernel_size, module.stride, module.padding) == ((1, 1), (1, 1), (0, 0))
            and module.groups == 1
        )

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    swap_conv2d_1x1_to_linear(part, is_product)


def applied(setup: Setup, value: bool) -> str | None:
    """Count the convolutions that are left and the linear layers that took the others' place."""
    import torch

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    modules = list(part.modules())
    swapped = [module for module in modules if type(module).__name__ == "PermuteSandwich"]
    left = [
        module
        for module in modules
        if isinstance(module, torch.nn.Conv2d)
        and (module.kernel_size, module.stride, module.groups) == ((1, 1), (1, 1), 1)
    ]
    if left or not swapped:
        return f"{len(swapped)} of {len(swapped) + len(left)} 1 x 1 convolutions are linear layers."
    return None


KNOB = Knob(
    name="conv1x1_to_linear",
    summary="Computes the denoiser's 1 x 1 convolutions as linear layers, which quantization then reaches.",
    effect="A step of PyTorch's 'diffusion-fast' recipe for SDXL; no figure of its own.",
    stage=Stage.EDIT,
    order=35,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    applied=applied,
)
