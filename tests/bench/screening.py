"""Replay a recorded study as if its trials had been screened: what that saves, and what it loses.

Seconds of promoted recipes are those that were recorded, and those of their short calls on top: that they
settle sooner after these is not counted.
"""

import argparse
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.knobs import all_knobs
from autotune.measurement import Parts
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Objective, reference_point
from autotune.pareto import front, hypervolume
from autotune.race import BRIEF_CALLS, projected_s, steps_to_watch
from autotune.samples import quantile
from autotune.screen import (
    LEAST_STEPS,
    PROJECTED_MARGIN,
    SHORT_STEPS,
    TIMED_MARGIN,
    Known,
    Rival,
    Screen,
    beaten,
    fastest_s,
    hangs_on,
    projected,
    similarity_by_error,
    similarity_by_first,
)
from autotune.search.screening import headroom, is_denoisers_own
from tests.bench.screening_cases import STARTED, Case, Recorded, cold_s, read_rows, read_study

ORDERS = 8
STUDIES = Path(__file__).parents[2] / "studies"
OBJECTIVES: tuple[Objective, ...] = (LATENCY, MEMORY, SIMILARITY)
_MEMORY = ("memory_bytes", "host_memory_bytes")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What screening would have made of one trial.

    Attributes:
        seconds: That it takes.
        left: Where it is left, "" where it runs to its end.
        is_brief: Whether few calls of it are timed.
    """

    seconds: float
    left: str = ""
    is_brief: bool = False


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What screening would have made of a study in one order.

    Attributes:
        saved: Share of all seconds of trials that it saves.
        saved_of_calls: Share of those after starting, loading and compiling.
        left: Digest to where it is left.
        lost: Digests of those of them that are on the front.
        regret: Share of the front's hypervolume that is lost.
    """

    saved: float
    saved_of_calls: float
    left: Mapping[str, str]
    lost: tuple[str, ...]
    regret: float


def screened(trial: Recorded, screen: Screen) -> Told:
    """Screen a trial that was measured, as `autotune.pipeline.screening` does."""
    run = _Run(trial, screen)
    for stage in (run.short_calls, run.first_call, run.second_call, run.timed_calls):
        left = stage() if screen.rivals else ""
        if left:
            return Told(seconds=run.spent_s, left=left)
    return run.end()


def replay(case: Case, order: Sequence[Recorded]) -> Replay:
    """Return what screening would have made of trials in this order; the first is the baseline and stays."""
    kept, best = list[Recorded](), list[Recorded]()
    left: dict[str, str] = {}
    spent_s = 0.0
    for trial in order:
        told = screened(trial, screen_of(case, kept, best) if best else Screen())
        spent_s += told.seconds
        if told.left:
            left[trial.digest] = told.left
        else:
            kept.append(trial)
            best = fit_front(case, [*best, trial])
    full_s = sum(trial.seconds for trial in order)
    lost = tuple(one.digest for one in fit_front(case, order) if one.digest in left)
    whole = _volume(case, order)
    return Replay(
        saved=1 - spent_s / full_s,
        saved_of_calls=(full_s - spent_s) / (full_s - case.floor_s),
        left=left,
        lost=lost,
        regret=1 - _volume(case, kept) / whole if whole else 0.0,
    )


def shuffled(case: Case, orders: int = ORDERS) -> list[Replay]:
    """Return the replays of trials in random orders, the baseline first in each; the same ones every time."""
    baseline, *others = case.trials
    dice = random.Random(4)
    return [replay(case, [baseline, *dice.sample(others, len(others))]) for _ in range(orders)]


