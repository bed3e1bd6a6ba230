"""The Gaussian process: it finds what settings and pairs of them add, and says how sure it is of it."""

import itertools

import numpy as np
import pytest

from autotune.search import gaussian_process
from autotune.search.candidates import Codes, Floats
from autotune.search.gaussian_process import Fitted, Places, Prior, fit, start

KNOBS, VALUES = 6, 3
EVERY: Codes = np.array(list(itertools.product(range(VALUES), repeat=KNOBS)), dtype=np.int16)
"""All 729 recipes of six knobs."""
NOISE = 1e-5


def prior(negligible: float = 0.0) -> Prior:
    """Return what is assumed of a figure: that each setting changes it by a seventh, more or less."""
    return Prior(
        weights=np.full(KNOBS, np.log(0.02)),
        weight_sds=np.full(KNOBS, 1.5),
        pair=-np.log(0.02) - 0.5,
        negligible=negligible,
    )


def drawn(seed: int, *, acting: int = 4) -> Floats:
    """Return a figure of every recipe: so many knobs add up, two go together, and each has its own rest."""
    rng = np.random.default_rng(seed)
    figure = rng.normal(0.0, 0.01, len(EVERY))
    for knob in range(acting):
        figure += rng.normal(0.0, 0.15, VALUES)[EVERY[:, knob]]
    return figure + rng.normal(0.0, 0.1, (VALUES, VALUES))[EVERY[:, 0], EVERY[:, 1]]


def fitted(figure: Floats, trials: int, *, seed: int = 0, negligible: float = 0.0) -> tuple[Fitted, Places]:
    """Return the process after so many trials by chance, and the places of recipes that it has not seen."""
    order = np.random.default_rng(seed).permutation(len(EVERY))
    seen, unseen = EVERY[order[:trials]], order[trials:]
    return fit(seen, figure[order[:trials]], np.full(trials, NOISE), prior(negligible)), unseen


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_the_loss_is_its_slope(seed: int) -> None:
    """Finite differences of the loss are what the search for hyperparameters goes by."""
    rng = np.random.default_rng(seed)
    codes = EVERY[rng.permutation(len(EVERY))[:12]]
    values, noise = rng.normal(0.0, 0.3, 12), np.full(12, 1e-3)
    theta = start(prior()) + rng.normal(0.0, 0.7, KNOBS + 2)
    equal = (codes[:, None, :] == codes[None, :, :]).astype(float)

    def loss(at: Floats) -> float:
        return fit(codes, values, noise, prior(), at).loss

    told, gradient = gaussian_process._loss(theta, equal, values, noise, prior())
    steps = np.eye(KNOBS + 2) * 1e-5
    slopes = [(loss(theta + step) - loss(theta - step)) / 2e-5 for step in steps]

    assert loss(theta) == pytest.approx(told)
    assert gradient == pytest.approx(np.array(slopes), rel=1e-4, abs=1e-5)


def test_hyperparameters_that_were_found_explain_more_than_those_assumed() -> None:
    """What acts gets weight, what does not loses it."""
    figure = drawn(0, acting=3)
    found, _ = fitted(figure, 60)
    assumed = fit(found.codes, figure[:60], np.full(60, NOISE), prior(), start(prior()))

    assert found.loss < assumed.loss
    assert found.theta[:3].min() > found.theta[3:KNOBS].max()


def test_what_settings_add_is_found_from_few_trials() -> None:
    """Thirty trials of 729 tell the rest, where settings add up."""
    rng = np.random.default_rng(1)
    figure = np.sum([rng.normal(0.0, 0.2, VALUES)[EVERY[:, knob]] for knob in range(4)], axis=0)
    process, unseen = fitted(figure, 30)
    mean, _ = process.predict(EVERY[unseen])

    assert np.sqrt(np.mean((mean - figure[unseen]) ** 2)) < 0.05 * np.std(figure)


def test_a_pair_that_goes_together_is_found() -> None:
    """Two settings, each without an effect of its own, gain much together: that is known elsewhere, too."""
    together = (EVERY[:, 0] == 1) & (EVERY[:, 1] == 2)
    figure = -0.5 * together + 0.1 * (EVERY[:, 2] == 1)
    process, unseen = fitted(figure, 60)
    mean, sd = process.predict(EVERY[unseen])

    assert mean[together[unseen]] == pytest.approx(figure[unseen][together[unseen]], abs=0.1)
    assert mean[~together[unseen]] == pytest.approx(figure[unseen][~together[unseen]], abs=0.1)
    assert sd.max() < 0.2


@pytest.mark.parametrize("trials", [12, 40])
def test_intervals_hold_what_they_claim(trials: int) -> None:
    """Of figures that were never seen, about nine in ten lie in the interval for nine in ten."""
    inside = []
    for seed in range(10):
        figure = drawn(seed)
        process, unseen = fitted(figure, trials, seed=seed)
        mean, sd = process.predict(EVERY[unseen])
        inside.append(np.mean(np.abs(figure[unseen] - mean) <= 1.645 * sd))

    assert 0.85 <= np.mean(inside) <= 0.98
    assert min(inside) > 0.75


def test_a_recipe_that_was_seen_is_known() -> None:
    """At its own trials the process is surer than elsewhere, and says what was seen."""
    figure = drawn(2)
    process, unseen = fitted(figure, 40)
    order = np.random.default_rng(0).permutation(len(EVERY))[:40]
    mean, sd = process.predict(process.codes)
    _, elsewhere = process.predict(EVERY[unseen])

    assert mean == pytest.approx(figure[order], abs=0.06)
    assert sd.mean() < elsewhere.mean()


def test_recipes_together_are_believed_as_one_by_one() -> None:
    """The joint belief has the same means, and the same variances but for each recipe's own rest."""
    process, unseen = fitted(drawn(3), 25)
    some = EVERY[unseen[:50]]
    mean, sd = process.predict(some)
    together, covariance = process.joint(some)

    assert together == pytest.approx(mean)
    assert np.sqrt(np.diag(covariance) + process.rest) == pytest.approx(sd)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_leaving_negligible_knobs_aside_changes_next_to_nothing() -> None:
    """Recipes that differ in such a knob alone are predicted as one."""
    figure = drawn(4, acting=3)
    whole, unseen = fitted(figure, 60)
    threshold = float(np.exp(np.sort(whole.theta[:KNOBS])[2]))  # the three that do nothing
    less, _ = fitted(figure, 60, negligible=threshold)
    (mean, sd), (near, near_sd) = (each.predict(EVERY[unseen]) for each in (whole, less))

    assert len(np.unique(near)) == VALUES**3
    assert np.sqrt(np.mean((near - mean) ** 2)) < 0.05 * np.std(figure)
    assert np.abs(near_sd - sd).max() < 0.15 * np.std(figure)


def test_a_single_trial_is_enough_to_begin_with() -> None:
    """Nothing is fitted to one observation: what was assumed holds."""
    process = fit(EVERY[:1], np.array([0.0]), np.array([NOISE]), prior())
    mean, sd = process.predict(EVERY[:2])

    assert process.theta == pytest.approx(start(prior()))
    assert mean == pytest.approx([0.0, 0.0])
    assert sd[0] < sd[1]
