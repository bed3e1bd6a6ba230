"""Which gate fires: what outside disturbed a call, and what makes a series of timed calls suspect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.samples import drift, drift_p_value, outliers, slope, spread

NOISY = 0.10
"""Spread (interquartile range to median) above which timings are noisy: torch.utils.benchmark's threshold."""
DRIFT, DRIFT_P = 0.02, 0.05
"""Drift from first to last call that counts, and how improbable it must be without a trend."""
DRIFT_P_EARLY = 0.001
"""The same where a series is not finished: it is asked after every call, so that chance has many tries."""
WAITED = 0.10
"""Share of a call spent waiting for a CPU that counts; on a quiet machine it is below 0.02."""
SHARE_OF_BEST = 0.90
"""A call that got less than this share of the CPU that the trial's best call got was starved."""
OTHERS = 0.10
"""CPUs that others must have taken before a wait is laid at their door: a trial may also wait for itself."""
TICKS_S = 0.1
"""Calls shorter than this cannot be judged by counters that advance in ticks of 10 ms."""
THROTTLED = 0.01
"""Share of a call, or of a GPU's samples, that may be throttled."""
SLOW_CLOCK = 0.75
"""Share of its largest clock below which a GPU is slowed: that of NVIDIA's nvbench."""
LEAK_BYTES, LEAK_SHARE = 2**20, 0.005
"""Growth a call, in bytes and as a share of what is held, above which memory leaks."""
LEAK_CALLS = 3
"""Fewer calls show no trend of memory."""

SLOWDOWNS = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
"""NVML's event reasons (nvml.h, `nvmlClocksEventReason…`) that make a series worthless."""
OTHER_REASONS = {
    0x01: "idle",
    0x02: "application clocks setting",
    0x04: "power cap",
    0x10: "sync boost",
    0x100: "display clock setting",
}
"""NVML's further event reasons: normal ones. A GPU at full load sits at its power cap."""


@dataclass(frozen=True, kw_only=True)
class CallConditions:
    """What the machine did during one call; None where it cannot be read.

    Attributes:
        wall_s: How long the call took.
        threads: CPU threads that it may use.
        cpu_s: CPU seconds of this process, all threads.
        waited_s: The longest that one of its threads was ready to run and had no CPU.
        psi_s: How long some task of the machine waited for a CPU (pressure stall information).
        other_cpu_s: CPU seconds of other processes, on the CPUs that this process may use.
        stolen_s: CPU seconds that a hypervisor gave to other machines.
        throttled_s: How long the control group was held back since its quota was used up.
        involuntary_switches: How often a thread lost its CPU.
        major_faults: Pages read from disk.
        swap_bytes: Memory of this process on disk after the call.
        held_bytes: Live memory after the call: anonymous on a CPU, allocated on CUDA.
        sm_clock_mhz: Mean clock of a GPU.
    """

    wall_s: float
    threads: int = 1
    cpu_s: float | None = None
    waited_s: float | None = None
    psi_s: float | None = None
    other_cpu_s: float | None = None
    stolen_s: float | None = None
    throttled_s: float | None = None
    involuntary_switches: int | None = None
    major_faults: int | None = None
    swap_bytes: int | None = None
    held_bytes: int | None = None
    sm_clock_mhz: float | None = None

    def share(self, name: str) -> float | None:
        """Return a field in seconds as a share of the call: 2.0 is two CPUs; None where it was not read."""
        seconds = getattr(self, name)
        return None if seconds is None or self.wall_s <= 0 else float(seconds) / self.wall_s

    @property
    def cpu_share(self) -> float | None:
        """The share of its threads' time that this process ran."""
        share = self.share("cpu_s")
        return None if share is None else share / max(1, self.threads)


@dataclass(frozen=True, kw_only=True)
class GpuConditions:
    """What a GPU did while a series of calls was timed; None where it cannot be read.

    Attributes:
        throttled_share: Share of the samples with a reason of `SLOWDOWNS`.
        reasons: Names of all event reasons seen, in the order of their bits.
        sm_clock_mhz: Mean clock of its processors.
        unexplained_clock_mhz: The same, of the samples without one of `OTHER_REASONS`, such as a power cap.
        max_clock_mhz: Their largest clock.
        power_w: Mean power.
        temperature_c: Highest temperature.
        foreign: Other processes on it, with "pid", "name" and "bytes" each; () for none, None if not known.
    """

    throttled_share: float | None = None
    reasons: tuple[str, ...] = ()
    sm_clock_mhz: float | None = None
    unexplained_clock_mhz: float | None = None
    max_clock_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    foreign: tuple[Mapping[str, object], ...] | None = None


