"""Second opinions: metrics that need trained weights, with weights that the user has already.

Nothing is downloaded and no pickle is read: each metric takes a local folder or a safetensors file.

"clip": a folder of a CLIP model as transformers saves it (config.json, model.safetensors and the tokenizer's
files). "lpips": a safetensors file with the weights of LPIPS on AlexNet. Its names are those that the package
`lpips` gives them (`net.slice1.0.weight` to `net.slice5.10.bias`, `lin0.model.1.weight` to
`lin4.model.1.weight`), so that this writes the file:

    state = lpips.LPIPS(net="alex").state_dict()
    safetensors.torch.save_file({name: tensor.clone() for name, tensor in state.items()}, "lpips.safetensors")

or those of torchvision's AlexNet with LPIPS's heads beside them (`features.0.weight` to `features.10.bias`,
`lin0.weight` to `lin4.weight`).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from autotune.errors import ModelError, UnknownName
from autotune.samples import median

_CLIP_MEAN, _CLIP_SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_LPIPS_SHIFT, _LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_LPIPS_LEAST_PX = 64
_CONVOLUTIONS = (0, 3, 6, 8, 10)  # their places among AlexNet's features
_SHAPES = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
_STEPS = {0: {"stride": 4, "padding": 2}, 3: {"padding": 2}}


def opinions(
    extras: Mapping[str, str], made: Sequence[Tensor], references: Sequence[Tensor], prompts: Sequence[str]
) -> dict[str, float]:
    """Return what metrics with the user's own weights say, as differences from the reference pictures.

    Args:
        extras: Metric ("clip" or "lpips") to the folder or file of its weights.
        made: The pictures of each call, shape (pictures, 3, height, width), values 0 to 1, finite.
        references: The reference pictures, the same shapes.
        prompts: Of each picture in order, or of each clip, whose frames follow each other.

    Returns:
        Medians over the pairs. "clip": how much more the picture fits its prompt than the reference does, in
        points of 100 (the CLIP score's difference). "clip_distance": 1 minus the cosine between the pictures'
        own embeddings, 0 for the same content. "lpips": the LPIPS distance, 0 for equal pictures.

    Raises:
        UnknownName: There is no such metric.
        ModelError: The weights are not there or cannot be read, or the pictures are too small.
        ValueError: The pictures do not pair with the references or the prompts.
    """
    for name in extras:
        if name not in _METRICS:
            raise UnknownName("metric", name, _METRICS, remedy="[extras] of a plan names metrics.")
    if not extras:
        return {}
    ours, theirs = torch.cat(list(made)).float(), torch.cat(list(references)).float()
    if ours.shape != theirs.shape or not prompts or len(ours) % len(prompts):
        raise ValueError(
            f"{len(ours)} pictures, {len(theirs)} references and {len(prompts)} prompts do not pair."
        )
    repeated = [prompt for prompt in prompts for _ in range(len(ours) // len(prompts))]
    found: dict[str, float] = {}
    with torch.inference_mode():
        for name, place in extras.items():
            found |= _METRICS[name](Path(place).expanduser(), ours, theirs, repeated)
    return found


def _clip(folder: Path, ours: Tensor, theirs: Tensor, prompts: list[str]) -> dict[str, float]:
    model, tokenizer = _load_clip(folder)
    size = int(model.config.vision_config.image_size)
    longest = int(model.config.text_config.max_position_embeddings)
    words = tokenizer(prompts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    mean, spread = _normalisation(folder)
    scores, embedded = [], []
    for pictures in (ours, theirs):
        pixels = torch.cat([_cut(picture[None], size) for picture in pictures])
        output = model(**words, pixel_values=(pixels - mean) / spread)
        images, texts = (
            functional.normalize(part, dim=-1) for part in (output.image_embeds, output.text_embeds)
        )
        scores.append(100 * (images * texts).sum(-1))
        embedded.append(images)
    gains = (scores[0] - scores[1]).tolist()
    distances = (1 - (embedded[0] * embedded[1]).sum(-1)).clamp_min(0).tolist()
    return {"clip": median(gains), "clip_distance": median(distances)}


def _load_clip(folder: Path) -> tuple[Any, Any]:
    # Only a folder: transformers would take anything else for a name on the hub.
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"There is no CLIP model at '{folder}': it has no config.json. Name a local folder that "
            "holds one as transformers saves it; nothing is downloaded."
        )
    from transformers import CLIPModel, CLIPTokenizer

    try:
        model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"The CLIP model at '{folder}' cannot be read: {error}") from error
    return model.eval(), tokenizer


def _normalisation(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and spread of the colours that the model was trained with, shape (1, 3, 1, 1)."""
    path = folder / "preprocessor_config.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    pair = told.get("image_mean", _CLIP_MEAN), told.get("image_std", _CLIP_SPREAD)
    mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in pair)
    return mean, spread


