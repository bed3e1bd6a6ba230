"""Behaviour of NVML's questions where there may be no GPU: an answer, or None."""

import pynvml
import pytest

from autotune.pipeline import nvml


@pytest.mark.parametrize("device", ["cpu", "cuda:4711"])
def test_a_device_that_is_not_there_has_no_handle(device: str) -> None:
    """A CPU, and a GPU that the machine does not have, are None and no error."""
    assert nvml.device_handle(device) is None
    assert nvml.device_uuid(device) is None


def test_a_refused_question_is_none() -> None:
    """A handle that is no handle, and a question of another version, are refused without an error."""
    assert nvml.ask(pynvml.nvmlDeviceGetUUID, None) is None
    assert nvml.ask("nvmlDeviceGetTheMeaningOfLife") is None
    assert nvml.ask(pynvml.nvmlDeviceGetHandleByUUID, "GPU-of-nobody") is None


def test_an_answer_is_passed_on() -> None:
    """Where there is a driver its version comes back, else None."""
    answer = nvml.ask(pynvml.nvmlSystemGetDriverVersion)

    assert answer is None or answer[0].isdigit()
