"""Conditions: what the machine did while calls were timed. What cannot be read is None, never a guess."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from autotune.gates import CallConditions, GpuConditions, average_share
from autotune.pipeline.energy import EnergyMeter
from autotune.pipeline.gpu_watch import GpuWatch
from autotune.pipeline.memory import host_status
from autotune.samples import median

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_BUSY = (0, 1, 2, 5, 6)  # columns of /proc/stat: user, nice, system, irq, softirq
_STOLEN = 7


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Counters of this process and its machine at one moment; None where they cannot be read.

    Attributes:
        at_s: The moment.
        cpu_s: CPU seconds of this process.
        waits_s: For each of its threads how long it was ready to run and had no CPU.
        psi_s: How long some task of the machine waited for a CPU.
        busy_s: CPU seconds of all processes, on the CPUs that this one may use.
        stolen_s: CPU seconds that a hypervisor gave to other machines.
        throttled_s: How long the control group was held back.
        switches: How often a thread lost its CPU.
        faults: Pages read from disk.
    """

    at_s: float
    cpu_s: float
    waits_s: dict[str, float] | None
    psi_s: float | None
    busy_s: float | None
    stolen_s: float | None
    throttled_s: float | None
    switches: int | None
    faults: int | None


class Conditions:
    """Watches a device and its machine while calls are timed; made by `watch_conditions`."""

    def __init__(self, device: str, threads: int, kept_bytes: Callable[[], int]) -> None:
        """See `watch_conditions`."""
        self.device, self.threads = device, max(1, threads)
        self.energy = EnergyMeter(device)
        self._kept_bytes = kept_bytes
        self.gpu = GpuWatch(device) if device.startswith("cuda") else None

    def during(self, action: Callable[[], Any]) -> CallConditions:
        """Run an action, timed by the wall clock, and return what the machine did meanwhile.

        The counters are read before and after: reading them, 0.1 ms each time, is not in the call's seconds.
        """
        before = read_counters()
        start = time.perf_counter_ns()
        action()
        wall_s = (time.perf_counter_ns() - start) / 1e9
        after = read_counters()
        status = host_status()
        return CallConditions(
            wall_s=wall_s,
            threads=self.threads,
            cpu_s=after.cpu_s - before.cpu_s,
            waited_s=_longest_wait(before, after),
            psi_s=_difference(before.psi_s, after.psi_s),
            other_cpu_s=_others(before, after),
            stolen_s=_difference(before.stolen_s, after.stolen_s),
            throttled_s=_difference(before.throttled_s, after.throttled_s),
            involuntary_switches=_difference(before.switches, after.switches),
            major_faults=_difference(before.faults, after.faults),
            swap_bytes=status.get("VmSwap"),
            held_bytes=self._held_bytes(status),
            sm_clock_mhz=self.gpu.clock_since(before.at_s) if self.gpu else None,
        )

    @contextmanager
    def series(self) -> Iterator[None]:
        """Sample the GPU and count energy while inside."""
        self.energy.start()
        if self.gpu is None:
            yield
            return
        with self.gpu:
            yield

    def held_bytes(self) -> int | None:
        """Return the live memory now, without the pictures that the caller keeps; None where not known."""
        return self._held_bytes(host_status())

    def _held_bytes(self, status: dict[str, int]) -> int | None:
        if self.device.startswith("cuda"):
            return torch.cuda.memory_allocated(self.device)
        held = status.get("RssAnon")
        return None if held is None else held - self._kept_bytes()


def watch_conditions(device: str, threads: int, *, kept_bytes: Callable[[], int] = lambda: 0) -> Conditions:
    """Return what watches a device and its machine.

    To be called before the trial puts anything on the GPU: what lies there already is another process's.

    Args:
        device: Torch device string.
        threads: CPU threads that a call may use, such as `torch.get_num_threads()`.
        kept_bytes: Tells how many bytes of a CPU's memory the caller itself keeps between calls, such as
            their pictures: they are no leak.
    """
    return Conditions(device, threads, kept_bytes)


