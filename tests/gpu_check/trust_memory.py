"""Experiments of the stage "trust" on memory: what becomes of recipes under caps, and the least one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from autotune.job import Protocol
from autotune.measurement import Measurement, Outcome
from autotune.search.min_cap import min_cap
from autotune.workload import Workload
from tests.gpu_check.trust_trials import (
    Finding,
    Settings,
    Trials,
    demo,
    full_size,
    is_good,
    table,
    told,
    why_missing,
)

CAPS, LEAST = "caps", "least cap"
_MIB = 2**20
_TIMED = Protocol(settle_max=4, busy_s=0.0, calls_min=5, calls_max=5, retries=0, pairs=2, race=False)
_SHARES = (1.05, 0.9, 0.7)
"""Of what the allocator had reserved without a cap: what lies outside of it cannot be made smaller."""
_EAGER: Settings = {}
_GRAPHS: Settings = {"compile": "full", "compile_mode": "reduce-overhead"}
_NO_CAPS = "a CPU's memory limit is checked afterwards, not enforced"


def outside_bytes(memory: Mapping[str, Any]) -> int:
    """Return what a measured process held on the GPU outside of the allocator.

    >>> outside_bytes({"detail": {"outside_at_most_bytes": 7}})
    7
    """
    detail = memory["detail"]
    return int(detail.get("outside_bytes", detail.get("outside_at_most_bytes", 0)))


def cap_of(memory: Mapping[str, Any], share: float) -> int:
    """Return a cap in bytes under which the allocator may take a share of what it reserved without one.

    Args:
        memory: Of the measurement without a cap, as `told` keeps it.
        share: Of the bytes that it reserved.

    >>> cap_of({"detail": {"outside_bytes": 500, "reserved_bytes": 1000}}, 0.9)
    1400
    """
    return outside_bytes(memory) + round(share * int(memory["detail"]["reserved_bytes"]))


def measure_caps(trials: Trials) -> None:
    """Run the demo model under caps near its own peak, with plain calls."""
    _under_caps(trials, "eager", _EAGER, needs_s=10.0)


def measure_graph_caps(trials: Trials) -> None:
    """Run the demo model under caps near its own peak, recorded as CUDA graphs."""
    _under_caps(trials, "CUDA graphs", _GRAPHS, needs_s=60.0)


def _under_caps(trials: Trials, name: str, settings: Settings, *, needs_s: float) -> None:
    if trials.where.is_proof:
        trials.once(CAPS, name, lambda: {"impossible": _NO_CAPS}, needs_s=0.0)
        return
    workload = _wide()
    cache = str(trials.where.work / "trust" / "cache-of-caps")

    def measured(cap: int | None) -> Finding:
        more = {"cache": cache, "is_whole": False, "memory_limit_bytes": cap}
        return trials.measure(workload, settings, _TIMED, **more)

    free = trials.once(CAPS, f"{name}, no cap", lambda: measured(None), needs_s=needs_s)
    if not is_good(free):
        return
    for share in _SHARES:
        made = partial(_under, cap_of(free["memory"], share), measured)
        trials.once(CAPS, f"{name}, {share:.0%}", made, needs_s=needs_s / 2)


def _under(cap: int, measured: Callable[[int], Finding]) -> Finding:
    """A recipe under a cap: that it does not run there is no failure of the experiment."""
    return {"cap_bytes": cap, "under": measured(cap)}


def _wide() -> Workload:
    """The demo model with pictures so large that calls, and not weights, decide about memory."""
    return demo(side_px=512, steps=4, batch=4, prompts=4)


def measure_least(trials: Trials) -> None:
    """Search the least cap of the demo model by halves."""
    _least(trials, "demo, 4 x 512 px", (_wide(), _EAGER), runs=4, needs_s=25.0)


def measure_large_least(trials: Trials) -> None:
    """Search the least cap of SDXL in full size by halves."""
    what = full_size("arch:sdxl", side_px=1024), {"dtype": "bfloat16"}
    _least(trials, "arch:sdxl, bf16", what, runs=3, needs_s=70.0)


def _least(trials: Trials, name: str, what: tuple[Workload, Settings], *, runs: int, needs_s: float) -> None:
    workload, settings = what
    if trials.where.is_proof:
        trials.once(LEAST, name, lambda: {"impossible": _NO_CAPS}, needs_s=0.0)
        return

    def found() -> Finding:
        free = trials.outcome(workload, settings, _TIMED, is_whole=False)
        if not isinstance(free, Measurement):
            return told(free, workload, settings)
        return least_cap(
            free,
            lambda cap: trials.outcome(workload, settings, _TIMED, is_whole=False, memory_limit_bytes=cap),
            runs=runs,
        )

    trials.once(LEAST, name, found, needs_s=needs_s)


def least_cap(free: Measurement, measure: Callable[[int], Outcome], *, runs: int) -> Finding:
    """Return the least cap that a search by halves finds, and every cap that it tried.

    Args:
        free: The recipe's measurement without a cap.
        measure: Measures it under a cap in bytes.
        runs: How often at most.
    """
    tried: list[Finding] = []

    def run(cap_bytes: int) -> Outcome:
        outcome: Outcome = measure(cap_bytes)
        seconds = outcome.latency_s if isinstance(outcome, Measurement) else None
        why = "" if isinstance(outcome, Measurement) else outcome.message[:200]
        tried.append({"cap_bytes": cap_bytes, "latency_s": seconds, "why": why})
        return outcome

    detail = free.memory.detail
    low = detail["allocated_bytes"] + outside_bytes({"detail": detail})
    least = min_cap(run, low_bytes=low, high_bytes=free.memory_bytes, latency_s=free.latency_s, runs=runs)
    return {
        "free_bytes": free.memory_bytes,
        "free_latency_s": free.latency_s,
        "detail": dict(detail),
        "tried": tried,
        "least_bytes": least,
    }


def caps_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "caps" found, as Markdown."""
    rows = []
    for name, one in found.items():
        under = one.get("under", one)
        if not is_good(under):
            cap = _mib(one.get("cap_bytes"))
            rows.append([name, cap, *["-"] * 5, why_missing(under)])
            continue
        detail = under["memory"]["detail"]
        sizes = [_mib(under["memory"]["peak_bytes"]), _mib(detail.get("allocated_bytes"))]
        counts = [str(detail.get(key, "not told")) for key in ("alloc_retries", "num_ooms")]
        rows.append(
            [name, _mib(one.get("cap_bytes")), *sizes, f"{under['latency_s'] * 1e3:.1f}", *counts, "ran"]
        )
    heads = ["recipe", "cap MiB", "peak MiB", "allocated MiB", "ms", "retries", "refused", "outcome"]
    return [
        *table(heads, rows),
        (
            "A share is of what the allocator reserved without a cap. What runs under a smaller one had kept "
            "memory for later; retries tell how often it was given back."
        ),
        "",
    ]


def least_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "least cap" found, as Markdown."""
    rows = []
    for name, one in found.items():
        if not is_good(one):
            rows.append([name, *["-"] * 4, why_missing(one)])
            continue
        ran = [tried for tried in one["tried"] if tried["latency_s"] is not None]
        rows.append(
            [
                name,
                _mib(one["free_bytes"]),
                _mib(one["detail"]["allocated_bytes"] + outside_bytes(one)),
                _mib(one["least_bytes"]) if one["least_bytes"] else "none was found",
                f"{len(ran)} of {len(one['tried'])}",
                "",
            ]
        )
    heads = [
        "recipe",
        "peak without a cap MiB",
        "live and outside MiB",
        "least cap MiB",
        "caps it ran under",
        "",
    ]
    return [
        *table(heads, rows),
        "The least cap under which a call took at most 5 % longer: what a card must have for this recipe.",
        "",
    ]


def _mib(amount: int | None) -> str:
    return "-" if amount is None else f"{amount / _MIB:.0f}"
