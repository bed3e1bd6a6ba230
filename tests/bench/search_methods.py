"""Methods: the ways to search that the bench compares, stock samplers of Optuna among them."""

import warnings
from dataclasses import replace

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from tests.bench import search_ours
from tests.bench.search_play import Method

PRESETS, PRESETS_LABEL = "+presets", ", presets"
"""They end the name and the label of a method that is given the problem's presets."""
OURS = f"{search_ours.OURS.name}{PRESETS}"
"""The method that a study uses."""


def _tpe(seed: int, *, is_whole: bool) -> BaseSampler:
    # Trials run one after the other here: none is to be kept away from others (constant_liar).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if is_whole:
            return TPESampler(multivariate=True, group=True, constant_liar=False, seed=seed)
        return TPESampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(seed=seed, warn_independent_sampling=False)


_STOCK = (
    Method(name="random", label="Random", sampler=lambda start: RandomSampler(seed=start.seed)),
    Method(
        name="random-valid",
        label="Random, valid only",
        sampler=lambda start: RandomSampler(seed=start.seed),
        is_drawn=True,
    ),
    Method(name="nsga2", label="NSGA-II", sampler=lambda start: NSGAIISampler(seed=start.seed)),
    Method(
        name="tpe",
        label="TPE, as it is by default",
        sampler=lambda start: _tpe(start.seed, is_whole=False),
    ),
    Method(
        name="tpe-group",
        label="TPE, multivariate and group",
        sampler=lambda start: _tpe(start.seed, is_whole=True),
    ),
    # Seconds an ask, hence few trials and seeds. Told of no value it would propose the same recipe for ever.
    Method(
        name="gp",
        label="GPSampler",
        sampler=lambda start: _gp(start.seed),
        penalised=True,
        trials=30,
        seeds=3,
    ),
)


def methods() -> tuple[Method, ...]:
    """Return every method, each without presets and with them, and variants of ours, with them."""
    both = [variant for method in (search_ours.OURS, *_STOCK) for variant in (method, with_presets(method))]
    return (*both, *map(with_presets, search_ours.VARIANTS))


def with_presets(method: Method) -> Method:
    """Return a method that begins with the problem's presets."""
    label = f"{method.label}{PRESETS_LABEL}"
    return replace(method, name=method.name + PRESETS, label=label, has_presets=True)
