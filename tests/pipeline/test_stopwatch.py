"""Behaviour of settling and timing: which calls are made, never how long they take."""

import gc
import time

import pytest
import torch

from autotune.job import Protocol
from autotune.pipeline.stopwatch import settle, time_calls, timing_warnings

QUICK = Protocol(settle_min=2, settle_max=4, calls_min=3, calls_max=6, interval=10.0)


class Recorder:
    """Remembers which calls were made; each takes as long as its number says."""

    def __init__(self, *seconds: float) -> None:
        """Take the seconds of the calls; the last one repeats."""
        self.seconds, self.numbers = seconds, []  # type: ignore[var-annotated]

    def __call__(self, number: int) -> None:
        """Make call `number`."""
        position = min(len(self.numbers), len(self.seconds) - 1)
        self.numbers.append(number)
        time.sleep(self.seconds[position])


def test_settling_ends_when_two_calls_agree() -> None:
    """The cold call is followed by another, and that is enough when nothing changes any more."""
    run = Recorder(0.02)
    taken = settle(run, 0.02, QUICK)

    assert len(taken) == len(run.numbers) + 1
    assert run.numbers[0] == 1


def test_settling_goes_on_while_calls_get_faster() -> None:
    """Calls that still speed up are not timed yet, up to the limit."""
    run = Recorder(0.16, 0.08, 0.04, 0.02)
    taken = settle(run, 0.32, QUICK)

    assert len(taken) == QUICK.settle_max


def test_settling_goes_on_while_something_is_compiled() -> None:
    """A call that compiled a new graph is followed by another one."""
    compiled = torch.compile(lambda x: x + 1, backend="eager", dynamic=False)
    shapes = iter([2, 3, 4, 4, 4, 4])

    def run(_number: int) -> None:
        compiled(torch.ones(next(shapes)))
        time.sleep(0.01)

    taken = settle(run, 0.001, Protocol(settle_min=2, settle_max=6))

    assert len(taken) > 3


def test_timing_makes_at_least_the_fewest_calls() -> None:
    """However narrow the interval, the fewest calls of the protocol are made."""
    run = Recorder(0.001)

    assert len(time_calls(run, QUICK)) == len(run.numbers) >= QUICK.calls_min


def test_timing_ends_at_the_most_calls() -> None:
    """An interval that never gets narrow ends at the most calls of the protocol."""
    run = Recorder(0.001, 0.02, 0.001, 0.02, 0.001, 0.02)
    taken = time_calls(run, Protocol(calls_min=3, calls_max=5, interval=0.0))

    assert [0, 1, 2, 3, 4] == run.numbers
    assert len(taken) == 5


def test_timing_ends_when_its_seconds_are_spent() -> None:
    """Long calls are not repeated beyond the seconds allowed."""
    run = Recorder(0.02)

    assert len(time_calls(run, Protocol(calls_min=2, calls_max=50, interval=0.0, timing_s=0.05))) < 6


def test_a_recompilation_while_timing_raises() -> None:
    """Seconds that hold a compilation are never reported as a latency."""
    compiled = torch.compile(lambda x: x * 3, backend="eager", dynamic=False)
    compiled(torch.ones(2))

    with pytest.raises(RuntimeError, match="recompile"):
        time_calls(lambda number: compiled(torch.ones(2 + number)), QUICK)


def test_the_garbage_collector_sleeps_while_timing() -> None:
    """The collector is off inside timed calls and on again afterwards."""
    states: list[bool] = []
    time_calls(lambda _number: states.append(gc.isenabled()), QUICK)

    assert {False} == set(states)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("taken", "word"),
    [
        ([1.0, 1.3, 1.0, 1.4, 1.0, 1.35], "noisy"),
        ([1.0, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12], "drifting"),
        ([1.0, 1.001, 1.002, 0.999, 1.0, 9.0], "outliers"),
    ],
)
def test_suspicious_timings_are_named(taken: list[float], word: str) -> None:
    """Noise, drift and outliers are said in words."""
    assert any(sentence.startswith(word) for sentence in timing_warnings(taken))
