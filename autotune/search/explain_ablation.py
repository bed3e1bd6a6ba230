"""Ablation: each setting of a recipe put back to its default, as it was measured or else predicted."""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autotune.knob import Settings, Value, is_same
from autotune.measurement import Measurement
from autotune.objective import LATENCY, Objective
from autotune.search.explain_estimate import (
    Array,
    Change,
    Estimate,
    as_scale,
    change,
    measured_change,
)
from autotune.search.explain_learnt import Learnt
from autotune.search.study import Study
from autotune.space import SearchSpace
from autotune.store.records import TrialRecord

_NORMAL = 1.96  # standard deviations of a normal distribution that hold 95 %
_SEED = 0  # the same trials always tell the same


class Basis(enum.StrEnum):
    """How it is known what a recipe is like without one of its settings."""

    MEASURED = "measured"
    PREDICTED = "predicted"
    FAILED = "failed"  # it was tried, and did not work
    PRUNED = "pruned"  # it was tried, and stopped early
    CONFLICT = "conflict"  # it cannot be run
    UNKNOWN = "unknown"  # it was not tried, and too little is known to predict it


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """One setting put back to its default.

    Attributes:
        knob: That is put back.
        value: That the recipe has.
        default: That it is put back to.
        also: Other knobs that must be put back with it, since they cannot go without it.
        basis: How the changes are known.
        trial: Number of the trial that tried it; None where none did.
        reason: Why there are no changes; "" where there are.
        changes: Of each objective: without the setting, against with it.
        works: Probability that it runs; None but where it is predicted.
    """

    knob: str
    value: Value
    default: Value
    also: tuple[str, ...] = ()
    basis: Basis
    trial: int | None = None
    reason: str = ""
    changes: tuple[Change, ...] = ()
    works: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = {"basis": self.basis.value, "also": list(self.also)}
        return fields | plain | {"changes": {c.objective.name: c.to_json() for c in self.changes}}


def ablate(
    study: Study, space: SearchSpace, settings: Settings, learnt: Learnt | None
) -> tuple[PutBack, ...]:
    """Return what becomes of a recipe when each of its settings is put back to its default, one by one.

    What the study measured is told as it was measured, by rounds where both recipes met in rounds; the rest
    is predicted. A setting that others need is put back together with one of them.

    Args:
        study: Has the trials.
        space: Of the study.
        settings: Full settings of a recipe that can be run.
        learnt: Of the study; None where it knows too little.
    """
    defaults = space.defaults
    own = trial_of(study, space, settings)
    begun: list[tuple[PutBack, Settings]] = []
    for name, value in settings.items():
        if not is_same(value, defaults[name]):
            begun.append(_begin(study, space, settings, name, own))
    open_ones = [without for put_back, without in begun if put_back.basis is Basis.UNKNOWN]
    if learnt is None or not open_ones or not all(map(learnt.knows, (settings, *open_ones))):
        return tuple(put_back for put_back, _ in begun)
    outcomes = learnt.outcomes([settings, *open_ones])
    if own is not None and (measured := study.settled(own)) is not None:
        is_confirmed = study.gain(own) is not None
        machine_sd = 0.0 if is_confirmed else study.machine_sd or 0.0
        outcomes = _as_measured(outcomes, learnt.objectives, measured, machine_sd)
    works = iter(learnt.works(open_ones))
    place = iter(range(1, 1 + len(open_ones)))
    return tuple(
        replace(
            put_back,
            basis=Basis.PREDICTED,
            reason="",
            changes=predicted_changes(learnt.objectives, outcomes, next(place)),
            works=float(next(works)),
        )
        if put_back.basis is Basis.UNKNOWN
        else put_back
        for put_back, _ in begun
    )


def trial_of(study: Study, space: SearchSpace, settings: Settings) -> TrialRecord | None:
    """Return the trial of a recipe: the last that says something about it, else the last of all."""
    digest = space.recipe(settings).digest
    tried = [trial for trial in study.trials if trial.digest == digest]
    return next((trial for trial in reversed(tried) if trial.counts), tried[-1] if tried else None)


