"""Explain: what a study knows about its knobs and about one recipe, for tables, JSON and plots."""

import functools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotune.errors import AutotuneError, SpaceError
from autotune.footprint import Footprint
from autotune.knob import Knob, Settings, Value, is_same
from autotune.objective import Objective
from autotune.search.explain_ablation import PutBack, ablate
from autotune.search.explain_effects import (
    Effect,
    Setting,
    effects_of_pairs,
    effects_of_settings,
    lay_out,
    pairs_of,
    shares,
)
from autotune.search.explain_estimate import Estimate
from autotune.search.explain_learnt import Learnt, learn_from, why_too_few
from autotune.search.explain_recipe import BEST, recipe_meant, space_of, trial_settings
from autotune.search.explain_why import Standing, Why, why
from autotune.search.feasible import without_what_cannot_fit
from autotune.search.study import Study
from autotune.space import SearchSpace, key

_TRIED, _EVEN = 24, 40  # recipes that effects are averaged over
_PAIRED = 24  # recipes that effects of pairs are averaged over
_CROSSED = 10  # settings of which pairs are looked at: those that change most
_PAIRS = 5  # pairs told for each objective


@dataclass(frozen=True, kw_only=True)
class ObjectiveEffects:
    """What settings do to one objective.

    Attributes:
        objective: Which.
        settings: The effect of each setting, in the order of the knobs.
        pairs: What pairs of settings do beyond what each does, the largest first; only those that are clear.
        shares: Share of the variance over the space that depends on each knob, the largest first.
    """

    objective: Objective
    settings: tuple[Effect, ...]
    pairs: tuple[Effect, ...]
    shares: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "objective": self.objective.name,
            "settings": [effect.to_json() for effect in self.settings],
            "pairs": [effect.to_json() for effect in self.pairs],
            "shares": {name: share.to_json() for name, share in self.shares.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What settings do to every objective of the plan.

    Attributes:
        trials: How many measured trials it rests on.
        tried, even: Over how many recipes it is averaged: of those that were tried, the front first, and
            drawn evenly from the space.
        uses: In how many measured trials each setting was.
        objectives: Each objective.
    """

    trials: int
    tried: int
    even: int
    uses: Mapping[Setting, int]
    objectives: tuple[ObjectiveEffects, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        uses = [{"settings": {name: value}, "trials": n} for (name, value), n in self.uses.items()]
        counts = {"trials": self.trials, "recipes_tried": self.tried, "recipes_drawn": self.even}
        return {**counts, "uses": uses, "objectives": [each.to_json() for each in self.objectives]}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a study knows.

    Attributes:
        study: Its name.
        recipe: The recipe that is explained, as `Recipe.describe` prints it; "" where there is none.
        digest: Of that recipe.
        why: What became of it; None where there is none.
        ablation: Each of its settings put back to its default; empty where it cannot be run.
        effects: Of all settings; None where they were not asked for.
    """

    study: str
    recipe: str = ""
    digest: str = ""
    why: Why | None = None
    ablation: tuple[PutBack, ...] = ()
    effects: Effects | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "study": self.study,
            "recipe": self.recipe,
            "digest": self.digest,
            "why": self.why.to_json() if self.why is not None else None,
            "ablation": [put_back.to_json() for put_back in self.ablation],
            "effects": self.effects.to_json() if self.effects is not None else None,
        }


def explain(
    study: Study,
    knobs: Sequence[Knob],
    *,
    recipe: str = "",
    with_effects: bool = True,
    footprint: Callable[[], Footprint | None] | None = None,
) -> Explanation:
    """Return what a study knows about its knobs and about one recipe.

    Args:
        study: As it is now.
        knobs: Every knob there is.
        recipe: A pick, a trial's number, a digest or settings, see `recipe_meant`; "" for the best there is,
            and for none while nothing is on the front.
        with_effects: Whether to tell the effects of all settings.
        footprint: Returns what the model weighs, for a plan with a memory limit, where that can be told: then
            what cannot fit by forecast is refused. Asked once, and only where it matters.

    Raises:
        AutotuneError: Effects were asked for, and too few trials were measured.
        BudgetError: A pick was named, but nothing is on the front.
        UnknownName: There is no such trial or knob.
        UsageError: A knob does not offer such a value.
    """
    space = _with_forecast(space_of(study, knobs), study, footprint)
    meant = recipe or (BEST if study.front() else "")
    settings = recipe_meant(study, space, meant) if meant else None
    if with_effects and (too_few := why_too_few(study)):
        raise AutotuneError(too_few)
    learnt = learn_from(study, space)
    effects = effects_of(study, space, learnt) if with_effects and learnt is not None else None
    if settings is None:
        return Explanation(study=study.name, effects=effects)
    named = space.recipe(settings)
    found = why(study, space, settings, learnt)
    can_run = found.trial is not None or found.standing in (Standing.OUTSIDE, Standing.UNTRIED)
    return Explanation(
        study=study.name,
        recipe=named.describe(),
        digest=named.digest,
        why=found,
        ablation=ablate(study, space, settings, learnt) if can_run else (),
        effects=effects,
    )


