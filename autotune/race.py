"""Race: how long a call takes at least, by its first steps."""

from collections.abc import Sequence

SHARE_OF_STEPS = 0.2
"""Share of the second call's steps after which its length is projected."""
BRIEF_CALLS = 5
"""Timed calls of a recipe that is far slower than the fastest: enough for an interval of 93.75 %."""


def steps_to_watch(steps: int) -> int:
    """Return after how many steps of a call its length is projected; 0 where there are too few to tell.

    >>> steps_to_watch(20), steps_to_watch(50), steps_to_watch(3)
    (4, 10, 0)
    """
    watched = max(round(SHARE_OF_STEPS * steps), 2)
    return watched if watched <= steps // 2 else 0


def projected_s(begin_s: float, step_ends_s: Sequence[float], steps: int) -> float:
    """Return what a call takes at least, after some of its steps: what passed before them, and all steps.

    Decoding comes on top: the projection is a lower bound while no later step is faster than all of these.
    The steps still to come are counted as the fastest that was seen.

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
