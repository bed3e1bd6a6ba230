"""Behaviour of the tiers: cut-offs, the noise floor, flaws, and which divergence is harmless."""

import math

import pytest

from autotune.tiers import EXPLAINED, Tier, has_visible_flaw, is_benign_divergence, tier


def test_every_tier_is_explained() -> None:
    """A user can be told in one sentence what each tier means."""
    assert set(EXPLAINED) == set(Tier)
    assert all(sentence.endswith(".") for sentence in EXPLAINED.values())


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        (1.0, Tier.EQUIVALENT),
        (0.99, Tier.EQUIVALENT),
        (0.989, Tier.INDISTINGUISHABLE),
        (0.97, Tier.INDISTINGUISHABLE),
        (0.969, Tier.CLOSE),
        (0.90, Tier.CLOSE),
        (0.899, Tier.SIMILAR),
        (0.60, Tier.SIMILAR),
        (0.599, Tier.DIFFERENT),
        (0.0, Tier.DIFFERENT),
    ],
)
def test_cut_offs_belong_to_the_better_tier(similarity: float, expected: Tier) -> None:
    """Exactly at a cut-off the better tier is named."""
    assert tier(similarity) is expected


def test_what_is_as_good_as_harmless_changes_is_equivalent() -> None:
    """A model that harmless changes move by much is not held to what they themselves cannot reach."""
    assert tier(0.86, floor=0.87) is Tier.EQUIVALENT
    assert tier(0.85, floor=0.87) is Tier.SIMILAR


def test_a_floor_never_makes_the_tiers_stricter() -> None:
    """Where harmless changes leave every bit as it is, 0.99 still is equivalent."""
    assert tier(0.99, floor=1.0) is Tier.EQUIVALENT


@pytest.mark.parametrize(("similarity", "floor"), [(1.0, None), (0.98, None), (0.8, 0.8)])
def test_a_visible_flaw_is_close_at_best(similarity: float, floor: float | None) -> None:
    """A seam is seen however high the score, and whatever harmless changes do."""
    assert tier(similarity, floor=floor, has_flaws=True) is Tier.CLOSE


def test_a_flaw_makes_nothing_better() -> None:
    """What is worse than close stays what it is."""
    assert tier(0.7, has_flaws=True) is Tier.SIMILAR
    assert tier(0.1, has_flaws=True) is Tier.DIFFERENT


def test_only_flaws_that_a_score_hides_are_visible_ones() -> None:
    """Seams and exchanged colours are, lost detail and other content are not, nor is nothing."""
    assert has_visible_flaw(["softer: a.", "seam: b."])
    assert has_visible_flaw(["upside down: a."])
    assert not has_visible_flaw(["softer: a seam.", "diverged: b."])
    assert not has_visible_flaw([])


@pytest.mark.parametrize(("similarity", "floor"), [(1.1, None), (-0.1, None), (math.nan, None), (0.5, 1.5)])
def test_what_is_no_similarity_is_refused(similarity: float, floor: float | None) -> None:
    """A number that is no similarity never gets a name."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        tier(similarity, floor=floor)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 32, 0, 32), True),  # nothing diverged
        ((0, 1, 0, 0), True),
        ((3, 32, 3, 96), True),  # 9 % beside 3 %: p = 0.17
        ((8, 32, 3, 96), False),  # 25 % beside 3 %: p = 0.0006
        ((1, 32, 0, 96), False),  # harmless changes never do it
        ((5, 5, 2, 5), False),  # p = 0.083, but even all of five would have passed
    ],
)
def test_divergence_is_benign_when_harmless_changes_diverge_as_often(
    counts: tuple[int, int, int, int], *, expected: bool
) -> None:
    """The verdict is Fisher's, and never given on too little evidence."""
    assert is_benign_divergence(*counts) is expected


def test_the_verdict_turns_where_fishers_test_does() -> None:
    """Beside 3 of 96, 4 of 32 has p = 0.065 and 5 of 32 has p = 0.023, by SciPy's `fisher_exact`."""
    assert is_benign_divergence(4, 32, 3, 96)
    assert not is_benign_divergence(5, 32, 3, 96)


@pytest.mark.parametrize("counts", [(2, 1, 0, 1), (0, 1, 2, 1), (-1, 1, 0, 1)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int]) -> None:
    """More diverged pairs than pairs is a mistake of the caller."""
    with pytest.raises(ValueError, match="cannot have diverged"):
        is_benign_divergence(*counts)
