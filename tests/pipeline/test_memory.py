"""Behaviour of the memory watch, in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux' /proc")

MIB = 2**20


def watched(body: str) -> dict[str, object]:
    """Run Python lines in a fresh process, inside a memory watch, and return its result."""
    script = f"""
import json, mmap, os, subprocess, sys, tempfile
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


def test_helper_processes_are_reported_beside_the_peak() -> None:
    """The largest helper process of a trial is a figure of its own."""
    result = watched(
        "subprocess.run([sys.executable, '-c', 'x = bytearray(b\"x\") * (70 * 2**20)'], check=True)\n"
        "watch.finish('apply')"
    )
    detail: dict[str, int] = result["detail"]  # type: ignore[assignment]

    assert detail["children_bytes"] > 70 * MIB
    assert result["peak_bytes"] < 25 * MIB  # type: ignore[operator]


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
