"""Behaviour of the device lock, between real processes, users and runners."""

import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.measurement import Failure, FailureKind, Measurement
from autotune.runners.device_lock import FOLDER_VARIABLE, holder, holding, lock_folder
from autotune.runners.local import LocalRunner

from .conftest import job

NOBODY = 65534
HOLD = """
import os, sys, time
from autotune.runners.device_lock import holding
if os.getuid() == 0:  # nothing else would let it become another user
    os.setuid(int(sys.argv[4]))
with holding(sys.argv[1], purpose=sys.argv[2], tell=print, is_cancelled=lambda: False):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""
MEASURE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from runners.conftest import job
from autotune.runners.local import LocalRunner
import time
with LocalRunner(lambda phase: print(time.time(), phase, flush=True)) as runner:
    for number in range(2):
        outcome = runner(job({{"steps": 1}}, Path(sys.argv[1]) / str(number), role="reference"))
        print(time.time(), "end", type(outcome).__name__, outcome.phases_s.get("waiting", 0), flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of locks that only this test has, and that is yet to be made."""
    folder = tmp_path / "locks"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Return another process that holds the device "gpu"."""
    with hold("gpu", "a study") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def hold(device: str, purpose: str, seconds: float = 60.0, *, user: int = 0) -> subprocess.Popen[str]:
    """Start a process that holds a device."""
    command = [sys.executable, "-c", HOLD, device, purpose, str(seconds), str(user)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _open_to_all(folder: Path) -> None:
    """Let other users come as far as to the folder."""
    for path in folder.parents:
        if path.stat().st_uid == os.getuid() and path != path.parent and not path.stat().st_mode & 0o001:
            path.chmod(0o755)


def take(device: str, said: list[str], *, patience_s: float = 30.0) -> bool:
    """Hold a device for a moment, and return whether that was possible in time."""
    end = time.monotonic() + patience_s
    with holding(
        device, purpose="a test", tell=said.append, is_cancelled=lambda: time.monotonic() > end
    ) as go_on:
        return go_on


def test_a_device_that_is_free_is_taken_at_once(folder: Path) -> None:
    """Nobody is told anything, and the folder is made for all users."""
    said: list[str] = []

    assert take("GPU-1/2", said)
    assert said == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o666}
    assert [file for file in folder.iterdir() if not file.name.startswith("GPU-1_2.")] == []


@pytest.mark.slow
def test_a_busy_device_is_waited_for(other: subprocess.Popen[str]) -> None:
    """Whoever waits is told once by whom, since when and for what it is held; other devices are free."""
    said: list[str] = []

    assert not take("gpu", said, patience_s=1.0)
    assert len(said) == 1
    assert said[0].startswith(f"waiting for the device: process {other.pid} measures there since ")
    assert said[0].endswith(", for a study")
    assert take("another gpu", said)


def test_a_killed_holder_frees_the_device(other: subprocess.Popen[str]) -> None:
    """The operating system takes the lock back; what the dead one wrote is not believed any more."""
    other.send_signal(signal.SIGKILL)
    other.wait()

    assert holder("gpu") == "another process measures there"
    assert take("gpu", [])


@pytest.mark.slow
def test_who_waits_is_not_overtaken(other: subprocess.Popen[str]) -> None:
    """A study that asks again right after its trial comes after the one that has waited."""
    order: list[str] = []

    def wait_and_note(name: str) -> None:
        assert take("gpu", [])
        order.append(name)

    first = threading.Thread(target=wait_and_note, args=("first",))
    first.start()
    time.sleep(0.5)
    second = threading.Thread(target=wait_and_note, args=("second",))
    second.start()
    time.sleep(0.3)
    other.kill()
    first.join()
    second.join()

    assert order == ["first", "second"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_two_users_share_the_lock(folder: Path) -> None:
    """What one user made, another one can lock; and each of them waits for the other."""
    _open_to_all(folder)
    old_mask = os.umask(0o077)
    try:
        assert take("gpu", [])
    finally:
        os.umask(old_mask)
    with hold("gpu", "a foreign study", user=NOBODY) as foreign:
        assert foreign.stdout is not None
        assert foreign.stdout.readline() == "held\n"
        said: list[str] = []
        assert not take("gpu", said, patience_s=0.5)
        assert f"process {foreign.pid} measures there" in said[0]
        assert said[0].endswith("for a foreign study")
        foreign.kill()
    assert {file.stat().st_uid for file in folder.iterdir()} == {os.getuid()}


def test_a_file_that_may_only_be_read_is_locked_too(folder: Path) -> None:
    """A lock that another user made, and that nobody else may write, still keeps two apart."""
    _open_to_all(folder)
    assert take("gpu", [])
    for file in folder.iterdir():
        file.chmod(0o444)
    with hold("gpu", "a study", user=NOBODY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not take("gpu", [], patience_s=0.5)
        process.kill()


def test_without_a_folder_it_goes_on_with_a_warning(folder: Path) -> None:
    """Where no lock can be made, a study is not stopped; it is told that nothing is locked."""
    folder.write_text("a file in the place of the folder")
    said: list[str] = []

    assert take("gpu", said)
    assert len(said) == 1
    assert said[0].startswith(f"not locked, another study could disturb it: '{folder}")
    assert FOLDER_VARIABLE in said[0]


def test_a_lock_that_was_tidied_away_is_made_again(folder: Path, other: subprocess.Popen[str]) -> None:
    """A file that was removed under its holder keeps nobody from locking the next one properly."""
    (folder / "gpu.lock").unlink()

    assert take("gpu", [])
    assert (folder / "gpu.lock").exists()


def test_the_folder_is_below_that_of_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """All users of a machine find the same one, unless it is named."""
    monkeypatch.delenv(FOLDER_VARIABLE)

    assert lock_folder().name == "autotune-locks"


def test_cancelling_ends_the_waiting(runner: LocalRunner, tmp_path: Path, phases: list[str]) -> None:
    """A trial that waits for its device can be stopped, and comes to a cancelled trial."""
    name = runner.probe_target("cpu").uuid
    phases.clear()
    with hold(name, "a study") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        threading.Timer(1.0, runner.cancel).start()
        outcome = runner(job({}, tmp_path / "trial"))
        process.kill()

    assert isinstance(outcome, Failure), outcome
    assert outcome.kind is FailureKind.CANCELLED
    assert outcome.phase == "waiting"
    assert outcome.phases_s["waiting"] > 0.5
    assert len(phases) == 1
    assert phases[0].startswith(f"waiting for the device: process {process.pid} measures there")


@pytest.mark.slow
def test_waiting_does_not_count_for_the_time_limit(runner: LocalRunner, tmp_path: Path) -> None:
    """A trial that waited longer than it may take is measured all the same, and says how long it waited."""
    name = runner.probe_target("cpu").uuid
    with hold(name, "a study", seconds=8.0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        outcome = runner(job({"steps": 1}, tmp_path / "trial", role="reference", time_limit_s=7.0))

    assert isinstance(outcome, Measurement), outcome
    assert outcome.phases_s["waiting"] > 7.0


@pytest.mark.slow
def test_two_studies_measure_one_after_the_other(tmp_path: Path) -> None:
    """The trials of two runners in two processes do not overlap, and their turns alternate."""
    script = tmp_path / "study.py"
    script.write_text(MEASURE.format(tests=str(Path(__file__).parent.parent)), encoding="utf-8")
    studies = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / name)], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    spans: list[tuple[float, float]] = []
    waited_s = 0.0
    for study in studies:
        printed, _ = study.communicate(timeout=240)
        rows = [line.split() for line in printed.splitlines()]
        starts = [float(row[0]) for row in rows if row[1] == "load"]
        ends = [row for row in rows if row[1] == "end"]
        assert [row[2] for row in ends] == ["Measurement"] * 2
        spans += zip(starts, (float(row[0]) for row in ends), strict=True)
        waited_s += sum(float(row[3]) for row in ends)
    spans.sort()

    assert all(end <= start + 0.01 for (_, end), (start, _) in itertools.pairwise(spans)), spans
    assert waited_s > 0.5
