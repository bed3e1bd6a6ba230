"""The sampler that learns: what it proposes is new, valid, worth it, and follows from the storage alone."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from autotune.knob import Settings, Value
from autotune.measurement import Measurement
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.known import known_from
from autotune.search.pool import Pool
from autotune.search.presets import Preset
from autotune.search.sampler import SpaceExhausted
from autotune.space import build_space, key
from tests.search import synthetic
from tests.search.synthetic_search import FEW, LARGE, SOME, Search, outcome_of, space_of, volume


@pytest.mark.parametrize("seed", [0, 1])
def test_every_recipe_is_proposed_once_and_then_there_is_an_end(seed: int) -> None:
    """Whatever fails: no conflict, no repeat, and a signal after the last."""
    search = Search(space=space_of(FEW), plan=synthetic.plan(sampler="surrogate", seed=seed))
    proposed = search.run(100)

    assert search.space.defaults == proposed[0]
    assert sorted(map(key, proposed)) == sorted(map(key, search.space.valid()))
    assert not search.sampler.has_untried(search.study)
    assert 0.0 == search.gain()
    with pytest.raises(SpaceExhausted):
        search.ask()


def test_a_resumed_study_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    """At any trial, a sampler that reads all from the storage proposes what one that was there proposes."""
    whole = Search().run(14)

    assert whole == Search().run(14, restarts=True)
    assert whole[:4] == Search(storage=f"sqlite:///{tmp_path / 'x.db'}").run(4, restarts=True)


def test_a_large_space_is_searched_alike_after_a_restart() -> None:
    """Where recipes are drawn, they follow from the seed and the trial's number."""
    space = space_of(SOME, LARGE)
    whole = Search(space=space).run(8)

    assert whole == Search(space=space).run(8, restarts=True)


def test_workers_are_given_different_recipes() -> None:
    """What is being tried is not proposed again, from the first trial on."""
    for told in (0, 1, 7):
        search = Search()
        proposed = search.run(told)
        proposed += [dict(search.ask().params) for _ in range(5)]

        assert len(proposed) == len({key(settings) for settings in proposed})
        assert all(search.space.why_not(settings) is None for settings in proposed)


def test_a_forecast_keeps_from_trying_what_does_not_fit() -> None:
    """Before anything is known of them, recipes that fit are told from those that do not."""
    limit = 450 * synthetic.MIB

    def forecast(settings: Settings) -> Mapping[str, float]:
        peak = synthetic.measurement({**space_of().defaults, **settings}).memory_bytes
        return {"memory:load": peak / 2, "memory:calls": float(peak)}

    def fit(search: Search) -> int:
        every = [outcome_of({**search.space.defaults, **settings}) for settings in search.run(10)]
        return sum(isinstance(one, Measurement) and one.memory_bytes <= limit for one in every)

    plan = synthetic.plan(sampler="surrogate", memory_limit_bytes=limit)
    told = Search(plan=plan, forecast=forecast)

    assert fit(told) > fit(Search(plan=plan))
    assert told.run(2) == Search(plan=plan, forecast=forecast).run(12)[10:]


def test_a_recipe_whose_worker_died_is_proposed_again_and_not_blamed() -> None:
    """A trial that was cancelled says nothing: it has no observation."""
    search = Search()
    search.run(6)
    lost = search.ask()
    search.study.tell(lost, state=TrialState.FAIL)
    look = search.look()
    again = search.ask()

    assert look is not None
    assert 6 == len(known_from(search.study.get_trials()))
    assert lost.params == again.params


def test_it_finds_more_than_chance() -> None:
    """Twenty trials of some hundred recipes: most of the front's volume is there."""
    best = volume(list(space_of().valid()))
    learnt = volume(Search().run(20)) / best
    by_chance = volume(Search(plan=synthetic.plan(sampler="random")).run(20)) / best

    assert learnt > 0.9
    assert learnt > 1.1 * by_chance


def test_a_space_too_large_to_list_is_sampled() -> None:
    """What is proposed is valid and new all the same, and most of what can be had is found."""
    search = Search(space=space_of(SOME, LARGE))
    proposed = search.run(20)
    gain = search.gain()

    assert search.space.combinations > 5_000_000
    assert 20 == len({key(settings) for settings in proposed})
    assert all(search.space.why_not(settings) is None for settings in proposed)
    assert volume(proposed) > 0.75 * volume(list(space_of().valid()))
    assert gain is not None
    assert gain > 0


def test_in_a_large_space_what_is_promising_is_improved_setting_by_setting() -> None:
    """Nobody lists it: what is found is worth nearly as much as the best there is, and that comes first."""
    space = space_of(SOME, LARGE)
    coding = Coding.of(space.choices)
    worth = [np.random.default_rng(knob).normal(size=size) for knob, size in enumerate(coding.sizes)]

    def score(codes: Codes) -> Floats:
        added = [each[codes[:, knob]] for knob, each in enumerate(worth)]
        return np.asarray(np.sum(added, axis=0), dtype=float)

    best = sum(float(each.max()) for each in worth)
    pool = Pool(space, coding)
    found = pool.best(score, [space.defaults], [], trials=10, seed="a")
    scores = score(coding.codes(found))
    again = pool.best(score, found[:3], map(tuple, coding.codes(found).tolist()), trials=10, seed="a")

    assert pool.listed is None
    assert scores.tolist() == sorted(scores, reverse=True)
    assert scores[0] > 0.8 * best
    assert score(coding.codes(again))[0] > 0.9 * best
    assert not {key(settings) for settings in again} & {key(settings) for settings in found}


def test_presets_are_tried_where_they_are_worth_it() -> None:
    """One that is about as good as the best goes before it; one that trials speak against waits."""
    search = Search()
    tried = {key(settings) for settings in search.run(10)}
    look = search.look()
    assert look is not None
    untried = [settings for settings in search.space.valid() if key(settings) not in tried]
    _, scores = look.gains(look.aim.coding.codes(untried))
    order = scores.argsort()[::-1]
    best, second, worst = (untried[place] for place in (order[0], order[1], order[-1]))
    expected = {"second": second, "worst": best}
    for name, settings in {"second": second, "worst": worst}.items():
        search.presets = (Preset(name=name, settings=settings),)
        search.restart()
        trial = search.ask()
        search.study.tell(trial, state=TrialState.PRUNED)
        assert expected[name] == trial.params


def test_what_nobody_can_measure_is_searched_by_chance() -> None:
    """The machine has no counter of energy: no model fits, and recipes are drawn."""
    search = Search(plan=synthetic.plan(sampler="surrogate", objectives=("latency_s", "energy_j")))
    proposed = search.run(10)

    assert 10 == len({key(settings) for settings in proposed})
    assert search.look() is None
    assert search.gain() is None


def test_a_default_that_the_plan_leaves_out_is_the_baseline_alone() -> None:
    """The untuned recipe is tried, and after it only what the plan wants."""
    narrowed: dict[str, tuple[Value, ...]] = {"dtype": ("float16",), "compile": ("none", "regional")}
    space = build_space(synthetic.knobs(), synthetic.SITUATION, narrowed=narrowed)
    search = Search(space=space)
    baseline, *others = search.run(12)

    assert space.defaults == baseline
    assert all(space.is_searched(settings) for settings in others)
    assert 11 == len({key(settings) for settings in others})


def test_a_space_of_one_recipe_ends_with_it() -> None:
    """Nothing to choose: the baseline is all there is."""
    search = Search(space=space_of(()))

    assert [search.space.defaults] == search.run(5)
    assert search.gain() in (None, 0.0)
