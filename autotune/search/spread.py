"""Spread: recipes in an order that fills their space, each unlike those before it."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autotune.knob import Settings, Value

_FALL = 4
"""Two recipes that differ in one knob more repel each other a quarter as much. Of the powers that were tried
on spaces of 7 to 12 knobs, with and without conflicts, this one did as well as any, or better."""
_FAR = 14  # knobs that differ: beyond that all are equally far, so that sums stay whole numbers of 64 bits
_GONE = np.iinfo(np.int64).max // 2


class Spread:
    """Recipes in an order in which each is as unlike all before it as can be; ties are broken by chance.

    Every recipe that was taken repels the others, the more the fewer knobs they differ in; next comes the one
    that is repelled the least. So the first few differ in nearly everything, the first dozens see every pair
    of values of two knobs, and however soon it ends, what was taken lies evenly in the space. The order is
    made as far as it is asked for: a recipe costs a comparison with all others.
    """

    def __init__(
        self,
        recipes: Sequence[Settings],
        choices: Mapping[str, Sequence[Value]],
        *,
        first: Settings,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            recipes: To be ordered, with a value for every knob of `choices`.
            choices: Each knob's values; those with one value do not matter.
            first: What is taken as taken before all of them; its values need not be among the choices.
            seed: Of the order of those that are equally far.
        """
        names = [name for name, values in choices.items() if len(values) > 1]
        places = {name: {(type(v), v): place for place, v in enumerate(choices[name])} for name in names}

        def code(settings: Settings) -> list[int]:
            return [places[name].get((type(settings[name]), settings[name]), -1) for name in names]

        self._order = list(range(len(recipes)))
        random.Random(seed).shuffle(self._order)
        coded = [code(recipes[place]) for place in self._order]
        self._recipes = recipes
        # A row for each knob, so that one value is compared with all recipes at once.
        self._codes = np.array(coded, dtype=np.int16).reshape(len(recipes), len(names)).T.copy()
        self._repelled = np.zeros(len(recipes), dtype=np.int64)
        self._taken: list[int] = []
        self._repel(np.array(code(first), dtype=np.int16))

    def __iter__(self) -> Iterator[Settings]:
        """Yield every recipe once, from the start, in the same order each time."""
        for count in range(len(self._recipes)):
            if count == len(self._taken):
                self._take()
            yield self._recipes[self._order[self._taken[count]]]

    def _take(self) -> None:
        place = int(self._repelled.argmin())
        self._taken.append(place)
        self._repel(self._codes[:, place])
        self._repelled[place] = _GONE

    def _repel(self, taken: NDArray[np.int16]) -> None:
        differ = (self._codes != taken[:, None]).sum(axis=0)
        self._repelled += np.array([_FALL ** (_FAR - d) for d in range(_FAR + 1)], dtype=np.int64)[
            np.minimum(differ, _FAR)
        ]


def share_of_pairs(tried: Sequence[Settings], every: Sequence[Settings]) -> float:
    """Return which share of the pairs of values of two knobs was seen, of those that occur at all.

    >>> every = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)]
    >>> share_of_pairs(every[:3], every)
    0.75
    """
    return len(_pairs(tried)) / len(_pairs(every))


def _pairs(recipes: Sequence[Settings]) -> set[frozenset[tuple[str, type, Value]]]:
    found: set[frozenset[tuple[str, type, Value]]] = set()
    for settings in recipes:
        one = [(name, type(value), value) for name, value in settings.items()]
        found |= {frozenset((a, b)) for place, a in enumerate(one) for b in one[:place]}
    return found
