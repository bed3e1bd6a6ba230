"""The sampler that learns: what it proposes is new, valid, worth it, and follows from the storage alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import Trial, TrialState

from autotune.knob import Settings, Value
from autotune.measurement import Measurement, Memory, Outcome
from autotune.observation import observe
from autotune.pareto import hypervolume
from autotune.plan import Plan
from autotune.search import proposing
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.known import known_from
from autotune.search.pool import Pool
from autotune.search.presets import Preset
from autotune.search.proposing import Proposer, proposer
from autotune.search.resume import frozen_choices
from autotune.search.sampler import SpaceExhausted, SpaceSampler
from autotune.search.sampling import aim_of, sampler_for
from autotune.search.surrogate import Forecast
from autotune.search.surrogate_sampler import SurrogateSampler
from autotune.search.tell import OBSERVATION
from autotune.space import SearchSpace, build_space, key
from tests.search import synthetic

SOME = ("dtype", "compile", "steps", "vae_tiling", "vae_slicing", "prompt_embeds")
FEW = ("dtype", "fuse_qkv", "quantization")
LARGE: dict[str, tuple[Value, ...]] = {f"extra_{number}": (0, 1, 2, 3) for number in range(8)}
"""Knobs that do nothing: with the others, 28 million combinations."""


def space_of(names: Sequence[str] = SOME, more: Mapping[str, tuple[Value, ...]] | None = None) -> SearchSpace:
    """Return a space in which these knobs have a choice."""
    values = {name: offered if name in names else offered[:1] for name, offered in synthetic.VALUES.items()}
    knobs = synthetic.knobs({**values, **(more or {})})
    return build_space(knobs, synthetic.SITUATION, allow_approximate=True)


@dataclass
class Search:
    """A study whose trials take no time.

    Attributes:
        space: What is searched.
        plan: What for.
        presets: In place of those of the guides, where there are any.
        storage: Of Optuna; in memory where there is none.
        forecast: Of memory, where there is one.
    """

    space: SearchSpace = field(default_factory=space_of)
    plan: Plan = field(default_factory=synthetic.plan)
    presets: tuple[Preset, ...] = ()
    storage: str | None = None
    forecast: Forecast | None = None

    def __post_init__(self) -> None:
        """Begin the study."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(directions=["minimize"] * 3, storage=self.storage, study_name="one")
        self.restart()

    def restart(self) -> SpaceSampler:
        """Go on with a sampler that has seen nothing yet."""
        choices = frozen_choices(self.space)
        self.sampler = sampler_for(self.plan, self.space, choices, forecast=self.forecast)
        if self.presets:
            aim = aim_of(self.plan, self.space, choices)
            self.sampler = SurrogateSampler(self.space, choices, presets=self.presets, seed=0, aim=aim)
        self.study.sampler = self.sampler
        return self.sampler

    def ask(self) -> Trial:
        """Begin a trial."""
        return self.study.ask(self.sampler.distributions)

    def tell(self, trial: Trial) -> None:
        """End a trial as `tell` does: with what was seen among the system attributes."""
        outcome = outcome_of({**self.space.defaults, **trial.params})
        seconds = 2.0 + (5 * outcome.latency_s if isinstance(outcome, Measurement) else 0.0)
        seen = observe(outcome, seconds=seconds, memory_limit_bytes=self.plan.memory_limit_bytes)
        assert seen is not None
        self.study._storage.set_trial_system_attr(trial._trial_id, OBSERVATION, seen.to_json())
        if isinstance(outcome, Measurement):
            self.study.tell(trial, [outcome.latency_s, outcome.memory_bytes / 2**30, outcome.similarity])
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def run(self, trials: int, *, restarts: bool = False) -> list[dict[str, Value]]:
        """Ask and tell, with a new sampler for each trial where it `restarts`; return what was proposed."""
        proposed = []
        for _ in range(trials):
            if restarts:
                self.restart()
            if not self.sampler.has_untried(self.study):
                break
            trial = self.ask()
            proposed.append(dict(trial.params))
            self.tell(trial)
        return proposed

    def gain(self) -> float | None:
        """Return the share by which the front is expected to grow."""
        assert isinstance(self.sampler, SurrogateSampler)
        return self.sampler.outlook(self.study).gain

    def look(self, *, pending: Sequence[Settings] = (), by_cost: float = 0.5) -> Proposer | None:
        """Return what is known now."""
        aim = aim_of(self.plan, self.space, frozen_choices(self.space))
        known = known_from(self.study.get_trials())
        return proposer(replace(aim, by_cost=by_cost), known, pending, proposing.Memory())


