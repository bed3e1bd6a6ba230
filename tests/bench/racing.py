"""Replay a recorded study as if its recipes had been raced: what that saves, and what it loses."""

import itertools
import json
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.job import Rival
from autotune.measurement import Measurement, outcome_from_json
from autotune.objective import LATENCY, MEMORY, SIMILARITY
from autotune.race import (
    BRIEF_CALLS,
    MARGIN_PROJECTED,
    MARGIN_TIMED,
    as_rivals,
    loses,
    projected_s,
    steps_to_watch,
)
from autotune.search.choose import choose, front

ORDERS = 200
PICKS = ("fastest", "knee", "smallest")
"""As `autotune.pipeline.racing` has it, which is not imported here: it needs torch."""
_OBJECTIVES = (LATENCY, MEMORY, SIMILARITY)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A trial that was measured to its end.

    Attributes:
        digest: Its recipe.
        measurement: What was measured.
        is_fit: Whether it is within the study's limits.
    """

    digest: str
    measurement: Measurement
    is_fit: bool


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What racing would have made of a study.

    Attributes:
        saved: Share of the seconds of measuring that it saves; loading and compiling are not counted.
        full_s: Those seconds without racing.
        stopped: Digests of the recipes that it stops.
        brief: How many others it times briefly.
        lost: Of them those on the study's front.
        changed: Pick to how much worse what is picked instead is in what it was picked for (latency for the
            knee); picks that stay the same are not there.
    """

    saved: float
    full_s: float
    stopped: tuple[str, ...]
    brief: int
    lost: tuple[str, ...]
    changed: dict[str, float]


def read(file: Path) -> list[Recorded]:
    """Return the measured trials of a study that `autotune show --all --json` wrote, the baseline first."""
    study: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    found = []
    for trial in sorted(study["trials"], key=lambda trial: not trial["is_baseline"]):
        if (trial.get("outcome") or {}).get("outcome") != "measurement":
            continue
        measured = outcome_from_json(trial["outcome"])
        if isinstance(measured, Measurement) and len(measured.warmup_s) > 1:
            is_fit = trial["standing"] != "unfit"
            found.append(Recorded(digest=trial["digest"], measurement=measured, is_fit=is_fit))
    return found


def seconds_of(measured: Measurement) -> float:
    """Return the seconds of all calls of a trial; the first one, which may compile, counts as the second."""
    return measured.warmup_s[1] + sum(measured.warmup_s[1:]) + sum(measured.calls_s)


def race(measured: Measurement, rivals: Sequence[Rival]) -> tuple[float, Measurement | None]:
    """Race a recipe that was measured, as `autotune.pipeline.racing` does.

    It is stopped in its second call where that is projected to be too long for its memory; else after two
    timed calls; and where it is far behind the fastest, but may be the smallest, it is timed briefly. What
    its steps took is known from one call only: the second call is taken to have been like it.

    Args:
        measured: The whole measurement.
        rivals: What it is raced against.

    Returns:
        The seconds of its calls, and what is known of it: None where it was stopped.
    """
    spent_s, calls_s = measured.warmup_s[1], measured.calls_s
    fastest_s = min((rival.latency_s for rival in rivals), default=math.inf)
    projected, watched_s = _projected(measured)
    if projected > MARGIN_PROJECTED * fastest_s:
        spent_s += watched_s
        if loses(rivals, _known_bytes(measured, is_timed=False), projected, margin=MARGIN_PROJECTED):
            return spent_s, None
    spent_s += sum(measured.warmup_s[1:])
    if measured.warmup_s[-1] > MARGIN_PROJECTED * fastest_s:
        calls_s = calls_s[:BRIEF_CALLS]
    least_s = min(*measured.warmup_s, *calls_s[:2])
    if len(calls_s) > 2 and loses(
        rivals, _known_bytes(measured, is_timed=True), least_s, margin=MARGIN_TIMED
    ):
        return spent_s + sum(calls_s[:2]), None
    return spent_s + sum(calls_s), replace(measured, calls_s=calls_s)


def replay(trials: Sequence[Recorded]) -> Replay:
    """Return what racing would have made of trials in this order; the first is the baseline and stays."""
    kept: list[Recorded] = []
    stopped: list[str] = []
    brief, spent_s = 0, 0.0
    for trial in trials:
        rivals = as_rivals([(one.digest, one.measurement) for one in kept])
        seconds, known = race(trial.measurement, rivals)
        spent_s += seconds
        if known is None:
            stopped.append(trial.digest)
        else:
            brief += known.calls_s != trial.measurement.calls_s
            kept.append(replace(trial, measurement=known))
    full_s = sum(seconds_of(trial.measurement) for trial in trials)
    return Replay(
        saved=1 - spent_s / full_s,
        full_s=full_s,
        stopped=tuple(stopped),
        brief=brief,
        lost=tuple(digest for digest in _front(trials) if digest in stopped),
        changed=_changed(_fit(trials), _fit(kept)),
    )


