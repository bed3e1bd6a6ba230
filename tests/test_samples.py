"""Statistics of repeated timings: the laws that they obey, and their values on samples worked out by hand."""

import math
from collections.abc import Callable
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.samples import (
    break_even,
    drift,
    drift_p_value,
    half_width,
    median,
    median_interval,
    outliers,
    slope,
    spread,
)

LAW = settings(max_examples=100, deadline=None)
TIMINGS = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30)


@pytest.mark.parametrize("statistic", [median, spread, drift, outliers])
def test_statistics_of_nothing_are_refused(statistic: Callable[[list[float]], object]) -> None:
    """A trial without a single timing is a mistake of the caller."""
    with pytest.raises(ValueError, match="median of no samples"):
        statistic([])


@LAW
@given(TIMINGS)
def test_the_median_has_as_many_samples_below_as_above(samples: list[float]) -> None:
    """At most half of the samples lie on either side."""
    middle = median(samples)

    assert sum(sample < middle for sample in samples) <= len(samples) / 2
    assert sum(sample > middle for sample in samples) <= len(samples) / 2


@LAW
@given(TIMINGS, st.sampled_from([0.5, 2.0, 1024.0]))
def test_relative_figures_do_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    """Milliseconds and seconds say the same."""
    scaled = [sample * factor for sample in samples]

    assert spread(samples) == pytest.approx(spread(scaled))
    assert drift(samples) == pytest.approx(drift(scaled))
    assert half_width(samples) == pytest.approx(half_width(scaled))
    assert drift_p_value(samples) == drift_p_value(scaled)
    assert outliers(samples) == outliers(scaled)


def test_the_spread_is_the_interquartile_range_over_the_median() -> None:
    """Quartiles are interpolated: of 1 to 5 they are 2 and 4."""
    assert pytest.approx(2 / 3) == spread([5.0, 3.0, 1.0, 4.0, 2.0])


def test_spread_and_drift_around_zero_are_zero_or_endless() -> None:
    """Nothing is a share of a median of zero but nothing."""
    assert spread([0.0, 0.0, 0.0]) == 0.0
    assert math.inf == spread([-1.0, 0.0, 1.0])
    assert -math.inf == drift([1.0, 0.0, -1.0])


def binomial_below(count: int, rank: int) -> float:
    """Probability that fewer than `rank` of `count` samples lie below the median."""
    return sum(math.comb(count, below) for below in range(rank)) / float(2**count)


