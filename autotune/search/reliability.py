"""Reliability: which recipes will fail, learnt from those that did.

What fails in software fails by few settings that do not go together, and then every time. So a failure has
one cause: a setting, a pair or a triple of settings of that recipe which was never seen to work. How likely
each of them is follows from Bayes' rule: a cause explains every failed recipe that has it, where chance would
have let most of them work.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotune.search.candidates import Codes, Floats

_PRIOR = {1: 0.03, 2: 0.006, 3: 0.0004}
"""Chance that a setting, a pair and a triple is broken, before anything was tried."""
_BY_CHANCE = 0.15  # share of recipes that fail for other reasons
_MOST_TRIPLED = (
    12  # settings of a failed recipe of which triples are suspected: those that were rarest so far
)
_LEAST = 0.005
_NEGLIGIBLE = 0.002

_Suspect = tuple[tuple[int, int], ...]  # (knob, place of the value), by knob


@dataclass(frozen=True)
class Reliability:
    """What is known about failures.

    Attributes:
        causes: For each failed recipe, what may have been the cause, each with its probability.
        works_alone: For every pair of settings, and for every setting with itself, whether it was seen to
            work: a matrix over all values of all knobs.
        offsets: Where the values of each knob begin in that matrix.
    """

    causes: tuple[tuple[tuple[_Suspect, float], ...], ...]
    works_alone: Floats
    offsets: tuple[int, ...]

    def works(self, codes: Codes) -> Floats:
        """Return the probability that recipes work, at least 0.005, shape (rows,).

        Args:
            codes: Of the recipes, shape (rows, knobs).
        """
        fails = np.zeros(len(codes))
        known: dict[_Suspect, np.ndarray] = {}
        for causes in self.causes:
            chance = np.zeros(len(codes))
            for suspect, probability in causes:
                if suspect not in known:
                    known[suspect] = _has(codes, suspect)
                chance[known[suspect]] += probability
            fails = np.maximum(fails, chance)
        return np.clip((1.0 - fails) * self._new_settings_work(codes), _LEAST, 1.0)

    def _new_settings_work(self, codes: Codes) -> Floats:
        """The probability that no setting and no pair is broken of those that were never tried."""
        places = codes.astype(np.int64) + np.array(self.offsets, dtype=np.int64)[None, :]
        unknown = (1.0 - self.works_alone).astype(np.float32)
        one_hot = np.zeros((len(codes), len(unknown)), dtype=np.float32)
        np.put_along_axis(one_hot, places, 1.0, axis=1)
        singles = one_hot @ np.diag(unknown)
        pairs = (np.einsum("ij,ij->i", one_hot @ unknown, one_hot) - singles) / 2
        return np.asarray(np.exp(singles * np.log1p(-_PRIOR[1]) + pairs * np.log1p(-_PRIOR[2])), dtype=float)


def learn_failures(worked: Codes, failed: Codes, sizes: Sequence[int]) -> Reliability:
    """Return what trials teach about failures.

    Args:
        worked: Recipes that worked, shape (rows, knobs).
        failed: Recipes that failed in a way that says something about them.
        sizes: How many values each knob has.

    >>> worked, failed = np.array([[0, 0], [1, 0]], np.int16), np.array([[1, 1]], np.int16)
    >>> learnt = learn_failures(worked, failed, (2, 2))
    >>> learnt.works(np.array([[1, 0], [0, 1]], np.int16)).round(2)
    array([1.  , 0.16])
    """
    offsets = tuple(int(offset) for offset in np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    works_alone = np.zeros((sum(sizes), sum(sizes)))
    for row in worked.astype(np.int64) + np.array(offsets, dtype=np.int64)[None, :]:
        works_alone[np.ix_(row, row)] = 1.0
    causes = [_causes(row, worked, failed, works_alone, offsets) for row in failed]
    return Reliability(tuple(dict.fromkeys(causes)), works_alone, offsets)


def _has(codes: Codes, suspect: _Suspect) -> np.ndarray:
    """Which recipes have all settings of a suspect."""
    holds = np.ones(len(codes), dtype=bool)
    for knob, place in suspect:
        holds &= codes[:, knob] == place
    return holds


def _causes(
    row: Codes, worked: Codes, failed: Codes, works_alone: Floats, offsets: tuple[int, ...]
) -> tuple[tuple[_Suspect, float], ...]:
    """What may have made a recipe fail, each with its probability; next to impossible ones are left out."""
    suspects = _suspects(row, worked, works_alone, offsets)
    weights = np.array(
        [_PRIOR[len(each)] * _BY_CHANCE ** -float(_has(failed, each).sum()) for each in suspects]
    )
    if not suspects:
        return ()  # more than three settings together: only this very recipe is known to fail
    chances = weights / weights.sum()
    found = [(s, float(c)) for s, c in zip(suspects, chances, strict=True) if c > _NEGLIGIBLE]
    return tuple(found)


def _suspects(row: Codes, worked: Codes, seen: Floats, offsets: tuple[int, ...]) -> list[_Suspect]:
    """What may have made a recipe fail: the smallest conjunctions of its settings that never worked."""
    settings = list(enumerate(int(place) for place in row))
    places = [offsets[knob] + place for knob, place in settings]
    found: list[_Suspect] = [(s,) for s, at in zip(settings, places, strict=True) if not seen[at, at]]
    for (a, one), (b, other) in itertools.combinations(zip(settings, places, strict=True), 2):
        if not seen[one, other]:
            found.append((a, b))
    rare = settings
    if len(settings) > _MOST_TRIPLED:
        often = [(int((worked[:, knob] == place).sum()), knob) for knob, place in settings]
        rare = [settings[knob] for _, knob in sorted(often)[:_MOST_TRIPLED]]
    for three in itertools.combinations(sorted(rare), 3):
        together = np.ones(len(worked), dtype=bool)
        for knob, place in three:
            together &= worked[:, knob] == place
        if not together.any():
            found.append(three)
    return found
