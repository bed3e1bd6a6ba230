"""Behaviour of settling and timing: which calls are made, never how long they take."""

import gc
import math
import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from autotune.gates import OTHERS, WAITED, is_drifting
from autotune.job import Protocol
from autotune.pipeline.conditions import watch_conditions
from autotune.pipeline.stopwatch import compile_cache, compile_counters, settle, time_calls

QUICK = Protocol(settle_min=2, settle_max=4, calls_min=3, calls_max=6, interval=10.0)
WATCH = watch_conditions("cpu", 1)
linux = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux' /proc")


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


def test_settling_goes_on_until_the_device_is_warm() -> None:
    """So many seconds of calls pass, however soon they agree, and beyond the most calls."""
    run = Recorder(0.02)
    taken = settle(run, 5.0, QUICK, busy_s=0.2)

    assert sum(taken[1:]) >= 0.2 > sum(taken[1:-1])
    assert len(taken) > QUICK.settle_max
    assert run.numbers == list(range(1, len(taken)))


def test_one_long_call_warms_a_device() -> None:
    """No more calls are made than settling needs."""
    assert len(settle(Recorder(0.1), 0.1, QUICK, busy_s=0.05)) == QUICK.settle_min


def test_settling_ends_though_every_call_compiles() -> None:
    """At the most calls, also on a device that is not warm: what compiles for ever never settles."""
    compiled = torch.compile(lambda x: x - 1, backend="eager", dynamic=False)
    taken = settle(lambda number: compiled(torch.ones(number + 1)), 0.0, QUICK, busy_s=60.0)

    assert len(taken) == QUICK.settle_max


def test_counters_of_compilation_stand_still_when_nothing_is_compiled() -> None:
    """They move with a new graph, and only then."""
    compiled = torch.compile(lambda x: x + 7, backend="eager", dynamic=False)
    before = compile_counters()
    compiled(torch.ones(3))
    after = compile_counters()
    compiled(torch.ones(3))

    assert before != after == compile_counters()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # raised where inductor is imported
def test_code_compiled_here_is_told_from_code_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who compiles the same again finds it in the cache; who compiles nothing is told nothing."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    answers = []
    for _ in range(2):
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        answers.append(compile_cache())
        torch.compile(lambda x: x @ x)(torch.ones(4, 4))
        answers.append(compile_cache())

    assert answers == ["", "cold", "", "hit"]


def test_timing_makes_at_least_the_fewest_calls() -> None:
    """However narrow the interval, the fewest calls for their length are made."""
    run = Recorder(0.001)
    timed = time_calls(run, Protocol(interval=10.0), WATCH)

    assert len(timed.calls_s) >= 10
    assert run.numbers == list(range(len(run.numbers)))


def test_timing_ends_at_the_most_calls() -> None:
    """An interval that never gets narrow ends at the most calls of the protocol."""
    run = Recorder(0.001, 0.02, 0.001, 0.02, 0.001, 0.02)
    timed = time_calls(run, Protocol(calls_min=3, calls_max=5, interval=0.0, retries=0), WATCH)

    assert [0, 1, 2, 3, 4] == run.numbers
    assert len(timed.calls_s) == 5


def test_timing_ends_when_its_seconds_are_spent() -> None:
    """Long calls are not repeated beyond the seconds allowed, but for the fewest."""
    run = Recorder(0.02)
    timed = time_calls(run, Protocol(calls_max=50, interval=0.0, timing_s=0.05), WATCH)

    assert len(timed.calls_s) == 10


def test_a_slow_call_is_told_and_never_deleted() -> None:
    """An outlier without evidence from outside stays."""
    # Equal calls may by chance go down one by one, a trend for which all of them would be timed again.
    run = Recorder(0.02, 0.026, 0.02, 0.026, 0.3, 0.026, 0.02, 0.026, 0.02, 0.026)
    timed = time_calls(run, Protocol(calls_max=10, retries=0), WATCH)

    assert max(timed.calls_s) >= 0.3
    assert any(sentence.startswith("outliers: ") for sentence in timed.warnings)
    assert timed.discarded_s == ()


@pytest.mark.slow
def test_a_beginning_that_drifts_is_timed_again() -> None:
    """Calls that were still warming up do not count; later ones do, and nothing is warned of."""
    run = Recorder(*(0.1 - 0.008 * number for number in range(10)), 0.02)
    timed = time_calls(run, Protocol(calls_max=10, retries=0), WATCH)

    assert len(timed.dropped_s) == 10
    assert len(timed.calls_s) == 10
    assert max(timed.calls_s) < min(timed.dropped_s[:8])


@pytest.mark.slow
def test_calls_that_go_on_drifting_are_named() -> None:
    """As those of a worker that slows down after its third call: timed twice, then kept with a warning."""
    run = Recorder(*(0.01 + 0.01 * max(0, number - 3) for number in range(20)))
    timed = time_calls(run, Protocol(calls_max=10, retries=0), WATCH)

    assert len(timed.dropped_s) == len(timed.calls_s) == 10
    assert is_drifting(timed.calls_s)
    assert any(sentence.startswith("drifting: ") for sentence in timed.warnings)