def why_disturbed(call: CallConditions, best_share: float | None, others: float | None = None) -> str | None:
    """Return what outside the trial disturbed a call, None where nothing did.

    Never because the call was slow: only by evidence from outside. A call waited for a CPU, and other
    processes had it meanwhile; or the hypervisor or the control group held the process back. The scheduler
    tells how long this process waited. Where it does not, the machine's pressure counter and the share of CPU
    that the process got stand in.

    Args:
        call: What the machine did during the call.
        best_share: Largest `cpu_share` of the trial's calls, None where it is not known.
        others: CPUs that other processes took, on average over the trial's calls; it stands in where the call
            is too short for the machine's counters.

    >>> why_disturbed(CallConditions(wall_s=1.0, waited_s=0.5, other_cpu_s=1.5), 1.0)
    'it waited 50% of the time for a CPU while other processes took 1.5 CPUs'
    >>> why_disturbed(CallConditions(wall_s=1.0, waited_s=0.5, other_cpu_s=0.0), 1.0) is None
    True
    """
    throttled = call.share("throttled_s")
    if throttled is not None and throttled > THROTTLED:
        return f"its control group was held back {throttled:.0%} of the time: the quota of CPU is used up"
    coarse = call.wall_s >= TICKS_S
    stolen = call.share("stolen_s") if coarse else None
    if stolen is not None and stolen > WAITED:
        return f"the hypervisor took {stolen:.1f} CPUs for other machines"
    starved = _why_starved(call, best_share)
    others = call.share("other_cpu_s") if coarse else others
    if starved is None or (others is not None and others <= OTHERS):
        return None
    taken = "" if others is None else f" while other processes took {others:.1f} CPUs"
    return starved + taken


def disturbances(calls: Sequence[CallConditions]) -> list[str | None]:
    """Return for each call of a trial what disturbed it, None where nothing did."""
    shares = [call.cpu_share for call in calls]
    best = max((share for share in shares if share is not None), default=None)
    return [why_disturbed(call, best, average_share(calls, "other_cpu_s")) for call in calls]


def average_share(calls: Sequence[CallConditions], name: str) -> float | None:
    """Return a field in seconds as a share of all calls together: 2.0 is two CPUs.

    None where it was not read, and where all calls are too short for counters that advance in ticks.

    >>> average_share([CallConditions(wall_s=1.0, other_cpu_s=0.5)] * 2, "other_cpu_s")
    0.5
    """
    seconds = [getattr(call, name) for call in calls]
    walls = sum(call.wall_s for call in calls)
    return None if walls < TICKS_S or None in seconds else float(sum(seconds)) / walls


def why_throttled(gpu: GpuConditions) -> str | None:
    """Return why a GPU was too slow while calls were timed, None where it was not, or nobody knows.

    >>> why_throttled(GpuConditions(unexplained_clock_mhz=900.0, max_clock_mhz=1980.0))
    'its clock was 900 MHz on average, of 1980 MHz'
    """
    if gpu.throttled_share is not None and gpu.throttled_share > THROTTLED:
        names = ", ".join(name for name in gpu.reasons if name in SLOWDOWNS.values())
        return f"it held itself back in {gpu.throttled_share:.0%} of the samples ({names})"
    clock, largest = gpu.unexplained_clock_mhz, gpu.max_clock_mhz
    if clock is not None and largest and clock < SLOW_CLOCK * largest:
        return f"its clock was {clock:.0f} MHz on average, of {largest:.0f} MHz"
    return None


def is_drifting(calls_s: Sequence[float], p_value: float = DRIFT_P) -> bool:
    """Whether timed calls get slower or faster beyond doubt.

    Args:
        calls_s: Their seconds, in order.
        p_value: How improbable so clear a trend must be where there is none.

    >>> is_drifting([1.0, 1.02, 1.04, 1.06, 1.08])
    True
    >>> is_drifting([1.0, 1.3, 0.9, 1.1])
    False
    """
    return len(calls_s) > 1 and abs(drift(calls_s)) > DRIFT and drift_p_value(calls_s) < p_value


