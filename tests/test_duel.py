"""Duels: the laws of a ratio and of a ranking, and how often equal recipes are told apart by mistake."""

import itertools
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.duel import MANY_ROUNDS, Contest, Verdict, more_rounds_needed, ranked, ratio

LAW = settings(max_examples=100, deadline=None)
SECONDS = st.floats(0.01, 100.0)
ROUNDS = st.integers(2, 8).flatmap(
    lambda n: st.tuples(
        st.lists(SECONDS, min_size=n, max_size=n),
        st.lists(SECONDS, min_size=n, max_size=n),
    )
)
CONTESTS = st.integers(1, 5).flatmap(
    lambda n: st.dictionaries(
        st.sampled_from("abcdef"), st.lists(SECONDS, min_size=n, max_size=n), min_size=1
    )
)
SAID_OTHERWISE = {
    Verdict.FASTER: Verdict.SLOWER,
    Verdict.SLOWER: Verdict.FASTER,
    Verdict.TIE: Verdict.TIE,
    Verdict.UNCLEAR: Verdict.UNCLEAR,
}


@LAW
@given(ROUNDS)
def test_a_ratio_reads_the_same_from_the_other_side(rounds: tuple[list[float], list[float]]) -> None:
    """Value and interval are each other's inverse, and the verdict is the opposite."""
    a, b = rounds
    there, back = ratio(a, b), ratio(b, a)

    assert there.value == pytest.approx(1 / back.value)
    assert there.low is not None
    assert back.high is not None
    assert there.low == pytest.approx(1 / back.high)
    assert there.low <= there.value * (1 + 1e-9)
    assert there.verdict is SAID_OTHERWISE[back.verdict]


@LAW
@given(ROUNDS)
def test_no_claim_without_every_round(rounds: tuple[list[float], list[float]]) -> None:
    """One round that says otherwise is enough to claim nothing."""
    a, b = rounds
    a[0], b[0] = 1.0, 0.999

    assert ratio(a, b).verdict is not Verdict.FASTER


@LAW
@given(ROUNDS, st.floats(0.1, 10.0))
def test_the_unit_does_not_matter(rounds: tuple[list[float], list[float]], factor: float) -> None:
    """Seconds and milliseconds say the same."""
    a, b = rounds
    scaled = ratio([x * factor for x in a], [x * factor for x in b])

    assert scaled.value == pytest.approx(ratio(a, b).value)


def test_a_round_in_which_all_is_slower_changes_nothing() -> None:
    """What slows both down by the same share leaves the ratio where it was."""
    calm = ratio([1.0, 1.01, 1.0], [1.2, 1.21, 1.2])
    rough = ratio([1.0, 3.03, 1.0], [1.2, 3.63, 1.2])

    assert rough.value == pytest.approx(calm.value)
    assert rough.verdict is Verdict.FASTER


@pytest.mark.parametrize(
    ("a", "b", "sd_machine", "verdict"),
    [
        ((1.0,), (2.0,), None, Verdict.UNCLEAR),
        ((1.0,), (2.0,), 0.001, Verdict.UNCLEAR),
        ((1.0, 1.0), (1.5, 1.5), None, Verdict.FASTER),
        ((1.0, 1.0, 1.0), (1.005, 1.005, 1.005), None, Verdict.TIE),
        ((1.0, 1.0, 1.0), (1.05, 1.05, 1.05), 0.05, Verdict.UNCLEAR),
        ((1.0, 1.0, 1.0), (1.05, 1.05, 1.05), 0.01, Verdict.FASTER),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0.05, Verdict.UNCLEAR),
        ((1.0, 1.0, 1.0), (1.03, 1.06, 1.08), 0.0, Verdict.FASTER),
        ((1.0, 1.0, 1.0), (1.01, 1.06, 1.10), None, Verdict.UNCLEAR),
    ],
)
def test_what_may_be_claimed(
    a: tuple[float, ...], b: tuple[float, ...], sd_machine: float | None, verdict: Verdict
) -> None:
    """One round proves nothing; a known spread of the machine counts even where the rounds agree."""
    assert ratio(a, b, sd_machine=sd_machine).verdict is verdict