def outcome_of(settings: Settings) -> Outcome:
    """Return what a recipe comes to, with the peaks of its stages."""
    outcome = synthetic.outcome(settings)
    if not isinstance(outcome, Measurement):
        return outcome
    peak = outcome.memory.peak_bytes
    return replace(outcome, memory=Memory(peak_bytes=peak, stages={"load": peak // 2, "first call": peak}))


def volume(proposed: Sequence[Settings]) -> float:
    """Return the volume that proposed recipes dominate, within the limits of the plan."""
    every = [synthetic.outcome({**space_of().defaults, **settings}) for settings in proposed]
    points = [
        (one.latency_s / 4.0, one.memory_bytes / (900 * synthetic.MIB), (1 - one.similarity) / 0.1)
        for one in every
        if isinstance(one, Measurement)
    ]
    return hypervolume(points, [1.0, 1.0, 1.0])


@pytest.mark.parametrize("seed", [0, 1])
def test_every_recipe_is_proposed_once_and_then_there_is_an_end(seed: int) -> None:
    """Whatever fails: no conflict, no repeat, and a signal after the last."""
    search = Search(space=space_of(FEW), plan=synthetic.plan(seed=seed))
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


def test_what_was_found_before_does_not_count() -> None:
    """A slow worker's trial ends after later ones: all is learnt as if it had been known in its place."""
    search = Search()
    search.run(13)
    aim = aim_of(search.plan, search.space, frozen_choices(search.space))
    known, memory = known_from(search.study.get_trials()), proposing.Memory()
    codes = aim.coding.codes(search.space.valid())
    proposer(aim, [*known[:4], *known[5:]], [], memory)
    looks = [proposer(aim, known, [], each) for each in (memory, proposing.Memory())]
    gains = [look.gains(codes)[0].tolist() for look in looks if look is not None]

    assert gains[0] == gains[1]


def test_workers_are_given_different_recipes() -> None:
    """What is being tried is not proposed again, from the first trial on."""
    for told in (0, 1, 7):
        search = Search()
        proposed = search.run(told)
        proposed += [dict(search.ask().params) for _ in range(5)]

        assert len(proposed) == len({key(settings) for settings in proposed})
        assert all(search.space.why_not(settings) is None for settings in proposed)


def test_a_recipe_that_is_being_tried_is_worth_nothing_more() -> None:
    """What is expected of it counts as found: recipes that are hardly better than it are left to others."""
    search = Search()
    search.run(8)
    alone = search.look()
    assert alone is not None
    codes = alone.aim.coding.codes(search.space.valid())
    best = alone.aim.coding.settings(codes[alone.gains(codes)[0].argmax()])
    beside = search.look(pending=[best])
    assert beside is not None
    same = alone.aim.coding.codes([best])

    assert beside.gains(same)[0][0] < 0.5 * alone.gains(same)[0][0]
    assert beside.volume() > alone.volume()


def test_seconds_count_as_much_as_is_asked_for() -> None:
    """Of two recipes of the same gain the one goes first whose trial is shorter, unless trials count."""
    search = Search()
    search.run(8)
    codes = search.look().aim.coding.codes(search.space.valid())  # type: ignore[union-attr]
    for by_cost in (0.0, 1.0):
        look = search.look(by_cost=by_cost)
        assert look is not None
        found, scores = look.gains(codes)
        seconds = look.beliefs(codes)["seconds"].mean
        assert seconds.max() > 1.5 * seconds.min()
        assert scores == pytest.approx(found / seconds**by_cost)


def test_a_forecast_keeps_from_trying_what_does_not_fit() -> None:
    """Before anything is known of them, recipes that fit are told from those that do not."""
    limit = 450 * synthetic.MIB

    def forecast(settings: Settings) -> Mapping[str, float]:
        peak = synthetic.measurement({**space_of().defaults, **settings}).memory_bytes
        return {"memory:load": peak / 2, "memory:calls": float(peak)}

    def fit(search: Search) -> int:
        every = [outcome_of({**search.space.defaults, **settings}) for settings in search.run(10)]
        return sum(isinstance(one, Measurement) and one.memory_bytes <= limit for one in every)

    plan = synthetic.plan(memory_limit_bytes=limit)
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
    """What is proposed is valid and new all the same, and something good is found."""
    search = Search(space=space_of(SOME, LARGE))
    proposed = search.run(12)
    gain = search.gain()

    assert search.space.combinations > 5_000_000
    assert 12 == len({key(settings) for settings in proposed})
    assert all(search.space.why_not(settings) is None for settings in proposed)
    assert volume(proposed) > 0
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


def test_the_gain_that_is_expected_falls_as_the_study_goes_on() -> None:
    """Nobody can tell before the baseline; then much is expected, and in the end nearly nothing."""
    search = Search(plan=synthetic.plan(memory_limit_bytes=None))
    told = [search.gain()]
    for trials in (1, 7, 10, 12):
        search.run(trials)
        told.append(search.gain())

    assert told[0] is None
    gains = [gain for gain in told[1:] if gain is not None]
    assert 4 == len(gains)
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0.1
    assert gains[-1] < 0.02


def test_limits_relative_to_the_baseline_are_those_of_its_figures() -> None:
    """Half of the baseline's latency: recipes that are slower are no part of the front."""
    search = Search(plan=synthetic.plan(goals={"latency_s": 0.5}, memory_limit_bytes=None))
    assert search.look() is None
    search.run(12)
    look = search.look()
    assert look is not None
    known = known_from(search.study.get_trials())
    half = 0.5 * known[0].seen.figures["latency_s"]

    assert {limit.objective.name: limit.bound for limit in look.goals.limits} == {
        "latency_s": half,
        "similarity": 0.9,
    }
    assert look.goals.reference[0] == pytest.approx(half)
    front = [known[index].seen.figures["latency_s"] for index in look.best_of(known)]
    assert front
    assert max(front) <= half


def test_what_is_measured_of_no_objective_limits_the_front() -> None:
    """Likeness is no objective of this study: what is not alike enough is not on its front."""
    search = Search(plan=synthetic.plan(objectives=("latency_s", "memory_bytes"), min_similarity=0.95))
    search.run(12)
    look = search.look()
    assert look is not None
    known = known_from(search.study.get_trials())
    front = [known[index].seen.figures for index in look.best_of(known)]

    assert front
    assert all(figures["similarity"] >= 0.95 for figures in front)
    assert look.goals.reference == pytest.approx(
        [2 * known[0].seen.figures["latency_s"], 900 * synthetic.MIB]
    )


def test_what_nobody_can_measure_is_searched_by_chance() -> None:
    """The machine has no counter of energy: no model fits, and recipes are drawn."""
    search = Search(plan=synthetic.plan(objectives=("latency_s", "energy_j")))
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
