"""Replay a recorded study as if its recipes had been raced: what that saves, and what it loses."""

import itertools
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.job import Rival
from autotune.measurement import Measurement, outcome_from_json
from autotune.objective import LATENCY, MEMORY, SIMILARITY
from autotune.race import MARGIN_PROJECTED, MARGIN_TIMED, as_rivals, loses, projected_s, steps_to_watch
from autotune.search.choose import choose, front

ORDERS = 200
PICKS = ("fastest", "knee", "smallest")
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
        lost: Of them those on the study's front.
        changed: Pick to how much worse what is picked instead is in what it was picked for (latency for the
            knee); picks that stay the same are not there.
    """

    saved: float
    full_s: float
    stopped: tuple[str, ...]
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


def stopped_after_s(measured: Measurement, rivals: Sequence[Rival]) -> float | None:
    """Return after how many seconds of measuring a recipe is stopped, or None where it is not.

    It is stopped in its second call where that is projected to be too long, else after two timed calls. What
    its steps took is known from one call only: the second call is taken to have been like it.

    Args:
        measured: The whole measurement.
        rivals: What it is raced against.
    """
    first_s = second_s = measured.warmup_s[1]
    memory = _known_bytes(measured)
    parts = measured.parts
    watched = steps_to_watch(len(parts.steps_s)) if parts else 0
    if parts and watched:
        ends = list(itertools.accumulate(parts.steps_s[:watched], initial=parts.text_s))[1:]
        scale = second_s / parts.total_s
        projected = scale * projected_s(parts.text_s, ends, len(parts.steps_s))
        if loses(rivals, memory, projected, margin=MARGIN_PROJECTED):
            return first_s + scale * ends[-1]
    if len(measured.calls_s) > 2 and loses(rivals, memory, min(measured.calls_s[:2]), margin=MARGIN_TIMED):
        return first_s + sum(measured.warmup_s[1:]) + sum(measured.calls_s[:2])
    return None


def replay(trials: Sequence[Recorded]) -> Replay:
    """Return what racing would have made of trials in this order; the first is the baseline and stays."""
    kept: list[Recorded] = []
    stopped: list[str] = []
    spent_s = 0.0
    for trial in trials:
        rivals = as_rivals([(one.digest, one.measurement) for one in kept])
        after_s = stopped_after_s(trial.measurement, rivals) if kept else None
        spent_s += seconds_of(trial.measurement) if after_s is None else after_s
        if after_s is None:
            kept.append(trial)
        else:
            stopped.append(trial.digest)
    full_s = sum(seconds_of(trial.measurement) for trial in trials)
    return Replay(
        saved=1 - spent_s / full_s,
        full_s=full_s,
        stopped=tuple(stopped),
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
        f"{len(told.lost)} of {on_front} on the front; {_regret(told)}"
    )
    at_random = (
        f"nine of ten {low:.1%} to {high:.1%}: {stopped:.1f} stopped, {lost:.2f} on the front; "
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


def _known_bytes(measured: Measurement) -> int:
    """What is known of a recipe's memory in its second call: the peak of the stages before it."""
    before = [measured.memory.stages.get(stage, 0) for stage in ("load", "apply", "first call")]
    return min(max(before), measured.memory_bytes)


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
