"""A Gaussian process over settings: what a figure is for recipes that were never tried, and how sure that is.

The logarithm of a figure is the sum of what each setting adds, what each pair of settings adds, and a rest of
each recipe's own. So with x, x' two recipes and e_d = 1 where they agree in knob d, else 0:

    k(x, x') = c + sum_d w_d e_d + p sum_(d < e) w_d w_e e_d e_e   (+ n where x is x')

Knobs that matter have pairs that matter. The weights, p and n are the most probable ones under priors in
absolute units, so that a few trials suffice. Source: D. Duvenaud, H. Nickisch and C. E. Rasmussen, Additive
Gaussian Processes, NeurIPS 2011, with an equality kernel for categories in each dimension.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from autotune.search.candidates import Codes, Floats

Masks: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]

_BOUNDS_W, _BOUNDS_P, _BOUNDS_N = (-14.0, 4.0), (-6.0, 6.0), (-14.0, 0.0)
_MOST_FITTED = 250  # rows that hyperparameters are fitted to: more tell little more, and cost their cube
_JITTER = 1e-9
_PEN = 1e10
_LARGEST_KEY = 2**40


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is assumed of a figure before anything is measured, all as natural logarithms.

    Attributes:
        weights: Mean of log w_d for each knob, shape (knobs,); w_d is the variance that its settings cause.
        weight_sds: Standard deviation of log w_d, shape (knobs,).
        pair, pair_sd: Of log p.
        rest, rest_sd: Of log n, the variance of each recipe's own rest.
        constant: c, the variance of what all recipes share.
        negligible: Knobs whose w_d is no larger are left aside in predictions.
    """

    weights: Floats
    weight_sds: Floats
    pair: float = 0.0
    pair_sd: float = 1.5
    rest: float = -8.0
    rest_sd: float = 1.5
    constant: float = 1e-4
    negligible: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A Gaussian process that knows its observations.

    Attributes:
        codes: Of the recipes, shape (n, knobs).
        theta: The hyperparameters: log w, log p, log n.
        constant: c.
        negligible: Knobs whose w_d is no larger count as equal in predictions.
        lower: Cholesky factor of their covariance, shape (n, n).
        weights: The covariance's inverse times the observations, shape (n,).
        loss: Negative logarithm of how probable observations and hyperparameters are: the less, the better
            they are explained.
    """

    codes: Codes
    theta: Floats
    constant: float
    negligible: float
    lower: Floats
    weights: Floats
    loss: float

    @property
    def rest(self) -> float:
        """Variance of each recipe's own rest."""
        return float(np.exp(self.theta[-1]))

    def predict(self, codes: Codes) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the figure of recipes, their own rest included.

        Args:
            codes: Of the recipes, shape (rows, knobs).
        """
        first, place = self._distinct(codes)
        cross = covariance(codes[first], self.codes, self.theta, self.constant, self._counts)
        half = solve_triangular(self.lower, cross.T, lower=True, check_finite=False)
        variance = _own(self.theta, self.constant) - np.einsum("ij,ij->j", half, half)
        mean, sd = cross @ self.weights, np.sqrt(np.maximum(variance, 0.0) + self.rest)
        return mean[place], sd[place]

    @property
    def _counts(self) -> Masks:
        """Which knobs make a difference."""
        return np.asarray(np.exp(self.theta[:-2]) > self.negligible)

    def _distinct(self, codes: Codes) -> tuple[Places, Places]:
        """Where recipes first differ in a knob that counts, and which of those each recipe is like."""
        keys = np.zeros(len(codes), dtype=np.int64)
        for column in np.flatnonzero(self._counts):
            keys = keys * (int(codes[:, column].max(initial=0)) + 1) + codes[:, column]
            if keys.max(initial=0) > _LARGEST_KEY:
                keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        _, first, place = np.unique(keys, return_index=True, return_inverse=True)
        return first, place

    def joint(self, codes: Codes) -> tuple[Floats, Floats]:
        """Return mean (rows,) and covariance (rows, rows) of what settings explain, the rest left out."""
        cross = covariance(codes, self.codes, self.theta, self.constant)
        half = solve_triangular(self.lower, cross.T, lower=True, check_finite=False)
        return cross @ self.weights, covariance(codes, codes, self.theta, self.constant) - half.T @ half


def covariance(
    one: Codes, other: Codes, theta: Floats, constant: float, counts: Masks | None = None
) -> Floats:
    """Return k(x, x') for all pairs of recipes without their own rest, shape (rows of one, rows of other).

    Args:
        one, other: Recipes, shape (rows, knobs).
        theta: Hyperparameters.
        constant: c.
        counts: Knobs in which recipes may differ, shape (knobs,); they count as equal in the others.
    """
    knobs = one.shape[1]
    weights, pair = np.exp(theta[:knobs]), np.exp(theta[knobs])
    looked_at = np.ones(knobs, dtype=bool) if counts is None else counts
    total = np.full((len(one), len(other)), float(weights[~looked_at].sum()))
    squares = np.full_like(total, float((weights[~looked_at] ** 2).sum()))
    for column in np.flatnonzero(looked_at):
        equal = one[:, column][:, None] == other[:, column][None, :]
        total += weights[column] * equal
        squares += weights[column] ** 2 * equal
    found: Floats = constant + total + 0.5 * pair * (total * total - squares)
    return found


def _own(theta: Floats, constant: float) -> float:
    """k(x, x) without the rest: the same for every recipe."""
    weights, pair = np.exp(theta[:-2]), np.exp(theta[-2])
    return float(constant + weights.sum() + 0.5 * pair * (weights.sum() ** 2 - (weights**2).sum()))


def fit(codes: Codes, values: Floats, noise: Floats, prior: Prior, theta: Floats | None = None) -> Fitted:
    """Return the process given observations.

    Args:
        codes: Of the recipes, shape (n, knobs).
        values: Observed figure, as the difference from what was expected, shape (n,).
        noise: Variance of each observation's noise, shape (n,).
        prior: What is assumed.
        theta: Hyperparameters; None to find the most probable ones.
    """
    if theta is None:
        theta = _most_probable(codes, values, noise, prior)
    matrix = covariance(codes, codes, theta, prior.constant)
    matrix[np.diag_indices_from(matrix)] += noise + np.exp(theta[-1]) + _JITTER
    lower = np.linalg.cholesky(matrix)
    half = solve_triangular(lower, values, lower=True, check_finite=False)
    weights = solve_triangular(lower.T, half, lower=False, check_finite=False)
    return Fitted(
        codes=codes,
        theta=theta,
        constant=prior.constant,
        negligible=prior.negligible,
        lower=np.asarray(lower, dtype=float),
        weights=np.asarray(weights, dtype=float),
        loss=0.5 * float(half @ half) + float(np.log(np.diag(lower)).sum()) + _away(theta, prior),
    )


def start(prior: Prior) -> Floats:
    """Return the hyperparameters that are most probable before anything is measured."""
    return np.concatenate([prior.weights, [prior.pair, prior.rest]])


def _away(theta: Floats, prior: Prior) -> float:
    """How improbable hyperparameters are beforehand, as a negative logarithm."""
    away = (theta - start(prior)) / _spread(prior)
    return 0.5 * float(away @ away)


def _spread(prior: Prior) -> Floats:
    return np.concatenate([prior.weight_sds, [prior.pair_sd, prior.rest_sd]])


def _most_probable(codes: Codes, values: Floats, noise: Floats, prior: Prior) -> Floats:
    if len(values) < 2:
        return start(prior)
    if len(values) > _MOST_FITTED:
        chosen = np.linspace(0, len(values) - 1, _MOST_FITTED).astype(int)
        codes, values, noise = codes[chosen], values[chosen], noise[chosen]
    equal = (codes[:, None, :] == codes[None, :, :]).astype(float)
    knobs = codes.shape[1]
    bounds = [_BOUNDS_W] * knobs + [_BOUNDS_P, _BOUNDS_N]
    found: Any = minimize(
        _loss,
        start(prior),
        args=(equal, values, noise, prior),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 40},
    )
    return np.asarray(found.x, dtype=float)


def _loss(theta: Floats, equal: Floats, values: Floats, noise: Floats, prior: Prior) -> tuple[float, Floats]:
    """Negative log posterior of hyperparameters, and its gradient."""
    knobs, count = equal.shape[2], len(values)
    weights, pair, rest = np.exp(theta[:knobs]), np.exp(theta[knobs]), np.exp(theta[-1])
    total = equal @ weights
    squares = equal @ (weights**2)
    pairs = 0.5 * (total * total - squares)
    matrix = prior.constant + total + pair * pairs
    matrix[np.diag_indices(count)] += noise + rest + _JITTER
    try:
        factor = cho_factor(matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return _PEN, np.zeros_like(theta)
    solved = cho_solve(factor, values, check_finite=False)
    inverse = cho_solve(factor, np.eye(count), check_finite=False)
    outer = inverse - np.outer(solved, solved)
    gradient = np.empty_like(theta)
    plain = np.einsum("ij,ijd->d", outer, equal)
    with_total = np.einsum("ij,ijd->d", outer * total, equal)
    gradient[:knobs] = 0.5 * weights * (plain + pair * (with_total - weights * plain))
    gradient[knobs] = 0.5 * pair * float((outer * pairs).sum())
    gradient[-1] = 0.5 * rest * float(np.trace(outer))
    sds = _spread(prior)
    loss = 0.5 * float(values @ solved) + float(np.log(np.diag(factor[0])).sum()) + _away(theta, prior)
    return loss, gradient + (theta - start(prior)) / sds**2
