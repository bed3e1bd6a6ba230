"""Problem: every recipe of a space with its true figures, so that a search can be replayed in no time."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotune import pareto
from autotune.knob import Settings, Touches, Value
from autotune.objective import Limit, Objective, reference_point
from autotune.observation import MEMORY_PREFIX, PARTS, Observation

Floats = NDArray[np.float64]
Key = tuple[tuple[bool, Value], ...]
_ABSOLUTE = ("similarity",)  # whose noise is no share of it


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Every recipe of a space, with what a trial of it would teach.

    Attributes:
        name: Its name in tables.
        choices: The values of each knob, the default first.
        touches: What each knob acts on.
        rows: Every valid recipe, with a value for each knob.
        seen: The truth about each of them, failures included.
        objectives: What to be good at.
        limits: Beyond which a recipe is unfit.
        presets: Rows to try first; the first of them is the untuned baseline.
        forecasts: What a forecast says of each row before it is tried: "memory:load" and "memory:calls" in
            bytes; None where there is no forecast.
        noise: Standard deviation of what a trial sees, by figure: a share of it, of "similarity" the
            difference, of "seconds" a share of the trial's seconds. What is not named is seen as it is.
    """

    name: str
    choices: Mapping[str, tuple[Value, ...]]
    touches: Mapping[str, frozenset[Touches]]
    rows: tuple[dict[str, Value], ...]
    seen: tuple[Observation, ...]
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    presets: tuple[int, ...]
    forecasts: tuple[Mapping[str, float], ...] | None = None
    noise: Mapping[str, float] = field(default_factory=dict)

    def observe(self, row: int, rng: np.random.Generator) -> Observation:
        """Return what a trial of a row sees: the truth with noise.

        All parts of a latency are slower together, as are all stages of the memory.
        """
        truth = self.seen[row]
        if not self.noise:
            return truth
        drawn = {name: float(rng.normal(0.0, sd)) for name, sd in self.noise.items()}
        figures = dict(truth.figures)
        for name, change in drawn.items():
            if name in _ABSOLUTE and name in figures:
                figures[name] = min(figures[name] + change, 1.0)
                continue
            for other in (name, *_parts_of(name)):
                if other in figures:
                    figures[other] *= float(np.exp(change))
        seconds = truth.seconds * float(np.exp(drawn.get("seconds", 0.0)))
        told = {name: sd for name, sd in self.noise.items() if name == "latency_s" and name in figures}
        return replace(truth, figures=figures, noise=told, seconds=seconds)

    def row_of(self, settings: Settings) -> int | None:
        """Return the row of these settings, which name every knob; None where they are no valid recipe."""
        return self._rows_by_key.get(_key(settings, self.choices))

    @cached_property
    def losses(self) -> Floats:
        """Losses as (rows, objectives), each a share of the reference point; NaN where a row is not fit."""
        reference = reference_point(self.objectives, self.limits, self.seen[self.presets[0]].figures)
        if reference is None:
            raise ValueError(
                f"Problem '{self.name}': its baseline has no figures, and so nothing to scale by."
            )
        found = np.full((len(self.rows), len(self.objectives)), np.nan)
        fit = [row for row, seen in enumerate(self.seen) if _is_fit(seen, self.limits)]
        for row in fit:
            figures = self.seen[row].figures
            found[row] = [objective.as_loss(objective.of(figures)) for objective in self.objectives]
        return np.asarray(found / np.asarray(reference))

    @cached_property
    def front(self) -> tuple[int, ...]:
        """Rows that are fit, better than the reference point, and that no other such row beats."""
        inside = np.flatnonzero((self.losses < 1.0).all(axis=1))
        kept = pareto.front(self.losses[inside].tolist()) if len(inside) else []
        return tuple(int(inside[index]) for index in kept)

    @cached_property
    def whole(self) -> float:
        """Hypervolume of all rows, of a unit cube."""
        return volume(self.losses[list(self.front)])

    @cached_property
    def _rows_by_key(self) -> Mapping[Key, int]:
        return {_key(settings, self.choices): row for row, settings in enumerate(self.rows)}


def share(problem: Problem, rows: Iterable[int]) -> float:
    """Return which share of all rows' hypervolume these rows come to, by their true figures.

    Only what was measured and is fit counts. 1.0 is the front that trying everything would find.
    """
    points = problem.losses[sorted(set(rows))]
    return volume(points) / problem.whole if problem.whole else 0.0


def clairvoyant(problem: Problem, trials: int) -> list[int]:
    """Return the rows that one would try who knew the front: each adds the most to those before it.

    What a row adds never grows as others are taken, so that only the most promising are looked at again
    (M. Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978).

    Args:
        problem: Whose front is known.
        trials: How many rows at most; fewer where the front has no more.
    """
    points = problem.losses
    waiting = [(-float(np.prod(1.0 - points[row])), row, 0) for row in problem.front]
    heapq.heapify(waiting)
    chosen: list[int] = []
    held = 0.0
    while waiting and len(chosen) < trials:
        _, row, known = heapq.heappop(waiting)
        gain = volume(points[[*chosen, row]]) - held
        if known == len(chosen):
            chosen.append(row)
            held += gain
        else:
            heapq.heappush(waiting, (-gain, row, len(chosen)))
    return chosen


def volume(points: Floats) -> float:
    """Return the exact hypervolume of points inside the unit cube, in up to three objectives.

    The first two objectives cut the cube into columns, one for each pair of their values; the lowest third
    one of the points that lie before a column says how much of it is dominated. Points outside of the cube,
    and NaN, add nothing.

    Raises:
        ValueError: There are more than three objectives.

    >>> round(volume(np.array([[0.5, 0.5, 0.5], [0.25, 0.75, 0.5], [2.0, 0.0, 0.0]])), 6)
    0.15625
    """
    if points.shape[1] > 3:
        raise ValueError(f"The volume of {points.shape[1]} objectives was asked for; 3 at most.")
    inside = points[(points < 1.0).all(axis=1)]
    if not len(inside):
        return 0.0
    padded = np.zeros((len(inside), 3))
    padded[:, 3 - points.shape[1] :] = inside
    xs, at_x = np.unique(padded[:, 0], return_inverse=True)
    ys, at_y = np.unique(padded[:, 1], return_inverse=True)
    lowest = np.ones((len(xs), len(ys)))
    np.minimum.at(lowest, (at_x, at_y), padded[:, 2])
    np.minimum.accumulate(lowest, axis=0, out=lowest)
    np.minimum.accumulate(lowest, axis=1, out=lowest)
    return float(np.diff(xs, append=1.0) @ (1.0 - lowest) @ np.diff(ys, append=1.0))


def _parts_of(figure: str) -> tuple[str, ...]:
    """The figures that one is made of, which change with it."""
    if figure == "latency_s":
        return PARTS
    return (f"{MEMORY_PREFIX}load", f"{MEMORY_PREFIX}calls") if figure == "memory_bytes" else ()


def _key(settings: Settings, names: Iterable[str]) -> Key:
    """What tells settings apart: 1 is not True."""
    return tuple((isinstance(settings[name], bool), settings[name]) for name in names)


def _is_fit(seen: Observation, limits: Sequence[Limit]) -> bool:
    if not seen.is_measured:
        return False
    values = ((limit, limit.objective.of(seen.figures)) for limit in limits)
    return all(
        value >= limit.bound if limit.objective.higher_is_better else value <= limit.bound
        for limit, value in values
    )
