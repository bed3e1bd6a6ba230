"""Seams: straight full-length steps between two columns or two rows, such as the borders of tiles."""

import torch
from torch import Tensor

_STEP = 2 / 255
_SURE = 4.0
_TIMES_NOISE = 6.0
_TIMES_NEIGHBOURS = 2.5
_EDGE = 20 / 255
_REACH_PX = 2
_MARGIN_PX = 4
_QUARTERS, _LEAST_LINES = 4, 8
_ERROR_OF_MEDIAN = 1.2533 * 1.4826
"""Times the median absolute deviation, over the root of the count: the standard error of a median."""


def find_seams(picture: Tensor, reference: Tensor) -> dict[tuple[str, int], float]:
    """Return the seams of a picture that its reference does not have, with the height of each step.

    A seam changes each pixel beside it by about the same amount, and by nothing elsewhere. So the median,
    over a quarter of the line's length, of what the difference of the pictures jumps by there, is high for a
    seam and nearly zero for noise, drifting content and the outlines of things. Every quarter must show it,
    but each in its own direction, for four tiles meet in a cross. Where the reference has an edge of its
    own, or a value is cut off at black or white, nothing can be said.

    Args:
        picture: Shape (3, height, width), values 0 to 1.
        reference: The same shape; the same content.

    Returns:
        From ("column", x) or ("row", y), the first pixel after the step, to its height, 0 to 1.
    """
    difference = picture.float() - reference.float()
    is_cut_off = (picture <= 0) | (picture >= 1)
    found: dict[tuple[str, int], float] = {}
    for name, turned in (("column", False), ("row", True)):
        parts = (difference, reference.float(), is_cut_off)
        steps = _steps(*(part.mT if turned else part for part in parts))
        found |= {(name, place): height for place, height in _standing_out(steps).items()}
    return found


def _steps(difference: Tensor, reference: Tensor, is_cut_off: Tensor) -> Tensor:
    """How high the step between each column and the next is, shape (width - 1,); 0 where nobody can tell."""
    jumps, own = difference.diff(dim=-1), reference.diff(dim=-1)
    edges = own.abs().amax(0)
    if jumps.shape[-1] <= 2 * _REACH_PX or len(edges) < _QUARTERS * _LEAST_LINES:
        return torch.zeros(jumps.shape[-1])
    unclear = (_highest_around(edges, _REACH_PX) >= _EDGE) | is_cut_off[..., 1:] | is_cut_off[..., :-1]
    parts = (part.masked_fill(unclear, torch.nan).tensor_split(_QUARTERS, dim=1) for part in (jumps, own))
    heights, known = [], []
    for quarter, own_quarter in zip(*parts, strict=True):
        height, error, count = _middle(quarter)
        known.append(count >= max(_LEAST_LINES, quarter.shape[1] / 8))
        # Where the reference steps as well, its edge may only have become softer, or its two sides changed.
        edge = _highest_around(_middle(own_quarter)[0].abs(), 1)
        is_sure = (height.abs() >= _SURE * error) & (height.abs() > edge)
        heights.append(height.abs().where(is_sure, 0.0).where(known[-1], torch.inf))
    least = torch.stack(heights).amin(0)
    can_tell = torch.stack(known).sum(0) >= _QUARTERS - 1
    return least.where(can_tell, 0.0).amax(0)


def _highest_around(values: Tensor, reach: int) -> Tensor:
    """The largest value of each row at most `reach` places away."""
    return torch.nn.functional.max_pool1d(values[:, None], 2 * reach + 1, 1, reach)[:, 0]


def _middle(jumps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Median over the lines, its standard error and how many lines count, each of shape (3, width - 1)."""
    count = (~jumps.isnan()).sum(1)
    middle = jumps.nanmedian(1).values
    deviation = (jumps - middle[:, None]).abs().nanmedian(1).values
    return middle.nan_to_num(), (_ERROR_OF_MEDIAN * deviation / count.sqrt()).nan_to_num(), count


def _standing_out(steps: Tensor) -> dict[int, float]:
    """The places whose step is high, far above the noise of all places and above its neighbours'."""
    if not len(steps):
        return {}
    noise = float(steps.median())
    found = {}
    for place in (steps >= max(_STEP, _TIMES_NOISE * noise)).nonzero().flatten().tolist():
        around = torch.cat([steps[max(0, place - 6) : max(0, place - 1)], steps[place + 2 : place + 7]])
        is_inside = _MARGIN_PX <= place < len(steps) - _MARGIN_PX
        if is_inside and float(steps[place]) >= _TIMES_NEIGHBOURS * float(around.amax()):
            found[place + 1] = float(steps[place])
    return found
