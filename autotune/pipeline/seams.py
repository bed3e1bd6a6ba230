"""Seams: straight full-length steps between two columns or two rows, such as the borders of tiles."""

import torch
from torch import Tensor

_STEP = 2 / 255
_TIMES_NOISE = 8.0
_TIMES_NEIGHBOURS = 2.5
_EDGE = 6 / 255
_REACH_PX = 2
_MARGIN_PX = 4
_QUARTERS, _LEAST_LINES = 4, 8


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
    jumps = difference.diff(dim=-1)
    edges = reference.diff(dim=-1).abs().amax(0)
    if jumps.shape[-1] <= 2 * _REACH_PX or len(edges) < _QUARTERS * _LEAST_LINES:
        return torch.zeros(jumps.shape[-1])
    near = torch.nn.functional.max_pool1d(edges[:, None], 2 * _REACH_PX + 1, 1, _REACH_PX)[:, 0]
    unclear = (near >= _EDGE) | is_cut_off[..., 1:] | is_cut_off[..., :-1]
    jumps = jumps.masked_fill(unclear, torch.nan)
    heights, known = [], []
    for quarter in jumps.tensor_split(_QUARTERS, dim=1):
        enough = (~quarter.isnan()).sum(1) >= _LEAST_LINES
        known.append(enough)
        heights.append(quarter.nanmedian(1).values.abs().masked_fill(~enough, torch.inf))
    least = torch.stack(heights).amin(0)
    can_tell = torch.stack(known).sum(0) >= _QUARTERS - 1
    return least.masked_fill(~can_tell, 0.0).amax(0)


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
