"""Grid: all combinations of some knobs at once, as columns that formulas of a synthetic pipeline work on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotune.knob import Touches, Value
from autotune.measurement import FailureKind
from autotune.objective import Limit, Objective
from autotune.observation import MEMORY_PREFIX, Observation
from tests.bench.problem import Floats, Problem

Mask = NDArray[np.bool_]
GIB = 2.0**30


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Combinations of knobs.

    Attributes:
        choices: The values of each knob, the default first.
        codes: The place of each knob's value among its choices, as (combinations, knobs).
    """

    choices: Mapping[str, tuple[Value, ...]]
    codes: NDArray[np.int8]

    def has(self, knob: str, *values: Value) -> Mask:
        """Return which combinations have one of these values of a knob."""
        wanted = np.array([value in values for value in self.choices[knob]])
        return np.asarray(wanted[self._column(knob)])

    def is_on(self, knob: str) -> Mask:
        """Return which combinations have a switch turned on."""
        return self.has(knob, True)  # noqa: FBT003 - the value of a knob

    def by(self, knob: str, *figures: float) -> Floats:
        """Return a figure for each combination: one is given for each value of the knob, in their order."""
        if len(figures) != len(self.choices[knob]):
            raise ValueError(f"Knob '{knob}' needs {len(self.choices[knob])} figures, not {len(figures)}.")
        return np.asarray(np.array(figures)[self._column(knob)])

    def only(self, kept: Mask) -> "Grid":
        """Return the grid of some of its combinations."""
        return replace(self, codes=self.codes[kept])

    def residual(self, knobs: Sequence[str], sd: float, seed: int) -> Floats:
        """Return a fixed factor for each distinct setting of some knobs, near 1, which no rule explains."""
        columns = self.codes[:, [list(self.choices).index(knob) for knob in knobs]].astype(np.int64)
        sizes = [len(self.choices[knob]) for knob in knobs]
        drawn = np.random.default_rng(seed).normal(0.0, sd, int(np.prod(sizes)))
        return np.asarray(np.exp(drawn[np.ravel_multi_index(tuple(columns.T), sizes)]))

    def rows(self) -> tuple[dict[str, Value], ...]:
        """Return the settings of each combination."""
        named = [(name, values) for name, values in self.choices.items()]
        return tuple(
            {name: values[code] for (name, values), code in zip(named, codes, strict=True)}
            for codes in self.codes.tolist()
        )

    def _column(self, knob: str) -> NDArray[np.int8]:
        return np.asarray(self.codes[:, list(self.choices).index(knob)])


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What each combination of a grid comes to.

    Attributes:
        text_s, steps_s, decode_s: Seconds of the parts of a call.
        load_gib, text_gib, steps_gib, decode_gib: Peaks of the stages; those of a call are not told apart.
        similarity: To the reference pictures.
        cold_s: From the start to the end of the first call.
        forecast: Stage peaks in GiB as they are forecast: "load" and "calls".
        failures: Kind of a failure to the combinations that fail so; the first one counts.
        cap_gib: What the device has: what needs more fails, out of memory.
    """

    text_s: Floats
    steps_s: Floats
    decode_s: Floats
    load_gib: Floats
    text_gib: Floats
    steps_gib: Floats
    decode_gib: Floats
    similarity: Floats
    cold_s: Floats
    forecast: Mapping[str, Floats]
    failures: Mapping[FailureKind, Mask]
    cap_gib: float

    def seen(self) -> tuple[Observation, ...]:
        """Return what a trial of each combination would see without noise."""
        figures = self._figures()
        columns = {name: values.tolist() for name, values in figures.items()}
        # A trial settles in two calls and times ten; one that fails does so at the end of its first call.
        seconds = (self.cold_s + 12 * figures["latency_s"]).tolist()
        cold_s, kinds = self.cold_s.tolist(), self._kinds(figures["memory_bytes"])
        found = []
        for row, kind in enumerate(kinds):
            if kind:
                did_not_fit = kind == FailureKind.OUT_OF_MEMORY
                at_least = {"memory_bytes": self.cap_gib * GIB} if did_not_fit else {}
                found.append(Observation(failure=kind, at_least=at_least, seconds=cold_s[row]))
            else:
                mine = {name: values[row] for name, values in columns.items()}
                found.append(Observation(figures=mine, seconds=seconds[row]))
        return tuple(found)

    def forecasts(self) -> tuple[Mapping[str, float], ...]:
        """Return the forecast of each combination, in bytes by stage."""
        stages = {f"{MEMORY_PREFIX}{name}": (gib * GIB).tolist() for name, gib in self.forecast.items()}
        return tuple(dict(zip(stages, row, strict=True)) for row in zip(*stages.values(), strict=True))

    def _figures(self) -> dict[str, Floats]:
        calls = np.maximum.reduce([self.text_gib, self.steps_gib, self.decode_gib]) * GIB
        load = self.load_gib * GIB
        return {
            "latency_s": self.text_s + self.steps_s + self.decode_s,
            "text_s": self.text_s,
            "steps_s": self.steps_s,
            "decode_s": self.decode_s,
            "cold_s": self.cold_s,
            "memory_bytes": np.maximum(load, calls),
            f"{MEMORY_PREFIX}load": load,
            f"{MEMORY_PREFIX}calls": calls,
            "similarity": self.similarity,
        }

    def _kinds(self, memory_bytes: Floats) -> list[str]:
        too_large = {FailureKind.OUT_OF_MEMORY: memory_bytes > self.cap_gib * GIB}
        kinds = np.full(len(memory_bytes), "", dtype=object)
        for kind, where in reversed([*self.failures.items(), *too_large.items()]):
            kinds[where] = kind.value
        return [str(kind) for kind in kinds]


def whole_grid(choices: Mapping[str, tuple[Value, ...]]) -> Grid:
    """Return every combination of some knobs, in the order of their values."""
    sizes = [len(values) for values in choices.values()]
    return Grid(choices=choices, codes=np.indices(sizes, dtype=np.int8).reshape(len(sizes), -1).T)


def as_problem(
    name: str,
    grid: Grid,
    truth: Truth,
    *,
    touches: Mapping[str, frozenset[Touches]],
    goals: tuple[tuple[Objective, ...], tuple[Limit, ...]],
    presets: Sequence[Mapping[str, Value]],
    noise: Mapping[str, float],
) -> Problem:
    """Return the problem of a grid.

    Args:
        name: Its name.
        grid: Its valid combinations.
        truth: What they come to.
        touches: What each knob acts on.
        goals: Objectives and limits.
        presets: What differs from the defaults in each recipe that is tried first, after the defaults.
        noise: See `Problem`.
    """
    problem = Problem(
        name=name,
        choices=grid.choices,
        touches=touches,
        rows=grid.rows(),
        seen=truth.seen(),
        objectives=goals[0],
        limits=goals[1],
        presets=(),
        forecasts=truth.forecasts(),
        noise=noise,
    )
    defaults = {knob: values[0] for knob, values in grid.choices.items()}
    places = [problem.row_of({**defaults, **changed}) for changed in ({}, *presets)]
    if None in places:
        raise ValueError(f"Preset {places.index(None)} of problem '{name}' is no valid recipe.")
    return replace(problem, presets=tuple(place for place in places if place is not None))
