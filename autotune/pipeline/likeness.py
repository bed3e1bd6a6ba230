"""How alike two pictures are (HaarPSI, PSNR, MS-SSIM), and which pictures are not pictures at all.

HaarPSI: Reisenhofer, Bosse, Kutyniok and Wiegand, "A Haar wavelet-based perceptual similarity index for image
quality assessment", Signal Processing: Image Communication 61 (2018), with the paper's constants C = 30 and
alpha = 4.2. It needs no weights, sees colour and uses the whole range from 0 to 1.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_C, _ALPHA = 30.0, 4.2
_NO_DETAIL = 1e-6
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_LONG_SIDE_PX = 1024
MS_SSIM_LEAST_PX = 176
"""Pictures with a shorter side have no MS-SSIM: its window of 11 px must fit at a sixteenth of the size."""
_MS_SSIM_SIDE_PX = 512
_FLAT, _BLACK, _NOISE, _SATURATED = 8 / 255, 4 / 255, 0.5, 0.6


def haarpsi(pictures: Tensor, references: Tensor) -> Tensor:
    """Return the similarity of each pair, 0 to 1, where 1 is identical.

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1.
        references: The same shape.

    Returns:
        Shape (pairs,), float32.

    Raises:
        ValueError: The shapes differ or a value is not finite.
    """
    if pictures.shape != references.shape:
        raise ValueError(
            f"pictures are {tuple(pictures.shape)} but their references {tuple(references.shape)}"
        )
    if not (torch.isfinite(pictures).all() and torch.isfinite(references).all()):
        raise ValueError("a picture has values that are not finite")
    first, second = _to_yiq(pictures.float()), _to_yiq(references.float())
    details = [(_haar(first[:, :1], scale), _haar(second[:, :1], scale)) for scale in (1, 2, 3)]
    local = (_similar(*details[0]) + _similar(*details[1])) / 2
    weight = torch.maximum(*details[2])
    chroma = _similar(_mean_chroma(first), _mean_chroma(second)).mean(1, keepdim=True)
    values = torch.cat([local, chroma], 1)
    weights = torch.cat([weight, weight.mean(1, keepdim=True)], 1)
    total = weights.sum((1, 2, 3))
    score = (torch.sigmoid(_ALPHA * values) * weights).sum((1, 2, 3)) / total.clamp_min(1e-12)
    # Two flat pictures have no wavelet weight at all: they are compared by colour alone.
    flat = torch.sigmoid(_ALPHA * values).mean((1, 2, 3))
    score = torch.where(total > _NO_DETAIL, score, flat)
    return (torch.logit(score.clamp(1e-6, 1 - 1e-6)) / _ALPHA).square().clamp(0, 1)


def psnr_db(pictures: Tensor, references: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each pair in dB, at most 100 (which stands for identical).

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1.
        references: The same shape.
    """
    error = (pictures.double() - references.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error.clamp_min(1e-10))).float()


def ms_ssim(pictures: Tensor, references: Tensor) -> list[float]:
    """Return MS-SSIM of each pair, 0 to 1, at most 512 px on the long side; blind to colour shifts.

    By `torchmetrics`, with the paper's five scales. Source: Z. Wang, E. P. Simoncelli and A. C. Bovik,
    Multiscale Structural Similarity for Image Quality Assessment, Asilomar Conference, 2003.

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1, finite.
        references: The same shape.

    Returns:
        Empty where a side is below `MS_SSIM_LEAST_PX`: the picture of the fifth scale would be smaller than
        the window.
    """
    if min(pictures.shape[-2:]) < MS_SSIM_LEAST_PX:
        return []
    # Here, for it takes a second to import.
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    found = []
    for pair in zip(pictures, references, strict=True):
        ours, theirs = (_shrink(part[None], _MS_SSIM_SIDE_PX).clamp(0, 1) for part in pair)
        if min(ours.shape[-2:]) < MS_SSIM_LEAST_PX:  # long and narrow
            ours, theirs = (_shrink(part[None]).clamp(0, 1) for part in pair)
        if min(ours.shape[-2:]) < MS_SSIM_LEAST_PX:
            return []
        found.append(float(measure(ours, theirs, data_range=1.0, normalize="relu")))
    return found