def _with_forecast(
    space: SearchSpace, study: Study, footprint: Callable[[], Footprint | None] | None
) -> SearchSpace:
    """The space, refusing what cannot fit; the model is weighed when that is first asked."""
    if footprint is None:
        return space

    @functools.cache
    def refusal() -> Callable[[Settings], str | None] | None:
        return without_what_cannot_fit(space, study.plan, footprint()).refuse

    def refuse(settings: Settings) -> str | None:
        asked = refusal()
        return None if asked is None else asked(settings)

    return replace(space, refuse=refuse)


def effects_of(study: Study, space: SearchSpace, learnt: Learnt) -> Effects:
    """Return what settings do, averaged over recipes of the space, the front and its surroundings first.

    A knob is put to each of its values in some recipes that were tried, those on the front first, and in as
    many that were drawn evenly from the space; what cannot be run is left out. So an effect is that near
    good recipes as much as that anywhere.

    Args:
        study: Has the trials.
        space: Of the study.
        learnt: Of the study.
    """
    tried, even = _recipes_tried(study, space), _recipes_drawn(space, study.plan.seed)
    found: dict[str, list[Effect]] = {o.name: [] for o in learnt.objectives}
    shared: dict[str, dict[str, Estimate]] = {o.name: {} for o in learnt.objectives}
    for name, values in space.choices.items():
        if not _others(space, name, values):
            continue
        design = lay_out(
            defaults=space.defaults,
            choices={name: values},
            is_valid=lambda settings: space.why_not(settings) is None,
            tried=tried,
            even=even,
        )
        draws = learnt.draws(design.rows) if design.rows else {}
        for objective in learnt.objectives:
            if objective.name in draws:
                found[objective.name] += effects_of_settings(objective, draws[objective.name], design)
                shared[objective.name] |= shares(objective, draws[objective.name], design)
    pairs = _pairs(space, learnt, found, [*tried, *even])
    return Effects(
        trials=learnt.trials,
        tried=len(tried),
        even=len(even),
        uses=_uses(study, space),
        objectives=tuple(
            ObjectiveEffects(
                objective=o,
                settings=tuple(found[o.name]),
                pairs=pairs[o.name],
                shares=dict(sorted(shared[o.name].items(), key=lambda item: -item[1].value)),
            )
            for o in learnt.objectives
        ),
    )


def _pairs(
    space: SearchSpace, learnt: Learnt, found: Mapping[str, Sequence[Effect]], recipes: Sequence[Settings]
) -> dict[str, tuple[Effect, ...]]:
    """The largest clear effects of pairs, among the settings that change most by themselves."""
    told: dict[str, list[Effect]] = {o.name: [] for o in learnt.objectives}
    for pair in pairs_of(_strongest(found)):
        design = lay_out(
            defaults=space.defaults,
            choices={},
            is_valid=lambda settings: space.why_not(settings) is None,
            tried=recipes[:: max(len(recipes) // _PAIRED, 1)],
            even=(),
            crossed=(pair,),
        )
        draws = learnt.draws(design.rows) if design.crossings[pair] else {}
        for objective in learnt.objectives:
            if objective.name in draws:
                told[objective.name] += effects_of_pairs(objective, draws[objective.name], design)
    return {
        name: tuple(sorted((e for e in every if e.change.is_clear), key=lambda e: -e.change.size)[:_PAIRS])
        for name, every in told.items()
    }


def _strongest(found: Mapping[str, Sequence[Effect]]) -> list[Setting]:
    """The settings with the largest clear effects, relative to the largest on the same objective."""
    strength: dict[Setting, float] = {}
    for effects in found.values():
        largest = max((effect.change.size for effect in effects), default=0.0)
        for effect in effects:
            if effect.change.is_clear and largest > 0:
                share = effect.change.size / largest
                strength[effect.settings[0]] = max(strength.get(effect.settings[0], 0.0), share)
    return sorted(strength, key=lambda setting: -strength[setting])[:_CROSSED]


def _recipes_tried(study: Study, space: SearchSpace) -> list[Settings]:
    """Recipes of measured trials, those on the front first, the rest spread over the study."""
    front = list(study.front())
    on_front = {trial.number for trial in front}
    rest = [trial for trial in study.measured() if trial.number not in on_front]
    room = max(_TRIED - len(front), 0)
    spread = [rest[len(rest) * place // room] for place in range(room)] if len(rest) > room else rest
    return [trial_settings(trial.settings, space) for trial in [*front, *spread][:_TRIED]]


def _recipes_drawn(space: SearchSpace, seed: int) -> list[Settings]:
    """Recipes drawn evenly from the space, each once."""
    rng, found = random.Random(f"{seed}/effects"), dict[str, Settings]()
    try:
        for _ in range(_EVEN):
            settings = space.draw(rng)
            found[key(settings)] = settings
    except SpaceError:
        return []
    return list(found.values())


def _uses(study: Study, space: SearchSpace) -> dict[Setting, int]:
    """In how many measured trials each searched setting but the default was."""
    settings = [trial_settings(trial.settings, space) for trial in study.measured()]
    return {
        (name, value): sum(is_same(each[name], value) for each in settings)
        for name, values in space.choices.items()
        for value in _others(space, name, values)
    }


def _others(space: SearchSpace, name: str, values: Iterable[Value]) -> list[Value]:
    return [value for value in values if not is_same(value, space.defaults[name])]
