"""The data stage: scenes, their pictures and captions, drawn and kept on disk.

The first :data:`HELD_OUT` scenes are kept from every stage's training.
"""

import json
import logging
import os
import random
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autotune.demo.brush import Pixels
from autotune.demo.postcards import SIDE, Scene, caption, draw_scene, full_caption, render

SCENES = 24_000
"""Number of scenes drawn unless fewer are asked for; all but the held-out ones are trained on."""

HELD_OUT = 256
"""Number of scenes, at the start, that no stage trains on."""

CAPTIONS = 4
"""Captions written for each scene."""

Pictures: TypeAlias = Pixels | Tensor
"""8-bit pictures, shape (scenes, 128, 128, 3): mapped from a file, or on a GPU."""

_CHUNK = 250
_LOG = logging.getLogger(__name__)


def scene_rng(index: int, *, seed: int = 0) -> random.Random:
    """Return the generator of scene ``index``, the same however work is divided."""
    return random.Random(f"postcard-{seed}-{index}")


def scenes(indices: Iterable[int], *, seed: int = 0) -> list[Scene]:
    """Return the scenes with these numbers."""
    return [draw_scene(scene_rng(index, seed=seed)) for index in indices]


def captions_of(scene: Scene, index: int) -> list[str]:
    """Return the captions a scene is trained with."""
    rng = random.Random(f"caption-{index}")
    return [caption(scene, rng) for _ in range(CAPTIONS)]


def unseen_scenes(count: int, *, seed: int = 1) -> list[Scene]:
    """Return scenes whose full caption describes no scene of the training data."""
    known = {full_caption(scene) for scene in scenes(range(SCENES))}
    found: list[Scene] = []
    index = 0
    while len(found) < count:
        (scene,) = scenes([index], seed=seed)
        index += 1
        if full_caption(scene) not in known:
            found.append(scene)
    return found


def draw_pictures(folder: Path, *, count: int = SCENES) -> None:
    """Draw pictures to ``pictures.npy`` and captions to ``captions.json``, with every core there is."""
    path = folder / "pictures.npy"
    if (folder / "captions.json").exists():
        return
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, SIDE, SIDE, 3))
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(_cores()) as pool:
        for chunk, pixels in zip(chunks, pool.map(_draw_chunk, chunks), strict=True):
            store[chunk.start : chunk.stop] = pixels
            _LOG.info("data %d %%", 100 * chunk.stop // count)
    store.flush()
    texts = [captions_of(scene, index) for index, scene in enumerate(scenes(range(count)))]
    # Written last, and whole or not at all: with it the data is complete.
    part = folder / "captions.part"
    part.write_text(json.dumps(texts))
    part.replace(folder / "captions.json")


def _cores() -> int:
    """How many this process may use; macOS and Windows do not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_pictures(folder: Path, device: str = "cpu") -> Pictures:
    """Return all pictures: mapped rather than read, or moved to a GPU once (1.2 GB of 24,000)."""
    pictures: Pixels = np.load(folder / "pictures.npy", mmap_mode="r")
    return pictures if device == "cpu" else torch.from_numpy(np.array(pictures)).to(device)


def load_captions(folder: Path) -> list[list[str]]:
    """Return the captions of every scene."""
    texts: list[list[str]] = json.loads((folder / "captions.json").read_text())
    return texts


def batch_of(pictures: Pictures, indices: npt.NDArray[np.int64] | range) -> Tensor:
    """Return pictures as floats from -1 to 1, shape (batch, 3, 128, 128), channels last, where they are."""
    if isinstance(pictures, Tensor):
        pixels = pictures[torch.from_numpy(np.asarray(indices)).to(pictures.device)]
    else:
        pixels = torch.from_numpy(np.ascontiguousarray(pictures[indices]))
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def psnr(found: Tensor, wanted: Tensor) -> float:
    """Return the mean PSNR in dB over a batch of pictures from -1 to 1."""
    error = (found.clamp(-1, 1) - wanted).div(2).square().mean((1, 2, 3))
    return float((-10 * error.clamp_min(1e-10).log10()).mean())


def _draw_chunk(chunk: range) -> Pixels:
    return np.stack([render(scene) for scene in scenes(chunk)])
