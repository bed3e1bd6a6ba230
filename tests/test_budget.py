"""When a study stops, why, and how long it still takes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.budget import Budget, describe_budget, stop_reason, time_left
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
    ("budget", "gain", "expected"),
    [
        (Budget(trials=40), None, None),
        (Budget(trials=40), 0.005, None),
        (Budget(gain=None), 0.0, None),
        (
            Budget(trials=40),
            0.0021,
            "the front is expected to gain less than 0.5 % in the next 20 trials (0.21 %)",
        ),
        (Budget(gain=0.02), 0.0, "the front is expected to gain less than 2 % in the next 20 trials (0 %)"),
    ],
)
def test_a_study_stops_where_little_is_to_be_gained(
    budget: Budget, gain: float | None, expected: str | None
) -> None:
    """Below the plan's share, with what is expected; never while nobody can tell, or where none is asked."""
    assert expected == stop_reason(budget, 30, elapsed_s=60.0, gain=gain)


def test_what_is_spent_is_named_before_what_is_not_gained() -> None:
    """The budget is a fact, the gain a guess."""
    assert "the budget of 30 trials is spent" == stop_reason(Budget(trials=30), 30, elapsed_s=1.0, gain=0.0)


@pytest.mark.parametrize("gain", [0, 1, -0.1, 2.0, True, "0.5%", math.nan])
def test_a_gain_that_is_no_share_is_refused(gain: object) -> None:
    """Nought is no bound either: that is none."""
    with pytest.raises(PlanError) as refusal:
        Budget(gain=gain)  # type: ignore[arg-type]

    assert f"The least gain is {gain!r}. It must be a share between 0 and 1, or none." == str(refusal.value)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(gain=None), "until Ctrl-C"),
        (Budget(trials=1, gain=None), "1 trial"),
        (Budget(trials=40, seconds=60.0, gain=None), "40 trials or 1 min"),
        (Budget(gain=0.01), "until the front is expected to gain less than 1 % in the next 20 trials"),
        (
            Budget(seconds=60.0),
            "1 min, or until the front is expected to gain less than 0.5 % in the next 20 trials",
        ),
    ],
)
def test_a_budget_is_told_before_it_is_spent(budget: Budget, expected: str) -> None:
    """All that can end the study, in one line."""
    assert expected == describe_budget(budget)


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
