"""Learn: a surrogate from what was tried, the oldest first; the same trials always teach the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autotune.knob import Touches, Value
from autotune.observation import Observation
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.gaussian_process import Fitted, Prior
from autotune.search.gaussian_process import fit as fit_process
from autotune.search.known import Known
from autotune.search.quantities import QUANTITIES, STAGES, Quantity, modelled
from autotune.search.reliability import learn_failures
from autotune.search.surrogate import Forecast, Part, Surrogate, expected_by, steps_taken

_ELSEWHERE = 0.1  # scale of a knob that says it does not act on a quantity, as a share of the others'
_SURE, _UNSURE = 1.5, 2.5  # of the logarithms of those scales: a knob may act on more than it says
_PROJECTED = 0.03  # relative noise of figures that a trial which was stopped early projected
_BEYOND = 0.1  # what exceeds a bound is taken to exceed it by so much, as a logarithm
_FIGURES = ("latency_s", "memory_bytes", "similarity", "cold_s", "seconds")
_BOUNDED = {"memory_bytes": ("memory_bytes", STAGES[1]), "latency_s": ("latency_s", "steps_s")}
"""Figures of which lower bounds are known, and the quantities that they bound: what mostly decides them."""


@dataclass(frozen=True, kw_only=True)
class _Data:
    """What was tried, as numbers.

    Attributes:
        codes: Of the recipes, shape (rows, knobs).
        seen: What was seen of each, with the seconds of the trial among the figures.
        steps: That each takes.
        expected: Of each stage beforehand.
        baseline: Figures of the untuned recipe.
    """

    codes: Codes
    seen: Sequence[Observation]
    steps: Floats
    expected: Mapping[str, Floats]
    baseline: Mapping[str, float]


def learn(  # noqa: PLR0913 - what is known, of which knobs, and how it is modelled
    known: Sequence[Known],
    knobs: Mapping[str, Sequence[Value]],
    touches: Mapping[str, frozenset[Touches]],
    *,
    steps: int,
    forecast: Forecast | None = None,
    figures: Iterable[str] = _FIGURES,
    thetas: Mapping[str, Floats] | None = None,
    by_parts: bool = True,
) -> Surrogate | None:
    """Return what trials teach; None before the untuned baseline is measured.

    Args:
        known: What was tried, the oldest first; recipes with values outside of the knobs' are passed over.
        knobs: The values of each knob that is searched, the default first.
        touches: What each of them acts on.
        steps: Of the untuned baseline.
        forecast: Of memory, where there is one.
        figures: What to predict.
        thetas: Hyperparameters by quantity, where they are known already.
        by_parts: Whether latency and memory are predicted by their parts.
    """
    coding = Coding.of(knobs)
    data = _data(known, coding, steps=steps, forecast=forecast)
    if data is None:
        return None
    measured = [seen.figures for seen in data.seen if seen.is_measured]
    parts = {}
    for name in modelled(figures, measured, by_parts=by_parts):
        given = thetas.get(name) if thetas is not None else None
        part = _part(QUANTITIES[name], data, _prior(QUANTITIES[name], coding, touches), given)
        if part is not None:
            parts[name] = part
    ran = np.array([not seen.failure or bool(seen.at_least) for seen in data.seen], dtype=bool)
    return Surrogate(
        coding=coding,
        parts=parts,
        reliability=learn_failures(data.codes[ran], data.codes[~ran], coding.sizes),
        default_steps=steps,
        forecast=forecast,
        measured=len(measured),
    )


def _data(known: Sequence[Known], coding: Coding, *, steps: int, forecast: Forecast | None) -> _Data | None:
    rows = [(row, each) for each in known if (row := coding.row(each.settings)) is not None]
    baseline = next((each.seen for row, each in rows if each.seen.is_measured and not any(row)), None)
    if baseline is None:
        return None
    codes = np.array([row for row, _ in rows], dtype=np.int16).reshape(len(rows), len(coding.names))
    seen = [each.seen.with_seconds() for _, each in rows]
    return _Data(
        codes=codes,
        seen=seen,
        steps=steps_taken(codes, coding, steps),
        expected=expected_by(forecast, [each.settings for _, each in rows], coding),
        baseline=baseline.with_seconds().figures,
    )


def _prior(quantity: Quantity, coding: Coding, touches: Mapping[str, frozenset[Touches]]) -> Prior:
    likely, unlikely = 2 * np.log(quantity.scale), 2 * np.log(quantity.scale * _ELSEWHERE)
    acts = [bool(touches.get(name, quantity.touched_by) & quantity.touched_by) for name in coding.names]
    rest = 2 * np.log(quantity.scale * 0.1)
    # A pair's variance is p w w': with p = 1 / w that of a setting, with e^-2 of it a third of its sd.
    return Prior(
        weights=np.where(acts, likely, unlikely),
        weight_sds=np.where(acts, _SURE, _UNSURE),
        pair=-likely - 2.0,
        rest=rest,
        constant=quantity.noise**2,
        negligible=2 * np.exp(unlikely),
    )


def _part(quantity: Quantity, data: _Data, prior: Prior, theta: Floats | None) -> Part | None:
    """The process of a quantity; None where the baseline has none of it to compare with."""
    per_step = data.steps if quantity.by_step else np.ones(len(data.steps))
    untuned = data.baseline[quantity.name] / (_untuned_steps(data) if quantity.by_step else 1.0)
    floor = quantity.floor * data.baseline["latency_s"]
    if quantity.is_ratio and untuned + floor <= 0:
        return None
    expected = data.expected.get(quantity.name, np.zeros(len(data.codes)))

    def inner(value: float, row: int) -> float:
        if not quantity.is_ratio:
            return value - untuned
        return float(np.log((value / per_step[row] + floor) / (untuned + floor)) - expected[row])

    seen = _Seen()
    for row, each in enumerate(data.seen):
        value = each.figures.get(quantity.name)
        if value is not None and (value + floor > 0 or not quantity.is_ratio):
            seen.add(row, inner(value, row), _noise(quantity, each))
    fitted = seen.fit(data.codes, prior, theta)
    bounds = [(row, inner(bound, row)) for row, bound in _bounds(quantity, data)]
    if bounds:
        fitted = _with_bounds(fitted, data.codes, seen, bounds, prior)
    return Part(quantity=quantity, baseline=untuned, floor=floor, fitted=fitted)


@dataclass(frozen=True)
class _Seen:
    """What is given to a process: the rows, their values and the variances of their noise."""

    rows: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)

    def add(self, row: int, value: float, noise: float) -> None:
        self.rows.append(row)
        self.values.append(value)
        self.noise.append(noise)

    def fit(self, codes: Codes, prior: Prior, theta: Floats | None) -> Fitted:
        return fit_process(codes[self.rows], np.array(self.values), np.array(self.noise), prior, theta)


def _with_bounds(
    fitted: Fitted, codes: Codes, seen: _Seen, bounds: Sequence[tuple[int, float]], prior: Prior
) -> Fitted:
    """The process that also knows lower bounds: where it expects less, a little more than that is seen."""
    expected, _ = fitted.predict(codes[[row for row, _ in bounds]])
    missed = [each for each, mean in zip(bounds, expected, strict=True) if mean < each[1] + _BEYOND]
    for row, bound in missed:
        seen.add(row, bound + _BEYOND, _BEYOND**2)
    return seen.fit(codes, prior, fitted.theta) if missed else fitted


def _bounds(quantity: Quantity, data: _Data) -> list[tuple[int, float]]:
    found = []
    for row, seen in enumerate(data.seen):
        for figure, bounded in _BOUNDED.items():
            bound = seen.at_least.get(figure)
            if bound is None or quantity.name not in bounded or quantity.name in seen.figures:
                continue
            if quantity.name == "steps_s":
                bound -= data.baseline["text_s"] + data.baseline["decode_s"]
            if bound > 0:
                found.append((row, bound))
    return found


def _noise(quantity: Quantity, seen: Observation) -> float:
    """Variance of what was seen, in the model's unit."""
    told = seen.noise.get("latency_s", 0.0) if quantity.name.endswith("_s") else 0.0
    return quantity.noise**2 + told**2 + (_PROJECTED**2 if seen.pruned else 0.0)


def _untuned_steps(data: _Data) -> float:
    untuned = next(
        row for row, seen in enumerate(data.seen) if seen.is_measured and not data.codes[row].any()
    )
    return float(data.steps[untuned])
