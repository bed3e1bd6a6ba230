"""The order of an exhaustive study fills the space: its start is worth more than a start of chance."""

import itertools
import random
import statistics

import pytest

from autotune.knob import Settings, Value
from autotune.search.spread import Spread, share_of_pairs

CHOICES: dict[str, tuple[Value, ...]] = {
    "dtype": ("float32", "bfloat16", "float16"),
    "compile": ("none", "regional"),
    "mode": ("default", "reduce-overhead"),
    "offload": ("none", "model", "group"),
    "stream": (False, True),
    "slices": (0, 1),
    "steps": (20, 12, 8),
    "quantization": ("none", "int8", "float8"),
}
FIRST: Settings = {name: values[0] for name, values in CHOICES.items()}


def _valid() -> list[Settings]:
    """Return 486 recipes: a mode needs a compiler, streams need groups, and float8 none of the offloads."""
    every = (dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values()))
    return [
        one
        for one in every
        if (one["mode"] == "default" or one["compile"] != "none")
        and (not one["stream"] or one["offload"] == "group")
        and (one["quantization"] != "float8" or one["offload"] == "none")
    ]


def _spread(recipes: list[Settings], seed: int = 0) -> list[Settings]:
    return list(Spread(recipes, CHOICES, first=FIRST, seed=seed))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_start_sees_the_pairs_of_values_sooner_than_chance(seed: int) -> None:
    """After 10 recipes more than the best of ten orders of chance; all pairs in half as many recipes."""
    recipes = _valid()
    order = _spread(recipes, seed)
    chance = [random.Random(other).sample(recipes, len(recipes)) for other in range(10)]

    assert share_of_pairs(order[:10], recipes) > max(share_of_pairs(one[:10], recipes) for one in chance)
    assert _until_all(order, recipes) <= 0.5 * statistics.median(_until_all(one, recipes) for one in chance)


def test_every_value_is_seen_about_as_often() -> None:
    """Of sixty recipes, each number of steps has about a third."""
    counts = [sum(one["steps"] == steps for one in _spread(_valid())[:60]) for steps in CHOICES["steps"]]

    assert max(counts) - min(counts) <= 6


def test_each_comes_once_and_the_order_follows_from_the_seed() -> None:
    """A second look finds the same, whether the first one went to the end or not."""
    recipes = _valid()
    spread = Spread(recipes, CHOICES, first=FIRST, seed=3)
    begun = list(itertools.islice(spread, 5))

    assert begun == list(spread)[:5] == _spread(recipes, 3)[:5]
    assert sorted(map(str, recipes)) == sorted(map(str, spread))
    assert list(spread) != _spread(recipes, 4)


def test_the_first_differs_from_the_baseline_in_all_it_can() -> None:
    """What was taken before counts, also where its values are not among the choices; one is not True."""
    order = _spread(_valid())
    choices: dict[str, tuple[Value, ...]] = {"a": (True, 1), "b": (2, 3)}
    every: list[Settings] = [{"a": a, "b": b} for a in choices["a"] for b in choices["b"]]
    other = list(Spread(every, choices, first={"a": True, "b": 9}, seed=0))

    assert sum(order[0][name] != FIRST[name] for name in FIRST) >= 6
    assert other[0]["a"] is not True
    assert [] == list(Spread([], choices, first={"a": 1, "b": 2}, seed=0))


def _until_all(order: list[Settings], every: list[Settings]) -> int:
    """How many recipes see every pair."""
    low, high = 0, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if share_of_pairs(order[:middle], every) == 1.0 else (middle, high)
    return high