def _cut(picture: Tensor, size: int) -> Tensor:
    """The middle square of a picture of shape (1, 3, height, width), at this size."""
    height, width = picture.shape[-2:]
    factor = size / min(height, width)
    shape = max(size, round(height * factor)), max(size, round(width * factor))
    scaled = functional.interpolate(picture, shape, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return scaled[..., top : top + size, left : left + size]


def _lpips(path: Path, ours: Tensor, theirs: Tensor, _prompts: list[str]) -> dict[str, float]:
    weights = load_lpips(path)
    if min(ours.shape[-2:]) < _LPIPS_LEAST_PX:
        height, width = ours.shape[-2:]
        raise ModelError(f"LPIPS needs pictures of {_LPIPS_LEAST_PX} px a side, not {width}x{height} px.")
    pairs = zip(ours, theirs, strict=True)
    return {"lpips": median([lpips(first[None], second[None], weights) for first, second in pairs])}


def load_lpips(path: Path) -> dict[str, Tensor]:
    """Return the weights of LPIPS on AlexNet by the names of torchvision's AlexNet and "lin0" to "lin4".

    Args:
        path: A safetensors file, as the text at the head of this file says.

    Raises:
        ModelError: The file is not there, is none of this kind, or lacks a weight.
    """
    if not path.is_file():
        raise ModelError(f"There is no file '{path}' with the weights of LPIPS. Nothing is downloaded.")
    try:
        stored = load_file(path)
    except Exception as error:
        raise ModelError(
            f"'{path}' is no safetensors file ({error}). Save the weights with safetensors; pickles are not "
            "read."
        ) from error
    weights = {_plain_name(name): tensor.float() for name, tensor in stored.items()}
    wanted: dict[str, tuple[int, ...]] = {
        f"features.{place}.weight": shape for place, shape in _SHAPES.items()
    }
    wanted |= {f"features.{place}.bias": shape[:1] for place, shape in _SHAPES.items()}
    wanted |= {f"lin{number}.weight": (1, _SHAPES[at][0], 1, 1) for number, at in enumerate(_CONVOLUTIONS)}
    for name, shape in wanted.items():
        if name not in weights or tuple(weights[name].shape) != shape:
            found = f"has the shape {tuple(weights[name].shape)}" if name in weights else "is missing"
            raise ModelError(f"'{path}' is not LPIPS on AlexNet: '{name}' {found}, and should be {shape}.")
    return {name: weights[name] for name in wanted}


def lpips(first: Tensor, second: Tensor, weights: Mapping[str, Tensor]) -> float:
    """Return the LPIPS distance of two pictures on AlexNet, 0 for equal ones.

    Source: R. Zhang, P. Isola, A. A. Efros, E. Shechtman and O. Wang, The Unreasonable Effectiveness of Deep
    Features as a Perceptual Metric, CVPR 2018, equation 1, with the colour scaling of its version 0.1.

    Args:
        first: Shape (1, 3, height, width), values 0 to 1, at least 64 px a side.
        second: The same shape.
        weights: As `load_lpips` returns them.
    """
    shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in (_LPIPS_SHIFT, _LPIPS_SCALE))
    layers = [_features((2 * picture - 1 - shift) / scale, weights) for picture in (first, second)]
    distance = 0.0
    for number, (a, b) in enumerate(zip(*layers, strict=True)):
        error = (_unit(a) - _unit(b)).square()
        distance += float((error * weights[f"lin{number}.weight"]).sum(1).mean())
    return distance


def _features(picture: Tensor, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """What AlexNet's five convolutions answer, each after its ReLU."""
    found: list[Tensor] = []
    for place in _CONVOLUTIONS:
        if place in (3, 6):
            picture = functional.max_pool2d(picture, 3, 2)
        how = _STEPS.get(place, {"padding": 1})
        weight, bias = weights[f"features.{place}.weight"], weights[f"features.{place}.bias"]
        picture = functional.conv2d(picture, weight, bias, **how).relu()
        found.append(picture)
    return found


def _unit(features: Tensor) -> Tensor:
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)


def _plain_name(name: str) -> str:
    """The name of a weight as torchvision's AlexNet has it, and of a head without what wraps it."""
    name = re.sub(r"^net\.slice\d\.", "features.", name)
    return re.sub(r"^(lin\d)\.model\.\d\.", r"\1.", name)


_METRICS: Mapping[str, Callable[[Path, Tensor, Tensor, list[str]], dict[str, float]]] = {
    "clip": _clip,
    "lpips": _lpips,
}
