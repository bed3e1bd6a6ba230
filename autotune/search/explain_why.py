"""Why: what became of a recipe in a study, or why it was not tried."""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autotune import pareto
from autotune.knob import Settings, Value, is_same
from autotune.measurement import Measurement
from autotune.objective import Limit, Objective
from autotune.search import evidence
from autotune.search.explain_ablation import changes_between, trial_of
from autotune.search.explain_estimate import Array, Change, Estimate, describe_value, summary
from autotune.search.explain_learnt import Learnt, why_too_few
from autotune.search.study import Study
from autotune.search.wanted import is_wanted
from autotune.space import SearchSpace
from autotune.store.records import TrialRecord


class Standing(enum.StrEnum):
    """What became of a recipe."""

    FRONT = "front"
    DOMINATED = "dominated"
    UNFIT = "unfit"  # measured, but beyond a limit
    FAILED = "failed"
    PRUNED = "pruned"
    RUNNING = "running"
    CONFLICT = "conflict"
    REFUSED = "refused"  # by forecast
    OUTSIDE = "outside"  # the plan leaves it out
    UNTRIED = "untried"


@dataclass(frozen=True, kw_only=True)
class Why:
    """What became of a recipe, or why it was not tried.

    Attributes:
        standing: In a word.
        message: In sentences.
        trial: Number of its trial; None where there is none.
        rival: Number of the trial that dominates it; None where none does.
        changes: Of each objective, from its own to the rival's.
        figures: Each objective's value by name, with an interval where it is predicted.
        works: Probability that it runs without a failure; None but where it was not tried.
        chance: Probability that it would reach the front; None but where it was not tried.
    """

    standing: Standing
    message: str
    trial: int | None = None
    rival: int | None = None
    changes: tuple[Change, ...] = ()
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    works: float | None = None
    chance: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "standing": self.standing.value,
            "message": self.message,
            "trial": self.trial,
            "rival": self.rival,
            "changes": {told.objective.name: told.to_json() for told in self.changes},
            "figures": {name: estimate.to_json() for name, estimate in self.figures.items()},
            "works": self.works,
            "chance": self.chance,
        }


def why(study: Study, space: SearchSpace, settings: Settings, learnt: Learnt | None) -> Why:
    """Return what became of a recipe, or why it was not tried, with what is expected of it.

    Args:
        study: Has the trials.
        space: Of the study; what its forecast refuses is told with the figure.
        settings: Full settings, each of a value that its knob offers.
        learnt: Of the study; None where it knows too little to predict.
    """
    trial = trial_of(study, space, settings)
    if trial is not None and trial.counts:
        return _tried(study, trial)
    unrefused = replace(space, refuse=None)
    if conflict := unrefused.why_not(settings):
        return Why(standing=Standing.CONFLICT, message=f"It cannot be run: {conflict}")
    if outside := why_outside(study, space, settings):
        return Why(standing=Standing.OUTSIDE, message=outside)
    if refusal := space.why_not(settings):
        return Why(standing=Standing.REFUSED, message=f"It is not tried: {refusal}.")
    if trial is not None and trial.outcome is None:
        return Why(
            standing=Standing.RUNNING, message=f"Trial {trial.number} is measuring it.", trial=trial.number
        )
    return _untried(study, settings, learnt)


def why_outside(study: Study, space: SearchSpace, settings: Settings) -> str:
    """Return why the plan leaves a recipe out, "" where it is searched."""
    outside = [n for n, value in settings.items() if not any(is_same(value, v) for v in space.choices[n])]
    narrowed = [name for name in outside if name in study.plan.knobs]
    others = [name for name in outside if name not in study.plan.knobs]
    sentences = []
    for name in narrowed:
        values = ", ".join(map(str, space.choices[name]))
        sentences.append(f"The plan searches '{name}' for {values} only, not for {settings[name]}.")
    approximate = {knob.name for knob in space.knobs if knob.changes_result}
    if not study.plan.allow_approximate and (changing := [name for name in others if name in approximate]):
        listed = ", ".join(changing)
        sentences.append(
            f"The plan leaves out what changes what is computed: {listed}. --allow-approximate allows it."
        )
        others = [name for name in others if name not in approximate]
    if others:
        sentences.append(
            f"The study was begun without {_listed(settings, others)}: it keeps the choices it began with."
        )
    return " ".join(["It is not searched.", *sentences]) if sentences else ""


def chance_of_front(
    outcomes: Mapping[str, Array],
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
    front: Sequence[Sequence[float]],
) -> float:
    """Return the share of draws in which a recipe is within the limits and nothing on the front beats it.

    Args:
        outcomes: Draws of each objective and limited figure by name, each (draws,); a limit on what has no
            draws is taken to be kept.
        objectives: To be good at.
        limits: To keep.
        front: Losses of the recipes on the front.

    >>> from autotune.objective import LATENCY
    >>> chance_of_front({"latency_s": np.array([1.0, 3.0])}, [LATENCY], [], [(2.0,)])
    0.5
    """
    columns = [
        1.0 - outcomes[o.name] if o.higher_is_better else outcomes[o.name]
        for o in objectives
        if o.name in outcomes
    ]
    if not columns:
        return math.nan
    losses = np.stack(columns, axis=1)
    good = np.ones(len(losses), dtype=bool)
    for limit in limits:
        if limit.objective.name in outcomes:
            excess = outcomes[limit.objective.name] - limit.bound
            good &= (-excess if limit.objective.higher_is_better else excess) <= 0
    for known in front:
        good &= ~np.all(np.asarray(known) <= losses, axis=1)
    return float(good.mean())


