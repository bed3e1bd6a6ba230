"""Objective and Limit: what is better, and what is unfit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import UnknownName, UsageError
from autotune.measurement import Likeness, Measurement, Memory
from autotune.objective import (
    ENERGY,
    FIRST_PICTURE,
    LATENCY,
    MEMORY,
    NAMES,
    OBJECTIVES,
    SHORT_NAMES,
    SIMILARITY,
    Limit,
    Objective,
    amortised,
    cost,
    full_name,
    named,
    reference_point,
    short_name,
    violations,
)

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


PARAMETRISED = (
    amortised(images=7, batch=2),
    cost(price=2.5, currency="USD", images=None, batch=2),
    cost(price=2.5, currency="USD", images=7, batch=1),
)


@LAW
@given(MEASUREMENTS, MEASUREMENTS, st.sampled_from([*OBJECTIVES.values(), *PARAMETRISED]))
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


@pytest.mark.parametrize(
    ("images", "batch", "expected"), [(1, 1, 10.0), (2, 2, 5.0), (3, 2, 4.0), (100, 1, 2.08)]
)
def test_amortised_seconds_spread_the_start_over_the_images(images: int, batch: int, expected: float) -> None:
    """The start makes the first call; a last call that is not full counts whole."""
    objective = amortised(images=images, batch=batch)

    assert pytest.approx(expected) == objective.of({"cold_s": 10.0, "latency_s": 2.0})


@LAW
@given(st.integers(1, 10**6), st.integers(1, 8), st.floats(0.01, 100))
def test_cost_is_the_price_of_the_seconds(images: int, batch: int, price: float) -> None:
    """With starts counted it is the price of amortised seconds."""
    figures = {"cold_s": 30.0, "latency_s": 2.0}
    whole = cost(price=price, currency="EUR", images=images, batch=batch).of(figures)
    running = cost(price=price, currency="EUR", images=None, batch=batch).of(figures)

    assert pytest.approx(1000 * price / 3600 * amortised(images=images, batch=batch).of(figures)) == whole
    assert pytest.approx(1000 * price / 3600 * 2.0 / batch) == running


def test_what_nobody_measured_is_never_the_best() -> None:
    """It loses everything, is shown as unknown, and is beyond any limit."""
    made = measured()

    assert float("inf") == ENERGY.loss(made)
    assert "unknown" == ENERGY.show(ENERGY.value(made))
    assert Limit(objective=ENERGY, bound=1e9).violation(made) > 0
    assert float("inf") == SIMILARITY.as_loss(SIMILARITY.of({}))


def test_every_objective_has_a_name_that_a_person_types() -> None:
    """And both names mean the same; with an underscore too, as in a file."""
    assert sorted(NAMES) == sorted(SHORT_NAMES.values())
    for name in NAMES:
        assert name == full_name(name) == full_name(short_name(name)) == full_name(short_name(name).upper())
    assert full_name("host_memory") == "host_memory_bytes"
    with pytest.raises(UnknownName, match="Did you mean 'latency'"):
        full_name("latncy")


@pytest.mark.parametrize(("name", "word"), [("cost", "--price"), ("amortised_s", "--images 500")])
def test_what_an_objective_needs_is_asked_for(name: str, word: str) -> None:
    """With the flag that says it."""
    with pytest.raises(UsageError, match=word):
        named(name, images=None, price="", batch=1)


def test_a_cost_is_shown_in_its_currency() -> None:
    """As it was written in the price."""
    objective = named("cost", images=None, price="2.50 Fr/h", batch=1)

    assert ("cost of 1,000 images", "1.39 Fr") == (
        objective.label,
        objective.show(objective.of({"latency_s": 2.0})),
    )


def test_what_lies_beyond_the_reference_point_does_not_count() -> None:
    """The limit where there is one, else perfect unlikeness or twice the baseline's loss."""
    limits = (Limit(objective=MEMORY, bound=7.0),)
    baseline = {"latency_s": 3.0, "cold_s": 5.0, "memory_bytes": 10.0}

    assert (6.0, 7.0, 1.0) == reference_point((LATENCY, MEMORY, SIMILARITY), limits, baseline)
    assert (10.0,) == reference_point((FIRST_PICTURE,), limits, baseline)
    assert (7.0, 1.0) == reference_point((MEMORY, SIMILARITY), limits, None)
    assert reference_point((LATENCY, MEMORY), limits, None) is None
