"""Judging: all that is said of the pictures of a trial beside the reference pictures."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from autotune.measurement import Likeness
from autotune.pipeline.flaws import find_flaws, ratios
from autotune.pipeline.likeness import compare, ms_ssim


def judge(made: Sequence[Tensor], references: Sequence[Tensor]) -> Likeness:
    """Return how near pictures are to the reference pictures, and what is wrong with them.

    Args:
        made: The pictures of each call, shape (pictures, 3, height, width), float32, values 0 to 1, finite;
            of clips, the frames that are compared.
        references: The reference pictures of each call, the same shapes.

    Returns:
        Likeness with an empty `ms_ssim` where a side is below `likeness.MS_SSIM_LEAST_PX`, and without step
        error and extras, which are measured elsewhere.

    Raises:
        ValueError: There is nothing to compare, the shapes differ, or a value is not finite.
    """
    _require_pairs(made, references)
    ours, theirs = _values(made), _values(references)
    pictures, expected = torch.cat(ours), torch.cat(theirs)
    haarpsi, psnr_db = compare(pictures, expected)
    figures = ratios(pictures, expected)
    return Likeness(
        haarpsi=tuple(haarpsi),
        psnr_db=tuple(psnr_db),
        ms_ssim=tuple(ms_ssim(pictures, expected)),
        ratios=figures,
        flaws=find_flaws(pictures, expected, haarpsi, figures),
        is_exact=torch.equal(pictures, expected),
        sha256=fingerprints(pictures),
    )


def fingerprints(pictures: Tensor) -> tuple[str, ...]:
    """Return the sha256 of each picture rounded to 8 bits, rows of red, green and blue as in a PNG.

    Args:
        pictures: Shape (pictures, 3, height, width), values 0 to 1, finite.
    """
    rounded = (pictures.detach().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu()
    return tuple(hashlib.sha256(picture.contiguous().numpy().tobytes()).hexdigest() for picture in rounded)


def _values(calls: Sequence[Tensor]) -> list[Tensor]:
    return [call.detach().float().cpu() for call in calls]


def _require_pairs(made: Sequence[Tensor], references: Sequence[Tensor]) -> None:
    again = "Make the reference pictures again with this workload."
    if not made:
        raise ValueError("There are no pictures to compare.")
    if len(made) != len(references):
        raise ValueError(
            f"There are pictures of {_calls(len(made))}, but reference pictures of "
            f"{_calls(len(references))}. {again}"
        )
    for number, (pictures, expected) in enumerate(zip(made, references, strict=True)):
        if pictures.shape != expected.shape:
            raise ValueError(
                f"Call {number} made {_size(pictures)}, but its reference is {_size(expected)}. Nothing is "
                f"stretched to fit: let the recipe make the workload's size and count. {again}"
            )


def _calls(count: int) -> str:
    return f"{count} call" if count == 1 else f"{count} calls"


def _size(pictures: Tensor) -> str:
    """What a call made, in words: "2 pictures of 128x96 px"."""
    if pictures.dim() != 4 or pictures.shape[1] != 3:
        return f"a tensor of shape {tuple(pictures.shape)}"
    count, _, height, width = pictures.shape
    return f"{count} {'picture' if count == 1 else 'pictures'} of {width}x{height} px"
