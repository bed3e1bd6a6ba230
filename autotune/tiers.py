"""Tiers: a likeness in words, and whether pictures that drifted apart did so harmlessly."""

import enum
import math
from collections.abc import Iterable, Mapping

_EQUIVALENT, _INDISTINGUISHABLE, _CLOSE, _SIMILAR = 0.99, 0.97, 0.90, 0.60
_BELOW_FLOOR = 0.01
_SIGNIFICANT = 0.05
_SCORED = ("softer", "sharper", "diverged")


class Tier(enum.StrEnum):
    """How alike the pictures of a recipe and of the reference are, best first."""

    EQUIVALENT = "equivalent"
    INDISTINGUISHABLE = "indistinguishable"
    CLOSE = "close"
    SIMILAR = "similar"
    DIFFERENT = "different"


EXPLAINED: Mapping[Tier, str] = {
    Tier.EQUIVALENT: (
        "The similarity is 0.99 or more, or as good as that of harmless changes of the untuned recipe: every "
        "test pair so alike stayed within half a JOD, which 63 of 100 viewers can tell at best."
    ),
    Tier.INDISTINGUISHABLE: (
        "The similarity is 0.97 or more: 98 of 100 test pairs so alike stayed within half a JOD, which 63 of "
        "100 viewers can tell at best, where 50 is guessing."
    ),
    Tier.CLOSE: (
        "The similarity is 0.90 or more: 96 of 100 test pairs so alike stayed within one JOD, which 75 of "
        "100 viewers can tell; or it is more, but the pictures have a flaw that shows."
    ),
    Tier.SIMILAR: "The similarity is 0.60 or more: the same content, with differences that anyone can see.",
    Tier.DIFFERENT: (
        "The similarity is below 0.60: the pictures show something else, which need not be worse in itself."
    ),
}
"""What each tier means, a sentence each.

The cut-offs come from 117 pairs of photos with the distortions of faster inference, of which each was scored
by HaarPSI and by CVVDP, a model of human sight whose scale is calibrated in JOD, just-objectionable
differences (Mantiuk et al., ColorVideoVDP, ACM Transactions on Graphics 43, 2024): with 0.99 and more the
worst pair had 9.61 JOD of 10, with 0.97 and more 98 % had 9.5 or more, with 0.90 and more 96 % had 9.0 or
more. One JOD is what 75 % of viewers tell in a forced choice, half a JOD what 63 % tell.
"""


def tier(similarity: float, *, floor: float | None = None, has_flaws: bool = False) -> Tier:
    """Return the tier of a similarity.

    Args:
        similarity: Median HaarPSI over the pairs, 0 to 1.
        floor: The similarity that harmless changes of the untuned recipe come to (the median of the noise
            floor), 0 to 1; None where nobody measured it. What is within 0.01 of it is equivalent.
        has_flaws: Whether the pictures have a flaw that the score hides but an eye sees, such as a seam or a
            shift (`has_visible_flaw` tells): then they are close at best.

    Raises:
        ValueError: The similarity or the floor is no number from 0 to 1.

    >>> tier(0.995).value, tier(0.98).value, tier(0.93).value, tier(0.7).value, tier(0.2).value
    ('equivalent', 'indistinguishable', 'close', 'similar', 'different')
    >>> tier(0.93, floor=0.935).value
    'equivalent'
    >>> tier(0.995, has_flaws=True).value
    'close'
    """
    for name, value in (("similarity", similarity), ("floor", floor)):
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"A {name} lies between 0 and 1, unlike {value}.")
    found = _tier_by_cut_off(similarity, _EQUIVALENT if floor is None else floor - _BELOW_FLOOR)
    capped = has_flaws and found in (Tier.EQUIVALENT, Tier.INDISTINGUISHABLE)
    return Tier.CLOSE if capped else found


def has_visible_flaw(flaws: Iterable[str]) -> bool:
    """Whether pictures have a flaw that an eye sees however high their score is.

    Lost detail and other content are none of them: they lower the score itself.

    Args:
        flaws: Sentences of `Likeness.flaws`, each of which begins with the name of the flaw and a colon.

    >>> has_visible_flaw(["seam: a straight step of 3/255 runs through 4 of 4 pictures at column 64."])
    True
    >>> has_visible_flaw(["softer: the pictures' sharpness is 0.80 times the reference's."])
    False
    """
    return any(sentence.partition(":")[0] not in _SCORED for sentence in flaws)


def is_benign_divergence(diverged: int, pairs: int, floor_diverged: int, floor_pairs: int) -> bool:
    """Whether pictures drift apart no more often than under harmless changes of the untuned recipe.

    A sampler can tip from one picture into another by the smallest rounding, with no loss of quality. So
    where harmless changes make some pairs diverge, a recipe may do so too. It may not where its rate is
    higher than theirs by the one-sided exact test of Fisher at 5 %, where harmless changes never diverge, or
    where so few pairs were looked at that the test could not have refused anything. Source: R. A. Fisher,
    Statistical Methods for Research Workers, 5th edition, 1934, section 21.02.

    Args:
        diverged: How many pairs of the recipe show different things.
        pairs: How many were looked at.
        floor_diverged: How many pairs of the harmless changes show different things.
        floor_pairs: How many were looked at.

    Raises:
        ValueError: A count is negative, or more pairs diverged than there are.

    >>> is_benign_divergence(4, 32, 3, 32)
    True
    >>> is_benign_divergence(12, 32, 3, 32)
    False
    >>> is_benign_divergence(1, 32, 0, 32)
    False
    >>> is_benign_divergence(2, 3, 1, 3)
    False
    """
    for count, total in ((diverged, pairs), (floor_diverged, floor_pairs)):
        if not 0 <= count <= total:
            raise ValueError(f"{count} of {total} pairs cannot have diverged.")
    if diverged == 0:
        return True
    if floor_diverged == 0 or _fisher_p_value(pairs, pairs, floor_diverged, floor_pairs) >= _SIGNIFICANT:
        return False
    return _fisher_p_value(diverged, pairs, floor_diverged, floor_pairs) >= _SIGNIFICANT


def _tier_by_cut_off(similarity: float, equivalent: float) -> Tier:
    cut_offs = {
        Tier.EQUIVALENT: min(_EQUIVALENT, equivalent),
        Tier.INDISTINGUISHABLE: _INDISTINGUISHABLE,
        Tier.CLOSE: _CLOSE,
        Tier.SIMILAR: _SIMILAR,
    }
    return next((name for name, cut_off in cut_offs.items() if similarity >= cut_off), Tier.DIFFERENT)


def _fisher_p_value(diverged: int, pairs: int, floor_diverged: int, floor_pairs: int) -> float:
    """Chance that so many of the diverged pairs, or more, fall to the recipe when all pairs are alike."""
    everyone, together = pairs + floor_pairs, diverged + floor_diverged
    most = min(pairs, together)
    ways = sum(
        math.comb(pairs, count) * math.comb(floor_pairs, together - count)
        for count in range(diverged, most + 1)
    )
    return ways / math.comb(everyone, together)