def leak_bytes(held_bytes: Sequence[int]) -> int:
    """Return by how many bytes memory grows with every call, 0 where that is within what is normal.

    The median of the slopes of all pairs of calls: memory that grows for some calls and then no more is no
    leak.

    Args:
        held_bytes: Live memory after each call, in order.

    >>> leak_bytes([100 * 2**20, 104 * 2**20, 108 * 2**20, 112 * 2**20])
    4194304
    >>> leak_bytes([100 * 2**20, 120 * 2**20, 120 * 2**20, 120 * 2**20, 120 * 2**20])
    0
    """
    if len(held_bytes) < LEAK_CALLS:
        return 0
    growth = slope(held_bytes)
    return int(growth) if growth > max(LEAK_BYTES, LEAK_SHARE * max(held_bytes)) else 0


def spread_warnings(calls_s: Sequence[float]) -> tuple[str, ...]:
    """Return what is suspicious about the seconds of timed calls alone, one sentence each.

    >>> spread_warnings([1.0, 1.02, 1.01, 1.0, 1.03])
    ()
    """
    found = []
    if spread(calls_s) > NOISY:
        found.append(
            f"noisy: the middle half of the timings spreads over {spread(calls_s):.0%} of the median"
        )
    if is_drifting(calls_s):
        found.append(f"drifting: the calls changed by {drift(calls_s):+.0%} from first to last")
    if outliers(calls_s):
        found.append(f"outliers: {len(outliers(calls_s))} of {len(calls_s)} calls lie far from the rest")
    return tuple(found)


def machine_warnings(calls: Sequence[CallConditions], gpu: GpuConditions | None = None) -> tuple[str, ...]:
    """Return what the machine did that makes timed calls suspect, one sentence each.

    Args:
        calls: The calls that count.
        gpu: What the GPU did meanwhile, None on a CPU.
    """
    found = []
    reasons = [reason for reason in disturbances(calls) if reason]
    if reasons:
        worst = max(zip(disturbances(calls), calls, strict=True), key=_severity)[0]
        found.append(
            f"disturbed: {len(reasons)} of {len(calls)} timed calls; the worst of them: {worst}. "
            "Stop other work on this machine and measure again."
        )
    throttled = why_throttled(gpu) if gpu else None
    if throttled:
        found.append(f"throttled: the GPU was slowed: {throttled}. Look at its cooling and power.")
    swapped = _why_swapped(calls)
    if swapped:
        found.append(swapped)
    foreign = (gpu.foreign if gpu else None) or ()
    found += [
        f"shared: {_named(process)} is on the same GPU. Stop it and measure again." for process in foreign
    ]
    return tuple(found)


def leak_warning(grown_bytes: int) -> str:
    """Return the sentence about memory that grows with every call.

    >>> leak_warning(4 * 2**20)
    'leaking: memory grows by 4.0 MiB a call, so that a long run will fail'
    """
    return f"leaking: memory grows by {grown_bytes / 2**20:.1f} MiB a call, so that a long run will fail"


def _why_starved(call: CallConditions, best_share: float | None) -> str | None:
    """Why a call had too little CPU, by the best counter there is."""
    waited, pressure, share = call.share("waited_s"), call.share("psi_s"), call.cpu_share
    if waited is not None:  # it knows for certain whether this process waited: nothing else need be asked
        return f"it waited {min(waited, 1.0):.0%} of the time for a CPU" if waited > WAITED else None
    if pressure is not None and pressure > WAITED:
        return f"tasks of this machine waited {min(pressure, 1.0):.0%} of the time for a CPU"
    if share is not None and best_share and share < SHARE_OF_BEST * best_share:
        return f"it ran {share:.0%} of the time, and {best_share:.0%} in its best call"
    return None


def _severity(pair: tuple[str | None, CallConditions]) -> float:
    reason, call = pair
    if reason is None:
        return -1.0
    return max(call.share(name) or 0.0 for name in ("waited_s", "throttled_s", "stolen_s"))


def _why_swapped(calls: Sequence[CallConditions]) -> str | None:
    """Say so where memory went to disk while calls were timed: pages of this process, not of files."""
    held = [call.swap_bytes for call in calls if call.swap_bytes is not None]
    faults = sum(call.major_faults or 0 for call in calls)
    grown = held[-1] - held[0] if held else 0
    if grown <= LEAK_BYTES and not (held and held[-1] and faults):
        return None
    size = f"{held[-1] / 2**20:.0f} MiB of this trial"
    return (
        f"swapped: {size} lay on disk, and {faults} pages were read from there. "
        "Free memory and measure again."
    )


def _named(process: Mapping[str, object]) -> str:
    """A process on the GPU in words."""
    name, pid, held = process.get("name"), process.get("pid"), process.get("bytes")
    who = f"process {pid}" if pid else "another process"
    who += f" ({name})" if name else ""
    return who + (f" with {held / 2**20:.0f} MiB" if isinstance(held, int) else "")
