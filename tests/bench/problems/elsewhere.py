"""Elsewhere: a problem as it would be on another machine, and one where everything is the other way round."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from autotune.observation import MEMORY_PREFIX, PARTS, Observation
from tests.bench.problem import Floats, Problem

_STAGES = (f"{MEMORY_PREFIX}load", f"{MEMORY_PREFIX}calls")
_LEAST_S = 1e-6  # of a part, so that it has a logarithm
_Change = Callable[[str, Floats], Floats]


def on_another_gpu(problem: Problem, seed: int, *, change: float = 0.3) -> Problem:
    """Return a problem as another card, or a sibling of the model, would have it.

    Each part of the latency is faster or slower as a whole, by a factor between 0.4 and 1.6. What each value
    of a knob changes in each part, each peak of memory and the likeness is changed itself, by up to `change`
    of it in either direction: on the logarithm, but for the likeness.

    Args:
        problem: As it is here.
        seed: Of what changes.
        change: Largest relative change of an effect, 0 for none.
    """
    dice = np.random.default_rng(seed)

    def changed(figure: str, values: Floats) -> Floats:
        shift = np.zeros(len(values))
        for place, column in enumerate(_columns(problem).T):
            for code in range(1, len(list(problem.choices.values())[place])):
                here = column == code
                effect = _mean(values[here]) - _mean(values[column == 0])
                shift[here] += dice.uniform(-change, change) * effect
        whole = np.log(dice.uniform(0.4, 1.6)) if figure in PARTS else 0.0
        return values + shift + whole

    return _with(problem, changed, name=f"{problem.name}, elsewhere")


def turned_round(problem: Problem) -> Problem:
    """Return a problem in which what is fast here is slow, what is small large, and what is alike unlike.

    Each figure is mirrored at its median, latency and memory on the logarithm.
    """

    def changed(figure: str, values: Floats) -> Floats:
        del figure
        return np.asarray(2 * np.nanmedian(values) - values)

    return _with(problem, changed, name=f"{problem.name}, turned round")


def _with(problem: Problem, change: _Change, *, name: str) -> Problem:
    """A problem with changed figures: parts and peaks on the logarithm, the loss of likeness as it is."""
    columns = {part: np.exp(change(part, np.log(_column(problem, part)))) for part in (*PARTS, *_STAGES)}
    lost = change("similarity", 1.0 - _column(problem, "similarity"))
    columns["similarity"] = 1.0 - np.clip(lost, 0.0, 1.0)
    figures = {figure: column.tolist() for figure, column in columns.items()}
    seen = tuple(
        _changed(one, {figure: column[row] for figure, column in figures.items()})
        for row, one in enumerate(problem.seen)
    )
    return replace(problem, name=name, seen=seen, forecasts=None)


def _changed(seen: Observation, figures: Mapping[str, float]) -> Observation:
    if not seen.figures:
        return seen
    latency_s = sum(figures[part] for part in PARTS)
    ratio = latency_s / seen.figures["latency_s"]
    known = {
        **seen.figures,
        **figures,
        "latency_s": latency_s,
        "memory_bytes": max(figures[stage] for stage in _STAGES),
        "cold_s": seen.figures["cold_s"] * ratio,
    }
    return replace(seen, figures=known, seconds=seen.seconds * ratio)


def _column(problem: Problem, figure: str) -> Floats:
    """A figure of each row; NaN where it failed."""
    return np.array([max(one.figures.get(figure, np.nan), _LEAST_S) for one in problem.seen])


def _columns(problem: Problem) -> Floats:
    """The place of each row's values among the choices, as (rows, knobs)."""
    places = {
        name: {(type(value), value): i for i, value in enumerate(values)}
        for name, values in problem.choices.items()
    }
    return np.array([[places[name][type(row[name]), row[name]] for name in places] for row in problem.rows])


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
