"""What a recipe is worth trying: the volume that it is expected to add, by what is believed of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from autotune import pareto
from autotune.objective import ENERGY, LATENCY, MEMORY, SIMILARITY, Limit, amortised
from autotune.search.acquire import Goals, belief_in, gains
from autotune.search.belief import Belief, largest_of, of_logarithm, sum_of
from autotune.search.candidates import Floats
from autotune.search.improvement import expected_improvement

BASELINE = {"latency_s": 4.0, "memory_bytes": 8.0, "similarity": 1.0, "cold_s": 10.0}
CERTAIN = 1e-9


def believed(*, sd: float = 1e-3, **means: float) -> dict[str, Belief]:
    """Return beliefs about a single recipe."""
    spread = np.array([sd])
    return {name: Belief(mean=np.array([mean]), sd=spread) for name, mean in means.items()}


def by_chance(front: Floats, mean: Floats, sd: Floats) -> float:
    """Return the expected improvement by Monte Carlo: how likely a point of the box is won."""
    points = np.random.default_rng(0).random((60_000, len(mean)))
    taken = np.zeros(len(points), dtype=bool)
    for point in front:
        taken |= (point <= points).all(axis=1)
    return float(np.mean(~taken * np.prod(ndtr((points - mean) / sd), axis=1)))


@pytest.mark.parametrize("losses", [1, 2, 3, 4])
@pytest.mark.parametrize("points", [0, 1, 9])
def test_the_improvement_is_that_of_monte_carlo(losses: int, points: int) -> None:
    """In one to four objectives, with any front, and whether recipes are promising or not."""
    rng = np.random.default_rng(10 * losses + points)
    front = rng.uniform(0.05, 1.2, (points, losses))
    means, sds = rng.uniform(-0.1, 1.1, (6, losses)), rng.uniform(0.01, 0.4, (6, losses))
    expected = [by_chance(front, mean, sd) for mean, sd in zip(means, sds, strict=True)]

    assert expected_improvement(front, means, sds) == pytest.approx(expected, rel=0.05, abs=0.003)


_shares = st.integers(0, 20).map(lambda number: number / 20)  # so that losses tie, too


@settings(max_examples=60, deadline=None)
@given(data=st.data(), losses=st.integers(1, 4))
def test_the_improvement_of_a_certain_recipe_is_the_volume_that_it_adds(
    data: st.DataObject, losses: int
) -> None:
    """It is 0 where the front beats it, and else what the front's volume grows by."""
    point = st.tuples(*[_shares] * losses)
    front, certain = data.draw(st.lists(point, max_size=6)), data.draw(point)
    corner = [1.0] * losses
    grown = pareto.hypervolume([*front, certain], corner) - pareto.hypervolume(front, corner)
    found = expected_improvement(
        np.array(front).reshape(len(front), losses), np.array([certain]), np.full((1, losses), CERTAIN)
    )

    assert found[0] == pytest.approx(grown, abs=1e-6)
    if any(all(x <= y for x, y in zip(other, certain, strict=True)) for other in front):
        assert found[0] == pytest.approx(0.0, abs=1e-6)


def test_a_front_of_very_many_points_is_thinned() -> None:
    """What is left of it spans the same: the improvement is a little more, and never less."""
    rng = np.random.default_rng(0)
    angles = np.abs(rng.normal(size=(60, 4)))
    front = 1.0 - 0.9 * angles / np.linalg.norm(angles, axis=1, keepdims=True)
    mean, sd = np.full((1, 4), 0.5), np.full((1, 4), 0.1)
    found = float(expected_improvement(front, mean, sd)[0])

    assert by_chance(front, mean[0], sd[0]) <= found <= by_chance(front[:8], mean[0], sd[0])