def shuffled(trials: Sequence[Recorded], orders: int = ORDERS) -> list[Replay]:
    """Return the replays of trials in random orders, the baseline first in each; the same ones every time."""
    baseline, *others = trials
    dice = random.Random(4)
    return [replay([baseline, *dice.sample(others, len(others))]) for _ in range(orders)]


def rows(name: str, trials: Sequence[Recorded]) -> list[tuple[str, str, str]]:
    """Return the lines of the table about one study: what, value, compared with what."""
    told, many = replay(trials), shuffled(trials)
    on_front = len(_front(trials))
    saved = sorted(one.saved for one in many)
    low, high = saved[len(saved) // 20], saved[-1 - len(saved) // 20]
    stopped = statistics.fmean(len(one.stopped) for one in many)
    lost = statistics.fmean(len(one.lost) for one in many)
    in_order = (
        f"of {told.full_s:.0f} s of calls: {len(told.stopped)} of {len(trials)} recipes stopped, "
        f"{told.brief} timed briefly, {len(told.lost)} of {on_front} on the front lost; {_regret(told)}"
    )
    at_random = (
        f"nine of ten {low:.1%} to {high:.1%}: {stopped:.1f} stopped, {lost:.2f} on the front lost; "
        f"another {', '.join(_regret_of(pick, many) for pick in PICKS)}"
    )
    return [
        (f"saved by racing, {name}", f"{told.saved:.1%}", in_order),
        (f"  in {len(many)} random orders", f"{statistics.fmean(saved):.1%}", at_random),
    ]


def _regret(told: Replay) -> str:
    if not told.changed:
        return f"{', '.join(PICKS)} stay"
    return ", ".join(f"another {pick}, {worse:+.1%}" for pick, worse in told.changed.items())


def _regret_of(pick: str, many: Sequence[Replay]) -> str:
    worse = [one.changed[pick] for one in many if pick in one.changed]
    return f"{pick} in {len(worse) / len(many):.0%}" + (f" (up to {max(worse):+.1%})" if worse else "")


def _projected(measured: Measurement) -> tuple[float, float]:
    """What the second call takes at least, by its first steps, and the seconds until that is known."""
    parts = measured.parts
    watched = steps_to_watch(len(parts.steps_s)) if parts else 0
    if parts is None or not watched:
        return 0.0, 0.0
    scale = measured.warmup_s[1] / parts.total_s
    steps = parts.steps_s[: watched + 1]  # the first tells when the others began
    ends = [scale * end for end in itertools.accumulate(steps, initial=parts.text_s)][1:]
    projected = projected_s(ends[0], ends[1:], len(parts.steps_s) - 1)
    return min(projected, measured.warmup_s[0]), ends[-1]


def _known_bytes(measured: Measurement, *, is_timed: bool) -> int:
    """What is known of a recipe's memory: on a CPU it is weighed to decide in the second call, not later."""
    is_cpu = "reserved_bytes" not in measured.memory.detail
    if is_cpu and not is_timed:
        return measured.memory_bytes
    stages = ("load", "apply") if is_cpu else ("load", "apply", "first call")
    return min(max(measured.memory.stages.get(stage, 0) for stage in stages), measured.memory_bytes)


def _fit(trials: Sequence[Recorded]) -> list[Recorded]:
    return [trial for trial in trials if trial.is_fit]


def _front(trials: Sequence[Recorded]) -> list[str]:
    fit = _fit(trials)
    return [fit[index].digest for index in front([trial.measurement for trial in fit], _OBJECTIVES)]


def _changed(before: Sequence[Recorded], after: Sequence[Recorded]) -> dict[str, float]:
    changed = {}
    for pick in PICKS:
        old, new = (
            trials[choose([trial.measurement for trial in trials], _OBJECTIVES, pick)]
            for trials in (before, after)
        )
        if old.digest != new.digest:
            objective = MEMORY if pick == "smallest" else LATENCY
            worse = objective.loss(new.measurement) / objective.loss(old.measurement) - 1
            changed[pick] = worse
    return changed
