"""What repeated timings of one call say: their middle, how sure it is, and whether they can be trusted."""

import math
import statistics
from collections.abc import Sequence
from itertools import combinations

_OUTLIER_Z = 14.826
_EXACT_UP_TO = 50


def median(samples: Sequence[float]) -> float:
    """Return the middle of the samples.

    Raises:
        ValueError: There are none.

    >>> median([3.0, 1.0, 100.0])
    3.0
    """
    if not samples:
        raise ValueError("The median of no samples was asked for.")
    return float(statistics.median(samples))


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the value below which a share of the samples lies, interpolated between them.

    Args:
        samples: In any order, at least one.
        share: 0 (the smallest) to 1 (the largest).

    Raises:
        ValueError: There are none.

    >>> quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.1)
    1.4
    """
    if not samples:
        raise ValueError("A quantile of no samples was asked for.")
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2) if len(ordered) > 1 else 0
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def spread(samples: Sequence[float]) -> float:
    """Return the interquartile range relative to the median; 0 for a single sample.

    The quartiles are interpolated as in `torch.utils.benchmark.Measurement`, which warns above 0.10 and 0.25.

    >>> spread([1.0, 2.0, 3.0, 4.0, 5.0])
    0.6666666666666666
    >>> spread([1.0])
    0.0
    """
    middle = median(samples)
    if len(samples) == 1:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return _relative(high - low, middle)


def median_interval(samples: Sequence[float], confidence: float = 0.90) -> tuple[float, float] | None:
    """Return the smallest and largest value that the true median may have, or None for too few samples.

    Whatever the distribution of the samples, the number of those below its median is binomial with p = 1/2,
    so the interval from the k-th smallest to the k-th largest of n holds it with probability 1 - 2 P(B(n,
    1/2) < k). From smallest to largest: 93.75 % for n = 5, 96.9 % for n = 6. Source: H. A. David and H. N.
    Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1.

    Args:
        samples: In any order.
        confidence: Probability that the interval holds the true median, at least; between 0 and 1.

    Raises:
        ValueError: The confidence is no probability.

    >>> median_interval([5.0, 1.0, 4.0, 2.0, 3.0])
    (1.0, 5.0)
    >>> median_interval([5.0, 1.0, 4.0, 2.0]) is None
    True
    """
    if not 0 < confidence < 1:
        raise ValueError(f"A confidence lies between 0 and 1, unlike {confidence}.")
    count, inside = len(samples), -1
    tail = 0.0  # probability that the true median lies below the interval from rank `inside`
    for rank in range((count + 1) // 2):
        tail += math.comb(count, rank) / 2**count
        if 1 - 2 * tail < confidence:
            break
        inside = rank
    if inside < 0:
        return None
    ordered = sorted(samples)
    return ordered[inside], ordered[count - 1 - inside]


def half_width(samples: Sequence[float], confidence: float = 0.90) -> float:
    """Return half of `median_interval` relative to the median; infinite where there is no interval.

    >>> half_width([9.0, 10.0, 10.0, 10.0, 11.0])
    0.1
    >>> half_width([10.0])
    inf
    """
    interval = median_interval(samples, confidence)
    return math.inf if interval is None else _relative((interval[1] - interval[0]) / 2, median(samples))


def drift(samples: Sequence[float]) -> float:
    """Return how much the samples rise from first to last, relative to their median; negative when they fall.

    The slope is the median of the slopes of all pairs, which a quarter of wild samples cannot move; times the
    number of samples. Source: P. K. Sen, Estimates of the Regression Coefficient Based on Kendall's Tau,
    Journal of the American Statistical Association 63, 1968.

    >>> drift([10.0, 10.5, 99.0, 11.5, 12.0])
    0.21739130434782608
    >>> drift([10.0])
    0.0
    """
    return _relative(slope(samples) * len(samples), median(samples))


def slope(samples: Sequence[float]) -> float:
    """Return by how much the samples rise from one to the next: the median of the slopes of all pairs.

    Source: H. Theil, A Rank-Invariant Method of Linear and Polynomial Regression Analysis, 1950, and P. K.
    Sen, 1968. 0 for fewer than two samples.

    >>> slope([10.0, 11.0, 99.0, 13.0, 14.0])
    1.0
    """
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(samples), 2)]
    return median(slopes) if slopes else 0.0


def drift_p_value(samples: Sequence[float]) -> float:
    """Return how probable so clear a trend is, up or down, when there is none: small means that they drift.

    Kendall's tau of the samples against their index, two-sided. Without ties it is exact up to 50 samples,
    else the normal approximation with continuity and tie correction. Source: M. G. Kendall, Rank Correlation
    Methods, 1948, chapters 4 and 5 (the Mann-Kendall test).

    >>> drift_p_value([1.0, 2.0, 3.0, 4.0, 5.0])
    0.016666666666666666
    >>> drift_p_value([1.0, 1.0, 1.0])
    1.0
    """
    count = len(samples)
    score = sum((b > a) - (b < a) for a, b in combinations(samples, 2))
    ties = [samples.count(value) for value in set(samples)]
    if score == 0:
        return 1.0
    if count <= _EXACT_UP_TO and max(ties) == 1:
        return _exact_p_value(count, abs(score))
    variance = (_spread_term(count) - sum(_spread_term(tied) for tied in ties)) / 18
    return math.erfc((abs(score) - 1) / math.sqrt(2 * variance))


def outliers(samples: Sequence[float]) -> list[int]:
    """Return the indices of the samples that lie absurdly far from the median.

    They are at least 14.826 median absolute deviations away: ten standard deviations, if the samples were
    normal. Source of the threshold: hyperfine, `src/outlier_detection.rs`. Outliers are to be told, never to
    be deleted.

    >>> outliers([1.0, 1.1, 0.9, 1.0, 9.0])
    [4]
    >>> outliers([1.0, 1.0, 1.0, 1.2])
    [3]
    """
    middle = median(samples)
    deviations = [abs(sample - middle) for sample in samples]
    threshold = _OUTLIER_Z * median(deviations)
    return [index for index, deviation in enumerate(deviations) if deviation > threshold]


def break_even(cold_a: float, steady_a: float, cold_b: float, steady_b: float) -> float | None:
    """Return after how many pictures b has repaid its longer cold start against a, by making each one faster.

    (cold_b - cold_a) / (steady_a - steady_b).

    Args:
        cold_a: Seconds from the start to the end of the first call of a, which b is compared with.
        steady_a: Seconds of one picture of a later on.
        cold_b: The same as `cold_a`, of b.
        steady_b: The same as `steady_a`, of b.

    Returns:
        How many pictures beyond the first call, not rounded; 0 where b is ahead from the start and stays so;
        None where b never gets ahead, or does not stay there.

    >>> break_even(10.0, 2.0, 70.0, 1.5)
    120.0
    >>> break_even(10.0, 2.0, 5.0, 1.0)
    0.0
    >>> break_even(10.0, 2.0, 70.0, 2.0) is None
    True
    """
    cost, gain = cold_b - cold_a, steady_a - steady_b
    if gain <= 0:
        return 0.0 if gain == 0 and cost < 0 else None
    return max(0.0, cost / gain)


def _relative(amount: float, middle: float) -> float:
    """`amount` as a share of the median; zero of nothing is zero."""
    if middle:
        return amount / abs(middle)
    return math.copysign(math.inf, amount) if amount else 0.0


def _spread_term(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _exact_p_value(count: int, score: int) -> float:
    """Share of the orders of `count` distinct samples that rise, or fall, by `score` (> 0) pairs or more."""
    inversions = [1]  # inversions[k]: how many orders of the first samples have k pairs the wrong way round
    for size in range(2, count + 1):
        sums = [0]
        for ways in inversions:
            sums.append(sums[-1] + ways)
        sums += [sums[-1]] * (size - 1)
        inversions = [sums[k + 1] - sums[max(0, k + 1 - size)] for k in range(len(sums) - 1)]
    pairs = count * (count - 1) // 2
    extreme = (pairs - score) // 2
    return 2 * sum(inversions[: extreme + 1]) / math.factorial(count)
