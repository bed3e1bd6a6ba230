"""Improvement: by how much a recipe is expected to enlarge the volume that the front dominates.

With independent normal losses Y and the region that the front leaves, cut into boxes with corners l and u,
the expected improvement is the sum over the boxes of the product over the losses of G(u) - G(l), where G(a) =
E[(a - Y)+]. Source: M. Emmerich, K. Yang, A. Deutz et al., A Multicriteria Generalization of Bayesian Global
Optimization, 2016; the cut by slicing is ours.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from autotune.search.candidates import Floats

Places = NDArray[np.int64]
_MOST_CELLS = 4_000_000  # recipes times boxes that are held at once
_MOST_POINTS = {1: 200, 2: 200, 3: 120, 4: 24}
_FEWEST_POINTS = 12


def expected_improvement(front: Floats, means: Floats, sds: Floats) -> Floats:
    """Return the volume that each recipe is expected to add, as a share of the unit box, shape (rows,).

    Args:
        front: Losses of the front, shape (points, losses), scaled so that 0 is perfection and 1 the
            worst that counts.
        means: Expected losses of each recipe, shape (rows, losses), scaled alike.
        sds: Their standard deviations, above 0.

    >>> front = np.array([[0.5, 0.5]])
    >>> certain = np.array([[0.25, 0.25], [0.75, 0.75], [0.75, 0.25]])
    >>> expected_improvement(front, certain, np.full((3, 2), 1e-9)).round(4)
    array([0.3125, 0.    , 0.0625])
    """
    losses = means.shape[1]
    inside = front[(front < 1.0).all(axis=1)] if len(front) else np.zeros((0, losses))
    inside = _spread(np.unique(np.maximum(inside, 0.0), axis=0), losses)
    edges = [np.unique(np.concatenate([[0.0], inside[:, k], [1.0]])) for k in range(losses)]
    places = np.stack([np.searchsorted(edges[k], inside[:, k]) for k in range(losses)], axis=1)
    low, high = _boxes(places.reshape(len(inside), losses), [len(edge) - 1 for edge in edges])
    gains = [_gain(edges[k], means[:, k], sds[:, k]) for k in range(losses)]
    total = np.zeros(len(means))
    step = max(1, _MOST_CELLS // max(1, len(low)))
    for begin in range(0, len(means), step):
        rows = slice(begin, begin + step)
        product = np.ones((len(total[rows]), len(low)))
        for k in range(losses):
            product *= gains[k][rows][:, high[:, k]] - gains[k][rows][:, low[:, k]]
        total[rows] = product.sum(axis=1)
    return np.maximum(total, 0.0)


def _gain(edges: Floats, mean: Floats, sd: Floats) -> Floats:
    """E[(a - Y)+] for each row and edge a; 0 below perfection, where no recipe can be."""
    z = (edges[None, :] - mean[:, None]) / sd[:, None]
    density = np.exp(-0.5 * np.minimum(z * z, 1400.0)) / np.sqrt(2.0 * np.pi)
    expected = sd[:, None] * (z * ndtr(z) + density)
    return np.asarray(expected - expected[:, :1], dtype=float)


def _boxes(places: Places, ends: Sequence[int]) -> tuple[Places, Places]:
    """Cut what points do not dominate into boxes; return the places of their lower and upper corners.

    Args:
        places: Of the points on the edges, shape (points, losses).
        ends: The last place of each loss, where the unit box ends.
    """
    losses = len(ends)
    if losses == 1:
        end = int(places[:, 0].min()) if len(places) else ends[0]
        return np.array([[0]]), np.array([[end]])
    lows, highs = list[Places](), list[Places]()
    cuts = [0, *sorted({int(place) for place in places[:, -1]} - {0}), ends[-1]]
    for begin, end in itertools.pairwise(cuts):
        if begin == end:
            continue
        below = places[places[:, -1] <= begin][:, :-1]
        low, high = _boxes(_undominated(below), ends[:-1])
        lows.append(np.column_stack([low, np.full(len(low), begin)]))
        highs.append(np.column_stack([high, np.full(len(high), end)]))
    return np.concatenate(lows), np.concatenate(highs)


def _undominated(places: Places) -> Places:
    kept = [
        index
        for index, point in enumerate(places)
        if not ((places <= point).all(axis=1) & (places < point).any(axis=1)).any()
    ]
    return np.unique(places[kept], axis=0) if kept else places


def _spread(points: Floats, losses: int) -> Floats:
    """At most so many points that the boxes stay few: of more, those that lie farthest apart."""
    most = _MOST_POINTS.get(losses, _FEWEST_POINTS)
    if len(points) <= most:
        return points
    chosen = [int(points[:, 0].argmin())]
    away = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < most:
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[sorted(chosen)]
