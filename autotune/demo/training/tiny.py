"""The tiny stage: a much cheaper autoencoder for the very same latents."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import nn

from autotune.demo.training.autoencoder import load_latents, picture_losses
from autotune.demo.training.loop import Losses, Plan, fit
from autotune.demo.training.pictures import HELD_OUT, batch_of, load_pictures, psnr

_BATCH = 8
_WIDTH = 24
_ENCODED = 0.25


def new_tiny(channels: int) -> AutoencoderTiny:
    """Return an untrained tiny autoencoder for 16x16 latents with these channels.

    Its decoder has no blocks at full resolution, where the full decoder spends
    most of its time.
    """
    model: AutoencoderTiny = AutoencoderTiny(
        encoder_block_out_channels=(_WIDTH,) * 4,
        decoder_block_out_channels=(_WIDTH,) * 4,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(3, 3, 2, 0),
        latent_channels=channels,
        scaling_factor=1.0,
        force_upcast=False,
    )
    return model.to(memory_format=torch.channels_last)


def train_tiny(folder: Path, plan: Plan) -> None:
    """Train both halves on the full autoencoder's latents; save to ``vae_tiny``."""
    pictures, latents = load_pictures(folder, plan.device), load_latents(folder, plan.device)
    model, rng = new_tiny(latents.shape[1]).to(plan.device), np.random.default_rng(2)
    size = plan.batch(_BATCH)

    def losses_of_batch() -> Losses:
        chosen = rng.integers(HELD_OUT, len(pictures), size)
        wanted = batch_of(pictures, chosen)
        codes = latents[torch.from_numpy(chosen).to(plan.device)].float()
        noisy = codes + 0.03 * torch.randn_like(codes)
        losses = picture_losses(model.decode(noisy).sample, wanted)
        if rng.random() < _ENCODED:
            encoded = model.encode(wanted).latents
            losses["loss"] = losses["loss"] + 0.2 * F.mse_loss(encoded, codes)
        return losses

    @torch.no_grad()
    def measure(_: nn.Module) -> dict[str, float]:
        return {"psnr": psnr(model.decode(latents[:64].float()).sample, batch_of(pictures, range(64)))}

    fit(model, losses_of_batch, plan=plan, folder=folder, measure=measure)
    model.save_pretrained(folder / "vae_tiny")
