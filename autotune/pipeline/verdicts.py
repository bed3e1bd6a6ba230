"""Verdicts: what kind of failure an exception inside a trial is, and how it is told."""

import torch

from autotune.errors import AutotuneError, BudgetError, UnknownName
from autotune.measurement import FailureKind
from autotune.pipeline.load import TurnError


class TrialFailure(Exception):  # noqa: N818 - it carries a Failure
    """Ends a trial with a failure that is already understood."""

    def __init__(self, kind: FailureKind, message: str, *, knob: str = "") -> None:
        """Keep kind and knob beside the message."""
        super().__init__(message)
        self.kind, self.knob = kind, knob


def classify(error: Exception) -> tuple[FailureKind, str]:  # noqa: PLR0911 - one line a kind
    """Return the kind of failure that an exception is, and the knob it names ("" when none).

    >>> classify(MemoryError())[0].value
    'out of memory'
    >>> classify(RuntimeError("DefaultCPUAllocator: can't allocate memory"))[0].value
    'out of memory'
    """
    if isinstance(error, TrialFailure):
        return error.kind, error.knob
    if isinstance(error, TurnError):
        inner, _ = classify(error.error)
        if inner is FailureKind.OUT_OF_MEMORY:
            return inner, error.knob
        lacking = isinstance(error.error, (ImportError, NotImplementedError))
        return (FailureKind.UNSUPPORTED if lacking else FailureKind.REJECTED), error.knob
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
        return FailureKind.OUT_OF_MEMORY, ""
    if isinstance(error, BudgetError):  # a limit below what the device's context takes
        return FailureKind.OUT_OF_MEMORY, ""
    if isinstance(error, UnknownName):
        return FailureKind.REJECTED, error.name
    if isinstance(error, (ImportError, NotImplementedError)):
        return FailureKind.UNSUPPORTED, ""
    if isinstance(error, AutotuneError):
        return FailureKind.REJECTED, ""
    return FailureKind.CRASH, ""


def shorten(message: str, limit: int = 600) -> str:
    """Return a message cut to so many characters.

    >>> shorten("abcdef", 4)
    'abc…'
    """
    return message if len(message) <= limit else message[: limit - 1] + "…"