def predicted_changes(
    objectives: Sequence[Objective], draws: Mapping[str, Array], place: int
) -> tuple[Change, ...]:
    """Return the change of each objective from the first recipe of joint draws to another.

    Args:
        objectives: To tell.
        draws: Of each objective by name, as (draws, recipes).
        place: Of the other recipe.
    """
    found = []
    for objective in objectives:
        if objective.name in draws:
            scaled = as_scale(objective, draws[objective.name])
            found.append(change(objective, scaled[:, place] - scaled[:, 0]))
    return tuple(found)


def _as_measured(
    outcomes: Mapping[str, Array], objectives: Sequence[Objective], measured: Measurement, machine_sd: float
) -> dict[str, Array]:
    """Draws in which the first recipe is what it was measured to be, as far as the machine's seconds tell."""
    found, rng = dict(outcomes), np.random.default_rng(_SEED)
    for objective in objectives:
        if objective.name in found:
            drawn = found[objective.name].copy()
            sd = machine_sd if LATENCY.name in objective.terms else 0.0
            drawn[:, 0] = objective.value(measured) * np.exp(sd * rng.standard_normal(len(drawn)))
            found[objective.name] = drawn
    return found


def changes_between(study: Study, old: TrialRecord, new: TrialRecord) -> tuple[Change, ...]:
    """Return the change of each objective of the plan between two measured trials.

    Latency is told by rounds, with their interval, where both were measured in rounds; else its interval is
    that of two fresh processes, where the study knows how much the machine itself varies.
    """
    before, after = study.settled(old), study.settled(new)
    if before is None or after is None:
        return ()
    found = []
    for objective in study.plan.measured_objectives():
        told = measured_change(objective, after.figures, before.figures)
        if told is not None:
            found.append(_with_interval(study, told, old, new))
    return tuple(found)


def _with_interval(study: Study, told: Change, old: TrialRecord, new: TrialRecord) -> Change:
    if told.objective.name != LATENCY.name:
        return told
    if met := study.duel(old, new):
        return replace(told, by=Estimate(value=met.value, low=met.low, high=met.high))
    if not study.machine_sd:
        return told
    factor, value = math.exp(_NORMAL * math.sqrt(2) * study.machine_sd), told.by.value
    return replace(told, by=Estimate(value=value, low=value / factor, high=value * factor))


def _begin(
    study: Study, space: SearchSpace, settings: Settings, name: str, own: TrialRecord | None
) -> tuple[PutBack, Settings]:
    """What is known of a recipe without one setting but for a prediction, and its settings."""
    default = space.defaults[name]
    without, also, conflict = _without(study, space, settings, name)
    put_back = PutBack(
        knob=name, value=settings[name], default=default, also=also, basis=Basis.CONFLICT, reason=conflict
    )
    if conflict:
        return put_back, without
    trial = trial_of(study, space, without)
    if trial is None or trial.outcome is None or not trial.counts:
        reason = "It was not tried, and too few trials were measured to predict it."
        return replace(put_back, basis=Basis.UNKNOWN, reason=reason), without
    put_back = replace(put_back, trial=trial.number)
    if trial.failure is not None:
        reason = f"{trial.failure.kind.value}: {trial.failure.message}"
        return replace(put_back, basis=Basis.FAILED, reason=reason), without
    if trial.pruned is not None:
        return replace(put_back, basis=Basis.PRUNED, reason=trial.pruned.message), without
    if own is None or own.measurement is None:
        reason = "The recipe itself was not measured, and too few trials were to predict it."
        return replace(put_back, basis=Basis.UNKNOWN, trial=None, reason=reason), without
    return replace(put_back, basis=Basis.MEASURED, changes=changes_between(study, own, trial)), without


def _without(
    study: Study, space: SearchSpace, settings: Settings, name: str
) -> tuple[dict[str, Value], tuple[str, ...], str]:
    """Settings with one knob put back, and where need be another with it; and why that cannot be run."""
    defaults = space.defaults
    alone = {**settings, name: defaults[name]}
    tried = trial_of(study, space, alone)
    conflict = None if tried is not None and tried.counts else space.why_not(alone)
    if conflict is None:
        return alone, (), ""
    for other, value in settings.items():
        if other != name and not is_same(value, defaults[other]):
            both = {**alone, other: defaults[other]}
            if space.why_not(both) is None:
                return both, (other,), ""
    return alone, (), conflict
