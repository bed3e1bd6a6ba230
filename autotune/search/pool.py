"""Pool: among which recipes a search chooses: all that there are, or in a space too large the likeliest.

Where all valid recipes can be listed, they are. Elsewhere recipes are drawn, evenly and near to what is known
to be good, and the most promising are improved setting by setting.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np

from autotune.errors import SpaceError
from autotune.knob import Settings, Value
from autotune.search.candidates import Codes, Coding, Floats
from autotune.space import SearchSpace

Score: TypeAlias = Callable[[Codes], Floats]

MOST_LISTED = 200_000
"""Valid recipes up to which all of them are listed."""
_MOST_COMBINATIONS = 5_000_000  # of which at most so many are looked at to list the valid ones
_DRAWN, _NEAR = 200, 200  # recipes drawn evenly, and a few settings away from a good one
_CLIMBED, _ROUNDS = 6, 3  # the best of which so many are improved, so often
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 4_000, 20_000  # listed recipes that are scored
_WORK = 3e9  # of predicting: recipes times squared trials


class Pool:
    """The recipes of a space that may be tried."""

    def __init__(self, space: SearchSpace, coding: Coding) -> None:
        """Prepare; nothing is listed yet.

        Args:
            space: Says what is valid.
            coding: How its settings are written as numbers.
        """
        self._space, self._coding = space, coding

    @cached_property
    def listed(self) -> Codes | None:
        """Every valid recipe as numbers; None where they are too many."""
        if self._space.combinations > _MOST_COMBINATIONS:
            return None
        found = list(itertools.islice(self._space.valid(), MOST_LISTED + 1))
        return self._coding.codes(found) if len(found) <= MOST_LISTED else None

    def best(
        self,
        score: Score,
        good: Sequence[Settings],
        tried: Iterable[tuple[int, ...]],
        *,
        trials: int,
        seed: str,
    ) -> list[dict[str, Value]]:
        """Return untried recipes, the best first.

        Args:
            score: What each of many recipes is worth, the more the better.
            good: Recipes that are known to be good.
            tried: What is not to be returned, as numbers.
            trials: That the score rests on: the more, the longer it takes to score a recipe.
            seed: Of the draws.
        """
        rng, known = random.Random(seed), set(tried)
        if self.listed is None:
            codes, scores = self._climbed(score, good, rng)
        else:
            codes = self._some(self.listed, good, trials, rng)
            scores = score(codes)
        order = np.argsort(-scores, kind="stable")
        kept = (tuple(int(place) for place in codes[index]) for index in order)
        new = itertools.islice((row for row in kept if row not in known), 64)
        return [self._full(row) for row in new]

    def untried(self, good: Sequence[Settings], tried: Iterable[tuple[int, ...]], *, seed: str) -> Codes:
        """Return recipes that were not tried, as numbers: all, or some where they are too many to list."""
        rng, known = random.Random(seed), set(tried)
        codes = self._drawn(good, rng) if self.listed is None else self._some(self.listed, good, 100, rng)
        kept: Codes = codes[[index for index, row in enumerate(codes.tolist()) if tuple(row) not in known]]
        return kept

    def _full(self, row: Sequence[int]) -> dict[str, Value]:
        single = {name: values[0] for name, values in self._space.choices.items()}
        return {**single, **self._coding.settings(row)}

    def _some(self, listed: Codes, good: Sequence[Settings], trials: int, rng: random.Random) -> Codes:
        """All recipes, or as many as can be scored in a moment: what is near to good ones is among them."""
        most = max(_FEWEST_AT_ONCE, min(_MOST_AT_ONCE, int(_WORK / max(trials, 1) ** 2)))
        if len(listed) <= most:
            return listed
        drawn = np.array(rng.sample(range(len(listed)), most))
        near = [np.flatnonzero((listed != row).sum(axis=1) <= 2) for row in self._coding.codes(good[:8])]
        chosen: Codes = listed[np.unique(np.concatenate([drawn, *near]))]
        return chosen

    def _climbed(self, score: Score, good: Sequence[Settings], rng: random.Random) -> tuple[Codes, Floats]:
        """Recipes that were drawn, and the neighbours of the best of them, with their scores."""
        codes = self._drawn(good, rng)
        scores = score(codes)
        seen = {tuple(row) for row in codes.tolist()}
        climbed = set[tuple[int, ...]]()
        for _ in range(_ROUNDS):
            tops = [tuple(row) for row in codes[np.argsort(-scores, kind="stable")[:_CLIMBED]].tolist()]
            fresh = [row for row in tops if row not in climbed]
            climbed.update(fresh)
            steps = {
                row: None
                for top in fresh
                for settings in self._space.neighbours(self._full(top))
                if (row := self._coding.row(settings)) is not None and row not in seen
            }
            if not steps:
                break
            seen.update(steps)
            new = np.array(list(steps), dtype=np.int16)
            codes, scores = np.vstack([codes, new]), np.concatenate([scores, score(new)])
        return codes, scores

    def _drawn(self, good: Sequence[Settings], rng: random.Random) -> Codes:
        rows = dict.fromkeys(
            row for settings in self._draws(good, rng) if (row := self._coding.row(settings)) is not None
        )
        return np.array(list(rows), dtype=np.int16).reshape(len(rows), len(self._coding.names))

    def _draws(self, good: Sequence[Settings], rng: random.Random) -> Iterator[Settings]:
        for _ in range(_DRAWN):
            try:
                yield self._space.draw(rng)
            except SpaceError:
                break
        starts = [*good, {name: values[0] for name, values in self._space.choices.items()}]
        open_knobs = [name for name, values in self._space.choices.items() if len(values) > 1]
        for start in starts:
            yield from (s for s in self._space.neighbours(start))
        for _ in range(_NEAR):
            start = dict(rng.choice(starts))
            for name in rng.sample(open_knobs, min(len(open_knobs), rng.randint(2, 4))):
                start[name] = rng.choice(self._space.choices[name])
            if self._space.is_searched(start):
                yield start
