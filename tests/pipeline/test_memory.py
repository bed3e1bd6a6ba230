"""Behaviour of the memory watch, in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.errors import BudgetError
from autotune.measurement import Memory
from autotune.pipeline.allocator import allocator_share
from autotune.pipeline.memory import memory_warnings

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux' /proc")

MIB, GIB = 2**20, 2**30


def watched(body: str) -> dict[str, object]:
    """Run Python lines in a fresh process, inside a memory watch, and return its result."""
    script = f"""
import json, mmap, os, subprocess, sys, tempfile, time
from dataclasses import asdict
from autotune.pipeline.memory import AnonymousSampler, HostMemory
ballast = bytearray(os.urandom(1)) * (50 * 2**20)
watch = HostMemory()
watch.start()
{body}
print(json.dumps(asdict(watch.result())))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_what_was_there_before_is_not_counted() -> None:
    """Memory of the server that a trial inherits is not the trial's."""
    result = watched("watch.finish('idle')")

    assert result["peak_bytes"] < 8 * MIB  # type: ignore[operator]


def test_a_peak_is_kept_when_the_memory_is_freed_again() -> None:
    """A short spike inside a stage counts, and only in its own stage."""
    result = watched(
        "spike = bytearray(b'x') * (80 * 2**20); del spike\nwatch.finish('spike')\nwatch.finish('after')"
    )
    stages: dict[str, int] = result["stages"]  # type: ignore[assignment]

    assert 78 * MIB <= stages["spike"] <= 90 * MIB
    assert stages["after"] < 10 * MIB
    assert result["peak_bytes"] == stages["spike"]


def test_a_mapped_file_is_not_counted() -> None:
    """Pages of a weight file that is only mapped can be dropped by the kernel: they are not the trial's."""
    result = watched(
        "file = tempfile.TemporaryFile(); file.write(os.urandom(1) * (60 * 2**20)); file.flush()\n"
        "with AnonymousSampler() as sampler:\n"
        "    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "    total = sum(mapped[::4096])\n"
        "    mapped.close()\n"
        "watch.finish('load', sampled_bytes=sampler.peak_bytes)"
    )

    assert result["peak_bytes"] < 25 * MIB  # type: ignore[operator]


CHILD = """
child = subprocess.Popen(
    [sys.executable, '-c', {program!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
with AnonymousSampler(0.05) as sampler:
    child.stdout.readline()
    time.sleep(0.5)
    child.communicate('')
watch.finish('first call', helpers=sampler)
"""
HOLDS = "x = bytearray(b'x') * (70 * 2**20); print(flush=True); input()"
FORKS = "import os; x = bytearray(b'x') * (70 * 2**20); os.fork(); print(flush=True); os.read(0, 1)"


def test_processes_that_were_started_are_counted() -> None:
    """What they and the trial had together at one moment is told, beside the trial's own peak."""
    result = watched(CHILD.format(program=HOLDS))
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert 70 * MIB < detail["children_bytes"] < 85 * MIB
    assert detail["children_bytes"] < detail["tree_bytes"] < detail["children_bytes"] + 15 * MIB
    assert result["peak_bytes"] < detail["children_bytes"]  # type: ignore[operator]


def test_memory_that_processes_share_is_counted_once() -> None:
    """A process and its fork share their pages until one of them writes."""
    result = watched(CHILD.format(program=FORKS))
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert 70 * MIB < detail["children_bytes"] < 90 * MIB


def test_a_trial_without_helpers_has_none() -> None:
    """A sampler that saw no other process leaves the peak to the trial's own memory."""
    result = watched(
        "with AnonymousSampler(0.05) as sampler:\n    time.sleep(0.3)\nwatch.finish('load', helpers=sampler)"
    )
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert detail["children_bytes"] == detail["tree_bytes"] == 0
    assert result["peak_bytes"] < 8 * MIB  # type: ignore[operator]


def test_the_kernels_own_figures_are_kept() -> None:
    """Anonymous memory, the high-water mark, swap and reads from disk stand beside the peak, as told."""
    result = watched(
        "with AnonymousSampler() as sampler:\n"
        "    spike = bytearray(b'x') * (80 * 2**20); time.sleep(0.2); del spike\n"
        "watch.finish('load', sampled_bytes=sampler.peak_bytes, helpers=sampler)\n"
        "watch.finish('apply')"
    )
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert 130 * MIB < detail["anonymous_bytes"] < 150 * MIB  # with the ballast of before
    assert detail["rss_bytes"] >= detail["anonymous_bytes"] - MIB
    assert detail["swap_bytes"] == 0
    assert detail["major_faults"] >= 0
    assert detail["inherited_bytes"] > 50 * MIB


