"""The autoencoder stages: latents from a half-size model, then the full-size model.

The half-size model (:func:`train_sketcher`) decides what a latent means and does
not ship. The full-size model that ships learns to decode and encode the same
latents, which can go on while the denoiser is already being trained on them.
"""

import hashlib
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autotune.demo.training.loop import Losses, Plan, fit
from autotune.demo.training.pictures import HELD_OUT, batch_of, load_pictures, psnr

LATENT_CHANNELS = 4
"""Channels of a latent; its height and width are 16."""

_SMALL_BATCH, _FULL_BATCH = 8, 4
_ENCODED_AT_ONCE = 32
_KL_WEIGHT = 1e-3
_FLIPPED = 0.5
_ENCODED = 0.2
_LOG = logging.getLogger(__name__)


def new_sketcher() -> AutoencoderKL:
    """Return an untrained autoencoder from half-size 64x64 pictures to 16x16 latents."""
    return _new_autoencoder((16, 32, 64), side=64)


def new_autoencoder() -> AutoencoderKL:
    """Return an untrained autoencoder from 128x128 pictures to 16x16 latents."""
    return _new_autoencoder((16, 32, 64, 64), side=128)


def picture_losses(found: Tensor, wanted: Tensor, *, squared: float = 0.25) -> Losses:
    """Return the picture losses: absolute, of the gradients, and squared.

    The loss on differences between neighbouring pixels is what keeps edges
    sharp; the squared one is what gets large areas their colour early.
    """
    absolute = F.l1_loss(found, wanted)
    slopes = sum(
        (F.l1_loss(found.diff(dim=dim), wanted.diff(dim=dim)) for dim in (-1, -2)),
        torch.zeros((), device=found.device),
    )
    loss = absolute + 0.5 * slopes + squared * F.mse_loss(found, wanted)
    return {"loss": loss, "l1": absolute}


def halved(pictures: Tensor) -> Tensor:
    """Return the pictures averaged down to half their height and width."""
    small = F.avg_pool2d(pictures, 2)
    return small.contiguous(memory_format=torch.channels_last)


def train_sketcher(folder: Path, plan: Plan) -> None:
    """Train the autoencoder that defines the latents; save it to ``<folder>/sketcher``.

    It works at half size. There a latent stands for a twelfth of its picture's
    numbers instead of a forty-eighth, which is learnt many times faster than
    the same latents for full-size pictures from nothing.
    """
    pictures, rng = load_pictures(folder, plan.device), np.random.default_rng(0)
    model, size = new_sketcher().to(plan.device), plan.batch(_SMALL_BATCH)
    held_out = halved(batch_of(pictures, range(64)))

    def losses_of_batch() -> Losses:
        wanted = halved(batch_of(pictures, rng.integers(HELD_OUT, len(pictures), size)))
        if rng.random() < _FLIPPED:
            wanted = wanted.flip(-1)
        spread = model.encode(wanted).latent_dist
        losses = picture_losses(model.decode(spread.sample()).sample, wanted, squared=2.0)
        divergence = spread.kl().mean() / spread.mean[0].numel()
        losses["loss"] = losses["loss"] + _KL_WEIGHT * divergence
        return losses | {"kl": divergence}

    @torch.no_grad()
    def measure(_: nn.Module) -> dict[str, float]:
        codes = model.encode(held_out).latent_dist.mean
        return {"psnr": psnr(model.decode(codes).sample, held_out)}

    fit(model, losses_of_batch, plan=plan, folder=folder, measure=measure)
    model.save_pretrained(folder / "sketcher")


