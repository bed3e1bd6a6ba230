"""The smallest cap, found with a recipe that is computed."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome
from autotune.search.min_cap import min_cap

LAW = settings(max_examples=200, deadline=None)
MIB = 2**20


def recipe(needs: int, *, slow_below: int = 0, tried: list[int] | None = None) -> Callable[[int], Outcome]:
    """Return a recipe that needs so many bytes, and takes twice its second below `slow_below`."""

    def measure(cap: int) -> Outcome:
        if tried is not None:
            tried.append(cap)
        if cap < needs:
            return Failure(kind=FailureKind.OUT_OF_MEMORY, message="tried to allocate more")
        calls_s = (2.0,) if cap < slow_below else (1.0,)
        return Measurement(calls_s=calls_s, memory=Memory(peak_bytes=cap), likeness=Likeness(haarpsi=(1.0,)))

    return measure


@LAW
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.floats(0, 1), st.integers(1, 8))
def test_the_cap_was_seen_to_work_and_is_near_the_need(low: int, width: int, share: float, runs: int) -> None:
    """Whatever it needs between the bounds, the answer suffices and is not far above it."""
    high = low + width
    needs = min(low + int(width * share), high)
    tried: list[int] = []
    found = min_cap(recipe(needs, tried=tried), low_bytes=low, high_bytes=high, latency_s=1.0, runs=runs)

    assert len(tried) <= runs
    assert found in tried
    assert needs <= found <= high
    assert found - needs <= max(width / 2 ** (runs - 1), 0.01 * high) + runs * MIB


def test_a_recipe_that_gets_slower_needs_more() -> None:
    """A cap under which the allocator starts to retry is too small, though the recipe runs."""
    found = min_cap(
        recipe(100 * MIB, slow_below=600 * MIB), low_bytes=0, high_bytes=800 * MIB, latency_s=0.98, runs=6
    )

    assert found is not None
    assert 600 * MIB <= found <= 625 * MIB


@pytest.mark.parametrize("needs", [900 * MIB, 2**40])
def test_a_recipe_that_does_not_run_under_the_upper_bound_has_none(needs: int) -> None:
    """The upper bound is tried before anything is said, and nothing is guessed."""
    tried: list[int] = []

    assert min_cap(recipe(needs, tried=tried), low_bytes=0, high_bytes=800 * MIB, latency_s=1.0) is None
    assert tried == [400 * MIB, 600 * MIB, 700 * MIB, 800 * MIB]


def test_bounds_that_are_near_are_left_alone() -> None:
    """No run is spent on less than one in a hundred."""
    tried: list[int] = []
    found = min_cap(
        recipe(798 * MIB, tried=tried), low_bytes=796 * MIB, high_bytes=800 * MIB, latency_s=1.0, runs=9
    )

    assert found == 798 * MIB
    assert tried == [798 * MIB]


def test_cancelling_stops_with_what_is_known() -> None:
    """What was seen before the user stopped it still holds."""
    sound = recipe(100 * MIB)
    tried: list[int] = []

    def measure(cap: int) -> Outcome:
        tried.append(cap)
        stopped = Failure(kind=FailureKind.CANCELLED, message="stopped")
        return stopped if len(tried) > 1 else sound(cap)

    assert min_cap(measure, low_bytes=0, high_bytes=800 * MIB, latency_s=1.0) == 400 * MIB
    assert len(tried) == 2