def summary(
    calls: Sequence[CallConditions],
    gpu: GpuConditions | None,
    discarded: Sequence[tuple[CallConditions, str]] = (),
) -> dict[str, Any]:
    """Return in plain JSON what the machine did while calls were timed.

    Args:
        calls: The calls that count, at least one.
        gpu: What the GPU did meanwhile, None on a CPU.
        discarded: Calls that do not count, and what disturbed each.

    Returns:
        "cpu_share" and "waited_share", a list with each call's; over all calls together "psi_share",
        "other_cpus" (CPUs that other processes took) and "stolen_cpus"; the sums of "involuntary_switches",
        "throttled_s", "major_faults"; "swap_bytes" after the last call; "discarded", how many calls do not
        count, and "discarded_for", what disturbed the longest of them, "" for none. On a GPU also
        "sm_clock_mhz", "cycles" (median over the calls of their seconds times their mean clock: what stays
        the same when only the clock moves), "throttle_reasons", "power_w", "temperature_c" and
        "foreign_processes". None where it is not known.
    """
    longest = max(discarded, key=lambda pair: pair[0].wall_s, default=None)
    found: dict[str, Any] = {
        "cpu_share": [_rounded(call.cpu_share) for call in calls],
        "waited_share": [_rounded(call.share("waited_s")) for call in calls],
        "psi_share": _rounded(average_share(calls, "psi_s")),
        "other_cpus": _rounded(average_share(calls, "other_cpu_s")),
        "stolen_cpus": _rounded(average_share(calls, "stolen_s")),
        "involuntary_switches": _sum([call.involuntary_switches for call in calls]),
        "throttled_s": _sum([call.throttled_s for call in calls]),
        "major_faults": _sum([call.major_faults for call in calls]),
        "swap_bytes": calls[-1].swap_bytes,
        "discarded": len(discarded),
        "discarded_for": longest[1] if longest else "",
    }
    if gpu is None:
        return found
    clock = gpu.sm_clock_mhz
    return found | {
        "sm_clock_mhz": _rounded(clock),
        "cycles": None if clock is None else round(median(_cycles(calls, clock))),
        "throttle_reasons": list(gpu.reasons),
        "power_w": _rounded(gpu.power_w),
        "temperature_c": _rounded(gpu.temperature_c),
        "foreign_processes": None if gpu.foreign is None else [dict(one) for one in gpu.foreign],
    }


def read_counters() -> Counters:
    """Return this process's and its machine's counters now."""
    switches, faults = _usage()
    busy_s, stolen_s = _machine_seconds()
    return Counters(
        at_s=time.perf_counter(),
        cpu_s=time.process_time(),
        waits_s=_waits(),
        psi_s=_pressure(),
        busy_s=busy_s,
        stolen_s=stolen_s,
        throttled_s=_throttled(),
        switches=switches,
        faults=faults,
    )


def _waits() -> dict[str, float] | None:
    """Seconds that each thread waited in the run queue: the second number of its schedstat, nanoseconds."""
    found = {}
    try:
        for thread in os.listdir(_PROC / "self/task"):  # noqa: PTH208 - names are all that is needed, and fast
            fields = _text(_PROC / "self/task" / thread / "schedstat").split()
            if len(fields) > 1:
                found[thread] = int(fields[1]) / 1e9
    except OSError:
        return None
    # Without the kernel's scheduling statistics every number is 0, also of a process that ran.
    return found or None


def _longest_wait(before: Counters, after: Counters) -> float | None:
    if before.waits_s is None or after.waits_s is None:
        return None
    earlier = before.waits_s
    return max(waited - earlier.get(thread, 0.0) for thread, waited in after.waits_s.items())


def _pressure() -> float | None:
    """Seconds in which some task of the machine waited for a CPU: "some … total=microseconds"."""
    _, _, total = _text(_PROC / "pressure/cpu").partition("total=")
    return int(total.split()[0]) / 1e6 if total else None


def _machine_seconds() -> tuple[float | None, float | None]:
    """Busy and stolen CPU seconds, of the CPUs that this process may use."""
    lines = [line.split() for line in _text(_PROC / "stat").splitlines() if line.startswith("cpu")]
    try:
        mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        tick = 1 / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError):
        return None, None
    rows = [[int(field) for field in line[1:]] for line in lines if line[0] in mine]
    if not rows or min(len(row) for row in rows) <= _STOLEN:
        return None, None
    busy = sum(row[column] for row in rows for column in _BUSY)
    return busy * tick, sum(row[_STOLEN] for row in rows) * tick


def _others(before: Counters, after: Counters) -> float | None:
    busy = _difference(before.busy_s, after.busy_s)
    return None if busy is None else max(0.0, busy - (after.cpu_s - before.cpu_s))


def _throttled() -> float | None:
    """Seconds that this process's control group was held back: of version 2, then of version 1."""
    for row in _text(_PROC / "self/cgroup").splitlines():
        _, kinds, path = row.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        folder = _GROUPS / "cpu" if kinds else _GROUPS
        # In a container the path is the host's, and its own group is the root that it sees.
        for group in (folder / path.lstrip("/"), folder):
            for name, unit in (("throttled_usec", 1e6), ("throttled_time", 1e9)):
                _, _, value = _text(group / "cpu.stat").partition(f"{name} ")
                if value:
                    return int(value.split()[0]) / unit
    return None


def _usage() -> tuple[int | None, int | None]:
    """Involuntary switches and major faults of this process, all threads."""
    try:
        import resource
    except ImportError:  # Windows
        return None, None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nivcsw, usage.ru_majflt


def _cycles(calls: Sequence[CallConditions], clock_mhz: float) -> list[float]:
    """Cycles of each call; by the clock of all calls where one is too short to have its own."""
    return [call.wall_s * (call.sm_clock_mhz or clock_mhz) * 1e6 for call in calls]


def _difference(before: Any, after: Any) -> Any:
    return None if before is None or after is None else after - before


def _sum(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
