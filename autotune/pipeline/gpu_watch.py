"""A GPU under watch: clocks, event reasons, power and temperature at 10 Hz, and who else is on it."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from autotune.gates import OTHER_REASONS, SLOWDOWNS, GpuConditions
from autotune.pipeline.nvml import ask, device_handle

PERIOD_S = 0.1
COOLING_S = 60.0
_SM, _TEMPERATURE_OF_GPU = 1, 0  # nvml.h: NVML_CLOCK_SM, NVML_TEMPERATURE_GPU
_UNUSED_BYTES = 64 * 2**20  # a device that nobody uses shows up to some MiB beside the driver's reserve
_MEMORY_V2 = 2 << 24 | 40  # nvml.h: nvmlMemory_v2, which does not count the driver's reserve as used


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a GPU did at one moment; None where it cannot be read.

    Attributes:
        at_s: The moment, of `time.perf_counter`.
        clock_mhz: Clock of its processors.
        reasons: Bits of NVML's event reasons.
        power_w: Power.
        temperature_c: Temperature.
    """

    at_s: float
    clock_mhz: float | None
    reasons: int | None
    power_w: float | None
    temperature_c: float | None


class GpuWatch:
    """Samples a GPU in a thread while inside `with`; NVML lets other threads run meanwhile.

    Attributes:
        cooling_s: Longest wait for a GPU that holds itself back.
    """

    def __init__(self, device: str) -> None:
        """Note what lies on the device before this process puts anything there.

        Args:
            device: Torch device string.
        """
        self.cooling_s = COOLING_S
        self._handle = device_handle(device)
        self._used_before = _used_bytes(self._handle)
        # A number that is taken before this process is on the device is another's: of the host's numbering.
        self._pid = None if os.getpid() in (_pids(self._handle) or ()) else os.getpid()
        self._samples: list[Sample] = []
        self._foreign: dict[Any, Mapping[str, object]] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Forget what was seen before, and begin."""
        self._samples, self._foreign = [], None
        self._look_around()
        self._stop.clear()
        if self._handle is not None:
            self._thread = threading.Thread(target=self._sample, name="gpu watch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._look_around()

    def clock_since(self, begin_s: float) -> float | None:
        """Return the mean clock in MHz since a moment of `time.perf_counter`; None without a sample."""
        return _mean([one.clock_mhz for one in list(self._samples) if one.at_s >= begin_s])

    def result(self) -> GpuConditions:
        """Return what was seen since `with` began."""
        return GpuConditions(
            **what_samples_say(self._samples),
            max_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", self._handle, _SM),
            foreign=None if self._foreign is None else tuple(self._foreign.values()),
        )

    def wait_until_cool(self) -> float:
        """Wait until the GPU does not hold itself back any more, and return the seconds that it took."""
        start = time.monotonic()
        slowdowns = sum(SLOWDOWNS)
        while time.monotonic() - start < self.cooling_s:
            time.sleep(min(1.0, self.cooling_s))
            if not (_reasons(self._handle) or 0) & slowdowns:
                break
        return time.monotonic() - start

    def _sample(self) -> None:
        while not self._stop.is_set():
            self._samples.append(take_sample(self._handle))
            self._stop.wait(PERIOD_S)

    def _look_around(self) -> None:
        """Note the other processes on the device."""
        seen = foreign_processes(self._handle, self._pid, self._used_before)
        if seen is not None:
            self._foreign = (self._foreign or {}) | {one["pid"]: one for one in seen}


def take_sample(handle: Any) -> Sample:
    """Return what a GPU does now."""
    power = ask("nvmlDeviceGetPowerUsage", handle)
    return Sample(
        at_s=time.perf_counter(),
        clock_mhz=ask("nvmlDeviceGetClockInfo", handle, _SM),
        reasons=_reasons(handle),
        power_w=None if power is None else power / 1e3,
        temperature_c=ask("nvmlDeviceGetTemperature", handle, _TEMPERATURE_OF_GPU),
    )


def foreign_processes(
    handle: Any, pid: int | None, used_before: int | None
) -> list[dict[str, object]] | None:
    """Return the processes on a GPU that are not this one, None where it is not known.

    In a container NVML tells the host's numbers of processes, among which this one cannot find itself. Then
    the memory that was used before this process came says whether there is another.

    Args:
        handle: NVML's handle of the device.
        pid: Number of this process, None where NVML certainly uses other numbers.
        used_before: Bytes used on the device before this process put anything there, None where not known.

    Returns:
        "pid", "name" and "bytes" of each; None where a field is not known.
    """
    listed = ask("nvmlDeviceGetComputeRunningProcesses", handle)
    if listed is not None and any(one.pid == pid for one in listed):
        others = [one for one in listed if one.pid != pid]
        return [{"pid": one.pid, "name": _name(one.pid), "bytes": one.usedGpuMemory} for one in others]
    if used_before is None:
        return None
    unused = used_before < _UNUSED_BYTES
    return [] if unused else [{"pid": None, "name": None, "bytes": used_before}]


def what_samples_say(samples: list[Sample]) -> dict[str, Any]:
    """The fields of `GpuConditions` that samples tell."""
    reasons = [one.reasons for one in samples if one.reasons is not None]
    slowdowns = sum(SLOWDOWNS)
    seen = 0
    for bits in reasons:
        seen |= bits
    normal = sum(OTHER_REASONS)
    return {
        "throttled_share": sum(bool(bits & slowdowns) for bits in reasons) / len(reasons)
        if reasons
        else None,
        "reasons": tuple(name for bit, name in sorted((SLOWDOWNS | OTHER_REASONS).items()) if seen & bit),
        "sm_clock_mhz": _mean([one.clock_mhz for one in samples]),
        "unexplained_clock_mhz": _mean([one.clock_mhz for one in samples if not (one.reasons or 0) & normal]),
        "power_w": _mean([one.power_w for one in samples]),
        "temperature_c": max(
            (one.temperature_c for one in samples if one.temperature_c is not None), default=None
        ),
    }


def _reasons(handle: Any) -> int | None:
    found = ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if found is None:  # the name before version 12.535
        found = ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return None if found is None else int(found)


def _pids(handle: Any) -> list[int] | None:
    listed = ask("nvmlDeviceGetComputeRunningProcesses", handle)
    return None if listed is None else [one.pid for one in listed]


def _used_bytes(handle: Any) -> int | None:
    # Version 1 counts the driver's reserve as used, which would look like another process.
    memory = ask("nvmlDeviceGetMemoryInfo", handle, _MEMORY_V2)
    return None if memory is None else int(memory.used)


def _name(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
