"""Which sampler a plan asks for: every recipe, or chance, or one that learns; each of them can be resumed."""

import optuna
import pytest

from autotune.errors import PlanError
from autotune.knob import Value
from autotune.search import sampling
from autotune.search.resume import frozen_choices
from autotune.search.sampler import SpaceSampler
from autotune.search.sampling import sampler_for, searched
from autotune.space import SearchSpace, build_space, key
from tests.search import synthetic

FEW: dict[str, tuple[Value, ...]] = {
    "dtype": ("float32", "bfloat16"),
    "steps": (20, 12),
    "quantization": ("none", "int8_dynamic"),
    "fuse_qkv": (False, True),
}
"""16 combinations, four of them in conflict."""


def space_of_few() -> SearchSpace:
    """Return a space of twelve valid recipes."""
    alone = {name: values[:1] for name, values in synthetic.VALUES.items()}
    return build_space(synthetic.knobs({**alone, **FEW}), synthetic.SITUATION, allow_approximate=True)


def propose(sampler: str, trials: int, *, seed: int = 0, restart_at: int = -1) -> list[dict[str, Value]]:
    """Ask and tell in memory; at `restart_at` the sampler is made anew, as it is when a study is resumed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = space_of_few()
    plan = synthetic.plan(sampler=sampler, seed=seed)
    known = sampler_for(plan, space, frozen_choices(space))
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=known)
    proposed: list[dict[str, Value]] = []
    while known.has_untried(study) and len(proposed) < trials:
        if len(proposed) == restart_at:
            study.sampler = known = sampler_for(plan, space, frozen_choices(space))
        trial = study.ask(known.distributions)
        proposed.append(dict(trial.params))
        measured = synthetic.measurement({**space.defaults, **trial.params})
        study.tell(trial, [measured.latency_s, measured.memory_bytes / 2**30])
    return proposed


@pytest.mark.parametrize("sampler", ["exhaustive", "random"])
def test_every_recipe_is_tried_once_the_baseline_first(sampler: str) -> None:
    """Twelve valid recipes are twelve trials, whichever order they come in."""
    proposed = propose(sampler, 100)

    assert space_of_few().defaults == proposed[0]
    assert 12 == len(proposed) == len({key(settings) for settings in proposed})


@pytest.mark.parametrize("sampler", ["exhaustive", "random"])
def test_a_resumed_study_goes_on_in_the_same_order(sampler: str) -> None:
    """The order follows from the seed and from what was tried, so that a restart changes nothing."""
    assert propose(sampler, 12) == propose(sampler, 12, restart_at=5)
    assert propose(sampler, 12) != propose(sampler, 12, seed=1)


def test_the_order_is_not_that_of_the_knobs() -> None:
    """Half of an exhaustive study has seen every value of every knob."""
    half = propose("exhaustive", 6)

    assert all(set(values) == {settings[name] for settings in half} for name, values in FEW.items())


def test_samplers_that_learn_begin_with_the_presets() -> None:
    """Chance and the exhaustive search are fair samples; TPE starts from what the guides recommend."""
    assert ["untuned"] == [preset.name for preset in _sampler("random").presets.values()]
    assert ["untuned"] == [preset.name for preset in _sampler("exhaustive").presets.values()]
    assert len(_sampler("tpe").presets) > 2


def test_too_many_recipes_are_refused_before_any_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for weeks without having been told."""
    monkeypatch.setattr(sampling, "MOST", 11)

    with pytest.raises(PlanError, match=r"every recipe, and there are more than 11\. Name fewer knobs"):
        _sampler("exhaustive")


def test_knobs_that_the_plan_does_not_name_keep_their_default() -> None:
    """Every combination is asked for of what was named, and of nothing else; other samplers search it all."""
    named: dict[str, tuple[Value, ...]] = {"dtype": ("float32", "bfloat16"), "steps": (20, 8)}
    space = build_space(synthetic.knobs(), synthetic.SITUATION, narrowed=named)
    few = searched(space, synthetic.plan(sampler="exhaustive", knobs=named))

    assert 4 == len(list(few.valid()))
    assert "not named by the plan" in few.why_fixed["compile"]
    assert space == searched(space, synthetic.plan(sampler="random", knobs=named))
    assert space == searched(space, synthetic.plan(sampler="exhaustive"))


def test_listed_recipes_are_tried_in_their_order_and_nothing_else() -> None:
    """The untuned baseline comes first, a recipe that is listed twice is tried once, and then it is over."""
    listed: dict[str, dict[str, Value]] = {
        "half": {"dtype": "bfloat16"},
        "fewer steps": {"steps": 12},
        "half again": {"dtype": "bfloat16"},
    }
    plan = synthetic.plan(sampler="listed", recipes=listed)
    space = space_of_few()
    sampler = sampler_for(plan, space, frozen_choices(space))
    study = optuna.create_study(direction="minimize", sampler=sampler)
    proposed = []
    while sampler.has_untried(study):
        trial = study.ask(sampler.distributions)
        proposed.append(space.recipe(trial.params).describe())
        study.tell(trial, 1.0)

    assert ["untuned", "dtype=bfloat16", "steps=12"] == proposed
    assert ["untuned", "half", "fewer steps"] == [preset.name for preset in sampler.presets.values()]


def test_a_listed_recipe_that_cannot_run_is_refused_by_its_name() -> None:
    """Before any trial, with the reason."""
    space = space_of_few()
    conflict: dict[str, Value] = {"quantization": "int8_dynamic", "fuse_qkv": True}
    assert space.why_not(conflict)
    plan = synthetic.plan(sampler="listed", recipes={"mine": conflict})

    with pytest.raises(PlanError, match=r"^Recipe 'mine' of the plan cannot run here\. "):
        sampler_for(plan, space, frozen_choices(space))


def _sampler(name: str) -> SpaceSampler:
    space = space_of_few()
    return sampler_for(synthetic.plan(sampler=name), space, frozen_choices(space))
