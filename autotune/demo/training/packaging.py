"""The package stage: put the trained parts together in the folder that ships."""

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

LARGEST_BYTES = 10_000_000
"""Most bytes that the model folder may hold."""

_LOG = logging.getLogger(__name__)


def assemble(folder: Path) -> StableDiffusionPipeline:
    """Return the pipeline of the trained parts in a work folder, in fp32."""
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def package(folder: Path, target: Path) -> None:
    """Write the pipeline, the tiny autoencoder and the judge to ``target`` in fp16.

    Raises:
        ValueError: When the result is larger than :data:`LARGEST_BYTES`.
    """
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    assemble(folder).to(dtype=torch.float16).save_pretrained(part)
    tiny = AutoencoderTiny.from_pretrained(folder / "vae_tiny")
    tiny.half().save_pretrained(part / "vae_tiny")
    shutil.copyfile(folder / "judge.safetensors", part / "judge.safetensors")
    for config in part.rglob("*config.json"):
        clean_config(config)
    write_card(folder, part)
    size = folder_bytes(part)
    _LOG.info("package: %d bytes for %s", size, target)
    if size > LARGEST_BYTES:
        raise ValueError(f"the model folder has {size} bytes, more than {LARGEST_BYTES}")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def clean_config(path: Path) -> None:
    """Drop from a config file what loading warns about and where the model was trained."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    if config.get("_class_name") == "AutoencoderTiny":
        config.pop("block_out_channels", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def write_card(folder: Path, target: Path) -> None:
    """Write ``card.json``: parameters, sizes, checksums, training time, metrics."""
    weights = sorted(target.rglob("*.safetensors"))
    card: dict[str, Any] = {
        "name": "autotune postcards",
        "picture": "128x128 RGB, drawn and captioned by autotune.demo.postcards",
        "written": time.strftime("%Y-%m-%d", time.gmtime()),
        "weights": {
            str(path.relative_to(target)): {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in weights
        },
        "training": training_times(folder),
    }
    score = folder / "score.json"
    if score.exists():
        card["metrics"] = json.loads(score.read_text())
    (target / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def training_times(folder: Path) -> dict[str, dict[str, float]]:
    """Return the last line of every stage's log: steps, CPU and wall seconds, losses."""
    times = {}
    for path in sorted(folder.glob("*.csv")):
        header, *_, last = path.read_text().splitlines()
        pairs = zip(header.split(","), last.split(","), strict=True)
        times[path.stem] = {name: float(value) for name, value in pairs}
    return times


def folder_bytes(folder: Path) -> int:
    """Return the total size of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
