"""Screen: when a recipe can no longer reach the front, whatever its trial has still to find out.

What is not known counts as perfect. What is known counts as the best that it may turn out to be. A recipe is
left only where even so a known recipe is better, or where it lies beyond a limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from autotune.measurement import Parts
from autotune.objective import Limit, Objective

PROJECTED_MARGIN = 1.15
"""A call that was projected from a few steps may turn out so many times as fast."""
TIMED_MARGIN = 1.10
"""The fastest of two or more whole calls may turn out so many times as slow as the median of all."""
SAME_MEMORY = 1.02
"""Peaks of one recipe in several processes agree within 2 % (`make bench`): less is no difference."""
AS_TRUE = 0.99
"""Similarity from which a recipe counts as true as any: the tier "equivalent"."""
SHORT_STEPS = 3
"""Steps of a short call: the first one is cold, the fastest of the others tells of all."""
LEAST_STEPS = 8
"""A call of fewer steps is not worth a short one."""
LEAST_HEADROOM = 0.01
"""The similarity of all pictures may be so much above the best of the first call's."""
_TIMES = ("latency_s", "cold_s", "text_s", "steps_s", "decode_s")
_MEMORIES = ("memory_bytes", "host_memory_bytes")
_WORST = {"similarity": 0.0}
_FEWEST_ERRORS = 3
_CLEARLY, _AT_MOST = 2.0, 8.0


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A recipe of the front.

    Attributes:
        digest: Its name.
        figures: What was measured of it, by the names of `Measurement.figures`.
    """

    digest: str
    figures: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What a trial is held against while it runs.

    Attributes:
        objectives: What to be good at.
        limits: What is unfit, resolved.
        rivals: The front so far; without one nothing is left early.
        errors: Mean step error and similarity of recipes that were measured, of those whose likeness nothing
            but the denoiser changes: what an error comes to on this model.
        headroom: By how much the similarity of all pictures was above the best of the first call's in this
            study at most; None while too few were measured.
    """

    objectives: tuple[Objective, ...] = ()
    limits: tuple[Limit, ...] = ()
    rivals: tuple[Rival, ...] = ()
    errors: tuple[tuple[float, float], ...] = ()
    headroom: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        lists = {name: [asdict(item) for item in getattr(self, name)] for name in _LISTS}
        return lists | {"errors": [list(pair) for pair in self.errors], "headroom": self.headroom}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a screen from what `to_json` returned.

        >>> screen = Screen(rivals=(Rival(digest="0f3a", figures={"latency_s": 1.0}),), errors=((0.1, 0.9),))
        >>> Screen.from_json(screen.to_json()) == screen
        True
        """
        limits = [{**limit, "objective": Objective(**limit["objective"])} for limit in data["limits"]]
        return cls(
            objectives=tuple(Objective(**objective) for objective in data["objectives"]),
            limits=tuple(Limit(**limit) for limit in limits),
            rivals=tuple(Rival(**rival) for rival in data["rivals"]),
            errors=tuple((float(error), float(similarity)) for error, similarity in data["errors"]),
            headroom=data["headroom"],
        )


_LISTS = ("objectives", "limits", "rivals")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a trial knows of its recipe so far.

    Attributes:
        figures: The lowest that each may be before any margin, by the names of `Measurement.figures`; of
            "similarity" the highest. What is missing is not known.
        margin: So many times as short may times turn out.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    margin: float = PROJECTED_MARGIN

    def at_best(self) -> dict[str, float]:
        """Return the best that each figure may turn out to be.

        >>> Known(figures={"latency_s": 2.3, "memory_bytes": 9.0}, margin=1.15).at_best()
        {'latency_s': 2.0, 'memory_bytes': 9.0}
        """
        return {
            name: value / self.margin if name in _TIMES else value for name, value in self.figures.items()
        }


@dataclass(frozen=True, kw_only=True)
class Beaten:
    """Why a recipe cannot reach the front.

    Attributes:
        rival: Digest of the recipe that is better, "" where it is a limit that it cannot keep.
        why: A sentence for the user.
    """

    rival: str
    why: str


def beaten(screen: Screen, known: Known) -> Beaten | None:
    """Return why a recipe cannot reach the front whatever is still to be found out, or None where it may.

    Args:
        screen: What it is held against; without rivals nothing is ever beaten.
        known: Of the recipe.

    >>> from autotune.objective import LATENCY, MEMORY
    >>> rivals = (Rival(digest="0f3a", figures={"latency_s": 1.0, "memory_bytes": 2.0**30}),)
    >>> screen = Screen(objectives=(LATENCY, MEMORY), rivals=rivals)
    >>> beaten(screen, Known(figures={"latency_s": 2.3, "memory_bytes": 2.0**30})).why
    'recipe 0f3a has latency 1 s against 2 s at best, memory 1 GiB against 1 GiB.'
    >>> beaten(screen, Known(figures={"latency_s": 2.3}))
    """
    best = known.at_best()
    winner = _winner(screen, best)
    if isinstance(winner, Limit):
        at_best = winner.objective.show(_value(winner.objective, best))
        return Beaten(rival="", why=f"the limit is {winner.describe()}, and it has {at_best} at best.")
    if winner is None:
        return None
    compared = (_compare(objective, winner.figures, best) for objective in screen.objectives)
    return Beaten(rival=winner.digest, why=f"recipe {winner.digest} has {', '.join(compared)}.")


def hangs_on(screen: Screen, known: Known, *names: str) -> bool:
    """Whether a recipe would be beaten if these figures were as bad as can be: then it is worth to know them.

    >>> from autotune.objective import LATENCY, MEMORY
    >>> rivals = (Rival(digest="0f3a", figures={"latency_s": 1.0, "memory_bytes": 2.0**30}),)
    >>> screen = Screen(objectives=(LATENCY, MEMORY), rivals=rivals)
    >>> slow, fast = Known(figures={"latency_s": 2.3}), Known(figures={"latency_s": 1.0})
    >>> hangs_on(screen, slow, "memory_bytes"), hangs_on(screen, fast, "memory_bytes")
    (True, False)
    """
    worst = {name: _WORST.get(name, float("inf")) for name in names}
    return _winner(screen, {**known.at_best(), **worst}) is not None


def fastest_s(screen: Screen) -> float | None:
    """Return the latency of the fastest rival in seconds, None without one."""
    known = (rival.figures["latency_s"] for rival in screen.rivals if "latency_s" in rival.figures)
    return min(known, default=None)


def projected(short: Parts, steps: int) -> Parts:
    """Return the parts of a whole call by those of a short one: every step takes as long as the fastest.

    Args:
        short: Of a short call that is warm.
        steps: Of the whole call.

    >>> short = Parts(text_s=0.5, steps_s=(2.0, 1.0, 1.5), decode_s=0.5, total_s=5.5)
    >>> projected(short, 4)
    Parts(text_s=0.5, steps_s=(1.0, 1.0, 1.0, 1.0), decode_s=0.5, total_s=5.0)
    """
    step_s = min(short.steps_s)
    rest_s = max(short.total_s - sum(short.steps_s), short.text_s + short.decode_s)
    return Parts(
        text_s=short.text_s,
        steps_s=(step_s,) * steps,
        decode_s=short.decode_s,
        total_s=rest_s + step_s * steps,
    )


def similarity_by_error(errors: Sequence[tuple[float, float]], error: float) -> float:
    """Return the highest similarity that a step error may come to, by what others came to; 1 if unknown.

    That is the best of all recipes that err clearly less, and yet err: between an eighth and a half.

    Args:
        errors: Mean step error and similarity of recipes that were measured.
        error: Mean step error of this one.

    >>> similarity_by_error([(0.01, 0.97), (0.02, 0.95), (0.03, 0.96)], 0.08)
    0.97
    >>> similarity_by_error([(0.01, 0.97), (0.02, 0.95)], 0.08)
    1.0
    """
    near = [similarity for other, similarity in errors if error / _AT_MOST <= other <= error / _CLEARLY]
    return max(near) if error > 0 and len(near) >= _FEWEST_ERRORS else 1.0


def similarity_by_first(scores: Sequence[float], headroom: float | None) -> float:
    """Return the highest similarity that all pictures may have, by those of the first call; 1 if unknown.

    Args:
        scores: Similarity of each picture of the first call.
        headroom: As `Screen` has it.

    >>> similarity_by_first([0.7, 0.8], 0.01), similarity_by_first([0.7, 0.8], None)
    (0.81, 1.0)
    """
    return 1.0 if headroom is None else min(max(scores) + headroom, 1.0)


def _winner(screen: Screen, best: Mapping[str, float]) -> Limit | Rival | None:
    """The limit that a recipe cannot keep, or the rival that it cannot reach; None where it may do both."""
    if not screen.rivals:
        return None
    beyond = next((limit for limit in screen.limits if _is_beyond(limit, best)), None)
    if beyond is not None:
        return beyond
    ours = [(objective, _value(objective, best)) for objective in screen.objectives]
    return next((rival for rival in screen.rivals if _is_better(rival.figures, ours)), None)


def _is_beyond(limit: Limit, best: Mapping[str, float]) -> bool:
    value = _value(limit.objective, best)
    if limit.objective.higher_is_better:
        return value < limit.bound
    return value > limit.bound * _tolerance(limit.objective)


def _is_better(figures: Mapping[str, float], best: Sequence[tuple[Objective, float]]) -> bool:
    """Whether a rival is nowhere worse than the best that a recipe may be, and somewhere better."""
    is_better = False
    for objective, ours in best:
        theirs = objective.of(figures)  # the worst there is where a figure is missing
        if not _is_as_good(objective, theirs, ours):
            return False
        is_better = is_better or objective.as_loss(theirs) < objective.as_loss(ours)
    return is_better


def _is_as_good(objective: Objective, theirs: float, ours: float) -> bool:
    if objective.higher_is_better:
        return theirs >= min(ours, AS_TRUE)
    return theirs <= ours * _tolerance(objective)


def _tolerance(objective: Objective) -> float:
    return SAME_MEMORY if objective.terms.keys() <= set(_MEMORIES) else 1.0


def _value(objective: Objective, best: Mapping[str, float]) -> float:
    """An objective by the best that figures may be: what is not known is perfect."""
    perfect = 1.0 if objective.higher_is_better else 0.0
    return objective.of({**dict.fromkeys(objective.terms, perfect), **best})


def _compare(objective: Objective, theirs: Mapping[str, float], best: Mapping[str, float]) -> str:
    ours = objective.show(_value(objective, best))
    hedge = " at best" if objective.terms.keys() & {*_TIMES, "similarity"} else ""
    return f"{objective.label} {objective.show(objective.of(theirs))} against {ours}{hedge}"