def test_cycles_can_only_take_a_claim_away() -> None:
    """A gap that a higher clock explains is not claimed; clocks that nobody could read change nothing."""
    a, b = (1.0, 1.0, 1.0), (1.1, 1.1, 1.1)
    explained = ratio(a, b, clocks=((1980, 1980, 1980), (1800, 1800, 1800)))
    confirmed = ratio(a, b, clocks=((1800, 1800, 1800), (1800, 1800, 1800)))
    unknown = ratio(a, b, clocks=((1980, None, 1980), (1800, 1800, 1800)))

    assert [explained.verdict, confirmed.verdict, unknown.verdict] == [
        Verdict.UNCLEAR,
        Verdict.FASTER,
        Verdict.FASTER,
    ]
    assert explained.cycles == pytest.approx(1.0)
    assert confirmed.cycles == pytest.approx(1.1)
    assert unknown.cycles is None


def test_what_cannot_be_compared_is_refused() -> None:
    """Rounds of one recipe only, no rounds, or a time that is none."""
    with pytest.raises(ValueError, match="the same rounds of both, not 2 and 1"):
        ratio([1.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="not above 0"):
        ratio([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="a: 1, b: 2"):
        Contest(seconds={"a": (1.0,), "b": (1.0, 1.0)})
    with pytest.raises(ValueError, match="not none"):
        Contest(seconds={})


def test_a_ratio_is_plain_json() -> None:
    """No infinite number, no enumeration."""
    one = json.loads(json.dumps(ratio([1.0], [2.0]).to_json(), allow_nan=False))

    assert one == {
        "value": 2.0,
        "low": None,
        "high": None,
        "rounds": 1,
        "verdict": "unclear",
        "cycles": None,
    }


@LAW
@given(CONTESTS)
def test_a_ranking_holds_everyone_once(seconds: dict[str, list[float]]) -> None:
    """And the first of each group clearly beats the first of the next."""
    contest = Contest(seconds=seconds)
    groups = ranked(contest)

    assert sorted(name for group in groups for name in group) == sorted(seconds)
    for first, second in itertools.pairwise(groups):
        assert contest.ratio(first[0], second[0]).verdict is Verdict.FASTER


@pytest.mark.parametrize(
    ("other", "rounds", "needed"),
    [
        (1.50, 3, False),
        (1.50, 2, True),
        (1.03, 3, True),
        (1.03, 5, False),
        (1.0, 3, False),
    ],
)
def test_small_gaps_need_more_rounds(other: float, rounds: int, *, needed: bool) -> None:
    """Three rounds for a gap of 5 % or for a tie, five for a finer one."""
    contest = Contest(seconds={"a": (1.0,) * rounds, "b": (other,) * rounds})

    assert more_rounds_needed(contest, ["a", "b"]) is needed


def test_noise_needs_more_rounds_but_not_for_ever() -> None:
    """A wide gap that the rounds do not agree on gets the five rounds of a fine one, and no more."""
    a, b = (1.0, 1.0, 1.0), (1.01, 1.3, 1.2)

    assert more_rounds_needed(Contest(seconds={"a": a, "b": b}), ["a", "b"])
    assert not more_rounds_needed(Contest(seconds={"a": (1.0,) * 5, "b": (*b, 0.9, 1.2)}), ["a", "b"])
    assert not more_rounds_needed(Contest(seconds={"a": a, "b": b}), ["a"])


@pytest.mark.parametrize("sd", [0.003, 0.008, 0.025], ids=["quiet GPU", "desktop GPU", "shared CPU"])
@pytest.mark.parametrize("rounds", [3, MANY_ROUNDS])
@pytest.mark.parametrize("is_known", [True, False])
def test_equal_recipes_are_rarely_told_apart(sd: float, rounds: int, *, is_known: bool) -> None:
    """FASTER is claimed of at most 3 in 100 equal recipes, whatever the noise (the interval allows 2.5)."""
    false_claims = _share_of_claims(sd, rounds, slower=1.0, is_known=is_known)

    assert false_claims <= 0.03


@pytest.mark.parametrize("sd", [0.003, 0.008])
def test_a_gap_of_five_percent_is_seen(sd: float) -> None:
    """On a GPU, three rounds claim it nine times of ten, without knowledge of the machine's spread."""
    assert _share_of_claims(sd, 3, slower=1.05, is_known=False) >= 0.9


def _share_of_claims(sd: float, rounds: int, *, slower: float, is_known: bool, duels: int = 2000) -> float:
    """How often a is called faster than b; each round has a level of its own, as a machine has moods."""
    chance, claims = random.Random(1), 0
    for _ in range(duels):
        levels = [chance.gauss(0, 2 * sd) for _ in range(rounds)]
        a = [math.exp(level + chance.gauss(0, sd)) for level in levels]
        b = [slower * math.exp(level + chance.gauss(0, sd)) for level in levels]
        claims += ratio(a, b, sd_machine=sd if is_known else None).verdict is Verdict.FASTER
    return claims / duels
