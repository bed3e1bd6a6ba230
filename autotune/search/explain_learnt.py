"""Learnt: what a study has taught a surrogate, as joint draws of each objective for any recipes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autotune.knob import Settings, Touches
from autotune.objective import SIMILARITY, Limit, Objective
from autotune.observation import observe
from autotune.search.explain_estimate import Array
from autotune.search.explain_recipe import trial_settings
from autotune.search.known import Known
from autotune.search.learn import learn
from autotune.search.study import Study
from autotune.search.surrogate import Surrogate
from autotune.space import SearchSpace

FEWEST = 8
"""Measured trials below which a surrogate knows too little to be asked."""
DRAWS = 256


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a study has taught.

    Attributes:
        objectives: Those of the plan that something is known of.
        limits: That make a recipe unfit.
        trials: How many measured trials it rests on.
        surrogate: Fitted to all trials.
        seed: Of all draws.
    """

    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    trials: int
    surrogate: Surrogate
    seed: int = 0

    def knows(self, settings: Settings) -> bool:
        """Whether a recipe can be predicted: all its values are among those that the study chose from."""
        return self.surrogate.coding.row(settings) is not None

    def draws(self, recipes: Sequence[Settings]) -> dict[str, Array]:
        """Return joint draws of each objective, as (draws, recipes), by name: they tell differences.

        Args:
            recipes: Full settings, some hundred at most.
        """
        return self._objectives_of(self.surrogate.draw(recipes, DRAWS, self.seed))

    def outcomes(self, recipes: Sequence[Settings]) -> dict[str, Array]:
        """Return joint draws of what trials of recipes would come to, as (draws, recipes), by objective.

        Unlike `draws`, they hold what is a recipe's own and no other tells.
        """
        drawn, beliefs = self.surrogate.draw(recipes, DRAWS, self.seed), self.surrogate.predict(recipes)
        rng = np.random.default_rng(self.seed)
        figures = {}
        for name, values in sorted(drawn.items()):
            own = np.sqrt(np.maximum(beliefs[name].sd ** 2 - values.var(axis=0), 0.0))
            figures[name] = np.maximum(values + own * rng.standard_normal(values.shape), 0.0)
        if SIMILARITY.name in figures:
            figures[SIMILARITY.name] = np.minimum(figures[SIMILARITY.name], 1.0)
        return self._objectives_of(figures)

    def _objectives_of(self, figures: Mapping[str, Array]) -> dict[str, Array]:
        named = {objective.name: objective for objective in self.objectives}
        named |= {limit.objective.name: limit.objective for limit in self.limits}
        found = {name: objective_draws(objective, figures) for name, objective in named.items()}
        return {name: drawn for name, drawn in found.items() if drawn is not None}

    def works(self, recipes: Sequence[Settings]) -> Array:
        """Return each recipe's probability of running without a failure."""
        return self.surrogate.works(recipes)


def objective_draws(objective: Objective, figures: Mapping[str, Array]) -> Array | None:
    """Return draws of an objective from draws of the figures it is made of; None where one is missing.

    >>> from autotune.objective import LATENCY
    >>> objective_draws(LATENCY, {"latency_s": np.array([[1.0, 2.0]])})
    array([[1., 2.]])
    """
    if not objective.terms.keys() <= figures.keys():
        return None
    terms = [factor * figures[name] for name, factor in objective.terms.items()]
    whole: Array = np.sum(terms, axis=0)
    return whole


def learn_from(study: Study, space: SearchSpace) -> Learnt | None:
    """Return what a study has taught; None where it knows too little, see `why_too_few`."""
    if why_too_few(study):
        return None
    objectives = study.plan.measured_objectives()
    asked = (*objectives, *(limit.objective for limit in study.limits))
    touches = {knob.name: knob.touches for knob in space.knobs}
    surrogate = learn(
        known_of(study, space),
        study.choices,
        {name: touches.get(name, frozenset(Touches)) for name in study.choices},
        steps=study.situation.workload.steps,
        figures=sorted({figure for objective in asked for figure in objective.terms}),
    )
    if surrogate is None:
        return None
    measured = [seen.figures for trial in study.measured() if (seen := study.settled(trial))]
    return Learnt(
        objectives=tuple(
            objective
            for objective in objectives
            if all(objective.terms.keys() <= figures.keys() for figures in measured)
        ),
        limits=study.limits,
        trials=len(measured),
        surrogate=surrogate,
        seed=study.plan.seed,
    )


def why_too_few(study: Study) -> str:
    """Return why effects cannot be told yet, "" where they can."""
    measured = len(study.measured())
    if measured < FEWEST:
        trials = "1 measured trial" if measured == 1 else f"{measured} measured trials"
        return (
            f"Study '{study.name}' has {trials}: effects and predictions need at least {FEWEST}. "
            "Go on with 'autotune tune', with more --trials."
        )
    if study.baseline() is None:
        return f"The untuned baseline of study '{study.name}' was not measured: changes are told against it."
    return ""


def known_of(study: Study, space: SearchSpace) -> list[Known]:
    """Return what each trial taught, with what was found out about it since."""
    found = []
    for trial in study.trials:
        outcome = study.settled(trial) or trial.outcome
        if outcome is None:
            continue
        limit = None if trial.is_baseline else study.plan.memory_cap_on(study.situation.target.kind)
        seen = observe(outcome, seconds=trial.seconds, memory_limit_bytes=limit)
        if seen is not None:
            found.append(Known(settings=trial_settings(trial.settings, space), seen=seen))
    return found
