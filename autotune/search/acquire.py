"""Acquire: what each candidate is worth trying, by what is believed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from autotune.objective import Limit, Objective, reference_point
from autotune.search.belief import Belief
from autotune.search.candidates import Floats
from autotune.search.improvement import expected_improvement

_SURE = 1e-6  # least standard deviation of a loss, as a share of the reference point


@dataclass(frozen=True, kw_only=True)
class Goals:
    """What a study is after, with limits resolved.

    Attributes:
        objectives: What to be good at.
        limits: Beyond which a recipe is unfit.
        reference: The losses beyond which nothing counts.
    """

    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    reference: Floats

    @classmethod
    def of(
        cls, objectives: Sequence[Objective], limits: Sequence[Limit], baseline: Mapping[str, float]
    ) -> "Goals | None":
        """Return the goals of a study whose baseline is known.

        None where nothing can be better than it, or where it lacks a figure that is asked for.
        """
        reference = reference_point(objectives, limits, baseline)
        if reference is None or not all(bound > 0 for bound in reference):
            return None
        goals = cls(objectives=tuple(objectives), limits=tuple(limits), reference=np.array(reference))
        return goals if baseline.keys() >= set(goals.figures) else None

    @property
    def figures(self) -> tuple[str, ...]:
        """Figures that objectives and limits are made of."""
        asked = (*self.objectives, *(limit.objective for limit in self.limits))
        return tuple(dict.fromkeys(name for objective in asked for name in objective.terms))

    def losses(self, figures: Mapping[str, float]) -> Floats | None:
        """Return what was measured, as shares of the reference; None where it is not fit or not known."""
        if any(name not in figures for name in self.figures):
            return None
        if any(not is_within(limit, figures) for limit in self.limits):
            return None
        found = [_loss(objective, objective.of(figures)) for objective in self.objectives]
        return np.array(found) / self.reference

    def believed_losses(self, beliefs: Mapping[str, Belief]) -> tuple[Floats, Floats]:
        """Return means and standard deviations of losses as shares of the reference, (rows, objectives)."""
        means, sds = [], []
        for objective in self.objectives:
            believed = belief_in(objective, beliefs)
            means.append(_loss(objective, believed.mean))
            sds.append(believed.sd)
        return (
            np.stack(means, axis=1) / self.reference,
            np.maximum(np.stack(sds, axis=1) / self.reference, _SURE),
        )

    def chance_within(self, beliefs: Mapping[str, Belief]) -> Floats:
        """Return the probability to be within the limits on what is no objective: those bound the volume."""
        names = {objective.name for objective in self.objectives}
        chance: Floats | None = None
        for limit in self.limits:
            if limit.objective.name in names:
                continue
            believed = belief_in(limit.objective, beliefs)
            z = (limit.bound - believed.mean) / np.maximum(believed.sd, 1e-12)
            one = np.asarray(ndtr(-z if limit.objective.higher_is_better else z), dtype=float)
            chance = one if chance is None else chance * one
        return np.ones(1) if chance is None else chance


def belief_in(objective: Objective, beliefs: Mapping[str, Belief]) -> Belief:
    """Return what is believed of an objective, whose figures count as independent."""
    mean = np.sum([factor * beliefs[name].mean for name, factor in objective.terms.items()], axis=0)
    variance = np.sum([(factor * beliefs[name].sd) ** 2 for name, factor in objective.terms.items()], axis=0)
    return Belief(mean=mean, sd=np.sqrt(variance))


def is_within(limit: Limit, figures: Mapping[str, float]) -> bool:
    """Whether figures keep to a limit."""
    value = limit.objective.of(figures)
    return value >= limit.bound if limit.objective.higher_is_better else value <= limit.bound


def gains(goals: Goals, front: Floats, beliefs: Mapping[str, Belief], works: Floats) -> Floats:
    """Return the volume that each recipe is expected to add to the front, if it works, shape (rows,).

    Args:
        goals: What the study is after.
        front: Losses of what is known to be fit, as shares of the reference, (points, objectives).
        beliefs: By figure.
        works: Probability that each recipe works.
    """
    means, sds = goals.believed_losses(beliefs)
    chance = works * goals.chance_within(beliefs)
    # What is dominated even if it is two and a half standard deviations better adds next to nothing.
    best = np.maximum(means - 2.5 * sds, 0.0)
    hopeful = (best < 1.0).all(axis=1)
    for point in front:
        hopeful &= ~(point <= best).all(axis=1)
    found = np.zeros(len(means))
    if hopeful.any():
        found[hopeful] = expected_improvement(front, means[hopeful], sds[hopeful])
    return np.asarray(found * chance, dtype=float)


def _loss(objective: Objective, value: Floats | float) -> Floats | float:
    return 1.0 - value if objective.higher_is_better else value