@LAW
@given(st.integers(1, 60), st.floats(0.5, 0.999))
def test_the_interval_covers_the_median_as_often_as_asked_and_no_narrower_one_does(
    count: int, confidence: float
) -> None:
    """The pair of ranks is the innermost whose binomial coverage is enough."""
    samples = [float(number) for number in range(1, count + 1)]
    interval = median_interval(samples, confidence)
    enough = [rank for rank in range(1, count // 2 + 1) if 1 - 2 * binomial_below(count, rank) >= confidence]
    expected = (float(max(enough)), float(count + 1 - max(enough))) if enough else None

    assert expected == interval


@pytest.mark.parametrize(("count", "coverage"), [(5, 0.9375), (6, 0.96875)])
def test_from_smallest_to_largest_covers_what_the_protocol_relies_on(count: int, coverage: float) -> None:
    """Five timings give 93.75 %, six 96.9 %."""
    samples = [float(number) for number in range(count)]

    assert (0.0, count - 1.0) == median_interval(samples, coverage)
    assert median_interval(samples, coverage + 1e-9) is None


def test_four_timings_have_no_interval_of_ninety_percent() -> None:
    """From smallest to largest of four covers 87.5 % only."""
    assert median_interval([1.0, 2.0, 3.0, 4.0]) is None
    assert math.inf == half_width([1.0, 2.0, 3.0, 4.0])


def test_no_samples_have_no_interval() -> None:
    """Before the first timing nothing is known."""
    assert median_interval([]) is None


@pytest.mark.parametrize("confidence", [0.0, 1.0, 90.0, math.nan])
def test_a_confidence_that_is_no_probability_is_refused(confidence: float) -> None:
    """Ninety percent is 0.90."""
    with pytest.raises(ValueError, match=f"between 0 and 1, unlike {confidence}"):
        median_interval([1.0] * 10, confidence)


@LAW
@given(TIMINGS)
def test_the_interval_holds_the_median_of_the_samples(samples: list[float]) -> None:
    """It is made of two samples, one on each side."""
    low, high = median_interval(samples) or (min(samples), max(samples))

    assert low <= median(samples) <= high
    assert {low, high} <= set(samples)


@LAW
@given(st.floats(1.0, 100.0), st.floats(-0.01, 0.01), st.integers(2, 20))
def test_a_straight_line_drifts_by_its_slope(start: float, slope: float, count: int) -> None:
    """Theil and Sen recover a line exactly."""
    samples = [start + slope * index for index in range(count)]

    assert pytest.approx(slope * count / median(samples), abs=1e-9) == drift(samples)


def test_one_wild_sample_moves_no_drift() -> None:
    """A single hiccup is not a trend."""
    assert drift([10.0, 10.0, 10.0, 50.0, 10.0, 10.0, 10.0]) == 0.0


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_the_probability_of_a_trend_is_counted_over_all_orders(count: int) -> None:
    """Without ties it is the share of orders with at least as clear a trend."""
    orders = list(permutations(range(count)))
    scores = [sum(1 if b > a else -1 for a, b in combinations(order, 2)) for order in orders]

    for order, score in zip(orders, scores, strict=True):
        expected = sum(abs(other) >= abs(score) for other in scores) / len(scores)
        assert pytest.approx(expected) == drift_p_value([float(rank) for rank in order])


@LAW
@given(TIMINGS)
def test_a_trend_is_as_probable_backwards(samples: list[float]) -> None:
    """Rising and falling count alike, and it is a probability."""
    probability = drift_p_value(samples)

    assert 0.0 <= probability <= 1.0
    assert probability == drift_p_value(samples[::-1])


def test_the_normal_approximation_meets_the_exact_count() -> None:
    """At the change-over both say nearly the same."""
    nearly_sorted = [float(number) for number in range(50)]
    nearly_sorted[:30] = nearly_sorted[:30][::-1]
    exact = drift_p_value(nearly_sorted)
    approximate = drift_p_value([*nearly_sorted[:25], nearly_sorted[24], *nearly_sorted[25:]])

    assert exact == pytest.approx(approximate, rel=0.5)


def test_ties_are_corrected_for() -> None:
    """Against the value worked out by hand from the tie-corrected variance."""
    samples = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    variance = (6 * 5 * 17 - 3 * (2 * 1 * 9)) / 18

    assert pytest.approx(math.erfc((12 - 1) / math.sqrt(2 * variance))) == drift_p_value(samples)


@pytest.mark.parametrize("samples", [[], [1.0], [2.0, 2.0, 2.0]])
def test_where_nothing_changes_there_is_no_trend(samples: list[float]) -> None:
    """No sample, one sample and equal samples drift with certainty not at all."""
    assert drift_p_value(samples) == 1.0


def test_a_sample_far_outside_is_named_by_its_index() -> None:
    """The threshold is 14.826 median absolute deviations."""
    base = [9.0, 10.0, 11.0, 9.0, 10.0, 11.0, 10.0]

    assert outliers([*base, 10.0 + 14.8]) == []
    assert outliers([*base, 10.0 + 14.9]) == [7]


def test_among_equal_samples_any_other_is_an_outlier() -> None:
    """Where more than half are equal there is no deviation to compare with."""
    assert outliers([1.0, 1.0, 1.0, 1.1, 0.9]) == [3, 4]


@LAW
@given(TIMINGS)
def test_fewer_than_half_are_outliers(samples: list[float]) -> None:
    """The median of the deviations lies within the threshold."""
    assert len(outliers(samples)) <= len(samples) / 2


@LAW
@given(TIMINGS, st.floats(0.0, 10.0))
def test_the_slope_is_that_of_a_line_through_most_samples(samples: list[float], rise: float) -> None:
    """Adding a line adds its slope; equal samples have none."""
    tilted = [sample + rise * index for index, sample in enumerate(samples)]
    expected = slope(samples) + rise if len(samples) > 1 else 0.0

    assert slope(tilted) == pytest.approx(expected, abs=1e-6)
    assert slope([samples[0]] * len(samples)) == 0.0


@LAW
@given(st.floats(0.0, 1e3), st.floats(0.1, 1e2), st.floats(0.0, 1e3), st.floats(0.01, 1e2))
def test_after_breaking_even_the_totals_are_equal(
    cold_a: float, gain: float, cost: float, steady_b: float
) -> None:
    """Cold start plus so many pictures take both equally long."""
    steady_a, cold_b = steady_b + gain, cold_a + cost
    count = break_even(cold_a, steady_a, cold_b, steady_b)

    assert count is not None
    assert cold_a + count * steady_a == pytest.approx(cold_b + count * steady_b)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((10.0, 2.0, 10.0, 3.0), None),  # slower from the start
        ((10.0, 2.0, 5.0, 3.0), None),  # ahead at first, and overtaken
        ((10.0, 2.0, 10.0, 2.0), None),  # the same
        ((10.0, 2.0, 5.0, 2.0), 0.0),  # ahead for ever
        ((10.0, 2.0, 5.0, 1.0), 0.0),
    ],
)
def test_who_never_gets_ahead_never_breaks_even(
    figures: tuple[float, float, float, float], expected: float | None
) -> None:
    """None where b stays behind or falls behind, 0 where it leads from the start."""
    assert break_even(*figures) == expected
