"""Verdicts: what kind of failure an exception inside a trial is, and how it is told."""

import torch

from autotune.errors import AutotuneError, BudgetError, UnknownName
from autotune.measurement import FailureKind
from autotune.pipeline.load import TurnError

# What the allocators, the driver, cuBLAS and cuDNN say (torch 2.11 to 2.13).
_SHORT_OF_MEMORY = (
    "can't allocate memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
)


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
    if is_short_of_memory(error):
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


def is_short_of_memory(error: BaseException) -> bool:
    """Return whether an exception, or one that led to it, says that memory ran out.

    The compiler wraps what its graphs raise, CUDA's libraries have errors of their own, and a recording that
    ran out of memory ends in an error about the recording.

    >>> is_short_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    True
    >>> is_short_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    False
    """
    seen: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and now not in seen:
        if isinstance(now, (MemoryError, torch.OutOfMemoryError)) or any(
            words in str(now) for words in _SHORT_OF_MEMORY
        ):
            return True
        seen.append(now)
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return False


def shorten(message: str, limit: int = 600) -> str:
    """Return a message cut to so many characters.

    >>> shorten("abcdef", 4)
    'abc…'
    """
    return message if len(message) <= limit else message[: limit - 1] + "…"
