"""Factors: what a device was seen to add to a forecast, learnt from measured trials."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from autotune.knob import Value
from autotune.samples import median

_MIB = 2**20
_CONTEXT_BYTES = {"cuda": 450 * _MIB, "cpu": 20 * _MIB}
_PATIENCE = 3  # so many trials weigh as much as what was known before any
_SWEEPS = 6
_LOAD = "load"
_LEAST_SLOPE, _MOST_SLOPE = 0.5, 4.0
_APART = 0.2  # trials whose live bytes differ by less say nothing about a slope


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is added to one stage.

    Attributes:
        factor: Times what is alive beside the weights.
        constant: Bytes that are there whatever is run: context, libraries, buffers of the threads.
    """

    factor: float = 1.0
    constant: int = 0


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What is added to a forecast on one device.

    Attributes:
        stages: By name of the stage.
        settings: Bytes that a setting adds, by "knob=value": a compiler's memory, a library that it imports.
        trials: How many were learnt from.
    """

    stages: Mapping[str, Stage] = field(default_factory=dict)
    settings: Mapping[str, int] = field(default_factory=dict)
    trials: int = 0

    @classmethod
    def of(cls, kind: str) -> Self:
        """Return what is assumed of a type of device that was never measured."""
        constant = _CONTEXT_BYTES.get(kind, 0)
        names = ("load", "encode", "denoise", "decode")
        return cls(stages={name: Stage(constant=constant) for name in names})

    def added_by(self, settings: Mapping[str, Value]) -> int:
        """Return the bytes that settings add.

        >>> Factors(settings={"compile=full": 7}).added_by({"compile": "full", "dtype": "float32"})
        7
        """
        return sum(self.settings.get(f"{knob}={value}", 0) for knob, value in settings.items())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        stages = {name: dict(vars(stage)) for name, stage in self.stages.items()}
        return {"stages": stages, "settings": dict(self.settings), "trials": self.trials}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build factors from what `to_json` returned.

        >>> factors = Factors(stages={"load": Stage(constant=1)}, settings={"compile=full": 2}, trials=3)
        >>> Factors.from_json(factors.to_json()) == factors
        True
        """
        stages = {name: Stage(**stage) for name, stage in data["stages"].items()}
        return cls(stages=stages, settings=data["settings"], trials=data["trials"])


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One stage of one measured trial.

    Attributes:
        stage: Its name.
        weights, live: As they were forecast, before any factor.
        measured: Bytes.
        settings: What the recipe changed.
    """

    stage: str
    weights: int
    live: int
    measured: int
    settings: Mapping[str, Value] = field(default_factory=dict)


def fit(seen: Iterable[Seen], before: Factors) -> Factors:
    """Return what measured stages teach: medians, drawn towards what was known before where they are few.

    A stage's factor is the median slope between pairs of trials, the constant of all stages that compute the
    median of what is left, and a setting's bytes that of what is left in the trials that have it.

    Args:
        seen: Stages of trials on one device.
        before: What is known without them.

    >>> rows = [Seen(stage="decode", weights=0, live=n, measured=2 * n + 9) for n in range(0, 9000, 100)]
    >>> learnt = fit(rows, Factors.of("cpu")).stages["decode"]
    >>> round(learnt.factor, 1), learnt.constant < 10**7
    (2.0, True)
    """
    rows = list(seen)
    factors = before
    for _ in range(_SWEEPS):
        stages = {
            name: stage
            for together in (
                [row for row in rows if row.stage == _LOAD],
                [row for row in rows if row.stage != _LOAD],
            )
            for name, stage in _fit_stages(together, factors, before).items()
        }
        factors = Factors(stages={**before.stages, **stages}, settings=factors.settings, trials=len(rows))
        factors = replace(factors, settings=_fit_settings(rows, factors))
    return factors


def _fit_stages(rows: list[Seen], factors: Factors, before: Factors) -> dict[str, Stage]:
    """A factor for each stage, and one constant for all: libraries and threads are the same in each."""
    names = {row.stage for row in rows} | (
        {*before.stages} - {_LOAD} if any(r.stage != _LOAD for r in rows) else set()
    )
    known = {name: before.stages.get(name, Stage()) for name in sorted(names)}
    slopes = {
        name: _slope([r for r in rows if r.stage == name], factors, known[name].factor) for name in known
    }
    if not rows:
        return {}
    left = [
        row.measured - row.weights - factors.added_by(row.settings) - slopes[row.stage] * row.live
        for row in rows
    ]
    middle = heavy_median(left, [1 / max(row.measured, 1) for row in rows])
    trust = len(rows) / (len(rows) + _PATIENCE)
    return {
        name: Stage(factor=slopes[name], constant=round(stage.constant + trust * (middle - stage.constant)))
        for name, stage in known.items()
    }


def _slope(rows: list[Seen], factors: Factors, before: float) -> float:
    """The median slope between pairs of trials of one stage, drawn towards what was known."""
    rests = [(row.live, row.measured - row.weights - factors.added_by(row.settings)) for row in rows]
    pairs = itertools.combinations(rests, 2)
    apart = [(b - d) / (a - c) for (a, b), (c, d) in pairs if abs(a - c) > _APART * max(a, c)]
    if not apart:
        return before
    trust = len(rows) / (len(rows) + _PATIENCE)
    return before + trust * (min(max(median(apart), _LEAST_SLOPE), _MOST_SLOPE) - before)


def _fit_settings(rows: list[Seen], factors: Factors) -> dict[str, int]:
    """What each setting adds, one after the other, the most frequent first."""
    names = [f"{knob}={value}" for row in rows for knob, value in row.settings.items()]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    extras: dict[str, int] = dict(factors.settings)
    for name in sorted(counts, key=lambda known: -counts[known]):
        others = {key: amount for key, amount in extras.items() if key != name}
        without = Factors(stages=factors.stages, settings=others)
        mine = [row for row in rows if name in _named(row)]
        left = heavy_median([_left(row, without) for row in mine], [1 / max(row.measured, 1) for row in mine])
        extras[name] = round(left * len(mine) / (len(mine) + _PATIENCE))
    return extras


def heavy_median(amounts: list[float], weights: list[float]) -> float:
    """Return the amount at which half of the weight is reached.

    Weighed by one over what was measured, a fit is as near to small trials as to large ones, in per cent.

    >>> heavy_median([3.0, 1.0, 2.0], [1, 1, 1]), heavy_median([3.0, 1.0, 2.0], [9, 1, 1])
    (2.0, 3.0)
    """
    reached = 0.0
    for amount, weight in sorted(zip(amounts, weights, strict=True)):
        reached += weight
        if 2 * reached >= sum(weights):
            return amount
    return 0.0


def _left(row: Seen, factors: Factors) -> float:
    stage = factors.stages.get(row.stage, Stage())
    return (
        row.measured - row.weights - stage.factor * row.live - stage.constant - factors.added_by(row.settings)
    )


def _named(row: Seen) -> set[str]:
    return {f"{knob}={value}" for knob, value in row.settings.items()}
