"""Estimate: a figure with its interval, and the change that a setting makes, as a ratio or a difference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.objective import Objective

Array = NDArray[np.float64]
_LOW, _HIGH = 0.025, 0.975
_FINE, _NARROW = 0.1, 0.03  # smaller changes, and narrower intervals, need a third digit


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure, with the interval that holds it with 95 %.

    Attributes:
        value: The figure itself, or the median of what is believed of it.
        low, high: The interval; None where nothing tells one.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def is_clear_of(self, neutral: float) -> bool:
        """Whether the interval leaves out the value that means no change; without one nothing is claimed.

        >>> Estimate(value=0.8, low=0.7, high=0.9).is_clear_of(1.0), Estimate(value=0.8).is_clear_of(1.0)
        (True, False)
        """
        if self.low is None or self.high is None:
            return False
        return neutral < self.low or neutral > self.high

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; what is not known or endless is null.

        >>> Estimate(value=2.0).to_json()
        {'value': 2.0, 'low': None, 'high': None}
        """
        fields = {"value": self.value, "low": self.low, "high": self.high}
        return {name: x if x is not None and math.isfinite(x) else None for name, x in fields.items()}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a setting does to one objective.

    Attributes:
        objective: What changes.
        by: The new value divided by the old one, or less the old one where higher is better.
    """

    objective: Objective
    by: Estimate

    @property
    def is_ratio(self) -> bool:
        """Whether it is told as a ratio: all that is less when it is better; likeness is told as it is."""
        return not self.objective.higher_is_better

    @property
    def is_clear(self) -> bool:
        """Whether it can be told from no change at all."""
        return self.by.is_clear_of(neutral(self.objective))

    @property
    def is_better(self) -> bool:
        """Whether the change is for the better."""
        return self.by.value < 1.0 if self.is_ratio else self.by.value > 0.0

    @property
    def size(self) -> float:
        """How large it is, whichever its direction: the logarithm of a ratio, or the difference itself."""
        if not self.is_ratio:
            return abs(self.by.value)
        return abs(math.log(self.by.value)) if self.by.value > 0 else math.inf

    def describe(self) -> str:
        """Return the change and its interval for a person, such as "0.55× (0.52 to 0.58)"."""
        show = _ratio if self.is_ratio else _difference
        digits = _digits(self)
        if self.by.low is None or self.by.high is None:
            return show(self.by.value, digits)
        interval = " to ".join(show(bound, digits).removesuffix("×") for bound in (self.by.low, self.by.high))
        return f"{show(self.by.value, digits)} ({interval})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        kind = "ratio" if self.is_ratio else "difference"
        return {**self.by.to_json(), "kind": kind, "is_clear": self.is_clear}


def neutral(objective: Objective) -> float:
    """Return what means no change: a ratio of 1, or a difference of 0 where higher is better.

    >>> from autotune.objective import LATENCY, SIMILARITY
    >>> neutral(LATENCY), neutral(SIMILARITY)
    (1.0, 0.0)
    """
    return 0.0 if objective.higher_is_better else 1.0


def summary(draws: Array) -> Estimate:
    """Return the median of draws, and the interval that holds 95 % of them.

    >>> summary(np.arange(101.0))
    Estimate(value=50.0, low=2.5, high=97.5)
    """
    low, middle, high = (float(x) for x in np.quantile(draws, (_LOW, 0.5, _HIGH)))
    return Estimate(value=middle, low=low, high=high)


def as_scale(objective: Objective, values: Array) -> Array:
    """Return values on the scale on which a change is a difference: logarithms, but likeness as it is."""
    if objective.higher_is_better:
        return values
    return np.log(np.maximum(values, np.finfo(np.float64).tiny))


def change(objective: Objective, scaled: Array) -> Change:
    """Return the change that draws of a difference on the scale of `as_scale` tell."""
    return Change(objective=objective, by=summary(scaled if objective.higher_is_better else np.exp(scaled)))


def measured_change(
    objective: Objective, new: Mapping[str, float], old: Mapping[str, float]
) -> Change | None:
    """Return the change between two measurements' figures; None where the objective is not known of both.

    >>> from autotune.objective import LATENCY
    >>> measured_change(LATENCY, {"latency_s": 3.0}, {"latency_s": 2.0}).describe()
    '1.50×'
    """
    after, before = objective.of(new), objective.of(old)
    if not (math.isfinite(after) and math.isfinite(before)):
        return None
    if objective.higher_is_better:
        return Change(objective=objective, by=Estimate(value=after - before))
    return Change(objective=objective, by=Estimate(value=after / before)) if before > 0 else None


def describe_value(objective: Objective, estimate: Estimate) -> str:
    """Return a value of an objective with its interval for a person.

    >>> from autotune.objective import LATENCY
    >>> describe_value(LATENCY, Estimate(value=1.5, low=1.25, high=2.0))
    '1.5 s (1.25 s to 2 s)'
    """
    if estimate.low is None or estimate.high is None:
        return objective.show(estimate.value)
    value, low, high = (objective.show(x) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def _digits(told: Change) -> int:
    """Two digits, or three where the change or its interval is small."""
    low, high = told.by.low, told.by.high
    is_narrow = low is not None and high is not None and high - low < _NARROW
    return 3 if not told.is_ratio or is_narrow or told.size < math.log1p(_FINE) else 2


def _ratio(value: float, digits: int) -> str:
    return f"{value:.{digits}f}×" if value < 9.995 else f"{value:.1f}×"


def _difference(value: float, digits: int) -> str:
    """A signed difference; what rounds to nothing has no sign.

    >>> _difference(0.0123, 3), _difference(-0.0123, 3), _difference(-0.0001, 3)
    ('+0.012', '−0.012', '0.000')
    """
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"
