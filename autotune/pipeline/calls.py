"""One call of the pipeline: the same prompts and the same first latents for every recipe."""

from typing import Any

import torch
from torch import Tensor

from autotune.knob import Setup
from autotune.workload import Call


def make_pictures(setup: Setup, call: Call, *, extra: dict[str, Any] | None = None) -> Tensor:
    """Run the pipeline once and wait for the device.

    Args:
        setup: A finished setup.
        call: Prompts and seeds.
        extra: Further arguments of the pipeline call.

    Returns:
        Shape (batch, 3, height, width), float32 on the CPU, values 0 to 1; NaN is kept.
    """
    arguments = call_arguments(setup, call) | (extra or {})
    with torch.inference_mode():
        output = setup.pipeline(**arguments)
    pictures = output.images
    if setup.device.startswith("cuda"):
        torch.cuda.synchronize(setup.device)
    return pictures.detach().float().cpu() if isinstance(pictures, Tensor) else torch.from_numpy(pictures)


def call_arguments(setup: Setup, call: Call) -> dict[str, Any]:
    """Return the arguments of the pipeline call for these prompts and seeds, knobs of stage CALL included."""
    workload = setup.workload
    arguments: dict[str, Any] = {
        "prompt": list(call.prompts),
        "num_inference_steps": workload.steps,
        "guidance_scale": workload.guidance,
        "height": workload.height_px,
        "width": workload.width_px,
        "output_type": "pt",
    }
    return arguments | first_noise(setup, call.seeds) | setup.call


def first_noise(setup: Setup, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return the argument that fixes the first latents: drawn on the CPU in 32 bits, one generator a picture.

    Drawn by the pipeline itself, noise would depend on dtype and device, and every recipe would paint
    something else. The families whose latents are packed by their pipeline get the generators instead.
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
