"""Objective and Limit: what is better, and what is unfit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.measurement import Likeness, Measurement, Memory
from autotune.objective import LATENCY, MEMORY, NAMES, OBJECTIVES, SIMILARITY, Limit, Objective, violations

LAW = settings(max_examples=60, deadline=None)


def measured(*, latency_s: float = 1.0, memory_bytes: int = 2**30, similarity: float = 1.0) -> Measurement:
    """A measurement with these figures."""
    return Measurement(
        calls_s=(latency_s,), memory=Memory(peak_bytes=memory_bytes), likeness=Likeness(haarpsi=(similarity,))
    )


MEASUREMENTS = st.builds(
    measured, latency_s=st.floats(0.001, 1e4), memory_bytes=st.integers(0, 2**40), similarity=st.floats(0, 1)
)


def test_objectives_are_found_by_the_name_of_their_metric() -> None:
    """Plans name them so."""
    plain = ["latency_s", "memory_bytes", "similarity", "first_picture_s", "host_memory_bytes", "energy_j"]

    assert plain == list(OBJECTIVES)
    assert [*plain, "amortised_s", "cost"] == list(NAMES)


@LAW
@given(MEASUREMENTS, MEASUREMENTS, st.sampled_from(list(OBJECTIVES.values())))
def test_a_smaller_loss_is_always_better(one: Measurement, other: Measurement, objective: Objective) -> None:
    """Likeness is turned into a distance here, once."""
    is_better = objective.value(one) > objective.value(other)
    if not objective.higher_is_better:
        is_better = objective.value(one) < objective.value(other)

    assert is_better or objective.loss(one) >= objective.loss(other)
    assert objective.loss(one) >= 0


@pytest.mark.parametrize(
    ("objective", "bound", "expected"),
    [
        (LATENCY, 1.0, 0.0),
        (LATENCY, 0.5, 1.0),
        (LATENCY, 2.0, -0.5),
        (MEMORY, float(2**29), 1.0),
        (SIMILARITY, 0.8, 0.25),
        (SIMILARITY, 0.5, -0.2),
        (SIMILARITY, 0.0, -0.6),
        (LATENCY, 0.0, 1.0),
    ],
)
def test_a_violation_is_relative_to_its_bound_and_above_zero_when_unfit(
    objective: Objective, bound: float, expected: float
) -> None:
    """Exactly on the bound is fit; a bound of zero is compared as it is."""
    limit = Limit(objective=objective, bound=bound)
    violation = limit.violation(measured(latency_s=1.0, memory_bytes=2**30, similarity=0.6))

    assert pytest.approx(expected) == violation


def test_violations_are_named_by_their_objective() -> None:
    """Each limit is told apart, so that a person sees which one was missed."""
    limits = (Limit(objective=MEMORY, bound=2.0**30), Limit(objective=SIMILARITY, bound=0.9))

    assert {"memory_bytes": 1.0, "similarity": pytest.approx(-1 / 9)} == violations(
        limits, measured(memory_bytes=2**31)
    )


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit(objective=LATENCY, bound=1.5), "latency <= 1.5 s"),
        (Limit(objective=MEMORY, bound=2.0**33), "memory <= 8 GiB"),
        (Limit(objective=SIMILARITY, bound=0.9), "similarity >= 0.9000"),
    ],
)
def test_a_limit_is_described_with_its_unit(limit: Limit, expected: str) -> None:
    """And with the sign that its objective has."""
    assert expected == limit.describe()