def screen_of(case: Case, kept: Sequence[Recorded], best: Sequence[Recorded]) -> Screen:
    """Return what the next trial is held against, as `autotune.search.screening` has it.

    Args:
        case: The study.
        kept: Trials that ran to their end.
        best: The front of them.
    """
    scores = [trial.measurement.likeness.haarpsi for trial in kept]
    calls = max(len(scores[0]) // kept[0].measurement.batch, 1)
    errors = [(trial, trial.measurement.likeness.step_error) for trial in kept]
    return Screen(
        objectives=OBJECTIVES,
        limits=case.limits,
        rivals=tuple(Rival(digest=one.digest, figures=one.measurement.figures) for one in best),
        errors=tuple(
            (sum(error) / len(error), trial.measurement.similarity)
            for trial, error in errors
            if error and is_denoisers_own(trial.changed, all_knobs())
        ),
        headroom=headroom(scores, calls),
    )


def fit_front(case: Case, trials: Sequence[Recorded]) -> list[Recorded]:
    """Return the trials that are fit and that no other fit one beats."""
    fit = [trial for trial in trials if all(limit.violation(trial.measurement) <= 0 for limit in case.limits)]
    return [fit[index] for index in front(_losses(fit))] if fit else []


def rows(case: Case, orders: int = ORDERS) -> list[tuple[str, str, str]]:
    """Return the lines of the table about one study: what, value, compared with what."""
    many = shuffled(case, orders)
    saved = sorted(one.saved for one in many)
    stages = {where: _mean(sum(w == where for w in one.left.values()) for one in many) for where in _STAGES}
    left = ", ".join(f"{count:.1f} by {where}" for where, count in stages.items() if count)
    low, high = quantile(saved, 0.05), quantile(saved, 0.95)
    full_s, on_front = sum(trial.seconds for trial in case.trials), len(fit_front(case, case.trials))
    lost, worst = _mean(len(one.lost) for one in many), max(one.regret for one in many)
    of_calls = _mean(one.saved_of_calls for one in many)
    ratios = [ratio for trial in case.trials if (ratio := _projection(trial)) is not None]
    span = f"nine of ten of {orders} orders {low:.1%} to {high:.1%}"
    at_most = f"{_mean(one.regret for one in many):.2%} of its hypervolume, {worst:.2%} at most"
    follows = f"{of_calls:.1%} of what follows loading and compiling"
    off = f"; nine of ten {quantile(ratios, 0.05):.3f} to {quantile(ratios, 0.95):.3f}" if ratios else ""
    return [
        (
            f"saved by screening, {case.name}",
            f"{_mean(saved):.1%}",
            f"of {full_s:.0f} s of {len(case.trials)} trials, {span}; {follows}",
        ),
        ("  left early", f"{_mean(len(one.left) for one in many):.1f}", left or "none"),
        ("  lost of the front", f"{lost:.2f}", f"of {on_front}; {at_most}"),
        (
            "  projected latency",
            f"{statistics.median(ratios):.3f}x" if ratios else "none",
            f"of the measured one, {len(ratios)} recipes{off}",
        ),
    ]


def run(orders: int = ORDERS) -> list[tuple[str, str, str]]:
    """Return the lines about every recorded study and table there is."""
    cases = [read_study(file) for file in sorted(STUDIES.glob("*/trials.json"))]
    tables = sorted(STUDIES.glob("search-cpu/*.jsonl.gz"))
    cases += [read_rows(file, min_similarity=0.6) for file in tables]
    return [line for case in cases if len(case.trials) > 1 for line in rows(case, orders)]


def main() -> None:
    """Print the table, and keep it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS, help="random orders of each study")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="keep the table here as screening.txt")
    asked = parser.parse_args()
    text = "".join(f"{what:48} {value:>7}  {compared}\n" for what, value, compared in run(asked.orders))
    print(text, end="")
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "screening.txt").write_text(text, encoding="utf-8")


_STAGES = ("short calls", "step error", "its first pictures", "its second call", "timed calls")


class _Run:
    """One trial while it is screened again."""

    def __init__(self, trial: Recorded, screen: Screen) -> None:
        self.measured, self.screen = trial.measurement, screen
        self.phases = trial.measurement.phases_s
        self.spent_s = sum(self.phases.get(name, 0.0) for name in STARTED)
        self.known: dict[str, float] = {}
        self.short = _short(trial)
        self.is_cpu = "reserved_bytes" not in self.measured.memory.detail
        self.is_weighed = not self.is_cpu
        stages = self.measured.memory.stages
        least = (
            max(stages.get("load", 0), stages.get("apply", 0)) if self.is_cpu else self.measured.memory_bytes
        )
        self.known |= dict.fromkeys(_MEMORY, float(min(least, self.measured.memory_bytes)))

    def short_calls(self) -> str:
        if self.short is None:
            return ""
        steps = len(self.measured.parts.steps_s) if self.measured.parts else 0
        whole = projected(self.short, steps)
        compiled_s = max(self.phases["first call"] - self.measured.latency_s, 0.0)
        self.spent_s += compiled_s + 2 * self.short.total_s
        self.known |= {"latency_s": whole.total_s, "cold_s": cold_s(self.measured)}
        if self._is_beaten_if_weighed():
            return "short calls"
        errors = self.measured.likeness.step_error
        if errors and self.screen.errors and self._may_lose("similarity", *_MEMORY):
            self.spent_s += self.phases.get("step error", 0.0)
            self.known["similarity"] = similarity_by_error(self.screen.errors, sum(errors) / len(errors))
            if self._is_beaten_if_weighed():
                return "step error"
        return ""

    def first_call(self) -> str:
        self.spent_s += self.measured.latency_s if self.short is not None else self.phases["first call"]
        if not self._may_lose("similarity", *_MEMORY):
            return ""
        likeness, calls = self.measured.likeness, len(self.measured.likeness.haarpsi) // self.measured.batch
        scores = likeness.haarpsi[: len(likeness.haarpsi) // max(calls, 1)]
        highest = similarity_by_first(scores, self.screen.headroom)
        self.known["similarity"] = min(highest, self.known.get("similarity", 1.0))
        self.spent_s += self.phases.get("likeness", 0.0) / max(calls, 1)
        return "its first pictures" if self._is_beaten_if_weighed() else ""

    def second_call(self) -> str:
        parts = self.measured.parts
        watched = steps_to_watch(len(parts.steps_s)) if parts else 0
        if self.short is not None or parts is None or not watched or len(self.measured.warmup_s) < 2:
            return ""
        scale = self.measured.warmup_s[1] / parts.total_s
        ends = [scale * (parts.text_s + sum(parts.steps_s[: number + 1])) for number in range(watched + 1)]
        at_least_s = projected_s(ends[0], ends[1:], len(parts.steps_s) - 1)
        self.known["latency_s"] = min(at_least_s, self.measured.warmup_s[0])
        if not self._may_lose(*_MEMORY):
            return ""
        self.spent_s += ends[-1]
        return "its second call" if self._is_beaten_if_weighed() else ""

    def timed_calls(self) -> str:
        calls_s, warmup_s = self.measured.calls_s, self.measured.warmup_s
        self.spent_s += self.phases.get("settle", 0.0)
        self.known["latency_s"] = min(*calls_s[:2], *warmup_s)
        if len(calls_s) <= 2 or not self._is_beaten(TIMED_MARGIN):
            return ""
        self.spent_s += sum(calls_s[:2])
        return "timed calls"

    def end(self) -> Told:
        """All that follows."""
        calls_s, fastest = self.measured.calls_s, fastest_s(self.screen)
        is_brief = fastest is not None and self.measured.warmup_s[-1] > PROJECTED_MARGIN * fastest
        brief_s = sum(calls_s[BRIEF_CALLS:]) if is_brief else 0.0
        if not self.screen.rivals:
            return Told(seconds=sum(self.phases.values()))
        after = ("timing", "parts", "memory", "likeness", "step error")
        seconds = self.spent_s + sum(self.phases.get(name, 0.0) for name in after) - brief_s
        return Told(seconds=seconds, is_brief=brief_s > 0)

    def _is_beaten(self, margin: float = PROJECTED_MARGIN) -> bool:
        return beaten(self.screen, Known(figures=self.known, margin=margin)) is not None

    def _may_lose(self, *names: str) -> bool:
        return hangs_on(self.screen, Known(figures=self.known), *names)

    def _is_beaten_if_weighed(self) -> bool:
        if not self.is_weighed and self._may_lose(*_MEMORY):
            share = self.short.total_s / self.measured.latency_s if self.short is not None else 1.0
            self.spent_s += share * self.phases.get("memory", 0.0)
            self.known |= dict.fromkeys(_MEMORY, float(self.measured.memory_bytes))
            self.is_weighed = True
        return self._is_beaten()


def _short(trial: Recorded) -> Parts | None:
    """The second short call that a trial would have made, by its profiled call."""
    parts = trial.measurement.parts
    differ = any(k.changes_result and not k.steps_alike and k.name in trial.changed for k in all_knobs())
    if parts is None or differ or len(parts.steps_s) < LEAST_STEPS:
        return None
    steps_s = parts.steps_s[:SHORT_STEPS]
    rest_s = parts.total_s - sum(parts.steps_s)
    return Parts(text_s=parts.text_s, steps_s=steps_s, decode_s=parts.decode_s, total_s=rest_s + sum(steps_s))


def _projection(trial: Recorded) -> float | None:
    short, parts = _short(trial), trial.measurement.parts
    if short is None or parts is None:
        return None
    return projected(short, len(parts.steps_s)).total_s / trial.measurement.latency_s


def _losses(trials: Sequence[Recorded]) -> list[tuple[float, ...]]:
    return [tuple(objective.loss(trial.measurement) for objective in OBJECTIVES) for trial in trials]


def _volume(case: Case, trials: Sequence[Recorded]) -> float:
    bounds = reference_point(OBJECTIVES, case.limits, case.trials[0].measurement.figures)
    assert bounds is not None
    points = _losses(fit_front(case, trials))
    scaled = [tuple(loss / bound for loss, bound in zip(point, bounds, strict=True)) for point in points]
    return hypervolume(scaled, [1.0] * len(bounds))


def _mean(values: Any) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    main()
