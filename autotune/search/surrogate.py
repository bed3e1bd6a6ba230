"""Surrogate: predicts the figures of recipes that were never tried, from the parts of those that were.

Each part of a figure has its own Gaussian process over the settings that may act on it: the seconds of text
encoding, of a step and of decoding, which add up; the peaks of stages, of which the largest counts; the
likeness. So what a setting does to one part is known in every combination, once it was seen in one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from autotune.knob import Settings
from autotune.observation import PARTS
from autotune.search.belief import Belief, exponential, largest_of, of_logarithm, sum_of
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.process import Process
from autotune.search.quantities import STAGES, Quantity
from autotune.search.reliability import Reliability

Forecast: TypeAlias = Callable[[Settings], Mapping[str, float]]
"""What is known of a recipe's figures before it is tried: only their ratios to the untuned recipe's count."""

_TINY = 1e-6
STEPS = "steps"
"""The knob: time falls in proportion to it, so that only the seconds of one step need a model."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The process of one quantity.

    Attributes:
        quantity: Which.
        baseline: The untuned recipe's value; of a quantity that grows with steps, of a single one.
        floor: What is added before the logarithm is taken.
        process: What was learnt.
    """

    quantity: Quantity
    baseline: float
    floor: float
    process: Process

    def value(self, inner: Floats, steps: Floats) -> Floats:
        """Return the quantity for values of its process."""
        if not self.quantity.is_ratio:
            return inner + self.baseline
        whole = np.maximum(exponential(inner) * (self.baseline + self.floor) - self.floor, 0.0)
        return np.asarray(whole * steps if self.quantity.by_step else whole, dtype=float)

    def belief(self, mean: Floats, sd: Floats, steps: Floats) -> Belief:
        """Return what is believed of the quantity, given mean and standard deviation of its process."""
        if not self.quantity.is_ratio:
            return Belief(mean=mean + self.baseline, sd=sd)
        ratio = of_logarithm(mean, sd)
        unit = self.baseline + self.floor
        found = Belief(mean=np.maximum(ratio.mean * unit - self.floor, 0.0), sd=ratio.sd * unit)
        return found.times(steps) if self.quantity.by_step else found


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """What a study has learnt about the recipes of its space.

    Attributes:
        coding: How settings are written as numbers.
        parts: The process of each quantity.
        reliability: Which recipes fail.
        default_steps: Steps of the untuned baseline.
        forecast: What is expected of memory before anything is measured.
        measured: On how many measured trials it rests.
    """

    coding: Coding
    parts: Mapping[str, Part]
    reliability: Reliability
    default_steps: int
    forecast: Forecast | None
    measured: int

    def predict(self, settings: Sequence[Settings]) -> dict[str, Belief]:
        """Return what is believed of recipes, by figure; figures that nothing was seen of are left out."""
        expected = expected_by(self.forecast, settings, self.coding)
        return self.predict_codes(self.coding.codes(settings), expected)

    def works(self, settings: Sequence[Settings]) -> Floats:
        """Return the probability that each recipe works, from 0.01 to 1."""
        return self.reliability.works(self.coding.codes(settings))

    def draw(self, settings: Sequence[Settings], draws: int, seed: int) -> dict[str, Floats]:
        """Return figures as they may be, drawn jointly over the recipes, by figure (draws, recipes).

        What recipes have in common is the same for them in each draw, so that differences between recipes
        are as sure as they are; what is each recipe's own is left out.

        Args:
            settings: Of the recipes: some hundred at most.
            draws: How many.
            seed: Of the draws.
        """
        rng = np.random.default_rng(seed)
        codes, expected = self.coding.codes(settings), expected_by(self.forecast, settings, self.coding)
        steps, drawn = self.steps_of(codes), dict[str, Floats]()
        for name, part in self.parts.items():
            mean, covariance = part.process.joint(codes)
            values, vectors = np.linalg.eigh(covariance)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            inner = mean[None, :] + rng.standard_normal((draws, len(codes))) @ root.T
            drawn[name] = part.value(inner + expected.get(name, 0.0), steps)
        if all(name in drawn for name in PARTS):
            drawn["latency_s"] = np.sum([drawn[name] for name in PARTS], axis=0)
        if all(name in drawn for name in STAGES):
            drawn["memory_bytes"] = np.max([drawn[name] for name in STAGES], axis=0)
        return drawn

    def predict_codes(self, codes: Codes, expected: Mapping[str, Floats]) -> dict[str, Belief]:
        """Return what is believed of recipes that are written as numbers.

        Args:
            codes: Shape (rows, knobs).
            expected: Of each stage's peak beforehand, as `expected_by` returns it.
        """
        steps, beliefs = self.steps_of(codes), dict[str, Belief]()
        for name, part in self.parts.items():
            mean, sd = part.process.predict(codes)
            beliefs[name] = part.belief(mean + expected.get(name, 0.0), sd, steps)
        if all(name in beliefs for name in PARTS):
            beliefs["latency_s"] = sum_of([beliefs[name] for name in PARTS])
        if all(name in beliefs for name in STAGES):
            beliefs["memory_bytes"] = largest_of(beliefs[STAGES[0]], beliefs[STAGES[1]])
        return beliefs

    def steps_of(self, codes: Codes) -> Floats:
        """Return how many steps each recipe takes, shape (rows,)."""
        return steps_taken(codes, self.coding, self.default_steps)


def steps_taken(codes: Codes, coding: Coding, default: int) -> Floats:
    """Return how many steps each recipe takes, shape (rows,).

    Args:
        codes: Of the recipes.
        coding: How they are written.
        default: Of recipes in whose space there is no choice.
    """
    if STEPS not in coding.knobs:
        return np.full(len(codes), float(default))
    values = np.array([float(value) for value in coding.knobs[STEPS]])
    return np.asarray(values[codes[:, coding.names.index(STEPS)]], dtype=float)


def expected_by(forecast: Forecast | None, settings: Sequence[Settings], coding: Coding) -> dict[str, Floats]:
    """Return what is expected of each stage, as the logarithm of its ratio to the untuned baseline's.

    Args:
        forecast: Of memory; None where there is none, and nothing is expected.
        settings: Of the recipes.
        coding: Says what is untuned.
    """
    if forecast is None:
        return {}
    untuned = forecast({name: values[0] for name, values in coding.knobs.items()})
    made = [forecast(each) for each in settings]
    return {
        stage: np.log([max(each[stage], _TINY) / max(least, _TINY) for each in made])
        for stage, least in untuned.items()
    }