def _tried(study: Study, trial: TrialRecord) -> Why:
    if trial.failure is not None:
        return _failed(trial, trial.failure.kind.value, trial.failure.message, trial.failure.phase)
    if trial.pruned is not None:
        message = f"Trial {trial.number} was stopped early: {trial.pruned.message}"
        return Why(standing=Standing.PRUNED, message=message, trial=trial.number)
    measured = study.settled(trial)
    if measured is None:
        raise ValueError(f"Trial {trial.number} ended with nothing.")
    return replace(_measured(study, trial, measured), trial=trial.number, figures=_values(study, measured))


def _measured(study: Study, trial: TrialRecord, measured: Measurement) -> Why:
    """Where a measured trial stands."""
    begin = f"Trial {trial.number} measured it"
    if broken := [limit for limit in study.limits if limit.violation(measured) > 0]:
        said = "; ".join(_broken(limit, measured) for limit in broken)
        return Why(standing=Standing.UNFIT, message=f"{begin}, and it is beyond a limit: {said}.")
    if not is_wanted(trial, study.plan):
        return Why(
            standing=Standing.OUTSIDE, message=f"{begin}, but the plan's values for knobs leave it out."
        )
    if evidence.failed_again(study.checks, trial.digest):
        return Why(standing=Standing.FAILED, message=f"{begin}, but it failed when it was measured again.")
    if trial.number in {known.number for known in study.front()}:
        return Why(
            standing=Standing.FRONT, message=f"{begin}: it is on the front, nothing beats it in everything."
        )
    return _dominated(study, trial)


def _failed(trial: TrialRecord, kind: str, message: str, phase: str) -> Why:
    where = f" ({phase})" if phase else ""
    return Why(
        standing=Standing.FAILED,
        message=f"Trial {trial.number} tried it and failed{where}: {kind}: {message}",
        trial=trial.number,
    )


def _dominated(study: Study, trial: TrialRecord) -> Why:
    """A fit trial beside the one of the front that beats it by most."""
    objectives = study.plan.measured_objectives()
    own = _losses(study, trial, objectives)
    rivals = [known for known in study.front() if pareto.dominates(_losses(study, known, objectives), own)]
    if not rivals:
        raise ValueError(f"Trial {trial.number} is fit and not on the front, but nothing dominates it.")
    rival, changes = max(
        ((known, changes_between(study, trial, known)) for known in rivals),
        key=lambda found: sum(told.size for told in found[1]),
    )
    gains = ", ".join(f"{told.objective.label} {told.describe()}" for told in changes)
    message = (
        f"Trial {trial.number} measured it. Trial {rival.number} is nowhere worse and somewhere better; "
        f"against this one: {gains}. Its recipe: {rival.describe()}."
    )
    return Why(standing=Standing.DOMINATED, message=message, rival=rival.number, changes=changes)


def _untried(study: Study, settings: Settings, learnt: Learnt | None) -> Why:
    if learnt is None or not learnt.knows(settings):
        return Why(standing=Standing.UNTRIED, message=f"It was not tried. {why_too_few(study)}".strip())
    works = float(learnt.works([settings])[0])
    outcomes = {name: drawn[:, 0] for name, drawn in learnt.outcomes([settings]).items()}
    front = [_losses(study, trial, learnt.objectives) for trial in study.front()]
    chance = works * chance_of_front(outcomes, learnt.objectives, learnt.limits, front)
    figures = {o.name: summary(outcomes[o.name]) for o in learnt.objectives if o.name in outcomes}
    told = ", ".join(
        f"{o.label} {describe_value(o, figures[o.name])}" for o in learnt.objectives if o.name in figures
    )
    message = (
        f"It was not tried. Predicted from {learnt.trials} measured trials: {told}. With a chance of "
        f"{100 * works:.0f} % it works, with one of {100 * chance:.0f} % it reaches the front."
    )
    return Why(standing=Standing.UNTRIED, message=message, figures=figures, works=works, chance=chance)


def _values(study: Study, measured: Measurement) -> dict[str, Estimate]:
    return {o.name: Estimate(value=o.value(measured)) for o in study.plan.measured_objectives()}


def _losses(study: Study, trial: TrialRecord, objectives: Sequence[Objective]) -> list[float]:
    measured = study.settled(trial)
    if measured is None:
        raise ValueError(f"Trial {trial.number} has no measurement.")
    return [objective.loss(measured) for objective in objectives]


def _broken(limit: Limit, measured: Measurement) -> str:
    objective = limit.objective
    return f"{objective.label} {objective.show(objective.value(measured))}, the limit is {limit.describe()}"


def _listed(settings: Mapping[str, Value], names: Sequence[str]) -> str:
    return ", ".join(f"{name}={settings[name]}" for name in names)
