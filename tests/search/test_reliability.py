"""Which recipes will fail: blame falls on what was never seen to work, and the more failures share it."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from autotune.search.candidates import Codes
from autotune.search.reliability import Reliability, learn_failures

SIZES = (2, 2, 2, 3, 3)
EVERY = np.array(list(itertools.product(*(range(size) for size in SIZES))), dtype=np.int16)
UNTUNED = (0, 0, 0, 0, 0)


def codes(rows: Sequence[Sequence[int]]) -> Codes:
    """Return recipes as a matrix."""
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(SIZES))


def learnt(worked: Sequence[Sequence[int]], failed: Sequence[Sequence[int]]) -> Reliability:
    """Return what trials teach."""
    return learn_failures(codes(worked), codes(failed), SIZES)


def works(reliability: Reliability, *settings: int) -> float:
    """Return the probability that a recipe works."""
    return float(reliability.works(codes([settings]))[0])


def test_what_worked_is_acquitted() -> None:
    """Two settings fail together; each of them worked alone, and goes on working alone."""
    worked = [UNTUNED, (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 0, 1, 0), (1, 0, 0, 1, 0), (0, 1, 0, 1, 0)]
    reliability = learnt(worked, [(1, 1, 0, 0, 0)])

    assert [works(reliability, *row) for row in worked] == [1.0] * len(worked)
    assert works(reliability, 1, 1, 0, 0, 0) < 0.1
    assert works(reliability, 1, 1, 0, 1, 0) < 0.1


def test_blame_falls_on_what_never_worked() -> None:
    """A setting that was new in the recipe that failed is the likeliest cause, wherever it is set."""
    reliability = learnt([UNTUNED, (1, 0, 0, 0, 0)], [(1, 0, 0, 0, 2)])

    assert works(reliability, 0, 0, 0, 0, 2) < 0.5
    assert works(reliability, 0, 0, 0, 0, 1) > 0.9
    assert works(reliability, 1, 0, 0, 1, 0) > 0.9


def test_failures_that_share_a_cause_concentrate_on_it() -> None:
    """Two settings were new in one failed recipe; a second failure with one of them says which it was."""
    once = learnt([UNTUNED], [(0, 1, 0, 0, 2)])
    twice = learnt([UNTUNED], [(0, 1, 0, 0, 2), (0, 0, 1, 0, 2)])

    assert works(once, 0, 1, 0, 0, 0) == pytest.approx(works(once, 0, 0, 0, 0, 2), abs=0.05)
    assert works(twice, 0, 0, 0, 0, 2) < 0.25
    assert works(twice, 0, 1, 0, 0, 0) > 0.7


def test_three_settings_may_fail_together() -> None:
    """Every two of them worked: where all three meet, nothing does."""
    worked = [row for row in EVERY.tolist() if sum(place > 0 for place in row[:3]) < 3][:60]
    reliability = learnt(worked, [(1, 1, 1, 0, 0), (1, 1, 1, 1, 0)])

    assert works(reliability, 1, 1, 1, 2, 2) < 0.1
    assert works(reliability, 1, 1, 0, 2, 2) > 0.8


def test_a_failure_that_nothing_explains_speaks_against_that_recipe_alone() -> None:
    """Every setting, pair and triple of it was seen to work: no other recipe is blamed."""
    failed = EVERY[-1].tolist()
    others = [row for row in EVERY.tolist() if row != failed]

    assert learnt(others, [failed]).works(codes(others)) == pytest.approx(1.0)


def test_what_is_new_is_trusted_less_than_what_is_known() -> None:
    """Nothing failed yet: the more settings and pairs are new, the likelier it is that one is broken."""
    reliability = learnt([UNTUNED, (1, 0, 0, 0, 0), (0, 1, 0, 0, 0)], [])
    chances = [
        works(reliability, *row) for row in (UNTUNED, (1, 1, 0, 0, 0), (0, 0, 1, 0, 0), (1, 1, 1, 1, 1))
    ]

    assert chances == sorted(chances, reverse=True)
    assert 1.0 == chances[0]
    assert chances[1] == pytest.approx(1 - 0.006)
    assert chances[-1] > 0.75


@pytest.mark.parametrize("broken", [((4, 2),), ((0, 1), (3, 1)), ((1, 1), (2, 1), (4, 1))])
def test_causes_are_found_by_trying(broken: Sequence[tuple[int, int]]) -> None:
    """Half of all recipes tell which of the others fail."""
    fails = np.all([EVERY[:, knob] == place for knob, place in broken], axis=0)
    seen = np.random.default_rng(0).permutation(len(EVERY))[: len(EVERY) // 2]
    unseen = np.setdiff1d(np.arange(len(EVERY)), seen)
    reliability = learn_failures(EVERY[seen][~fails[seen]], EVERY[seen][fails[seen]], SIZES)
    chance = reliability.works(EVERY[unseen])

    assert chance[fails[unseen]].max() < 0.3
    assert chance[~fails[unseen]].min() > 0.7


def test_of_very_many_knobs_the_rarest_settings_are_suspected() -> None:
    """Thirty knobs: a failed recipe is explained in a moment, by what was seldom tried."""
    rng = np.random.default_rng(0)
    worked = (rng.random((80, 30)) < 0.3).astype(np.int16)
    worked[:, 7] = 0
    failed = worked[:2].copy()
    failed[:, 7] = 1
    reliability = learn_failures(worked, failed, (2,) * 30)
    blamed = worked[2:].copy()
    blamed[:, 7] = 1

    assert reliability.works(blamed).max() < 0.5
    assert reliability.works(worked).min() > 0.9
