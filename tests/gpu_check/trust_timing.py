"""Experiments of the stage "trust" on seconds: how calls and processes differ, and when recipes settle."""

import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autotune.job import Protocol
from autotune.workload import Workload
from tests.gpu_check.trust_trials import (
    Finding,
    Settings,
    Trials,
    demo,
    full_size,
    is_good,
    table,
    why_missing,
)

SPREAD, SETTLING = "spread", "settling"
_AGAIN = ", from the cache"
_COMPILE_S = 120.0
_SETTLED = Protocol(settle_max=8, busy_s=0.0, calls_min=3, calls_max=5, retries=0, pairs=2, race=False)
_MODES: dict[str, Settings] = {
    "none": {},
    "full, default": {"compile": "full"},
    "full, reduce-overhead": {"compile": "full", "compile_mode": "reduce-overhead"},
    "full, max-autotune": {"compile": "full", "compile_mode": "max-autotune"},
}
_SPREAD_HEADS = (
    *("recipe", "processes x calls", "ms", "sd within", "sd between", "its own", "worst"),
    *("SM clock MHz", "W", "J by counter / W x s"),
)
_MODES_OF_CPU: dict[str, Settings] = {"none": {}, "text encoder, default": {"compile_text_encoder": True}}


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How repeated calls of one recipe differ.

    Attributes:
        processes: How many processes were measured.
        calls: Timed calls of each, the fewest.
        within: Standard deviation of the calls of one process as a share of its median, pooled.
        between: That of the processes' medians, as a share of their mean.
        own: The part of `between` that noise within processes does not explain.
        worst: By how much the largest median exceeds the smallest.
    """

    processes: int
    calls: int
    within: float
    between: float
    own: float
    worst: float


def spread_of(processes: Sequence[Sequence[float]]) -> Spread | None:
    """Return how the calls of several processes differ; None for fewer than two.

    The median of n calls that scatter normally has 1.2533 / sqrt(n) of their standard deviation: that much
    of the difference between processes is noise of their calls.

    Args:
        processes: Seconds of the timed calls of each, two calls or more.

    >>> found = spread_of([[1.0, 1.0, 1.0], [1.1, 1.1, 1.1]])
    >>> round(found.within, 3), round(found.between, 3), round(found.worst, 3)
    (0.0, 0.067, 0.1)
    """
    if len(processes) < 2:
        return None
    medians = [statistics.median(calls) for calls in processes]
    shares = [
        statistics.variance(calls) / middle**2 for calls, middle in zip(processes, medians, strict=True)
    ]
    within = statistics.fmean(shares) ** 0.5
    between = statistics.stdev(medians) / statistics.fmean(medians)
    calls = min(len(each) for each in processes)
    noise = (1.2533 * within) ** 2 / calls
    return Spread(
        processes=len(processes),
        calls=calls,
        within=within,
        between=between,
        own=max(between**2 - noise, 0.0) ** 0.5,
        worst=max(medians) / min(medians) - 1,
    )


def _steady(calls: int, busy_s: float) -> Protocol:
    return Protocol(
        settle_max=6,
        busy_s=busy_s,
        calls_min=calls,
        calls_max=calls,
        interval=0.0,
        retries=0,
        pairs=2,
        race=False,
    )


def measure_spread(trials: Trials) -> None:
    """Measure the same recipe in process after process: the demo model."""
    processes, protocol = (3, _steady(5, 0.0)) if trials.where.is_proof else (8, _steady(20, 1.0))
    workload = demo(side_px=64, steps=2) if trials.where.is_proof else demo()
    _spread(trials, "demo", (workload, {}, protocol), processes)


def measure_large_spread(trials: Trials) -> None:
    """Measure the same recipe in process after process: SDXL in full size, on a GPU alone."""
    if trials.where.is_proof:
        reason = "a CPU takes minutes for one call of SDXL"
        trials.once(SPREAD, "arch:sdxl, bf16 #1", lambda: {"impossible": reason}, needs_s=0.0)
        return
    # Calls of 0.3 s or so: 20 of them are enough for the counter of energy, which is stated from 5 s on.
    what = full_size("arch:sdxl", side_px=1024), {"dtype": "bfloat16"}, _steady(20, 2.0)
    _spread(trials, "arch:sdxl, bf16", what, 3)


def _spread(trials: Trials, name: str, what: tuple[Workload, Settings, Protocol], processes: int) -> None:
    workload, settings, protocol = what
    for number in range(1, processes + 1):
        trials.once(
            SPREAD,
            f"{name} #{number}",
            lambda: trials.measure(workload, settings, protocol, is_whole=False),
            needs_s=6.0 if workload.model == "demo" else 25.0,
        )


def measure_settling(trials: Trials) -> None:
    """Measure when recipes settle under each mode of the compiler, first cold and then from the cache."""
    workload = demo(side_px=64, steps=2) if trials.where.is_proof else demo()
    for mode, settings in (_MODES_OF_CPU if trials.where.is_proof else _MODES).items():
        # Compilers are called with this path: no spaces.
        cache = trials.where.work / "trust" / f"cache-{mode.replace(', ', '-').replace(' ', '-')}"
        more = {"cache": str(cache), "is_whole": False, "limit_s": _COMPILE_S}
        warm = partial(trials.measure, workload, settings, _SETTLED, **more)
        needs_s = 12.0 if not settings else 60.0
        cold = trials.once(SETTLING, f"{mode}, cold", partial(_in_no_cache, cache, warm), needs_s=needs_s)
        if settings and is_good(cold):
            trials.once(SETTLING, f"{mode}{_AGAIN}", warm, needs_s=12.0)


def _in_no_cache(cache: Path, measured: Callable[[], Finding]) -> Finding:
    """A recipe that finds an empty cache; what it compiles is there for the next."""
    shutil.rmtree(cache, ignore_errors=True)
    return measured()


def spread_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "spread" found, as Markdown."""
    named: dict[str, list[Finding]] = {}
    for item, one in found.items():
        named.setdefault(item.partition(" #")[0], []).append(one)
    rows = [_spread_row(name, mine) for name, mine in named.items()]
    return [
        *table([*_SPREAD_HEADS, ""], rows),
        (
            "Within: sd of the calls of one process. Between: sd of the medians of fresh processes; its own: "
            "the part of it that the noise of the calls does not explain. A gap between two recipes that is "
            "smaller than worst (largest median over smallest, of one recipe) asks for more than one process."
        ),
        "",
    ]


