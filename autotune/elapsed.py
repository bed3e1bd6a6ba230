"""Elapsed: the seconds that a job took, which are not always those until its answer came."""

from autotune.measurement import Outcome

WAITING = "waiting"
"""Phase of an outcome: the seconds in which somebody else measured on the device."""
REPLAYED = "replayed"
"""Phase of an outcome that was looked up in a table: the seconds that it took when it was measured."""


def taken_s(outcome: Outcome, wall_s: float) -> float:
    """Return the seconds that a job took.

    Args:
        outcome: What it came to.
        wall_s: Wall seconds from the question to the answer.

    >>> from autotune.measurement import Failure, FailureKind
    >>> failure = Failure(kind=FailureKind.CRASH, message="x", phases_s={"waiting": 2.0, "load": 1.0})
    >>> taken_s(failure, 5.0)
    3.0
    """
    phases_s = outcome.phases_s
    return phases_s.get(REPLAYED, wall_s - phases_s.get(WAITING, 0.0))
