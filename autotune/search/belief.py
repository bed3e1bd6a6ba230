"""Belief: what is expected of a figure of many recipes, and how sums and the larger of two are believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from autotune.search.candidates import Floats

_WIDEST = 1.5  # standard deviation of a logarithm above which a mean of the lognormal says nothing
_SPAN = 12.0  # logarithms are cut here: a factor of 160,000


@dataclass(frozen=True, kw_only=True)
class Belief:
    """A normal belief about a figure, one value for each recipe.

    Attributes:
        mean: In the figure's own unit.
        sd: Standard deviation: how unsure that is.
    """

    mean: Floats
    sd: Floats

    def times(self, factors: Floats) -> "Belief":
        """Return the belief about the figure times a known factor for each recipe."""
        return Belief(mean=self.mean * factors, sd=self.sd * np.abs(factors))


def of_logarithm(mean: Floats, sd: Floats) -> Belief:
    """Return the belief about e to the power of a normal figure, by the moments of the lognormal.

    >>> believed = of_logarithm(np.array([0.0]), np.array([0.1]))
    >>> believed.mean.round(4), believed.sd.round(4)
    (array([1.005]), array([0.1008]))
    """
    narrowed = np.minimum(sd, _WIDEST)
    middle = np.exp(np.clip(mean + 0.5 * narrowed**2, -_SPAN, _SPAN))
    return Belief(mean=middle, sd=middle * np.sqrt(np.expm1(narrowed**2)))


def exponential(values: Floats) -> Floats:
    """Return e to the power of the values, cut where they say nothing any more."""
    return np.asarray(np.exp(np.clip(values, -_SPAN, _SPAN)), dtype=float)


def sum_of(beliefs: Sequence[Belief]) -> Belief:
    """Return the belief about the sum of independent figures.

    >>> one = Belief(mean=np.array([1.0]), sd=np.array([0.3]))
    >>> sum_of([one, Belief(mean=np.array([2.0]), sd=np.array([0.4]))])
    Belief(mean=array([3.]), sd=array([0.5]))
    """
    variances = np.sum([belief.sd**2 for belief in beliefs], axis=0)
    return Belief(mean=np.sum([belief.mean for belief in beliefs], axis=0), sd=np.sqrt(variances))


def largest_of(one: Belief, other: Belief) -> Belief:
    """Return the belief about the larger of two independent figures.

    Source: C. E. Clark, The Greatest of a Finite Set of Random Variables, Operations Research 9, 1961.

    >>> sure = Belief(mean=np.array([3.0]), sd=np.array([1e-9]))
    >>> largest_of(sure, Belief(mean=np.array([2.0]), sd=np.array([1e-9]))).mean
    array([3.])
    """
    spread = np.sqrt(one.sd**2 + other.sd**2) + 1e-12
    z = (one.mean - other.mean) / spread
    density = np.exp(-0.5 * np.minimum(z * z, 1400.0)) / np.sqrt(2 * np.pi)
    first = ndtr(z)
    mean = one.mean * first + other.mean * (1 - first) + spread * density
    square = (
        (one.mean**2 + one.sd**2) * first
        + (other.mean**2 + other.sd**2) * (1 - first)
        + (one.mean + other.mean) * spread * density
    )
    least = 1e-9 * np.abs(mean) + 1e-15
    return Belief(mean=mean, sd=np.sqrt(np.maximum(square - mean**2, least**2)))
