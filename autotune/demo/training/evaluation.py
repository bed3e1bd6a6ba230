"""The evaluate stage: sample unseen prompts, ask the judge, write the evidence."""

import csv
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from PIL import Image

from autotune.demo.brush import Pixels
from autotune.demo.judge import Images, load_judge, obedience
from autotune.demo.postcards import full_caption, render
from autotune.demo.training.autoencoder import load_latents
from autotune.demo.training.judging import judge_accuracy
from autotune.demo.training.packaging import assemble, training_times
from autotune.demo.training.pictures import (
    HELD_OUT,
    batch_of,
    load_pictures,
    psnr,
    scenes,
    unseen_scenes,
)

PROMPTS = 64
"""Number of unseen prompts the model is judged on, unless fewer are asked for."""

SHIPPED_JUDGE = "obedience by the judge that ships"
PSNRS = "PSNR in dB on 64 held-out pictures"
STEPS = 20
"""Denoising steps of every sample."""

_BATCH = 16
_SHOWN = 3.0
_LOG = logging.getLogger(__name__)


def first_latents(seeds: Sequence[int], channels: int) -> torch.Tensor:
    """Return the first latents of these seeds, one generator each, in fp32."""
    return torch.stack(
        [torch.randn(channels, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def sample(pipe: StableDiffusionPipeline, prompts: list[str], *, guidance: float) -> Images:
    """Return one picture for each prompt; the seeds are 1000, 1001 and so on."""
    channels, device = int(pipe.unet.config.in_channels), pipe.device
    parts = []
    for start in range(0, len(prompts), _BATCH):
        chosen = prompts[start : start + _BATCH]
        found = pipe(
            chosen,
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            latents=first_latents(range(1000 + start, 1000 + start + len(chosen)), channels).to(device),
            output_type="np",
        )
        parts.append(found.images)
    return np.concatenate(parts).astype(np.float32)


def grid(pictures: Sequence[Pixels], columns: int, *, gap: int = 2) -> Image.Image:
    """Return the pictures in rows from left to right on white."""
    side = pictures[0].shape[0] + gap
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side + gap, rows * side + gap), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(picture), (gap + column * side, gap + row * side))
    return sheet


def as_pixels(images: Images) -> list[Pixels]:
    """Return pictures from 0 to 1 as 8-bit pictures."""
    return list((images.clip(0, 1) * 255).round().astype(np.uint8))


def evaluate(folder: Path, target: Path, *, count: int = PROMPTS, device: str = "cpu") -> None:
    """Write ``score.json``, ``losses.csv``, ``samples.png`` and ``data.png``.

    The scores are also kept in the work folder, for the model's card. Two judges mark the same pictures: the
    one that was trained on this model's decoder, and the one that ships, which marked the model that ships.

    Args:
        folder: Where the stages before have left what they made.
        target: Where the evidence is written.
        count: Number of unseen prompts.
        device: Where the pictures are made.
    """
    target.mkdir(parents=True, exist_ok=True)
    pipe = assemble(folder).to(device)
    asked = unseen_scenes(count)
    prompts = [full_caption(scene) for scene in asked]
    judge, other = load_judge(folder), load_judge()
    score: dict[str, Any] = {"prompts": len(prompts), "steps": STEPS, "obedience": {}, SHIPPED_JUDGE: {}}
    for guidance in (1.0, _SHOWN, 5.0):
        started = time.process_time()
        images = sample(pipe, prompts, guidance=guidance)
        spent = (time.process_time() - started) / len(prompts)
        marks = obedience(images, asked, judge=judge)
        score["obedience"][f"guidance {guidance:g}"] = _rounded(marks) | {
            "cpu_ms_per_picture": round(1000 * spent)
        }
        score[SHIPPED_JUDGE][f"guidance {guidance:g}"] = _rounded(obedience(images, asked, judge=other))
        _LOG.info("guidance %g: %s", guidance, _rounded(marks))
        if guidance == _SHOWN:
            grid(as_pixels(images[:32]), 8).save(target / "samples.png", optimize=True)
            shifted = [*asked[1:], asked[0]]
            score["judged against the next prompt"] = _rounded(obedience(images, shifted, judge=judge))
    drawn = np.stack([render(scene) for scene in asked]).astype(np.float32) / np.float32(255)
    score["drawn pictures of the same prompts"] = _rounded(obedience(drawn, asked, judge=judge))
    score["judge accuracy on held-out pictures"] = _rounded(
        judge_accuracy(judge, batch_of(load_pictures(folder), range(HELD_OUT)))
    )
    score |= _autoencoder_scores(folder, pipe, device) | _caption_gap(folder)
    for place in (folder, target):
        (place / "score.json").write_text(json.dumps(score, indent=1) + "\n")
    (target / "prompts.txt").write_text("\n".join(prompts[:32]) + "\n")
    grid([render(scene) for scene in scenes(range(32))], 8).save(target / "data.png", optimize=True)
    write_losses(folder, target / "losses.csv")


def write_losses(folder: Path, target: Path) -> None:
    """Write the logs of all stages as one table: stage, step, seconds, name, value."""
    with target.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("stage", "step", "cpu_s", "wall_s", "figure", "value"))
        for path in sorted(folder.glob("*.csv")):
            with path.open(newline="") as log:
                for row in csv.DictReader(log):
                    when = (row.pop("step"), row.pop("cpu_s"), row.pop("wall_s"))
                    table.writerows((path.stem, *when, name, value) for name, value in row.items())


@torch.no_grad()
def _autoencoder_scores(folder: Path, pipe: StableDiffusionPipeline, device: str) -> dict[str, Any]:
    wanted = batch_of(load_pictures(folder), range(64)).to(device)
    codes = load_latents(folder, device)[:64].float()
    full = pipe.vae.decode(codes).sample
    tiny = AutoencoderTiny.from_pretrained(folder / "vae_tiny").to(device).decode(codes).sample
    return {
        PSNRS: {
            "full autoencoder": round(psnr(full, wanted), 2),
            "tiny decoder": round(psnr(tiny, wanted), 2),
            "tiny against full decoder": round(psnr(tiny, full.clamp(-1, 1)), 2),
        }
    }


def _caption_gap(folder: Path) -> dict[str, Any]:
    last = training_times(folder)["unet"]
    right, wrong = last["val"], last["val_wrong_caption"]
    return {
        "held-out velocity error": {
            "right caption": right,
            "wrong caption": wrong,
            "gap": round(wrong - right, 4),
        }
    }


def _rounded(marks: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in marks.items()}
