"""Combinations: valid settings found knob by knob, without going through all the combinations there are.

A conflict is asked as soon as the knobs that it looks at are set: it is handed settings some of which are
open, and looking at an open one interrupts it until that one is set. So a branch ends at the first conflict,
and what a conflict depends on need not be declared.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from autotune.knob import Settings, Value

Conflict: TypeAlias = Callable[[Settings], str | None]
Choices: TypeAlias = Mapping[str, Sequence[Value]]

_EXACT = 20_000
_PROBES = 300
_TRIES, _POOL = 40, 32


class OpenError(Exception):
    """A conflict looked at a knob that is not set yet."""

    def __init__(self, name: str) -> None:
        """Keep the knob's name."""
        super().__init__(name)
        self.name = name


class Partial(Mapping[str, Value]):
    """Settings of which some are open: reading one of those raises `OpenError`."""

    def __init__(self, known: Mapping[str, Value], names: Choices) -> None:
        """Take what is set, and the names of all knobs."""
        self._known, self._names = known, names

    def __getitem__(self, name: str) -> Value:
        if name in self._known:
            return self._known[name]
        if name in self._names:
            raise OpenError(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        if len(self._known) < len(self._names):
            self._ask_for_the_rest()
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def _ask_for_the_rest(self) -> NoReturn:
        raise OpenError(next(name for name in reversed(list(self._names)) if name not in self._known))


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many combinations are valid.

    Attributes:
        value: The number, or the best estimate of it.
        low, high: The number lies between them with about 95 % probability; equal to it where it is exact.
    """

    value: float
    low: float
    high: float

    @property
    def is_exact(self) -> bool:
        """Whether the number was counted."""
        return self.low == self.high

    def describe(self) -> str:
        """The number for a person.

        >>> Count(value=1234, low=1234, high=1234).describe()
        '1,234'
        >>> Count(value=2.4e9, low=2.2e9, high=2.6e9).describe()
        'about 2.4e+09 (2.2e+09 to 2.6e+09)'
        """
        if self.is_exact:
            return f"{self.value:,.0f}"
        return f"about {self.value:.2g} ({self.low:.2g} to {self.high:.2g})"


@dataclass(frozen=True)
class _State:
    """What is set, and which conflicts wait for which open knob."""

    known: Mapping[str, Value]
    waiting: Mapping[str, tuple[Conflict, ...]]


def every_valid(choices: Choices, conflicts: Sequence[Conflict]) -> Iterator[dict[str, Value]]:
    """Yield every combination without a conflict, in the order of `itertools.product`.

    Args:
        choices: The values of each knob.
        conflicts: Each says why settings cannot go together, or None.

    >>> loud = lambda settings: "too loud" if settings["a"] == settings["b"] == 2 else None
    >>> [tuple(found.values()) for found in every_valid({"a": (1, 2), "b": (1, 2)}, [loud])]
    [(1, 1), (1, 2), (2, 1)]
    """
    names = list(choices)
    begun = _begin(choices, conflicts)
    stack = [] if begun is None else [(0, begun)]
    while stack:
        depth, state = stack.pop()
        if depth == len(names):
            yield dict(state.known)
            continue
        name = names[depth]
        following = (_with(state, choices, name, value) for value in choices[name])
        stack += [(depth + 1, new) for new in reversed([*following]) if new is not None]


def count_valid(
    choices: Choices, conflicts: Sequence[Conflict], rng: random.Random, *, samples: int = 2_000
) -> Count:
    """Return how many combinations are valid: counted where they are few, else estimated.

    The estimate is D. E. Knuth's, "Estimating the efficiency of backtrack programs" (1975): the mean, over
    random ways down the tree of choices, of the product of the numbers of values left at each knob.

    Args:
        choices: The values of each knob.
        conflicts: Each says why settings cannot go together, or None.
        rng: For the estimate.
        samples: Ways down the tree, for the estimate: four times as many halve its interval.

    >>> count_valid({"a": (1, 2), "b": (1, 2, 3)}, [], random.Random(0)).describe()
    '6'
    """
    if math.prod(len(values) for values in choices.values()) <= _EXACT:
        number = sum(1 for _ in every_valid(choices, conflicts))
        return Count(value=number, low=number, high=number)
    ordered = _most_read_first(choices, conflicts, rng)
    begun = _begin(ordered, conflicts)
    if begun is None:
        return Count(value=0, low=0, high=0)
    weights = [found[1] if (found := _descend(begun, ordered, rng)) else 0.0 for _ in range(samples)]
    mean = sum(weights) / samples
    spread = math.sqrt(sum((weight - mean) ** 2 for weight in weights) / (samples - 1) / samples)
    return Count(value=mean, low=max(mean - 2 * spread, 0.0), high=mean + 2 * spread)


def draw_valid(
    choices: Choices, conflicts: Sequence[Conflict], rng: random.Random
) -> dict[str, Value] | None:
    """Return a valid combination, each as likely as any other; None where there is none.

    Where valid ones are rare they are reached knob by knob, and the likelihoods are evened out among a few
    dozen candidates: nearly even, not exactly so.

    Args:
        choices: The values of each knob.
        conflicts: Each says why settings cannot go together, or None.
        rng: Says which.
    """
    for _ in range(_TRIES):
        settings = {name: rng.choice(values) for name, values in choices.items()}
        if not any(conflict(settings) for conflict in conflicts):
            return settings
    begun = _begin(choices, conflicts)
    if begun is None:
        return None
    found = [way for _ in range(_POOL) if (way := _descend(begun, choices, rng)) is not None]
    if found:
        return rng.choices([settings for settings, _ in found], [weight for _, weight in found])[0]
    return next(every_valid(choices, conflicts), None)


class _Reading(dict[str, Value]):
    """Settings that count how often each of them is read."""

    def __init__(self, settings: Mapping[str, Value], reads: dict[str, int]) -> None:
        super().__init__(settings)
        self._reads = reads

    def __getitem__(self, name: str) -> Value:
        self._reads[name] = self._reads.get(name, 0) + 1
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict's
        self._reads[name] = self._reads.get(name, 0) + 1
        return super().get(name, default)


def _most_read_first(choices: Choices, conflicts: Sequence[Conflict], rng: random.Random) -> Choices:
    """Order knobs so that those which decide about many others are set first: ways then differ less."""
    reads: dict[str, int] = {}
    for _ in range(_PROBES):
        settings = _Reading({name: rng.choice(values) for name, values in choices.items()}, reads)
        for conflict in conflicts:
            conflict(settings)
    return {name: choices[name] for name in sorted(choices, key=lambda name: -reads.get(name, 0))}


def _begin(choices: Choices, conflicts: Sequence[Conflict]) -> _State | None:
    """Set nothing, and let every conflict say what it waits for; None where one says no at once."""
    return _settle(_State({}, {}), choices, tuple(conflicts))


def _with(state: _State, choices: Choices, name: str, value: Value) -> _State | None:
    """Set a knob and ask the conflicts that waited for it; None where one of them objects."""
    waiting = dict(state.waiting)
    woken = waiting.pop(name, ())
    return _settle(_State({**state.known, name: value}, waiting), choices, woken)


def _settle(state: _State, choices: Choices, woken: tuple[Conflict, ...]) -> _State | None:
    waiting = dict(state.waiting)
    settings = Partial(state.known, choices)
    for conflict in woken:
        try:
            if conflict(settings):
                return None
        except OpenError as still:
            waiting[still.name] = (*waiting.get(still.name, ()), conflict)
    return _State(state.known, waiting)


def _descend(state: _State, choices: Choices, rng: random.Random) -> tuple[dict[str, Value], float] | None:
    """Go down one random way: the settings, and the product of what was left to choose from at each knob."""
    weight = 1.0
    for name, values in choices.items():
        left = [new for value in values if (new := _with(state, choices, name, value)) is not None]
        if not left:
            return None
        weight *= len(left)
        state = rng.choice(left)
    return dict(state.known), weight
