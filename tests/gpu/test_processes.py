"""Processes on a card: one trial at a time, none outlives its end, and the fork server stays off it."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.job import Protocol
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.runners.local import LocalRunner
from tests.processes import is_running, wait_until

from .card import DEVICE, IS_CUDA, TIME_IS_OVER, Card, left_s, measured, only_a_card

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

MIB = 2**20
ENDLESS = Protocol(
    settle_min=1,
    settle_max=2,
    busy_s=0.0,
    calls_min=10**6,
    calls_max=10**6,
    interval=0.0,
    timing_s=3600.0,
    retries=0,
    race=False,
)
LATE_S = 25.0
"""Enough to reach the timed calls, which never end."""


class Heard:
    """Hears of a trial's phases: its process, and what the card had in use while it timed calls."""

    def __init__(self, card: Card, in_timing: Callable[[int], None] = lambda _pid: None) -> None:
        """Prepare.

        Args:
            card: Its runner tells the phases.
            in_timing: Is called with the trial's process when its timed calls begin.
        """
        self.card, self.in_timing = card, in_timing
        self.pid, self.used_bytes = 0, 0

    def __call__(self, phase: str) -> None:
        """Hear of a phase."""
        self.pid = self.card.runner._pid
        if phase == "timing":
            self.used_bytes = used_bytes(self.card)
            self.in_timing(self.pid)


def used_bytes(card: Card) -> int:
    """Return what NVML counts as used on the card; 0 on a CPU, and where NVML does not tell."""
    uuid = card.space.situation.target.uuid
    if not IS_CUDA or not uuid:
        return 0
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2).used)
    except pynvml.NVMLError:
        return 0


def end_of(
    card: Card,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> Failure:
    """Run a trial that never ends by itself, and check that nothing is left of it."""
    before = used_bytes(card)
    with monkeypatch.context() as patch:
        patch.setattr(card.runner, "_listen", heard)
        outcome = card.measure({}, protocol=ENDLESS, time_limit_s=LATE_S)

    assert isinstance(outcome, Failure), outcome
    assert heard.pid > 0
    assert wait_until(lambda: not is_running(heard.pid))
    assert wait_until(lambda: used_bytes(card) <= before + 64 * MIB)
    after = used_bytes(card)
    record_property("used_bytes", {"before": before, "while": heard.used_bytes, "after": after})
    if IS_CUDA and used_bytes(card):
        assert heard.used_bytes > before + 64 * MIB, "NVML saw nothing of the trial"
    assert measured(card.measure({}, role="pictures")).similarity == pytest.approx(1.0, abs=1e-3)
    return outcome


def test_a_late_trial_is_killed_and_gives_the_device_back(
    card: Card, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Its time limit ends it while it is timed, its memory is free again, and the next trial works."""
    failure = end_of(card, Heard(card), monkeypatch, record_property)

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.phase == "timing"


def test_a_killed_trial_gives_the_device_back(
    card: Card, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """As when the kernel kills it: it is a recorded failure, and the next trial works."""
    heard = Heard(card, in_timing=lambda pid: os.kill(pid, signal.SIGKILL))
    failure = end_of(card, heard, monkeypatch, record_property)

    assert failure.kind is FailureKind.OUT_OF_MEMORY
    assert "signal 9" in failure.message


def test_two_trials_at_once_wait_for_one_another(card: Card, tmp_path: Path) -> None:
    """Two studies on one device measure one after the other, and the second says how long it waited."""
    outcomes: list[Outcome] = []
    with LocalRunner() as other:
        other.probe_target(DEVICE)  # so that its server is warm
        job = replace(card.job({}, role="pictures"), folder=str(tmp_path / "other"))
        if left_s() < job.time_limit_s / 5:
            pytest.skip(TIME_IS_OVER)
        beside = threading.Thread(target=lambda: outcomes.append(other(job)))
        beside.start()
        outcomes.append(card.measure({}, role="pictures"))
        beside.join(timeout=120)
    waits = [outcome.phases_s["waiting"] for outcome in outcomes if "waiting" in outcome.phases_s]

    assert [type(outcome) for outcome in outcomes] == [Measurement, Measurement], outcomes
    assert len(waits) == 1
    assert waits[0] > 0.05


@only_a_card
def test_the_fork_server_never_opens_the_card(
    card: Card, record_property: Callable[[str, object], None]
) -> None:
    """After trials have run it has no context: no file of CUDA's driver is open, and NVML lists it nowhere.

    A server that had one could not fork a trial that uses CUDA: two trials in a row show it as well.
    """
    for _ in range(2):
        measured(card.measure({}, role="pictures"))
    server = card.runner._server
    assert server is not None
    links = [os.readlink(file) for file in Path(f"/proc/{server.pid}/fd").iterdir() if file.is_symlink()]  # noqa: PTH115
    maps = Path(f"/proc/{server.pid}/maps").read_text(encoding="utf-8", errors="replace")
    record_property("nvidia_files", sorted({link for link in links if "nvidia" in link}))
    record_property("has_driver_mapped", "libcuda.so" in maps)
    listed = _listed(card)
    record_property("listed_processes", listed)

    assert not [link for link in links if "nvidia-uvm" in link]
    assert server.pid not in (listed or [])


def _listed(card: Card) -> list[int] | None:
    """The processes that NVML lists on the card: none of them where a container hides them."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(card.space.situation.target.uuid)
        return [int(one.pid) for one in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    except pynvml.NVMLError:
        return None
