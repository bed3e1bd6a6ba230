"""Process: what is known of one quantity, by the study's own trials and by earlier studies where they agree.

An earlier study's expectation counts by a share; what is left is learnt from the study's own trials. The
share is the one that explains those best, and 0 is among them: what misleads is soon left aside.
"""

from dataclasses import dataclass

import numpy as np

from autotune.search.candidates import Codes, Floats
from autotune.search.gaussian_process import Fitted, Prior, fit

SHARES = (0.9, 0.5, 0.0)
"""By how much an earlier study may count."""


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Hyperparameters that were found before.

    Attributes:
        theta: Of the Gaussian process.
        share: By which earlier studies count.
    """

    theta: Floats
    share: float


@dataclass(frozen=True)
class Samples:
    """What is given to a process: recipes, their values and the variances of their noise."""

    codes: list[Codes]
    values: list[float]
    noise: list[float]

    @classmethod
    def none(cls) -> "Samples":
        """Return samples to which others are added."""
        return cls([], [], [])

    def add(self, row: Codes, value: float, noise: float) -> None:
        """Add what was seen of one recipe."""
        self.codes.append(row)
        self.values.append(value)
        self.noise.append(noise)

    def matrix(self) -> Codes:
        """Return the recipes, shape (samples, knobs)."""
        return np.array(self.codes, dtype=np.int16)


@dataclass(frozen=True, kw_only=True)
class Process:
    """What is known of one quantity.

    Attributes:
        own: Learnt from the study's own trials: the difference from what the earlier ones lead to expect.
        earlier: Learnt from earlier studies; None where there are none.
        share: By which they count.
    """

    own: Fitted
    earlier: Fitted | None = None
    share: float = 0.0

    @property
    def hyper(self) -> Hyper:
        """What need not be found again."""
        return Hyper(theta=self.own.theta, share=self.share)

    def predict(self, codes: Codes) -> tuple[Floats, Floats]:
        """Return mean and standard deviation for recipes, shape (rows,) each."""
        mean, sd = self.own.predict(codes)
        if self.earlier is None or not self.share:
            return mean, sd
        before, unsure = self.earlier.predict(codes)
        return mean + self.share * before, np.sqrt(sd**2 + (self.share * unsure) ** 2)

    def joint(self, codes: Codes) -> tuple[Floats, Floats]:
        """Return mean (rows,) and covariance (rows, rows), the rest of each recipe's own left out."""
        mean, covariance = self.own.joint(codes)
        if self.earlier is None or not self.share:
            return mean, covariance
        before, unsure = self.earlier.joint(codes)
        return mean + self.share * before, covariance + self.share**2 * unsure


def learn_process(
    samples: Samples, prior: Prior, earlier: Fitted | None = None, hyper: Hyper | None = None
) -> Process:
    """Return what samples teach.

    Args:
        samples: Of the study, at least one.
        prior: What is assumed before.
        earlier: What earlier studies taught; None where there are none.
        hyper: Hyperparameters, where they are known already.
    """
    codes, values, noise = samples.matrix(), np.array(samples.values), np.array(samples.noise)
    if earlier is None:
        return Process(own=fit(codes, values, noise, prior, hyper.theta if hyper is not None else None))
    before, _ = earlier.predict(codes)
    found = [
        Process(
            own=fit(codes, values - share * before, noise, prior, hyper.theta if hyper is not None else None),
            earlier=earlier,
            share=share,
        )
        for share in ((hyper.share,) if hyper is not None else SHARES)
    ]
    # Of shares that explain as much, as they all do while the baseline alone is known, the largest counts.
    return min(found, key=lambda process: round(process.own.loss, 3))