@pytest.mark.parametrize(
    ("limit", "outside", "total", "share"),
    [
        (8 * GIB, 0, 16 * GIB, 0.5),
        (8 * GIB, GIB, 28 * GIB, 0.25),
        (80 * GIB, GIB, 28 * GIB, 1.0),
        (GIB + 1, GIB, 2**30 * 16, 1 / (16 * GIB)),
    ],
)
def test_the_allocator_gets_what_the_context_leaves(
    limit: int, outside: int, total: int, share: float
) -> None:
    """A cap is for the whole process; torch's allocator knows nothing of the context."""
    assert allocator_share(limit, outside, total) == pytest.approx(share)


@pytest.mark.parametrize("limit", [0, 300 * MIB, 512 * MIB])
def test_a_cap_below_the_context_is_said(limit: int) -> None:
    """A limit that leaves nothing for the model is an error with both sizes, not a trial that cannot work."""
    with pytest.raises(BudgetError, match=r"below what CUDA's context takes.*512 MiB.*Give a limit that"):
        allocator_share(limit, 512 * MIB, 16 * GIB)


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({}, []),
        ({"alloc_retries": 0, "num_ooms": 0}, []),
        ({"alloc_retries": 1, "num_ooms": 0}, ["tight: memory ran out once"]),
        ({"alloc_retries": 3, "num_ooms": 1}, ["tight: memory ran out 3 times"]),
        ({"num_ooms": 2}, ["tight: memory ran out 2 times"]),
    ],
)
def test_a_trial_that_hardly_fits_is_warned_about(detail: dict[str, int], words: list[str]) -> None:
    """An allocator that had to give its cache back may have made the calls slower."""
    warnings = memory_warnings(Memory(peak_bytes=1, detail=detail))

    assert [warning.partition(";")[0] for warning in warnings] == words


HOLES = """
blocks = [bytearray(100_000) for _ in range(800)]
pins = blocks[::400]
blocks.clear()
def call():
    first = bytearray(30 * 2**20); del first
    second = bytearray(50 * 2**20)
"""


def test_one_more_call_shows_live_memory_alone() -> None:
    """What was freed is not counted: neither what the allocator holds by now, nor what it would keep.

    The first block of the call would be cut out of a hole of the heap, and stay there beside the second.
    """
    result = watched(f"{HOLES}call()\nwatch.finish('calls')\nwatch.weigh(call)")
    stages: dict[str, int] = result["stages"]  # type: ignore[assignment]
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert stages["calls"] > 75 * MIB
    assert 50 * MIB <= stages["one call"] < 54 * MIB
    assert result["peak_bytes"] == stages["one call"]
    assert detail["process_bytes"] == stages["calls"]


def test_what_the_measuring_holds_is_not_counted() -> None:
    """Pictures that wait to be compared are none of the recipe's memory, however many they are."""
    result = watched(
        "kept = bytearray(b'x') * (40 * 2**20)\n"
        "def call():\n    own = bytearray(b'x') * (60 * 2**20)\n"
        "watch.weigh(call, len(kept))"
    )

    assert 60 * MIB <= result["peak_bytes"] < 64 * MIB  # type: ignore[operator]


def test_weights_that_are_used_where_they_are_mapped_are_counted() -> None:
    """A call reads them, so they must fit: unlike those of a file that was only read and closed."""
    result = watched(
        "file = tempfile.NamedTemporaryFile(); file.write(os.urandom(1) * (60 * 2**20)); file.flush()\n"
        "mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "watch.weigh(lambda: sum(mapped[::4096]))"
    )
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert detail["mapped_bytes"] == 60 * MIB
    assert 60 * MIB <= result["peak_bytes"] < 64 * MIB  # type: ignore[operator]


def test_the_stages_before_the_calls_still_count() -> None:
    """A recipe whose loading takes more than its calls must fit while it loads."""
    result = watched(
        "spike = bytearray(b'x') * (80 * 2**20); del spike\nwatch.finish('load')\nwatch.weigh(lambda: None)"
    )

    assert 78 * MIB <= result["peak_bytes"] < 90 * MIB  # type: ignore[operator]
