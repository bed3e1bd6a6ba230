"""Effects: what each setting does to each objective, averaged over recipes, from joint draws of a surrogate.

Everything here takes numbers: which recipes are compared (`Design`) and draws of an objective for each.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from autotune.knob import Settings, Value, is_same
from autotune.objective import Objective
from autotune.search.explain_estimate import Array, Change, Estimate, as_scale, change, summary
from autotune.space import key

Setting: TypeAlias = tuple[str, Value]
_SEED = 0  # of weights: the same draws always tell the same
_FLAT = 1e-12  # a variance below this is none


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one value of a knob does, or two together beyond what each does alone.

    Attributes:
        settings: The value, or the two.
        change: Against the default, or against the product (the sum) of both changes.
        recipes: How many recipes it is averaged over.
    """

    settings: tuple[Setting, ...]
    change: Change
    recipes: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"settings": dict(self.settings), "recipes": self.recipes, **self.change.to_json()}


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which recipes are compared with which; all are rows of one list.

    Attributes:
        rows: Full settings, each once.
        singles: Each setting to its comparisons: (row at the default, row with the setting).
        crossings: Two settings to their comparisons: rows with neither, the first, the second, both.
        spreads: Each knob to the rows that differ in it alone, for each recipe drawn from the space.
        even: Rows of the recipes drawn from the space.
    """

    rows: tuple[Settings, ...]
    singles: Mapping[Setting, tuple[tuple[int, int], ...]]
    crossings: Mapping[tuple[Setting, Setting], tuple[tuple[int, int, int, int], ...]]
    spreads: Mapping[str, tuple[tuple[int, ...], ...]]
    even: tuple[int, ...]


class Rows:
    """Full settings, each once, numbered as they come; what is not valid has no number."""

    def __init__(self, is_valid: Callable[[Settings], bool]) -> None:
        """Begin with none.

        Args:
            is_valid: Whether full settings can be run.
        """
        self.listed: list[Settings] = []
        self._is_valid = is_valid
        self._numbers: dict[str, int | None] = {}

    def number(self, settings: Settings) -> int | None:
        """Return the row of full settings, None where they are not valid."""
        name = key(settings)
        if name not in self._numbers:
            is_valid = self._is_valid(settings)
            self._numbers[name] = len(self.listed) if is_valid else None
            if is_valid:
                self.listed.append(dict(settings))
        return self._numbers[name]

    def all_of(self, several: Iterable[Settings]) -> tuple[int, ...] | None:
        """Return the rows of several settings, None where one of them is not valid."""
        numbers = [self.number(settings) for settings in several]
        found = tuple(number for number in numbers if number is not None)
        return found if len(found) == len(numbers) else None


def lay_out(  # noqa: PLR0913 - a design is made of these, all by name
    *,
    defaults: Settings,
    choices: Mapping[str, Sequence[Value]],
    is_valid: Callable[[Settings], bool],
    tried: Sequence[Settings],
    even: Sequence[Settings],
    crossed: Sequence[tuple[Setting, Setting]] = (),
) -> Design:
    """Return which recipes to compare: around every given one, each knob is put to each of its values.

    Args:
        defaults: Each knob's default.
        choices: Each knob's values that are searched.
        is_valid: Whether full settings can be run.
        tried: Full settings of recipes that were tried.
        even: Full settings drawn evenly from the space.
        crossed: Pairs of settings to look at together.
    """
    rows = Rows(is_valid)
    starts = (*tried, *even)
    settings = [
        (name, value)
        for name, values in choices.items()
        for value in values
        if not is_same(value, defaults[name])
    ]
    singles = {setting: _compared(rows, starts, (setting,), defaults) for setting in settings}
    crossings = {pair: _compared(rows, starts, pair, defaults) for pair in crossed}
    spreads = {
        name: tuple(
            tuple(n for value in values if (n := rows.number({**start, name: value})) is not None)
            for start in even
        )
        for name, values in choices.items()
        if len(values) > 1
    }
    numbers = [rows.number(start) for start in even]
    return Design(
        rows=tuple(rows.listed),
        singles={s: tuple((a, b) for a, b in found) for s, found in singles.items()},
        crossings={p: tuple((a, b, c, d) for a, b, c, d in found) for p, found in crossings.items()},
        spreads=spreads,
        even=tuple(number for number in numbers if number is not None),
    )


def effects_of_settings(objective: Objective, draws: Array, design: Design) -> tuple[Effect, ...]:
    """Return what each setting does when its knob is put from the default to it, all else equal.

    The change is the mean over recipes of the differences (of logarithms, so that it is the geometric mean of
    ratios). Its interval is as wide as the draws are unsure, and as other recipes would have another mean.

    Args:
        objective: Of which the draws are.
        draws: As (draws, rows of the design), in the objective's unit.
        design: Which rows are compared.
    """
    scaled = as_scale(objective, draws)
    found = []
    for setting, compared in design.singles.items():
        if not compared:
            continue
        before, after = np.array(compared).T
        told = change(objective, _mean(scaled[:, after] - scaled[:, before]))
        found.append(Effect(settings=(setting,), change=told, recipes=len(compared)))
    return tuple(found)


def effects_of_pairs(objective: Objective, draws: Array, design: Design) -> tuple[Effect, ...]:
    """Return what two settings do together beyond what each does alone, the largest first.

    A ratio of 1 (a difference of 0) means that their effects multiply (add up).

    Args:
        objective: Of which the draws are.
        draws: As (draws, rows of the design), in the objective's unit.
        design: Which rows are compared.
    """
    scaled = as_scale(objective, draws)
    found = []
    for pair, compared in design.crossings.items():
        if not compared:
            continue
        neither, first, second, both = np.array(compared).T
        beyond = scaled[:, both] - scaled[:, first] - scaled[:, second] + scaled[:, neither]
        told = change(objective, _mean(beyond))
        found.append(Effect(settings=pair, change=told, recipes=len(compared)))
    return tuple(sorted(found, key=lambda effect: -effect.change.size))


def shares(objective: Objective, draws: Array, design: Design) -> dict[str, Estimate]:
    """Return which share of an objective's variance over the space depends on each knob, the largest first.

    It is the total-effect index: the variance that remains when all other knobs are held, on average, divided
    by the variance over the space. Where knobs act together, shares add up to more than 1. Source: T. Homma
    and A. Saltelli, Importance measures in global sensitivity analysis of nonlinear models, Reliability
    Engineering & System Safety 52, 1996.

    Args:
        objective: Of which the draws are.
        draws: As (draws, rows of the design), in the objective's unit.
        design: Its recipes drawn from the space stand for the space.
    """
    scaled = as_scale(objective, draws)
    whole = scaled[:, list(design.even)].var(axis=1) if design.even else np.zeros(len(scaled))
    if not np.all(whole > _FLAT):
        return {}
    found = {}
    for name, spreads in design.spreads.items():
        within = [scaled[:, list(rows)].var(axis=1) for rows in spreads if rows]
        if within:
            found[name] = summary(np.mean(within, axis=0) / whole)
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def pairs_of(settings: Iterable[Setting]) -> tuple[tuple[Setting, Setting], ...]:
    """Return every two settings of different knobs.

    >>> pairs_of([("a", 1), ("a", 2), ("b", 1)])
    ((('a', 1), ('b', 1)), (('a', 2), ('b', 1)))
    """
    every = itertools.combinations(settings, 2)
    return tuple((one, other) for one, other in every if one[0] != other[0])


def _mean(differences: Array) -> Array:
    """The mean over recipes in each draw, every recipe weighed anew.

    The weights are those of the Bayesian bootstrap: D. B. Rubin, The Bayesian Bootstrap, The Annals of
    Statistics 9, 1981.
    """
    draws, recipes = differences.shape
    weights = np.random.default_rng(_SEED).dirichlet(np.ones(recipes), draws)
    found: Array = (differences * weights).sum(axis=1)
    return found


def _compared(
    rows: Rows, starts: Iterable[Settings], settings: tuple[Setting, ...], defaults: Settings
) -> list[tuple[int, ...]]:
    """Rows with every subset of some settings, the others of their knobs at the default, for each start.

    A start that is equal to another in all other knobs is compared once.
    """
    plain = {name: defaults[name] for name, _ in settings}
    subsets = [
        dict(chosen) for n in range(len(settings) + 1) for chosen in itertools.combinations(settings, n)
    ]
    found = {rows.all_of({**start, **plain, **chosen} for chosen in subsets): None for start in starts}
    return [numbers for numbers in found if numbers is not None]
