"""Behaviour of the watch over a GPU: on samples, and in processes that a driver of our own tells lies."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.gates import CallConditions, machine_warnings
from autotune.pipeline.conditions import summary
from autotune.pipeline.gpu_watch import GpuWatch, Sample, foreign_processes, what_samples_say

DRIVER = Path(__file__).parent / "driver.c"
compiler = shutil.which("cc")
driven = pytest.mark.skipif(
    compiler is None or sys.platform != "linux", reason="needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the drivers of a GPU that is not there."""
    folder = tmp_path_factory.mktemp("driver")
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        command = [str(compiler), "-shared", "-fPIC", "-o", str(folder / name), str(DRIVER)]
        subprocess.run(command, check=True)
    return folder


def told(drivers: Path, folder: Path, answers: str, lines: str) -> Any:
    """Run Python lines in a fresh process on the GPU that is not there, and return their `result`.

    Args:
        drivers: Folder of the drivers.
        folder: For the file of what they answer.
        answers: What they answer at first.
        lines: What to run; `answer(text)` changes the answers, and "ME" in it is the process's own number.
    """
    script = f"""
import json, os, time
from dataclasses import asdict
from pathlib import Path
from autotune.job import Protocol
from autotune.pipeline.conditions import watch_conditions
from autotune.pipeline.energy import EnergyMeter
from autotune.pipeline.stopwatch import time_calls
def answer(text):
    file = Path(os.environ["AUTOTUNE_TEST_GPU"])
    file.with_suffix(".new").write_text(text.replace("ME", str(os.getpid())))
    file.with_suffix(".new").replace(file)
def timed(run):
    conditions = watch_conditions("cuda", 1)
    conditions.gpu.cooling_s = 0.1
    protocol = Protocol(calls_min=3, calls_max=3, retries=1, interval=9.0)
    return asdict(time_calls(run, protocol, conditions))
answer({answers!r})
{lines}
print(json.dumps(result))
"""
    names = {"LD_LIBRARY_PATH": str(drivers), "AUTOTUNE_TEST_GPU": str(folder / "gpu.txt")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | names)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def gates(found: dict[str, Any]) -> list[str]:
    """Return the gates that fired, but for those of the CPU, which depend on what else runs here."""
    fired = [sentence.partition(":")[0] for sentence in found["warnings"]]
    return [gate for gate in fired if gate in ("throttled", "shared")]


@pytest.mark.slow
@driven
def test_a_gpu_that_throttles_is_waited_for_and_timed_again(drivers: Path, tmp_path: Path) -> None:
    """Calls while it was hot do not count; the one that gets it going again is warm-up."""
    lines = """
def run(number):
    time.sleep(0.15)
    if number == 2:
        answer("4 1700 0 0 0")
result = timed(run)
"""
    found = told(drivers, tmp_path, "64 900 0 0 0", lines)
    conditions = found["conditions"]

    assert (len(found["calls_s"]), len(found["dropped_s"]), len(found["discarded_s"])) == (3, 1, 3)
    assert gates(found) == []
    assert conditions["discarded_for"].endswith("(hardware thermal slowdown)")
    assert conditions["throttle_reasons"] == ["power cap"]
    figures = [conditions[name] for name in ("sm_clock_mhz", "power_w", "temperature_c")]
    assert figures == [1700.0, 123.0, 71]
    assert conditions["cycles"] == pytest.approx(0.15 * 1.7e9, rel=0.2)
    assert conditions["foreign_processes"] == []


@pytest.mark.slow
@driven
def test_a_gpu_that_goes_on_throttling_is_named(drivers: Path, tmp_path: Path) -> None:
    """After the retries its calls count, with a warning."""
    found = told(drivers, tmp_path, "8 900 0 0 0", "result = timed(lambda number: time.sleep(0.15))")

    assert (len(found["calls_s"]), len(found["discarded_s"])) == (3, 3)
    assert gates(found) == ["throttled"]


@pytest.mark.slow
@driven
def test_a_foreign_process_on_the_gpu_is_named(drivers: Path, tmp_path: Path) -> None:
    """Beside this one, and where processes cannot be told apart, by the memory that was used before."""
    lines = """
alone = timed(lambda number: answer("0 1900 900 0 ME"))
answer("0 1900 700 0 1")
result = [alone, timed(lambda number: answer("0 1900 900 0 1"))]
"""
    alone, unseen = told(drivers, tmp_path, "0 1900 0 0 0", lines)

    assert alone["conditions"]["foreign_processes"] == []
    assert gates(alone) == []
    assert unseen["conditions"]["foreign_processes"] == [{"pid": None, "name": None, "bytes": 700 * 2**20}]
    assert unseen["warnings"][-1].startswith("shared: another process with 700 MiB is on the same GPU")


@pytest.mark.slow
@driven
def test_a_gpu_that_refuses_every_question_tells_nothing(drivers: Path, tmp_path: Path) -> None:
    """As a slice of a GPU refuses most: every figure is None, and no gate fires; else energy is told.

    Of NVML's millijoules; a window of less than 5 s has no answer.
    """
    lines = """
meter = EnergyMeter("cuda")
meter.start()
answer("0 1900 0 62000 0")
energy = [meter.joules(), meter.joules(shortest_s=0.0)]
answer("-1 -1 -1 -1 -1")
result = [energy, timed(lambda number: None)]
"""
    energy, found = told(drivers, tmp_path, "0 1900 0 2000 0", lines)

    assert energy == [None, 60.0]
    assert gates(found) == []
    assert found["energy_j"] is None
    names = ("sm_clock_mhz", "cycles", "foreign_processes")
    assert [found["conditions"][name] for name in names] == [None, None, None]


def test_a_gpu_that_is_not_there_tells_nothing() -> None:
    """Without NVML every figure is None, and nobody is accused."""
    watch = GpuWatch("cuda:4711")
    with watch:
        pass
    conditions = watch.result()

    assert conditions.sm_clock_mhz is None
    assert conditions.throttled_share is None
    assert conditions.foreign is None
    calls = [CallConditions(wall_s=1.0)]
    assert machine_warnings(calls, conditions) == machine_warnings(calls)
    assert summary(calls, conditions)["cycles"] is None


def sample(clock_mhz: float | None, reasons: int | None) -> Sample:
    """Return a sample of a GPU."""
    return Sample(at_s=0.0, clock_mhz=clock_mhz, reasons=reasons, power_w=100.0, temperature_c=60.0)


def test_samples_say_what_slowed_a_gpu() -> None:
    """Slowdowns count; a clock that idleness or the power cap explains is not held against it."""
    found = what_samples_say(
        [sample(300.0, 0x1), sample(1500.0, 0x4), sample(900.0, 0x40), sample(1900.0, 0)]
    )

    assert found["throttled_share"] == 0.25
    assert found["reasons"] == ("idle", "power cap", "hardware thermal slowdown")
    assert found["sm_clock_mhz"] == 1150.0
    assert found["unexplained_clock_mhz"] == 1400.0
    assert found["temperature_c"] == 60.0
    assert set(what_samples_say([]).values()) == {None, ()}
    assert what_samples_say([sample(None, None)])["throttled_share"] is None


def test_a_used_gpu_is_known_by_its_memory_where_processes_cannot_be_told_apart() -> None:
    """As in a container, where NVML tells the host's numbers of processes."""
    assert foreign_processes(None, os.getpid(), None) is None
    assert foreign_processes(None, os.getpid(), 2**20) == []
    (someone,) = foreign_processes(None, os.getpid(), 2**30) or []
    assert someone == {"pid": None, "name": None, "bytes": 2**30}
