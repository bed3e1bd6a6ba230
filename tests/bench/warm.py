"""Warm: what learning from an earlier study saves, and that a misleading one costs next to nothing.

The earlier study is a search of the same problem as it would be on another machine (`elsewhere`), and, as the
worst that can happen, of one in which everything is the other way round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from optuna.samplers import BaseSampler

from autotune.search.known import Known
from autotune.search.warm import SURE_PRESETS, best_first
from tests.bench.problem import Problem
from tests.bench.problems.elsewhere import on_another_gpu, turned_round
from tests.bench.search_play import Method, Run, Start, play, tree_of
from tests.bench.search_table import Summary, best_run, summarise, table

Searcher: TypeAlias = Callable[[Start, Sequence[Known]], BaseSampler]
"""Makes a sampler from how it begins and from what earlier studies taught."""
COLD, WARM, MISLED = "cold", "warm", "misled"
SOURCE = "elsewhere"
_LABELS = {
    COLD: "cold",
    WARM: "learning from another GPU",
    MISLED: "learning from what is the other way round",
}
_BEFORE_EARLIER = 2  # presets of the guides beside the untuned recipe, as in a study
_BEST_TRIALS = 200
_ALLOWED = 0.01  # share of the hypervolume by which chance alone may leave one behind the other


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a study begins with: the presets' rows, and what an earlier study taught."""

    presets: tuple[int, ...]
    known: tuple[Known, ...] = ()


def compare(
    problem: Problem, searcher: Searcher, *, seeds: int = 10, trials: int = 60, earlier: int = 60
) -> tuple[Summary, ...]:
    """Return what searches of a problem come to: cold, warm and misled.

    Args:
        problem: That is searched.
        searcher: Makes our sampler.
        seeds: How often, each time with another machine elsewhere.
        trials: Of each search.
        earlier: Trials of the earlier study.
    """
    tree, runs = tree_of(problem), dict[str, list[Run]]()
    for seed in range(seeds):
        for kind in _LABELS:
            lesson = _lesson(problem, kind, searcher, seed=seed, trials=earlier)
            begun = replace(problem, presets=lesson.presets)
            method = _method(kind, searcher, lesson.known)
            runs.setdefault(kind, []).append(play(begun, method, seed=seed, trials=trials, tree=tree))
    best = best_run(problem, _BEST_TRIALS)
    return tuple(summarise(kind, _LABELS[kind], runs[kind], best, trials=trials) for kind in _LABELS)


def report(problem: Problem, summaries: Sequence[Summary]) -> str:
    """Return the table, and whether learning is anywhere worse than not learning, as text."""
    cold, *others = summaries
    said = [f"  {other.label}: {_verdict(cold, other)}" for other in others]
    return "\n".join((table(problem, summaries), *said))


def _lesson(problem: Problem, kind: str, searcher: Searcher, *, seed: int, trials: int) -> Lesson:
    if kind == COLD:
        return Lesson(presets=problem.presets)
    there = on_another_gpu(problem, seed) if kind == WARM else turned_round(problem)
    run = play(there, _method(COLD, searcher, ()), seed=1000 + seed, trials=trials)
    dice = np.random.default_rng(1000 + seed)
    known = tuple(
        Known(settings=there.rows[row], seen=there.observe(row, dice), study=SOURCE) for row in run.rows
    )
    untuned = problem.presets[0]
    best = best_first(
        [one for one, row in zip(known, run.rows, strict=True) if row != untuned],
        objectives=problem.objectives,
        limits=problem.limits,
        baseline=there.seen[untuned].figures,
    )
    rows = [row for settings in best if (row := problem.row_of(settings)) is not None]
    return Lesson(presets=_presets(problem.presets, rows), known=known)


def _presets(own: Sequence[int], earlier: Sequence[int]) -> tuple[int, ...]:
    """The rows to try first, in the order of a study's."""
    head, rest = own[: 1 + _BEFORE_EARLIER], own[1 + _BEFORE_EARLIER :]
    return tuple(dict.fromkeys((*head, *earlier[:SURE_PRESETS], *rest)))


def _method(kind: str, searcher: Searcher, known: Sequence[Known]) -> Method:
    return Method(
        name=kind,
        label=_LABELS[kind],
        sampler=lambda start: searcher(start, known),
        has_presets=True,
        plants=True,
        is_ours=True,
    )


def _verdict(cold: Summary, other: Summary) -> str:
    behind = {
        count: then - now
        for count, now in other.at.items()
        if now is not None and (then := cold.at[count]) is not None and then - now > _ALLOWED
    }
    if not behind:
        return "never behind"
    return "behind " + ", ".join(f"by {gap:.1%} after {count} trials" for count, gap in behind.items())