def test_sums_and_the_larger_of_two_are_believed_as_chance_has_them() -> None:
    """The moments of the lognormal, of a sum, and of the larger of two stages."""
    rng = np.random.default_rng(0)
    one = Belief(mean=np.array([1.0, 3.0]), sd=np.array([0.5, 0.2]))
    other = Belief(mean=np.array([1.2, 2.0]), sd=np.array([0.3, 0.1]))
    drawn = [rng.normal(each.mean, each.sd, (100_000, 2)) for each in (one, other)]
    for belief, values in (
        (largest_of(one, other), np.maximum(*drawn)),
        (sum_of([one, other]), drawn[0] + drawn[1]),
        (of_logarithm(one.mean, one.sd), np.exp(drawn[0])),
    ):
        assert belief.mean == pytest.approx(values.mean(axis=0), rel=0.02)
        assert belief.sd == pytest.approx(values.std(axis=0), rel=0.03)


def test_an_objective_of_several_figures_is_believed_by_all_of_them() -> None:
    """Seconds over five images: the start and four calls, each with its own doubt."""
    objective = amortised(images=5, batch=1)
    belief = belief_in(objective, believed(cold_s=10.0, latency_s=2.5, sd=0.5))

    assert belief.mean == pytest.approx([4.0])
    assert belief.sd == pytest.approx([np.hypot(0.5 / 5, 0.5 * 4 / 5)])


def test_losses_are_shares_of_what_counts() -> None:
    """The limit is 1, and so is twice the baseline where there is none; what is unfit has no losses."""
    limits = (Limit(objective=MEMORY, bound=4.0),)
    goals = Goals.of((LATENCY, MEMORY, SIMILARITY), limits, BASELINE)
    assert goals is not None
    losses = goals.losses({"latency_s": 2.0, "memory_bytes": 3.0, "similarity": 0.75})

    assert losses == pytest.approx([0.25, 0.75, 0.25])
    assert goals.losses({"latency_s": 2.0, "memory_bytes": 4.5, "similarity": 0.75}) is None
    assert goals.losses({"latency_s": 2.0, "memory_bytes": 3.0}) is None


def test_a_limit_on_what_is_no_objective_weighs_by_its_probability() -> None:
    """Likeness is no objective here: a recipe that keeps to its limit as likely as not is worth half."""
    goals = Goals.of((LATENCY, MEMORY), (Limit(objective=SIMILARITY, bound=0.9),), BASELINE)
    assert goals is not None
    front, works = np.zeros((0, 2)), np.ones(1)

    def worth(similarity: float) -> float:
        known = believed(latency_s=4.0, memory_bytes=8.0)
        alike = believed(similarity=similarity, sd=0.01)
        return float(gains(goals, front, known | alike, works)[0])

    assert worth(0.99) == pytest.approx(0.25, rel=0.01)
    assert worth(0.9) == pytest.approx(0.125, rel=0.01)
    assert worth(0.8) < 1e-6


def test_a_limit_on_an_objective_bounds_the_volume() -> None:
    """Beyond it nothing is won, and up to it as much as lies within."""
    goals = Goals.of((LATENCY, MEMORY), (Limit(objective=MEMORY, bound=4.0),), BASELINE)
    assert goals is not None
    beliefs = [believed(latency_s=4.0, memory_bytes=memory) for memory in (3.0, 4.5)]
    found = [gains(goals, np.zeros((0, 2)), belief, np.ones(1))[0] for belief in beliefs]

    assert found == pytest.approx([0.5 * 0.25, 0.0], abs=1e-3)


def test_what_fails_adds_nothing() -> None:
    """What is expected of a recipe counts by the probability that it works."""
    goals = Goals.of((LATENCY, MEMORY), (), BASELINE)
    assert goals is not None
    beliefs = believed(latency_s=4.0, memory_bytes=8.0)
    found = [gains(goals, np.zeros((0, 2)), beliefs, np.array([works]))[0] for works in (1.0, 0.2)]

    assert found == pytest.approx([0.25, 0.05], rel=0.01)


def test_without_a_baseline_to_compare_with_there_are_no_goals() -> None:
    """A loss of zero cannot be improved on, and nobody knows what counts of what was not measured."""
    assert Goals.of((LATENCY,), (), {**BASELINE, "latency_s": 0.0}) is None
    assert Goals.of((LATENCY, ENERGY), (), BASELINE) is None
    assert Goals.of((LATENCY,), (Limit(objective=ENERGY, bound=5.0),), BASELINE) is None