@torch.no_grad()
def encode_pictures(folder: Path, device: str = "cpu") -> None:
    """Encode every picture once and keep the latents in ``latents.safetensors``.

    Nothing is done where the latents that are there were made by the sketcher that is there.

    Every channel is shifted and scaled to mean 0 and deviation 1 over all
    pictures, so that the ``scaling_factor`` of the models that use them is 1.
    """
    weights = (folder / "sketcher" / "diffusion_pytorch_model.safetensors").read_bytes()
    made, maker = folder / "latents.safetensors", hashlib.sha256(weights).hexdigest()
    if made.exists() and _maker_of(made) == maker:
        return
    model = AutoencoderKL.from_pretrained(folder / "sketcher")
    model.to(device, memory_format=torch.channels_last)
    pictures = load_pictures(folder, device)

    @torch.no_grad()
    def encoded(start: int) -> Tensor:
        chosen = range(start, min(start + _ENCODED_AT_ONCE, len(pictures)))
        mean: Tensor = model.encode(halved(batch_of(pictures, chosen))).latent_dist.mean
        return mean.cpu()

    with ThreadPoolExecutor(2) as pool:
        codes = torch.cat(list(pool.map(encoded, range(0, len(pictures), _ENCODED_AT_ONCE))))
    deviation, mean = torch.std_mean(codes, dim=(0, 2, 3), keepdim=True)
    _LOG.info("encode: deviations %s", deviation.flatten().tolist())
    white = ((codes - mean) / deviation).half().contiguous()
    save_file({"latents": white}, made, metadata={"sketcher": maker})


def _maker_of(latents: Path) -> str:
    with safe_open(latents, framework="pt") as file:
        return str((file.metadata() or {}).get("sketcher", ""))


def load_latents(folder: Path, device: str = "cpu") -> Tensor:
    """Return the whitened latents, fp16, shape (scenes, 4, 16, 16)."""
    return load_file(folder / "latents.safetensors")["latents"].to(device)


def train_autoencoder(folder: Path, plan: Plan) -> None:
    """Train the full-size autoencoder on the frozen latents; save it to ``<folder>/vae``.

    The decoder learns to draw the full picture from a latent. A little noise on
    the latents prepares it for those that the denoiser draws. The encoder,
    which text-to-image does not use, learns to find the latent of a picture.
    """
    pictures, latents = load_pictures(folder, plan.device), load_latents(folder, plan.device)
    model, rng = new_autoencoder().to(plan.device), np.random.default_rng(1)
    size = plan.batch(_FULL_BATCH)
    _fix_spread(model)

    def losses_of_batch() -> Losses:
        chosen = rng.integers(HELD_OUT, len(pictures), size)
        wanted = batch_of(pictures, chosen)
        codes = latents[torch.from_numpy(chosen).to(plan.device)].float()
        noisy = codes + 0.03 * torch.randn_like(codes)
        losses = picture_losses(model.decode(noisy).sample, wanted, squared=1.0)
        if rng.random() < _ENCODED:
            found = model.encode(wanted).latent_dist.mean
            losses["loss"] = losses["loss"] + F.mse_loss(found, codes)
        return losses

    held_out, codes = batch_of(pictures, range(32)), latents[:32].float()

    @torch.no_grad()
    def measure(_: nn.Module) -> dict[str, float]:
        model.save_pretrained(folder / "vae")
        found = model.encode(held_out).latent_dist.mean
        return {
            "psnr": psnr(model.decode(codes).sample, held_out),
            "psnr_encoded": psnr(model.decode(found).sample, held_out),
        }

    plan = replace(plan, log_every_s=60.0)
    fit(model, losses_of_batch, plan=plan, folder=folder, measure=measure)
    _fix_spread(model)
    model.save_pretrained(folder / "vae")


@torch.no_grad()
def _fix_spread(model: AutoencoderKL) -> None:
    """Make the encoder answer the same small deviation of 0.05 for every picture."""
    model.quant_conv.weight[LATENT_CHANNELS:] = 0.0
    model.quant_conv.bias[LATENT_CHANNELS:] = 2 * math.log(0.05)


def _new_autoencoder(widths: tuple[int, ...], *, side: int) -> AutoencoderKL:
    model: AutoencoderKL = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=side,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        force_upcast=False,
    )
    return model.to(memory_format=torch.channels_last)
