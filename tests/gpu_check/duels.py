"""Duels: published recipes under a study's own workload, and the best of them against the tuned one.

A guide is measured here as the tuned recipe was, so that like is compared with like; its own workload is the
business of `autotune bench-guides`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from autotune.guides import LADDERS
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.ladder import Ladder
from autotune.search.ladder import look_at
from autotune.search.study import Study
from autotune.store.records import TrialRecord

MOST, MOST_LONG = 5, 2
"""So many recipes of guides are tried, the fastest by the guides' own figures; and so many that compile for
minutes, which come last."""
_LONG_TO_COMPILE = ("max-autotune", "max-autotune-no-cudagraphs", "diffusion_fast")

Settings = Mapping[str, Value]


def ladders_for(model: str, ladders: Iterable[Ladder] = LADDERS) -> tuple[Ladder, ...]:
    """Return the guides about a model; the demo model stands in for SDXL, or for whatever there is."""
    every = tuple(ladders)
    found = tuple(ladder for ladder in every if ladder.model == model)
    if model != "demo":
        return found
    return tuple(ladder for ladder in every if ladder.model == "arch:sdxl") or every


def recipes_of_guides(
    ladders: Iterable[Ladder], situation: Situation, *, most: int = MOST
) -> tuple[dict[str, dict[str, Value]], dict[str, str]]:
    """Return the recipes of guides that can be measured beside a tuned one, and why the others are left out.

    The most promising come first: the faster by the guide's own figures before the slower, and those that
    compile for minutes after all others.

    Args:
        ladders: The guides.
        situation: Where, of what, making what.
        most: How many at most that do not compile for minutes.

    Returns:
        Settings by "guide: rung", and sentences by the same names.
    """
    found: list[tuple[float, str, dict[str, Value]]] = []
    left_out: dict[str, str] = {}
    for ladder in ladders:
        here = look_at(ladder, situation)
        for rung in ladder.rungs:
            name = f"{ladder.name}: {rung.name}"
            why = here.why_not.get(rung.name) or _why_left_out(here.recipes[rung.name].settings)
            if why:
                left_out[name] = why
                continue
            settings = dict(here.recipes[rung.name].settings)
            found.append((ladder.published_speedup(rung) or 1.0, name, settings))
    short: dict[str, dict[str, Value]] = {}
    long: dict[str, dict[str, Value]] = {}
    for _, name, settings in sorted(found, key=lambda one: -one[0]):
        kept, room = (long, MOST_LONG) if _is_long_to_compile(settings) else (short, most)
        same = next((other for other, known in kept.items() if known == settings), None)
        if same is not None:
            left_out[name] = f"It is the same recipe here as '{same}'."
        elif len(kept) == room:
            kind = "that compile for minutes" if kept is long else "of its kind"
            left_out[name] = f"There was time for {room} {kind}, and it is slower by its guide's own figures."
        else:
            kept[name] = settings
    return short | long, left_out


def best_guide(study: Study) -> TrialRecord | None:
    """Return the fastest recipe of a guide that was measured and is fit; None where there is none."""
    fit = [trial for trial in study.fit() if trial.changed]
    return min(fit, key=_latency_s, default=None)


def challenger(study: Study, guide: TrialRecord) -> TrialRecord | None:
    """Return the fastest tuned recipe of those that need no more memory than a guide's.

    Where all need more, the fastest of all; None where nothing that is fit was measured.
    """
    fit = [trial for trial in study.fit() if trial.changed]
    small = [trial for trial in fit if _memory_bytes(trial) <= _memory_bytes(guide)]
    return min(small or fit, key=_latency_s, default=None)


def unmeasured(study: Study) -> dict[str, str]:
    """Return the recipes of guides that were tried and not measured to their end, and why, or not tried."""
    found = {}
    tried = {trial.preset: trial for trial in study.trials if trial.counts}
    for name in study.plan.recipes:
        trial = tried.get(name)
        if trial is None:
            found[name] = "not tried"
        elif trial.failure is not None:
            found[name] = trial.failure.kind.value
        elif trial.pruned is not None:
            found[name] = "stopped early: slower than others and not smaller"
    return found


def duel_json(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a duel: the two sides, the first of which is the tuned one, and their ratio.

    Args:
        told: What `autotune compare TUNED GUIDE --json` printed.

    >>> side = {"name": "a.json", "seconds": [1.0], "memory_bytes": 5, "similarity": 0.99, "settings": {}}
    >>> duel_json({"recipes": [side, side], "rounds": 1, "ratio": {"value": 1.2}})["ratio"]["value"]
    1.2
    """
    names = ("settings", "seconds", "memory_bytes", "similarity", "warnings")
    sides = [{name: side.get(name) for name in names} for side in told["recipes"]]
    return {"tuned": sides[0], "guide": sides[1], "rounds": told["rounds"], "ratio": told["ratio"]}


def _why_left_out(settings: Settings) -> str:
    """Why a recipe is not measured beside tuned ones; "" where it is."""
    approximate = [knob.name for knob in all_knobs() if knob.changes_result and knob.name in settings]
    if approximate:
        return f"It changes what is computed ({', '.join(approximate)}), which no tuned recipe does here."
    return "" if settings else "It is what the pipeline does when nothing is tuned."


def _is_long_to_compile(settings: Settings) -> bool:
    return any(value in _LONG_TO_COMPILE for value in settings.values())


def _latency_s(trial: TrialRecord) -> float:
    return trial.measurement.latency_s if trial.measurement is not None else float("inf")


def _memory_bytes(trial: TrialRecord) -> float:
    return trial.measurement.memory_bytes if trial.measurement is not None else float("inf")
