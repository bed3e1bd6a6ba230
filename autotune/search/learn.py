"""Learn: a surrogate from what was tried, the oldest first; the same trials always teach the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autotune.knob import Touches, Value
from autotune.observation import Observation
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.gaussian_process import Fitted, Prior
from autotune.search.known import Known
from autotune.search.process import Hyper, Process, Samples, learn_process
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
    hypers: Mapping[str, Hyper] | None = None,
    by_parts: bool = True,
    earlier: Mapping[str, Fitted] | None = None,
) -> Surrogate | None:
    """Return what trials teach; None before the untuned baseline is measured.

    Args:
        known: What was tried, the oldest first; recipes with values outside of the knobs' are passed over.
        knobs: The values of each knob that is searched, the default first.
        touches: What each of them acts on.
        steps: Of the untuned baseline.
        forecast: Of memory, where there is one.
        figures: What to predict.
        hypers: Hyperparameters by quantity, where they are known already.
        by_parts: Whether latency and memory are predicted by their parts.
        earlier: What other studies taught, as `learn_earlier` returns it.
    """
    coding = Coding.of(knobs)
    data = _data(known, coding, steps=steps, forecast=forecast)
    if data is None:
        return None
    measured = [seen.figures for seen in data.seen if seen.is_measured]
    parts = {}
    for name in modelled(figures, measured, by_parts=by_parts):
        given = hypers.get(name) if hypers is not None else None
        # What a forecast expects was taken off: others, of whom nothing was forecast, are no match.
        before = (earlier or {}).get(name) if name not in data.expected else None
        part = _part(QUANTITIES[name], data, before, _prior(QUANTITIES[name], coding, touches), given)
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


def learn_earlier(
    known: Sequence[Known],
    knobs: Mapping[str, Sequence[Value]],
    touches: Mapping[str, frozenset[Touches]],
    *,
    steps: int,
) -> dict[str, Fitted]:
    """Return what other studies taught of each quantity, each study's figures relative to its own baseline.

    Args:
        known: What was tried in them, each study's untuned baseline among it; those without are left out.
        knobs: The values of each knob that is searched, the default first.
        touches: What each of them acts on.
        steps: Of the untuned baseline.
    """
    coding = Coding.of(knobs)
    studies = dict.fromkeys(each.study for each in known)
    parted = [[each for each in known if each.study == study] for study in studies]
    taught = [found for some in parted if (found := _data(some, coding, steps=steps, forecast=None))]
    processes = {}
    for name, quantity in QUANTITIES.items():
        samples = Samples.none()
        for data in taught:
            scale = _scale(quantity, data)
            if scale is not None:
                _add_samples(samples, quantity, data, scale)
        if samples.values:
            processes[name] = learn_process(samples, _prior(quantity, coding, touches)).own
    return processes


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
    # A pair's variance is p w w': with p = 1 / w that of a setting, with e^-0.5 of it nearly so.
    return Prior(
        weights=np.where(acts, likely, unlikely),
        weight_sds=np.where(acts, _SURE, _UNSURE),
        pair=-likely - 0.5,
        rest=rest,
        constant=quantity.noise**2,
        negligible=2 * np.exp(unlikely),
    )


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """How a quantity becomes what its process models.

    Attributes:
        untuned: Its value for the untuned baseline; of one that grows with steps, for a single step.
        floor: What is added before the logarithm is taken.
    """

    untuned: float
    floor: float

    def inner(self, quantity: Quantity, data: _Data, row: int, value: float) -> float:
        """Return what the process models of a value that was seen."""
        if not quantity.is_ratio:
            return value - self.untuned
        each = value / (data.steps[row] if quantity.by_step else 1.0)
        expected = data.expected.get(quantity.name)
        ratio = float(np.log((each + self.floor) / (self.untuned + self.floor)))
        return ratio - (float(expected[row]) if expected is not None else 0.0)


def _scale(quantity: Quantity, data: _Data) -> _Scale | None:
    """How a quantity is scaled; None where the baseline has none of it to compare with."""
    value = data.baseline.get(quantity.name)
    if value is None:
        return None
    untuned = value / (_untuned_steps(data) if quantity.by_step else 1.0)
    floor = quantity.floor * data.baseline.get("latency_s", 0.0)
    return _Scale(untuned=untuned, floor=floor) if untuned + floor > 0 or not quantity.is_ratio else None


def _add_samples(samples: Samples, quantity: Quantity, data: _Data, scale: _Scale) -> None:
    for row, each in enumerate(data.seen):
        value = each.figures.get(quantity.name)
        if value is not None and (value + scale.floor > 0 or not quantity.is_ratio):
            samples.add(data.codes[row], scale.inner(quantity, data, row, value), _noise(quantity, each))


def _part(
    quantity: Quantity, data: _Data, earlier: Fitted | None, prior: Prior, hyper: Hyper | None
) -> Part | None:
    """The process of a quantity; None where the baseline has none of it to compare with."""
    scale = _scale(quantity, data)
    if scale is None:
        return None
    samples = Samples.none()
    _add_samples(samples, quantity, data, scale)
    process = learn_process(samples, prior, earlier, hyper)
    bounds = [
        (data.codes[row], scale.inner(quantity, data, row, bound)) for row, bound in _bounds(quantity, data)
    ]
    if bounds:
        process = _with_bounds(process, samples, bounds, prior)
    return Part(quantity=quantity, baseline=scale.untuned, floor=scale.floor, process=process)


def _with_bounds(
    process: Process, samples: Samples, bounds: Sequence[tuple[Codes, float]], prior: Prior
) -> Process:
    """The process that also knows lower bounds: where it expects less, a little more than that is seen."""
    expected, _ = process.predict(np.array([row for row, _ in bounds], dtype=np.int16))
    missed = [each for each, mean in zip(bounds, expected, strict=True) if mean < each[1] + _BEYOND]
    for row, bound in missed:
        samples.add(row, bound + _BEYOND, _BEYOND**2)
    return learn_process(samples, prior, process.earlier, process.hyper) if missed else process


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
