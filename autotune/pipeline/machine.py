"""The machine as a Target: its device, memory, packages and what really runs on it."""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from autotune.errors import DeviceError
from autotune.pipeline.energy import EnergyMeter
from autotune.pipeline.nvml import device_uuid
from autotune.target import Target

LIBRARIES = (
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "torchao",
    "xformers",
    "optimum-quanto",
    "bitsandbytes",
    "kernels",
    "sageattention",
    "flash-attn",
    "flash_attn_3",
    "triton",
    "gguf",
    "openvino",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnx",
    "onnxscript",
    "torch-tensorrt",
    "DeepCache",
    "tomesd",
)


def resolve_device(device: str) -> str:
    """Return a torch device string that exists here; "auto" takes CUDA where there is one.

    Raises:
        DeviceError: The machine has no such device.
    """
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in {"cpu", "cuda"}:
        raise DeviceError(
            f"There is no device '{device}'. autotune runs on 'cpu', 'cuda' and 'cuda:N', or 'auto'."
        )
    if kind == "cpu":
        return "cpu"
    count = torch.cuda.device_count()
    if count == 0:
        message = (
            f"Device '{device}' needs a CUDA GPU and a CUDA build of torch; "
            f"this is torch {torch.__version__}. Use --device cpu."
        )
        raise DeviceError(message)
    if (index and not index.isdigit()) or int(index or 0) >= count:
        have = ", ".join(f"cuda:{i}" for i in range(count))
        raise DeviceError(f"There is no device '{device}'. This machine has: {have}.")

    return f"cuda:{int(index or 0)}"


def read_target(device: str, backends: Collection[str] = ()) -> Target:
    """Return the facts of a device that exists.

    Args:
        device: Torch device string.
        backends: What computes on it, where that is known; else every kernel is tried.
    """
    host = Target(
        device=device,
        name=cpu_lines().get("model name") or "CPU",
        memory_bytes=_host_memory_bytes(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        libraries=_libraries(),
        backends=frozenset(backends) or _backends(device),
        has_compiler=shutil.which(os.environ.get("CXX", "g++")) is not None,
        uuid=machine_uuid(),
        has_energy_counter=EnergyMeter(device).has_counter,
    )
    if device == "cpu":
        return host
    about = torch.cuda.get_device_properties(device)
    return replace(
        host,
        name=about.name,
        memory_bytes=about.total_memory,
        compute_capability=(about.major, about.minor),
        has_compiler="triton" in host.libraries,
        uuid=device_uuid(device) or "",
    )


def machine_uuid() -> str:
    """Return what tells this machine's CPU from others', "cpu-…", without giving the machine's name away."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        name = ""
    digest = hashlib.sha256(f"autotune {name or platform.node()}".encode()).hexdigest()
    return f"cpu-{digest[:16]}"


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _backends(device: str) -> frozenset[str]:
    """Dtypes and attention kernels that really run on the device, tried on tiny tensors."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    half = torch.float32 if device == "cpu" else torch.bfloat16
    query = torch.ones(1, 2, 16, 32, device=device, dtype=half)

    def attend(kernel: SDPBackend) -> None:
        with sdpa_kernel(kernel):
            torch.nn.functional.scaled_dot_product_attention(query, query, query)

    def compute(dtype: torch.dtype) -> None:
        picture = torch.ones(1, 4, 8, 8, device=device, dtype=dtype)
        torch.nn.functional.conv2d(picture, torch.ones(4, 4, 3, 3, device=device, dtype=dtype)).flatten(
            1
        ).softmax(1)

    trials: dict[str, Callable[[], None]] = {
        "math": lambda: attend(SDPBackend.MATH),
        "flash": lambda: attend(SDPBackend.FLASH_ATTENTION),
        "efficient": lambda: attend(SDPBackend.EFFICIENT_ATTENTION),
        "cudnn": lambda: attend(SDPBackend.CUDNN_ATTENTION),
        "bf16": lambda: compute(torch.bfloat16),
        "fp16": lambda: compute(torch.float16),
    }
    return frozenset(name for name, trial in trials.items() if _runs(trial))


def _runs(trial: Callable[[], None]) -> bool:
    import warnings

    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            trial()
    except (RuntimeError, NotImplementedError):
        return False
    return True


def cpu_lines() -> dict[str, str]:
    """Return what the kernel says about the first processor, such as "model name"; {} where it says nothing.

    The others are not read: on a large machine that would take long.
    """
    found: dict[str, str] = {}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                found[name.strip()] = value.strip()
    except OSError:
        return {}
    return found


def _host_memory_bytes() -> int:
    import psutil

    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