def _spread_row(name: str, mine: list[Finding]) -> list[str]:
    good = [one for one in mine if is_good(one)]
    gates = Counter(warning.partition(":")[0] for one in good for warning in one["warnings"])
    remarks = [f"{gate} in {count} of {len(good)}" for gate, count in gates.items()]
    missing = "; ".join([*sorted({why_missing(one) for one in mine if not is_good(one)}), *remarks])
    spread = spread_of([one["calls_s"] for one in good])
    if spread is None:
        return [name, str(len(good)), *["-"] * (len(_SPREAD_HEADS) - 2), missing]
    middle = statistics.median(one["latency_s"] for one in good)
    shares = [f"{share:.2%}" for share in (spread.within, spread.between, spread.own, spread.worst)]
    seen = [*(_range(good, key) for key in ("sm_clock_mhz", "power_w")), _energy_ratio(good)]
    return [name, f"{spread.processes} x {spread.calls}", f"{middle * 1e3:.1f}", *shares, *seen, missing]


def settling_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "settling" found, as Markdown."""
    rows = []
    for name, one in found.items():
        if not is_good(one):
            rows.append([name, *["-"] * 5, why_missing(one)])
            continue
        phases = one["phases_s"]
        ready_s = sum(phases.get(phase, 0.0) for phase in ("load", "apply", "first call"))
        seconds = [f"{one['warmup_s'][0]:.2f}", f"{ready_s:.2f}"]
        calls = str(len(one["warmup_s"]))
        rows.append([name, *seconds, calls, f"{one['latency_s'] * 1e3:.1f}", one["compile_cache"] or "-", ""])
    heads = ["compile", "first call s", "first pictures after s", "calls to settle", "ms a call", "cache", ""]
    return [
        *table(heads, rows),
        (
            "Calls to settle: all until one in which nothing was compiled, captured or newly allocated and "
            "that agreed with the one before; 8 is the most that is waited for. Every later call was timed "
            "under a guard that fails when anything is compiled again."
        ),
        "",
    ]


def _energy_ratio(found: Sequence[Finding]) -> str:
    """Joules of a call by the counter, over mean power times its seconds: 1 where they agree."""
    known = [(one["energy_j"], one["conditions"].get("power_w"), one["latency_s"]) for one in found]
    ratios = [joules / (watts * seconds) for joules, watts, seconds in known if joules and watts]
    return f"{statistics.median(ratios):.2f}" if ratios else "not told here"


def _range(found: Sequence[Finding], key: str) -> str:
    known: list[Any] = [one["conditions"].get(key) for one in found]
    values = [value for value in known if value is not None]
    return f"{min(values):.0f} to {max(values):.0f}" if values else "not told here"