def test_a_recompilation_while_timing_raises() -> None:
    """Seconds that hold a compilation are never reported as a latency."""
    compiled = torch.compile(lambda x: x * 3, backend="eager", dynamic=False)
    compiled(torch.ones(2))

    with pytest.raises(RuntimeError, match="recompile"):
        time_calls(lambda number: compiled(torch.ones(2 + number)), QUICK, WATCH)


def test_the_garbage_collector_sleeps_while_timing() -> None:
    """The collector is off inside timed calls and on again afterwards."""
    states: list[bool] = []
    time_calls(lambda _number: states.append(gc.isenabled()), QUICK, WATCH)

    assert {False} == set(states)
    assert gc.isenabled()


def work(_number: int) -> None:
    """Keep one CPU busy for about 0.1 s."""
    total = 0.0
    for number in range(2_000_000):
        total += math.sqrt(number)


@pytest.mark.slow
@linux
def test_calls_beside_a_noisy_neighbour_are_named() -> None:
    """Others burn all CPUs all the time: more calls are made, then all of them count, with a warning."""
    lines = "print(flush=True)\nwhile True: pass"
    count = 2 * len(os.sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        time.sleep(0.2)
        timed = time_calls(work, Protocol(calls_min=3, calls_max=3, retries=1), WATCH)
    finally:
        for process in others:
            process.kill()
            process.communicate()

    (sentence,) = [found for found in timed.warnings if found.startswith("disturbed: ")]
    assert "other processes took" in sentence
    assert len(timed.calls_s) == 6
    assert timed.discarded_s == ()
    assert timed.conditions["other_cpus"] > 0.5


@pytest.mark.slow
@linux
def test_calls_that_a_neighbour_disturbed_for_a_while_are_made_again() -> None:
    """Others come and go while calls are timed: those calls do not count, and what disturbed them is told."""
    lines = "print(flush=True)\nwhile True: pass"
    others: list[subprocess.Popen[bytes]] = []

    def run(number: int) -> None:
        if number == 0:
            others.extend(subprocess.Popen([sys.executable, "-c", lines]) for _ in range(count))
        if number == 3:
            for process in others:
                process.kill()
                process.wait()
        work(number)

    count = 2 * len(os.sched_getaffinity(0))
    timed = time_calls(run, Protocol(calls_min=5, calls_max=5, retries=3), WATCH)
    is_kept = any(found.startswith("disturbed: ") for found in timed.warnings)

    assert is_kept == (not timed.discarded_s)  # a machine that is busy itself has no quiet calls to offer
    if not is_kept:
        assert len(timed.discarded_s) >= 2
        assert "for a CPU while other processes took" in timed.conditions["discarded_for"]
        assert max(timed.conditions["waited_share"]) <= WAITED


@linux
def test_what_a_trial_does_to_itself_is_no_disturbance() -> None:
    """More busy threads than CPUs: its calls wait for each other, and it stays its own fault."""
    stop = threading.Event()

    def burn() -> None:
        block = torch.ones(300, 300)
        while not stop.is_set():
            block @ block

    threads = [threading.Thread(target=burn) for _ in range(2 * len(os.sched_getaffinity(0)))]
    for thread in threads:
        thread.start()
    try:
        timed = time_calls(
            lambda _number: torch.ones(500, 500) @ torch.ones(500, 500),
            Protocol(calls_min=3, calls_max=3, timing_s=0.0, interval=10.0),
            WATCH,
        )
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    others = timed.conditions["other_cpus"]
    if others is not None and others <= OTHERS / 2:
        assert not any(found.startswith("disturbed: ") for found in timed.warnings)


@pytest.mark.slow
@linux
def test_memory_that_grows_with_every_call_is_named() -> None:
    """A planted leak of 16 MiB a call, beside one that garbage collection frees."""
    kept: list[mmap.mmap] = []

    def fresh_memory() -> mmap.mmap:
        """From the kernel itself: the heap may have holes of that size, which other tests have left."""
        memory = mmap.mmap(-1, 2**24, flags=mmap.MAP_PRIVATE)
        memory.write(b"x" * len(memory))
        return memory

    def leak(_number: int) -> None:
        kept.append(fresh_memory())

    def tangle(_number: int) -> None:
        knot: list[object] = [fresh_memory()]
        knot.append(knot)

    leaking = time_calls(leak, Protocol(calls_max=5, interval=0.0), WATCH)
    tangled = time_calls(tangle, Protocol(calls_max=5, interval=0.0), WATCH)

    assert leaking.leak_bytes == pytest.approx(2**24, rel=0.2)
    assert any(found.startswith("leaking: memory grows by 1") for found in leaking.warnings)
    assert tangled.leak_bytes == 0
    assert time_calls(lambda _number: None, QUICK, WATCH).leak_bytes == 0
