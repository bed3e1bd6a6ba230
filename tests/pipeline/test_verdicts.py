"""What kind of failure an exception of a trial is."""

import pytest
import torch

from autotune.measurement import FailureKind
from autotune.pipeline.load import TurnError
from autotune.pipeline.verdicts import classify

SHORT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def caused_by(cause: Exception, *, is_told: bool) -> Exception:
    """Return an exception that another one led to, by `raise … from` or while it was handled."""
    outer = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    if is_told:
        outer.__cause__ = cause
    else:
        outer.__context__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SHORT, FailureKind.OUT_OF_MEMORY),
        (caused_by(SHORT, is_told=True), FailureKind.OUT_OF_MEMORY),
        (caused_by(SHORT, is_told=False), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: out of memory"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), FailureKind.OUT_OF_MEMORY),
        (TurnError("offload", "model", caused_by(SHORT, is_told=True)), FailureKind.OUT_OF_MEMORY),
        (TurnError("engine", "onnx", ImportError("No module named 'onnx'")), FailureKind.UNSUPPORTED),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), FailureKind.CRASH),
    ],
)
def test_memory_that_ran_out_is_told_from_a_crash(error: Exception, kind: FailureKind) -> None:
    """Also where a library has an error of its own for it, or another error hides it."""
    assert classify(error)[0] is kind
