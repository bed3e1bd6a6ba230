"""Pictures on disk: what a trial made as PNG, what it is compared with as exact floats."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

REFERENCE_FILE = "reference.safetensors"
_SHOWN = 8


def save_pngs(pictures: Iterable[Tensor], folder: Path) -> tuple[str, ...]:
    """Write the first eight pictures as PNG and return their file names.

    Args:
        pictures: Each of shape (3, height, width), values 0 to 1; finite.
        folder: Existing folder.
    """
    names = []
    for number, picture in enumerate(itertools.islice(pictures, _SHOWN)):
        name = f"picture-{number:02d}.png"
        to_image(picture).save(folder / name)
        names.append(name)
    return tuple(names)


def to_image(picture: Tensor) -> Image.Image:
    """Return a picture of shape (3, height, width), values 0 to 1, as an 8-bit image."""
    array = (picture.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))


def save_reference(calls: list[Tensor], folder: Path) -> None:
    """Write the reference pictures of each call; the file appears whole or not at all.

    Args:
        calls: One tensor a call, shape (batch, 3, height, width), values 0 to 1.
        folder: Existing folder.
    """
    tensors = {f"call_{number:04d}": call.float().cpu().contiguous() for number, call in enumerate(calls)}
    partial = folder / (REFERENCE_FILE + ".partial")
    save_file(tensors, partial)
    partial.replace(folder / REFERENCE_FILE)


def load_reference(folder: Path) -> list[Tensor]:
    """Return the reference pictures of each call, as `save_reference` was given them."""
    tensors = load_file(folder / REFERENCE_FILE)
    return [tensors[name] for name in sorted(tensors)]


def in_a_row(frames: Tensor) -> Tensor:
    """Return the first, the middle and the last frame of a clip side by side, as one picture.

    Args:
        frames: Shape (frames, 3, height, width); one frame comes back as it is.
    """
    shown = dict.fromkeys((0, len(frames) // 2, len(frames) - 1))
    return torch.cat([frames[number] for number in shown], dim=-1)
