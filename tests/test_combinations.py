"""Combinations: the same as going through all of them, and quick where that would take for ever."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.combinations import Conflict, count_valid, draw_valid, every_valid
from autotune.knob import Settings, Value

LAW = settings(deadline=None, max_examples=60)
Forbidden = dict[str, int]


def forbids(pattern: Forbidden) -> Conflict:
    """A conflict that looks at a few knobs, in its own order, and stops at the first that differs."""

    def conflict(full: Settings) -> str | None:
        return "No." if all(full.get(name, 0) == value for name, value in pattern.items()) else None

    return conflict


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, tuple[Value, ...]], list[Forbidden]]:
    """Up to five knobs of up to three values, and patterns of up to three of them that are forbidden."""
    choices: dict[str, tuple[Value, ...]] = {
        f"k{number}": tuple(range(draw(st.integers(1, 3)))) for number in range(draw(st.integers(1, 5)))
    }
    pairs = st.dictionaries(st.sampled_from([*choices, "absent"]), st.integers(0, 2), min_size=1, max_size=3)
    return choices, draw(st.lists(pairs, max_size=6))


@LAW
@given(problems())
def test_the_tree_holds_what_the_product_holds(
    problem: tuple[dict[str, tuple[Value, ...]], list[Forbidden]],
) -> None:
    """Every valid combination, in the order of the product, and its number."""
    choices, forbidden = problem
    conflicts = [forbids(pattern) for pattern in forbidden]
    product = [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]
    expected = [each for each in product if not any(ask(each) for ask in conflicts)]

    assert expected == list(every_valid(choices, conflicts))
    number = count_valid(choices, conflicts, random.Random(0))
    assert (len(expected), True) == (number.value, number.is_exact)
    drawn = draw_valid(choices, conflicts, random.Random(0))
    assert (drawn in expected) if expected else drawn is None


# Twenty chains of four knobs, each of which needs the one before it.
CHAINS: dict[str, tuple[Value, ...]] = {f"c{c}_{k}": (0, 1, 2) for c in range(20) for k in range(4)}


def _needs_the_one_before(chain: int, link: int) -> Conflict:
    def conflict(full: Settings) -> str | None:
        if full.get(f"c{chain}_{link}", 0) == 0:
            return None
        before, own = full.get(f"c{chain}_{link - 1}", 0), full.get(f"c{chain}_{link}", 0)
        return None if before == own == 1 else "It needs the one before it."

    return conflict


LINKED = [_needs_the_one_before(chain, link) for chain in range(20) for link in range(1, 4)]
VALID_IN_A_CHAIN = 6  # 0000, 2000, 1000, 1100, 1110, 1111


def test_a_number_beyond_counting_is_estimated() -> None:
    """Of 43 million combinations 1,296 are valid: the interval holds the truth and is not useless."""
    choices = {name: CHAINS[name] for name in list(CHAINS)[:16]}
    found = count_valid(choices, LINKED, random.Random(0))

    assert not found.is_exact
    assert found.low < VALID_IN_A_CHAIN**4 < found.high
    assert found.high < 2 * found.low


def test_what_is_rare_is_found_at_once() -> None:
    """One combination in 10^22 is valid; drawing does not wait for luck, and no value is left out."""
    rng = random.Random(1)
    drawn = [draw_valid(CHAINS, LINKED, rng) for _ in range(40)]

    assert all(each is not None and not any(ask(each) for ask in LINKED) for each in drawn)
    longest = [each["c0_3"] == 1 for each in drawn if each is not None]
    assert 0 < sum(longest) < len(longest)


def test_a_draw_from_a_tree_is_nearly_even() -> None:
    """The first link of a chain is 1 in four of its six valid states."""
    rng, choices = random.Random(2), {name: CHAINS[name] for name in list(CHAINS)[:16]}
    ones = total = 0
    for _ in range(200):
        drawn = draw_valid(choices, LINKED, rng)
        assert drawn is not None
        ones += sum(drawn[f"c{chain}_0"] == 1 for chain in range(4))
        total += 4

    assert ones / total == pytest.approx(4 / 6, abs=0.12)


def test_a_conflict_that_asks_for_all_is_asked_last() -> None:
    """A third party's conflict may loop over the settings."""
    choices: dict[str, tuple[Value, ...]] = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    conflicts = [lambda full: "Too many." if sum(map(int, dict(full).values())) > 1 else None]

    assert 4 == count_valid(choices, conflicts, random.Random(0)).value