def compare(pictures: Tensor, references: Tensor) -> tuple[list[float], list[float]]:
    """Return HaarPSI and PSNR (dB) of each pair, at most 1024 px on the long side.

    Args:
        pictures: Shape (pairs, 3, height, width), values 0 to 1.
        references: The same shape.
    """
    pairs = [(_shrink(a[None]), _shrink(b[None])) for a, b in zip(pictures, references, strict=True)]
    return [float(haarpsi(a, b)) for a, b in pairs], [float(psnr_db(a, b)) for a, b in pairs]


def why_corrupt(picture: Tensor) -> str | None:
    """Return why this is no picture, or None when it is one.

    Checked on floats, before anything is rounded: a NaN cast to 8 bits is an innocent black pixel.

    Args:
        picture: Shape (3, height, width), values about 0 to 1.
    """
    broken = int((~torch.isfinite(picture)).sum())
    if broken:
        return f"{broken} of {picture.numel()} values are NaN or infinite"
    grey = picture.float().mean(0)
    low, high = torch.quantile(
        grey.flatten()[:: max(1, grey.numel() // 65_536)], torch.tensor([0.01, 0.99])
    ).tolist()
    if float(picture.float().mean()) < _BLACK:
        return "it is black"
    if high - low < _FLAT:
        return f"it is flat: brightness only runs from {low:.3f} to {high:.3f}"
    centred = grey - grey.mean()
    correlation = float((centred[:, 1:] * centred[:, :-1]).mean() / centred.square().mean().clamp_min(1e-12))
    if correlation < _NOISE:
        return f"it is noise: neighbouring pixels correlate by {correlation:.2f} only"
    saturated = float(((picture <= 0) | (picture >= 1)).float().mean())
    if saturated > _SATURATED:
        return f"{saturated:.0%} of its values are saturated"
    return None


def why_clip_corrupt(frames: Tensor) -> str | None:
    """Return why these are no frames of a clip, or None when they are.

    A clip may fade in from black: only one without a single sound frame is corrupt, or one with a value that
    is no number. A picture is a clip of one frame.

    Args:
        frames: Shape (frames, 3, height, width), values about 0 to 1.
    """
    broken = next((frame for frame in frames if not torch.isfinite(frame).all()), None)
    if broken is not None:
        return why_corrupt(broken)
    reasons = [why_corrupt(frame) for frame in frames]
    return None if None in reasons else reasons[0]


def _to_yiq(pictures: Tensor) -> Tensor:
    scaled = pictures * 255.0
    halved = functional.avg_pool2d(scaled, 2) if min(pictures.shape[-2:]) >= 32 else scaled
    matrix = torch.tensor(_YIQ, dtype=halved.dtype, device=halved.device)
    return torch.einsum("ij,njhw->nihw", matrix, halved)


def _haar(luma: Tensor, scale: int) -> Tensor:
    """Absolute vertical and horizontal Haar responses of size 2^scale, shape (pairs, 2, height, width)."""
    size = 2**scale
    kernel = torch.ones(size, size, dtype=luma.dtype, device=luma.device) / size
    kernel[size // 2 :] *= -1
    before, after = size // 2 - 1, size // 2
    padded = functional.pad(luma, (before, after, before, after))
    kernels = torch.stack([kernel, kernel.t()]).unsqueeze(1)
    return functional.conv2d(padded, kernels).abs()


def _mean_chroma(yiq: Tensor) -> Tensor:
    return functional.avg_pool2d(functional.pad(yiq[:, 1:], (0, 1, 0, 1)), 2, stride=1).abs()


def _similar(first: Tensor, second: Tensor) -> Tensor:
    return (2 * first * second + _C) / (first.square() + second.square() + _C)


def _shrink(pictures: Tensor, side_px: int = _LONG_SIDE_PX) -> Tensor:
    factor = math.ceil(max(pictures.shape[-2:]) / side_px)
    return functional.avg_pool2d(pictures.float(), factor) if factor > 1 else pictures.float()
