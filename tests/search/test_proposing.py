"""What is worth trying next by what is known: for the seconds it takes, within the limits, beside others."""

import pytest

from autotune.search import proposing
from autotune.search.known import known_from
from autotune.search.proposing import proposer
from autotune.search.resume import frozen_choices
from autotune.search.sampling import aim_of
from tests.search import synthetic
from tests.search.synthetic_search import Search


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


@pytest.mark.slow
def test_the_gain_that_is_expected_falls_as_the_study_goes_on() -> None:
    """Nobody can tell before the baseline; then much is expected, and in the end nearly nothing."""
    search = Search(plan=synthetic.plan(sampler="surrogate", memory_limit_bytes=None))
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
    search = Search(
        plan=synthetic.plan(sampler="surrogate", goals={"latency_s": 0.5}, memory_limit_bytes=None)
    )
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
    search = Search(
        plan=synthetic.plan(
            sampler="surrogate", objectives=("latency_s", "memory_bytes"), min_similarity=0.95
        )
    )
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
