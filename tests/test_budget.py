"""When a study stops, why, and how long it still takes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.budget import Budget, stop_reason, time_left
from autotune.errors import PlanError

LAW = settings(max_examples=100, deadline=None)
BUDGETS = st.builds(Budget, st.none() | st.integers(1, 100), st.none() | st.floats(1.0, 1e4))


@pytest.mark.parametrize("trials", [0, -1, 2.5, "40", True])
def test_a_budget_that_lets_no_trial_run_is_refused(trials: object) -> None:
    """The message names what was given."""
    with pytest.raises(PlanError) as refusal:
        Budget(trials=trials)  # type: ignore[arg-type]

    assert f"The budget is {trials!r} trials. It must be a whole number of 1 or more." == str(refusal.value)


@pytest.mark.parametrize("seconds", [0, -1.5, math.inf, math.nan, "1 h", True])
def test_a_budget_of_no_time_is_refused(seconds: object) -> None:
    """Endless is no budget either: that is None."""
    with pytest.raises(PlanError) as refusal:
        Budget(seconds=seconds)  # type: ignore[arg-type]

    assert f"The budget is {seconds!r} seconds. It must be a number above 0." == str(refusal.value)


@pytest.mark.parametrize(
    ("budget", "trials_done", "elapsed_s", "expected"),
    [
        (Budget(), 10**6, 1e9, None),
        (Budget(trials=40), 39, 1e9, None),
        (Budget(trials=40), 40, 0.0, "the budget of 40 trials is spent"),
        (Budget(trials=1), 5, 0.0, "the budget of 1 trial is spent"),
        (Budget(seconds=1200), 10**6, 1199.9, None),
        (Budget(seconds=1200), 0, 1200.0, "the budget of 20 min is spent"),
        (Budget(trials=40, seconds=1200), 40, 1200.0, "the budget of 40 trials is spent"),
        (Budget(trials=40, seconds=1200), 39, 1200.0, "the budget of 20 min is spent"),
    ],
)
def test_the_bound_that_is_reached_first_stops_the_study_and_is_named(
    budget: Budget, trials_done: int, elapsed_s: float, expected: str | None
) -> None:
    """The reason reads as part of a sentence."""
    reason = stop_reason(budget, trials_done, elapsed_s=elapsed_s)

    assert expected == reason


@pytest.mark.parametrize(
    ("budget", "trials_done", "elapsed_s", "expected"),
    [
        (Budget(), 10, 100.0, None),
        (Budget(trials=40), 0, 5.0, None),
        (Budget(trials=40), 10, 100.0, 300.0),
        (Budget(trials=40), 50, 100.0, 0.0),
        (Budget(seconds=60.0), 0, 5.0, 55.0),
        (Budget(seconds=60.0), 0, 500.0, 0.0),
        (Budget(trials=40, seconds=1000.0), 10, 100.0, 300.0),
        (Budget(trials=40, seconds=250.0), 10, 100.0, 150.0),
    ],
)
def test_the_time_left_is_that_of_the_nearer_bound(
    budget: Budget, trials_done: int, elapsed_s: float, expected: float | None
) -> None:
    """Trials are reckoned at the mean pace so far, of which nothing is known before the first."""
    left = time_left(budget, trials_done, elapsed_s=elapsed_s)

    assert expected == left


@LAW
@given(BUDGETS, st.integers(1, 200), st.floats(0.1, 1e5))
def test_no_time_is_left_exactly_when_the_study_stops(
    budget: Budget, trials_done: int, elapsed_s: float
) -> None:
    """Both functions agree on the end."""
    is_over = time_left(budget, trials_done, elapsed_s=elapsed_s) == 0.0

    assert is_over == (stop_reason(budget, trials_done, elapsed_s=elapsed_s) is not None)
