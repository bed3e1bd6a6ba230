"""Energy: joules that a device took while calls were timed, by its own counter, None where it has none."""

import time
from pathlib import Path

from autotune.pipeline.nvml import ask, device_handle

WINDOW_S = 5.0
"""Shortest window that is stated. The counters advance in steps (about 0.1 s of an NVIDIA GPU, whose power
sensor looks at a part of the time only), so that a shorter one says little: Yang et al., Part-time Power
Measurements: nvidia-smi's Lack of Attention, SC24, arXiv 2312.02741."""
POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of Intel's and AMD's processors (RAPL); mostly for root alone."""


class EnergyMeter:
    """Reads the energy counter of a device: all that it takes, idle power and other processes included.

    Of an NVIDIA GPU NVML's total energy. A MIG slice has none. Of a CPU the sum of RAPL's packages.
    """

    def __init__(self, device: str, powercap: Path = POWERCAP) -> None:
        """Find the counter.

        Args:
            device: Torch device string.
            powercap: Folder of RAPL's counters.
        """
        self._handle = device_handle(device)
        self._zones = _packages(powercap) if device == "cpu" else []
        self._start: tuple[float, list[int]] | None = None

    @property
    def has_counter(self) -> bool:
        """Whether the device has a counter that can be read."""
        return self._read() is not None

    def start(self) -> None:
        """Begin the window that the next `joules` ends."""
        counts = self._read()
        self._start = None if counts is None else (time.monotonic(), counts)

    def joules(self, *, shortest_s: float = WINDOW_S) -> float | None:
        """Return the joules since `start`.

        Args:
            shortest_s: Shorter windows have no answer.

        Returns:
            None without a counter, where the window is too short, and where the counter was reset meanwhile.
        """
        counts = self._read()
        if self._start is None or counts is None:
            return None
        began, before = self._start
        if time.monotonic() - began < shortest_s:
            return None
        if self._handle is not None:
            used = [(counts[0] - before[0]) / 1e3]  # millijoules; of 64 bits, so that it never wraps
        else:
            pairs = zip(self._zones, before, counts, strict=True)
            used = [_since(zone, first, last) / 1e6 for zone, first, last in pairs]
        return sum(used) if min(used) >= 0 else None

    def _read(self) -> list[int] | None:
        """All counters; None where one is missing, since a part of the energy is no answer."""
        if self._handle is not None:
            total = ask("nvmlDeviceGetTotalEnergyConsumption", self._handle)
            return None if total is None else [int(total)]
        counts = [_number(zone / "energy_uj") for zone in self._zones]
        known = [count for count in counts if count is not None]
        return known if known and len(known) == len(counts) else None


def _packages(powercap: Path) -> list[Path]:
    """The zones of whole processors: others lie within them, and "psys" holds them all."""
    zones = sorted(powercap.glob("intel-rapl:*"))
    return [
        zone for zone in zones if zone.name.count(":") == 1 and _text(zone / "name").startswith("package")
    ]


def _since(zone: Path, first: int, last: int) -> int:
    """Microjoules between two readings of a counter that begins at 0 again when it is full."""
    if last >= first:
        return last - first
    full = _number(zone / "max_energy_range_uj")
    return -1 if full is None else last - first + full + 1


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
