"""Race: when a recipe is known to lose before it is timed to the end.

A recipe loses beyond doubt where another one is clearly faster, no larger and as true to the reference. The
untuned baseline is such a rival from the start: its likeness is that of the reference by definition.
"""

from collections.abc import Iterable, Sequence

from autotune.job import Rival
from autotune.measurement import Measurement

SHARE_OF_STEPS = 0.2
"""Share of the second call's steps after which its length is projected."""
MARGIN_PROJECTED = 1.25
"""A recipe is stopped when its second call is projected to take so many times as long as a rival's."""
MARGIN_TIMED = 1.10
"""A recipe is stopped when its fastest of two or more timed calls takes so many times as long."""
BRIEF_CALLS = 5
"""Timed calls of a recipe that is far slower than the fastest: enough for an interval of 93.75 %."""
AS_TRUE = 0.99
"""Similarity from which a recipe counts as true as any: the tier "equivalent"."""
_SAME_MEMORY = 1.02  # peaks of one recipe in several processes agree within 2 % (`make bench`)


def rival_of(rivals: Sequence[Rival], memory_bytes: int) -> Rival | None:
    """Return the fastest recipe that needs no more memory than a given one is known to need, or None.

    Args:
        rivals: What was measured so far.
        memory_bytes: What the recipe in question needs at least.

    >>> known = [Rival(digest="a", latency_s=1.0, memory_bytes=900), Rival(digest="b", latency_s=2.0,
    ...                                                                     memory_bytes=500)]
    >>> rival_of(known, 600).digest, rival_of(known, 890).digest, rival_of(known, 400)
    ('b', 'a', None)
    """
    smaller = [rival for rival in rivals if rival.memory_bytes <= memory_bytes * _SAME_MEMORY]
    return min(smaller, key=lambda rival: rival.latency_s, default=None)


def loses(rivals: Sequence[Rival], memory_bytes: int, seconds: float, *, margin: float) -> Rival | None:
    """Return the rival that a recipe loses to beyond doubt, or None.

    Args:
        rivals: What was measured so far.
        memory_bytes: What the recipe needs at least.
        seconds: What a call of it takes at least.
        margin: So many times as long as the rival's call is beyond doubt.

    >>> known = [Rival(digest="a", latency_s=1.0, memory_bytes=900)]
    >>> loses(known, 900, 1.3, margin=1.25).digest, loses(known, 900, 1.2, margin=1.25)
    ('a', None)
    """
    rival = rival_of(rivals, memory_bytes)
    return rival if rival is not None and seconds > margin * rival.latency_s else None


def steps_to_watch(steps: int) -> int:
    """Return after how many steps of a call its length is projected; 0 where there are too few to tell.

    >>> steps_to_watch(20), steps_to_watch(50), steps_to_watch(3)
    (4, 10, 0)
    """
    watched = max(round(SHARE_OF_STEPS * steps), 2)
    return watched if watched <= steps // 2 else 0


def projected_s(begin_s: float, step_ends_s: Sequence[float], steps: int) -> float:
    """Return what a call takes at least, after some of its steps: what passed before them, and all steps.

    Decoding comes on top: the projection is a lower bound while steps take equally long. The steps still to
    come are counted as the fastest that was seen.

    Args:
        begin_s: Seconds of the call until its first step began.
        step_ends_s: Seconds of the call at the end of each step so far, rising; at least one.
        steps: Of the whole call.

    >>> projected_s(0.5, [1.5, 2.5], 10)
    10.5
    """
    starts = [begin_s, *step_ends_s]
    fastest = min(end - start for start, end in zip(starts, step_ends_s, strict=False))
    return step_ends_s[-1] + fastest * (steps - len(step_ends_s))


def as_rivals(measured: Iterable[tuple[str, Measurement]]) -> tuple[Rival, ...]:
    """Return those recipes that others are raced against: as true as any, none beaten by another of them.

    Args:
        measured: Digest and measurement of each recipe.
    """
    true = [
        Rival(digest=digest, latency_s=found.latency_s, memory_bytes=found.memory_bytes)
        for digest, found in measured
        if found.similarity >= AS_TRUE
    ]
    kept: list[Rival] = []
    for rival in sorted(true, key=lambda rival: (rival.latency_s, rival.memory_bytes)):
        if not kept or rival.memory_bytes < kept[-1].memory_bytes:
            kept.append(rival)
    return tuple(kept)
