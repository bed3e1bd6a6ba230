"""Behaviour of the watch over the machine, beside real neighbours."""

import json
import math
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autotune.gates import OTHERS, WAITED, disturbances, machine_warnings
from autotune.pipeline.conditions import read_counters, summary, watch_conditions

linux = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux' /proc")


def busy(_number: int = 0) -> None:
    """Keep one CPU busy for a fixed piece of work, about 0.1 s."""
    total = 0.0
    for number in range(800_000):
        total += math.sqrt(number)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Run processes that burn CPU while inside."""
    lines = "print(flush=True)\nwhile True: pass"
    running = [subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in running:
            assert process.stdout
            process.stdout.readline()  # it has begun
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


@linux
def test_neighbours_on_all_cpus_disturb_and_are_named() -> None:
    """A call that shares its CPUs with others is told, and how much they took."""
    conditions = watch_conditions("cpu", 1)
    with neighbours(2 * len(os.sched_getaffinity(0))):
        calls = [conditions.during(busy) for _ in range(4)]

    assert sum(reason is not None for reason in disturbances(calls)) >= 3
    (sentence,) = [found for found in machine_warnings(calls) if found.startswith("disturbed: ")]
    assert "while other processes took" in sentence


@linux
def test_a_call_is_disturbed_exactly_when_it_waited_and_others_had_the_cpu() -> None:
    """On whatever machine this runs: the gate follows what was measured."""
    conditions = watch_conditions("cpu", 1)
    calls = [conditions.during(busy) for _ in range(4)]
    for call, reason in zip(calls, disturbances(calls), strict=True):
        waited, others = call.share("waited_s"), call.share("other_cpu_s")
        assert waited is not None
        assert others is not None
        if call.wall_s >= 0.1 and not call.throttled_s and not call.stolen_s:
            assert (reason is not None) == (waited > WAITED and others > OTHERS)


@linux
def test_a_call_that_sleeps_is_not_disturbed() -> None:
    """It got little CPU, but nobody took it."""
    conditions = watch_conditions("cpu", 1)
    calls = [conditions.during(busy), conditions.during(lambda: time.sleep(0.15))]

    assert calls[1].cpu_share is not None
    assert calls[1].cpu_share < 0.5
    assert disturbances(calls)[1] is None


@linux
def test_the_cpu_seconds_of_a_call_are_its_own() -> None:
    """One busy thread runs for as long as the call takes, less what it waited."""
    call = watch_conditions("cpu", 2).during(busy)

    assert call.cpu_s is not None
    assert call.waited_s is not None
    assert call.cpu_s + call.waited_s == pytest.approx(call.wall_s, rel=0.25)
    assert call.cpu_share is not None
    assert call.cpu_share < 0.65  # of two threads' time


@linux
def test_the_memory_of_a_call_is_what_it_left_behind() -> None:
    """Live memory grows by what is kept, but not by what the caller says that it keeps itself."""
    ballast: list[mmap.mmap] = []
    kept = [0]
    conditions = watch_conditions("cpu", 1, kept_bytes=lambda: kept[0])

    def hoard() -> None:
        block = mmap.mmap(-1, 2**25, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # not of malloc's own
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        ballast.append(block)

    before = conditions.during(lambda: None).held_bytes
    after = conditions.during(hoard).held_bytes
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(2**25, rel=0.1)
    kept[0] = 2**25
    assert conditions.held_bytes() == pytest.approx(before, rel=0.1)


def test_reading_the_counters_costs_little() -> None:
    """They are read around every timed call: a millisecond at most, in the best of some tries."""
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        read_counters()
        taken.append(time.perf_counter() - start)

    assert min(taken) < 1e-3


def test_the_summary_is_plain_json() -> None:
    """It goes into the outcome as it is; what is not known is null."""
    conditions = watch_conditions("cpu", 1)
    calls = [conditions.during(busy) for _ in range(2)]
    found = summary(calls, None, [(calls[0], "it waited 50% of the time for a CPU")])

    assert json.loads(json.dumps(found)) == found
    assert len(found["cpu_share"]) == 2
    assert found["discarded"] == 1
    assert found["discarded_for"] == "it waited 50% of the time for a CPU"
