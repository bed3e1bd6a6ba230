"""The fingerprint of machine and software that is kept with every outcome."""

import os
import platform
from typing import Any

import torch

from autotune.target import Target

_VARIABLES = ("OMP_", "MKL_", "TORCH", "PYTORCH", "CUDA", "KMP_")


def fingerprint(target: Target) -> dict[str, Any]:
    """Return what the trial ran on; fields that cannot be read are None, never a guess.

    Args:
        target: The device's facts.
    """
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    return {
        "target": target.to_json(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": {
            "version": torch.__version__,
            "git": torch.version.git_version,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
            "threads": torch.get_num_threads(),
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
        },
        "load_average": round(load[0], 2) if load else None,
        "gpu": _gpu(target.device),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
        },
    }


def _gpu(device: str) -> dict[str, Any] | None:
    """Facts of a CUDA device by NVML; None without one, and null fields where the driver does not tell."""
    if not device.startswith("cuda"):
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError:  # a container or a MIG slice may refuse
        return None
    questions = {
        "driver": pynvml.nvmlSystemGetDriverVersion,
        "power_limit_mw": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle),
        "sm_clock_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
        "temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
        "event_reasons": lambda: pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
    }
    answers: dict[str, Any] = {"uuid": uuid}
    for name, ask in questions.items():
        try:
            answers[name] = ask()
        except pynvml.NVMLError:
            answers[name] = None
    return answers
