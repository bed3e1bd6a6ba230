"""Sampling: which sampler a plan asks for, and those that learn nothing: chance, and every recipe."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

from optuna import Study
from optuna.trial import FrozenTrial

from autotune.errors import PlanError
from autotune.knob import Settings, Value
from autotune.plan import Plan
from autotune.search.presets import COUNT, Preset, presets
from autotune.search.proposing import Aim
from autotune.search.sampler import SpaceSampler
from autotune.search.spread import Spread
from autotune.search.surrogate import Forecast
from autotune.search.surrogate_sampler import SurrogateSampler
from autotune.search.warm import SURE_PRESETS, Sources, warm_presets
from autotune.space import SearchSpace, key

MOST = 20_000
"""Recipes that are tried one and all: more would take weeks."""


class RandomSampler(SpaceSampler):
    """The untuned baseline, then valid recipes by chance, none of them twice."""

    def __init__(self, space: SearchSpace, choices: Mapping[str, tuple[Value, ...]], *, seed: int) -> None:
        """Prepare; the arguments are those of `SpaceSampler`."""
        super().__init__(space, choices, presets=presets(space, count=1), seed=seed)

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        """Nothing: what comes next is drawn."""
        del study, trial
        return iter(())


class ExhaustiveSampler(RandomSampler):
    """The untuned baseline, then every valid recipe, each as unlike those before it as can be.

    In that order every pair of values is seen soon, a study that ends early knows all parts of the space,
    and no drift of the machine falls on one value of a knob alone. The seed and the space fix it.
    """

    def __init__(self, space: SearchSpace, choices: Mapping[str, tuple[Value, ...]], *, seed: int) -> None:
        """Prepare; the arguments are those of `SpaceSampler`.

        Raises:
            PlanError: There are too many recipes to try them all.
        """
        super().__init__(space, choices, seed=seed)
        if next(islice(space.valid(), MOST, None), None) is not None:
            raise PlanError(
                f"The plan asks for every recipe, and there are more than {MOST:,}. Name fewer knobs and "
                "values in [knobs] or with --knob, or take --sampler surrogate."
            )

    @cached_property
    def _order(self) -> Spread:
        """Every valid recipe, in the order in which they are tried."""
        space = self._space
        return Spread(list(space.valid()), space.choices, first=space.defaults, seed=self._seed)

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        del study, trial
        return iter(self._order)


class ListedSampler(RandomSampler):
    """The untuned baseline, then the plan's own recipes in their order, and nothing else."""

    def __init__(
        self,
        space: SearchSpace,
        choices: Mapping[str, tuple[Value, ...]],
        *,
        recipes: Sequence[Preset],
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            space: Says what is valid.
            choices: Each knob's values as the study froze them.
            recipes: What to try.
            seed: Of the study; nothing is drawn.
        """
        super().__init__(space, choices, seed=seed)
        for preset in recipes:
            self.presets.setdefault(key(preset.settings), preset)

    def _draws(self, rng: random.Random) -> Iterator[Settings]:
        del rng
        return iter(())

    def _every_untried(self, tried: set[str]) -> Iterator[Settings]:
        return (preset.settings for name, preset in self.presets.items() if name not in tried)


def searched(space: SearchSpace, plan: Plan) -> SearchSpace:
    """Return the space that a plan's sampler goes through.

    Where every recipe is tried, knobs that the plan does not name keep their default, unless it names none:
    their combinations are too many for anybody to have meant them. So do those that no listed recipe names.

    Args:
        space: Of all knobs, those that the plan names narrowed to its values.
        plan: Names the sampler.
    """
    if plan.sampler == "listed":
        return space.only(plan.narrowed, "not named by any recipe of the plan, which asks for those alone")
    if plan.sampler != "exhaustive" or not plan.knobs:
        return space
    return space.only(plan.knobs, "not named by the plan, which asks for every recipe of the knobs it names")


def sampler_for(
    plan: Plan,
    space: SearchSpace,
    choices: Mapping[str, tuple[Value, ...]],
    *,
    sources: Sources | None = None,
    forecast: Forecast | None = None,
) -> SpaceSampler:
    """Return the sampler that a plan names.

    Args:
        plan: Names it, and has the seed of its random numbers.
        space: Says what is valid and searched.
        choices: Each knob's values as the study froze them.
        sources: Earlier studies to learn from; None for none.
        forecast: Of memory, where there is one.

    Raises:
        PlanError: The plan asks for every recipe, and there are too many; or one that it lists cannot run.
    """
    if plan.sampler == "listed":
        return ListedSampler(space, choices, recipes=own_presets(plan, space), seed=plan.seed)
    if plan.sampler == "exhaustive":
        return ExhaustiveSampler(space, choices, seed=plan.seed)
    if plan.sampler == "random":
        return RandomSampler(space, choices, seed=plan.seed)
    earlier = warm_presets(sources or Sources(), plan, space)
    if plan.sampler == "tpe":
        return SpaceSampler(space, choices, presets=presets(space, earlier=earlier), seed=plan.seed)
    # The surrogate learns from all of it and finds the others itself: no guide makes room for them.
    first = presets(space, COUNT + SURE_PRESETS, earlier=earlier[:SURE_PRESETS])
    aim = replace(aim_of(plan, space, choices, forecast=forecast), earlier=(sources or Sources()).known())
    return SurrogateSampler(space, choices, presets=first, seed=plan.seed, aim=aim)


def own_presets(plan: Plan, space: SearchSpace) -> tuple[Preset, ...]:
    """Return the recipes that a plan lists, with a value for every knob.

    Raises:
        PlanError: One of them cannot run here.
    """
    found = []
    for name, changed in plan.recipes.items():
        why = space.why_not(changed)
        if why:
            raise PlanError(f"Recipe '{name}' of the plan cannot run here. {why}")
        found.append(Preset(name=name, settings=space.complete(changed)))
    return tuple(found)


def aim_of(
    plan: Plan,
    space: SearchSpace,
    choices: Mapping[str, tuple[Value, ...]],
    *,
    forecast: Forecast | None = None,
) -> Aim:
    """Return what the search of a plan is after.

    Args:
        plan: Has objectives and limits.
        space: Has the knobs and the workload.
        choices: Each knob's values as the study froze them.
        forecast: Of memory, where there is one.
    """
    return Aim(
        knobs=choices,
        touches={knob.name: knob.touches for knob in space.knobs},
        objectives=plan.measured_objectives(),
        limits=plan.limits,
        steps=space.situation.workload.steps,
        forecast=forecast,
    )
