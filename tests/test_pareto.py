"""Dominance, fronts, volumes and knees: against the definitions, and against Optuna's own."""

import math
import random
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from autotune.pareto import dominates, front, hypervolume, knee

LAW = settings(max_examples=80, deadline=None)


def points_of(objectives: int, *, most: int = 12) -> st.SearchStrategy[list[tuple[float, ...]]]:
    """Points with many equal coordinates and many equal points, and some that are neither."""
    loss = st.one_of(st.integers(-3, 3).map(float), st.floats(-5, 5, width=32))
    return st.lists(st.tuples(*[loss] * objectives), max_size=most)


ANY_POINTS = st.integers(1, 5).flatmap(points_of)


def test_better_somewhere_and_nowhere_worse_dominates() -> None:
    """Equal points do not dominate each other, nor do points that are better at different things."""
    assert dominates((1.0, 2.0), (1.0, 3.0))
    assert not dominates((1.0, 3.0), (1.0, 2.0))
    assert not dominates((1.0, 2.0), (1.0, 2.0))
    assert not dominates((1.0, 2.0), (2.0, 1.0))


@LAW
@given(ANY_POINTS)
def test_the_front_is_what_nothing_dominates_in_input_order(points: list[tuple[float, ...]]) -> None:
    """The quick way agrees with the definition in any number of objectives."""
    expected = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]

    assert expected == front(points)


@LAW
@given(st.data(), st.integers(2, 3))
def test_the_front_is_that_of_optuna(data: st.DataObject, objectives: int) -> None:
    """Infeasible trials left out before, both keep the same trials, equal ones included."""
    points = data.draw(points_of(objectives))
    fit = data.draw(st.lists(st.booleans(), min_size=len(points), max_size=len(points)))
    study = optuna.create_study(directions=["minimize"] * objectives)
    for point, is_fit in zip(points, fit, strict=True):
        violation = {"constraints": [0.0 if is_fit else 1.0]}
        study.add_trial(optuna.trial.create_trial(values=list(point), system_attrs=violation))
    feasible = [number for number, is_fit in enumerate(fit) if is_fit]
    kept = [feasible[index] for index in front([points[number] for number in feasible])]

    assert sorted(trial.number for trial in study.best_trials) == kept


def test_the_front_of_thousands_is_quick_to_find() -> None:
    """On a sphere every point is on the front, the worst case; the test would time out otherwise."""
    rng = random.Random(0)
    points = []
    for _ in range(20_000):
        x, y, z = (abs(rng.gauss(0, 1)) + 1e-9 for _ in range(3))
        length = math.sqrt(x * x + y * y + z * z)
        points.append((-x / length, -y / length, -z / length))

    assert list(range(20_000)) == front(points)


@LAW
@given(st.data(), st.integers(1, 4))
def test_the_hypervolume_is_that_of_optuna(data: st.DataObject, objectives: int) -> None:
    """Points beyond the reference are left out for Optuna, which refuses them."""
    points = data.draw(points_of(objectives))
    reference = data.draw(st.tuples(*[st.floats(-2, 6, width=32)] * objectives))
    inside = [point for point in points if all(x <= limit for x, limit in zip(point, reference, strict=True))]
    losses = np.array(inside, dtype=float).reshape(len(inside), objectives)

    assert pytest.approx(compute_hypervolume(losses, np.array(reference)), abs=1e-9) == hypervolume(
        points, reference
    )


@LAW
@given(st.data(), st.integers(1, 4))
def test_the_hypervolume_never_falls_when_a_point_is_added(data: st.DataObject, objectives: int) -> None:
    """And it rises exactly when the new point is inside the reference and nothing was as good everywhere."""
    points = data.draw(points_of(objectives))
    new = data.draw(st.tuples(*[st.integers(-4, 4).map(float)] * objectives))
    reference = (3.0,) * objectives
    before, after = hypervolume(points, reference), hypervolume([*points, new], reference)
    is_news = max(new) < 3.0 and not any(all(x <= y for x, y in zip(p, new, strict=True)) for p in points)

    assert after >= before - 1e-9
    assert is_news or after == pytest.approx(before)


def test_the_volume_of_a_box_is_the_product_of_its_sides() -> None:
    """In four objectives, too."""
    assert 1.0 * 2.0 * 3.0 * 4.0 == hypervolume([(4.0, 3.0, 2.0, 1.0)], (5.0, 5.0, 5.0, 5.0))


@pytest.mark.parametrize("points", [[], [(3.0, 0.0)], [(9.0, 9.0)]])
def test_points_that_are_not_better_than_the_reference_add_nothing(points: list[tuple[float, ...]]) -> None:
    """Neither does a point on its edge."""
    assert hypervolume(points, (3.0, 3.0)) == 0.0


def test_the_knee_gives_up_least_of_everything() -> None:
    """Scaled to the front's range, it is nearest to the best of each."""
    assert knee([(0.0, 100.0), (1.0, 20.0), (2.0, 5.0), (10.0, 0.0)]) == 2


def test_of_equally_near_points_the_first_is_the_knee() -> None:
    """A tie has one answer."""
    assert knee([(0.0, 1.0), (1.0, 0.0)]) == 0
    assert knee([(2.0, 2.0), (1.0, 1.0), (1.0, 1.0)]) == 1


def test_a_dominated_point_never_sets_the_scale() -> None:
    """One absurd trial does not move the knee."""
    points = [(0.0, 10.0), (4.0, 4.0), (10.0, 0.0)]

    assert knee(points) == knee([*points, (1e9, 5.0)]) == 1


@LAW
@given(points_of(3), st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_knee_is_on_the_front_whatever_the_unit(points: list[tuple[float, ...]], factor: float) -> None:
    """Bytes and gibibytes have the same knee."""
    scaled = [(x, y * factor, z) for x, y, z in points]
    if points:
        assert knee(points) in front(points)
        assert knee(points) == knee(scaled)


def test_the_knee_of_nothing_is_refused() -> None:
    """There is no recipe to show."""
    with pytest.raises(ValueError, match="knee of no points"):
        knee([])


CALLS: list[Callable[[list[tuple[float, ...]]], object]] = [
    front,
    knee,
    lambda points: hypervolume(points, (9.0, 9.0)),
    lambda points: dominates(points[0], points[1]),
]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("call", CALLS)
def test_losses_that_are_no_numbers_are_refused(
    call: Callable[[list[tuple[float, ...]]], object], loss: float
) -> None:
    """A failed trial has no losses, and must not get some."""
    with pytest.raises(ValueError, match=f"finite number.*{loss}"):
        call([(1.0, 1.0), (1.0, loss)])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("points", [[(1.0, 1.0), (1.0,)], [(), ()]])
def test_points_of_different_length_or_none_are_refused(
    call: Callable[[list[tuple[float, ...]]], object], points: list[tuple[float, ...]]
) -> None:
    """Every point has a loss for each objective."""
    with pytest.raises(ValueError, match="same number of losses"):
        call(points)
