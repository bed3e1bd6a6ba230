"""The denoiser stage: UNet and text encoder, trained together on the latents."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from autotune.demo.tokenizer import MAX_TOKENS, build_tokenizer
from autotune.demo.training.autoencoder import load_latents
from autotune.demo.training.loop import Losses, Plan, fit
from autotune.demo.training.pictures import HELD_OUT, load_captions
from autotune.demo.training.workers import worker, workers

_BATCH = 32
_WIDTH = 128
_WITHOUT_CAPTION = 0.1


def new_scheduler() -> DDIMScheduler:
    """Return the noise schedule: velocity prediction, trailing time steps."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained two-layer CLIP text encoder for this tokenizer."""
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=_WIDTH,
            intermediate_size=4 * _WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=_WIDTH,
        )
    )
    for name, weight in model.named_parameters():
        if "embedding" in name:
            # CLIP's default deviation of 0.02 makes all words look alike for a
            # long time when the encoder starts from nothing.
            nn.init.normal_(weight, std=0.3)
    return model


def new_unet(channels: int) -> UNet2DConditionModel:
    """Return an untrained UNet for 16x16 latents that starts by predicting zero."""
    model: UNet2DConditionModel = UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH,
        attention_head_dim=[1, 2, 3],
        norm_num_groups=16,
    )
    nn.init.zeros_(model.conv_out.weight)
    return model.to(memory_format=torch.channels_last)


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Return the padded token ids of the texts, shape (texts, 32)."""
    found = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True)
    return torch.tensor(found["input_ids"])


def stratified_steps(batch: int, device: str = "cpu") -> Tensor:
    """Return one random time step from each of ``batch`` equal parts of 0 to 999."""
    places = torch.arange(batch, device=device) + torch.rand(batch, device=device)
    return (places / batch * 1000).long().clamp(0, 999)


class Velocity:
    """The squared error of the predicted velocity on noised latents."""

    def __init__(self, model: nn.Module) -> None:
        """Measure ``model``, which holds ``unet`` and ``text_encoder``."""
        self._model = model
        self._kept = new_scheduler().alphas_cumprod.to(next(model.parameters()).device)

    def __call__(self, latents: Tensor, ids: Tensor, *, steps: Tensor, noise: Tensor) -> Tensor:
        """Return the error of each latent of the batch."""
        kept = self._kept[steps].view(-1, 1, 1, 1)
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        wanted = kept.sqrt() * noise - (1 - kept).sqrt() * latents
        words = self._model.get_submodule("text_encoder")(ids).last_hidden_state
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        found = self._model.get_submodule("unet")(noisy, steps, words).sample
        return F.mse_loss(found, wanted, reduction="none").mean((1, 2, 3))


def train_denoiser(folder: Path, plan: Plan) -> None:
    """Train on the whitened latents; save tokenizer, text encoder, UNet, scheduler."""
    captions = load_captions(folder)
    tokenizer = build_tokenizer([text for texts in captions for text in texts])
    tokenizer.save_pretrained(folder / "tokenizer")
    new_scheduler().save_pretrained(folder / "scheduler")
    device = plan.device
    latents = load_latents(folder, device).float()
    flat = token_ids(tokenizer, [text for texts in captions for text in texts])
    ids = flat.view(len(captions), -1, MAX_TOKENS).to(device)
    nothing = token_ids(tokenizer, [""])[0].to(device)
    model = nn.ModuleDict({"unet": new_unet(latents.shape[1]), "text_encoder": new_text_encoder(tokenizer)})
    error = Velocity(model.to(device))
    batch = plan.batch(_BATCH) // workers()
    torch.manual_seed(worker())

    def losses_of_batch() -> Losses:
        chosen = torch.randint(HELD_OUT, len(latents), (batch,), device=device)
        words = ids[chosen, torch.randint(0, ids.shape[1], (batch,), device=device)]
        is_left_out = torch.rand(batch, device=device) < _WITHOUT_CAPTION
        words = torch.where(is_left_out[:, None], nothing, words)
        clean = latents[chosen]
        steps, noise = stratified_steps(batch, device), torch.randn_like(clean)
        return {"loss": error(clean, words, steps=steps, noise=noise).mean()}

    measure = _measure_and_keep(latents[:HELD_OUT], ids[:HELD_OUT, 0], folder=folder)
    plan = replace(plan, betas=(0.9, 0.98), average=0.999, log_every_s=90.0)
    fit(model, losses_of_batch, plan=plan, folder=folder, measure=measure)


def _measure_and_keep(
    latents: Tensor, ids: Tensor, *, folder: Path
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that measures the held-out error and saves the weights."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1)).to(latents.device)
    steps = torch.linspace(10, 990, len(latents)).long().to(latents.device)

    @torch.no_grad()
    def measure(model: nn.Module) -> dict[str, float]:
        error = Velocity(model)
        found = {"val": 0.0, "val_wrong_caption": 0.0}
        for name, words in (("val", ids), ("val_wrong_caption", ids.roll(1, 0))):
            parts = [
                error(latents[p], words[p], steps=steps[p], noise=noise[p])
                for p in torch.arange(len(latents), device=latents.device).split(64)
            ]
            found[name] = float(torch.cat(parts).mean())
        for part in ("unet", "text_encoder"):
            model.get_submodule(part).save_pretrained(folder / part)
        return found

    return measure
