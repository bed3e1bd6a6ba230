"""Pareto dominance of losses: which recipes are worth showing, how good they are, which one is the knee."""

import bisect
import math
from collections.abc import Sequence


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better; losses are minimised.

    >>> dominates((1.0, 2.0), (1.0, 3.0)), dominates((1.0, 2.0), (1.0, 2.0))
    (True, False)
    """
    _check((a, b))
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the points that no other dominates, in input order; equal points all stay.

    Args:
        points: Losses as (points, objectives), minimised.

    Raises:
        ValueError: A loss is NaN or infinite, or the points differ in length.

    >>> front([(3.0, 1.0), (2.0, 2.0), (3.0, 2.0), (2.0, 2.0)])
    [0, 1, 3]
    """
    _check(points)
    unique = sorted({tuple(point) for point in points})
    kept = set(_undominated(unique))
    return [index for index, point in enumerate(points) if tuple(point) in kept]


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Return the volume that the points dominate inside the reference point: the larger, the better.

    Exact, by slicing along one objective after the other; made for fronts of a few hundred points in up to
    four objectives. Points that are not better than the reference everywhere add nothing. Source: E. Zitzler
    and L. Thiele, Multiobjective Optimization Using Evolutionary Algorithms, PPSN V, 1998; slicing: L. While
    et al., A Faster Algorithm for Calculating Hypervolume, IEEE Transactions on Evolutionary Computation 10,
    2006.

    Raises:
        ValueError: A loss is NaN or infinite, or lengths differ.

    >>> hypervolume([(1.0, 2.0), (2.0, 1.0)], (3.0, 3.0))
    3.0
    >>> hypervolume([(4.0, 0.0)], (3.0, 3.0))
    0.0
    """
    _check((*points, reference))
    inside = {tuple(p) for p in points if all(x < limit for x, limit in zip(p, reference, strict=True))}
    return _volume(sorted(inside), tuple(reference))


def knee(points: Sequence[Sequence[float]]) -> int:
    """Return the index of the front's knee: the point that gives up least of everything at once.

    Each loss is scaled to the front's range, x' = (x - min) / (max - min), or 0 where the front has no range;
    the knee has the smallest sqrt(sum x'^2), the first of several. Source: the compromise solution for p = 2
    of P. L. Yu, A Class of Solutions for Group Decision Problems, Management Science 19, 1973.

    Args:
        points: Losses as (points, objectives), minimised; dominated ones are passed over.

    Raises:
        ValueError: There are no points, a loss is NaN or infinite, or lengths differ.

    >>> knee([(0.0, 10.0), (1.0, 1.0), (10.0, 0.0)])
    1
    """
    if not points:
        raise ValueError("The knee of no points was asked for.")
    candidates = front(points)
    columns = list(zip(*(points[index] for index in candidates), strict=True))
    lows, highs = [min(column) for column in columns], [max(column) for column in columns]

    def distance(index: int) -> float:
        scaled = (
            (x - low) / (high - low)
            for x, low, high in zip(points[index], lows, highs, strict=True)
            if high > low
        )
        return math.hypot(*scaled)

    return min(candidates, key=distance)


def _check(points: Sequence[Sequence[float]]) -> None:
    for point in points:
        if len(point) != len(points[0]) or not point:
            raise ValueError(
                f"Every point needs the same number of losses, at least one: {point!r} and {points[0]!r}."
            )
        if not all(map(math.isfinite, point)):
            raise ValueError(f"A loss must be a finite number, unlike those of {tuple(point)!r}.")


def _undominated(ordered: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The front of distinct points in lexicographic order: only earlier points dominate a later one."""
    if not ordered:
        return []
    missing = 3 - len(ordered[0])
    if missing < 0:
        return _undominated_in_many(ordered)
    padding = (0.0,) * missing
    kept: list[tuple[float, ...]] = []
    seconds: list[float] = []  # the front of what was seen in the last two losses: seconds rise and
    thirds: list[float] = []  # thirds fall, so that the last one at or below a second has the least third
    for point in ordered:
        _, second, third = *point, *padding
        place = bisect.bisect_right(seconds, second)
        if place and thirds[place - 1] <= third:
            continue
        kept.append(point)
        start = bisect.bisect_left(seconds, second)
        end = start
        while end < len(seconds) and thirds[end] >= third:
            end += 1
        seconds[start:end], thirds[start:end] = [second], [third]
    return kept


def _undominated_in_many(ordered: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    kept: list[tuple[float, ...]] = []
    for point in ordered:
        if not any(all(x <= y for x, y in zip(other, point, strict=True)) for other in kept):
            kept.append(point)
    return kept


def _volume(ordered: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    """Volume between the reference and distinct points in lexicographic order, all better than it."""
    if not ordered:
        return 0.0
    if len(reference) == 1:
        return reference[0] - ordered[0][0]
    total, shadow = 0.0, list[tuple[float, ...]]()
    for index, point in enumerate(ordered):
        bisect.insort(shadow, point[1:])
        end = ordered[index + 1][0] if index + 1 < len(ordered) else reference[0]
        if end > point[0]:
            shadow = _undominated(_distinct(shadow))
            total += (end - point[0]) * _volume(shadow, reference[1:])
    return total


def _distinct(ordered: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return list(dict.fromkeys(ordered))
