"""The fingerprint of machine and software that is kept with every outcome."""

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from autotune.fingerprint import PROTOCOL_VERSION, digest
from autotune.pipeline.machine import cpu_lines
from autotune.pipeline.nvml import ask, board_of, device_handle, foreign_processes, memory_bytes
from autotune.target import Target

_PREFIXES = (
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "DNNL_", "ONEDNN_", "ATEN_", "MALLOC_"),
    *("TORCH", "PYTORCH", "TRITON_", "CUDA", "CUBLAS_", "CUDNN_", "NVIDIA_TF32", "XFORMERS_", "DIFFUSERS_"),
    "HF_HUB_OFFLINE",
)
# Names of places and of secrets: they differ from study to study, or are nobody's business.
_UNTOLD = ("DIR", "PATH", "HOME", "FILE", "CACHE", "TOKEN", "KEY", "SECRET", "PASSWORD", "URL", "VISIBLE")
_PRELOADED = "LD_PRELOAD"
_CPU = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 2**60  # the first version of cgroups spells "no limit" as a number near 2⁶³


def fingerprint(target: Target) -> dict[str, Any]:
    """Return what the trial ran on; fields that cannot be read are None, never a guess.

    "digest" names the stable part of it, see `autotune.fingerprint`. Fields named "now" and the load average
    hold for this moment only. It takes some milliseconds.

    Args:
        target: The device's facts.
    """
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    found: dict[str, Any] = {
        "protocol": PROTOCOL_VERSION,
        "autotune": _version("autotune"),
        "target": target.to_json(),
        "kernel": platform.release(),
        "libc": _read(lambda: os.confstr("CS_GNU_LIBC_VERSION")),
        "python": platform.python_version(),
        "distributions": distributions_hash(),
        "torch": _torch(),
        "load_average": round(load[0], 2) if load else None,
        "cpu": _cpu(),
        "gpu": _gpu(target.device),
        "variables": variables(os.environ),
    }
    return found | {"digest": digest(found)}


def variables(environ: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Return the environment variables that may move seconds or bytes, without paths and secrets.

    Of libraries that are loaded before all others, such as an allocator, the names are kept.

    >>> variables({"OMP_NUM_THREADS": "2", "TORCH_HOME": "/data", "HF_TOKEN": "x", "LD_PRELOAD": "/lib/a.so"})
    {'LD_PRELOAD': 'a.so', 'OMP_NUM_THREADS': '2'}
    """
    kept = {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith(_PREFIXES)
        and not any(word in name for word in _UNTOLD)
        and not any(sign in value for sign in "/\\~")
    }
    if environ.get(_PRELOADED):
        files = environ[_PRELOADED].replace(":", " ").split()
        kept = {_PRELOADED: " ".join(Path(file).name for file in files), **kept}
    return kept


def distributions_hash() -> str:
    """Return 12 hexadecimal digits that name all installed packages and their versions.

    Names and versions are read off the names of the packages' folders, which is a hundred times faster than
    reading what is in them.
    """
    found: set[str] = set()
    for folder in filter(None, sys.path):
        try:
            names = [path.name for path in Path(folder).iterdir()]
        except OSError:  # a zip file, or nothing
            continue
        found.update(name for name in names if name.endswith((".dist-info", ".egg-info")))
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]


def _torch() -> dict[str, Any]:
    backends = torch.backends
    return {
        "version": torch.__version__,
        "git": torch.version.git_version,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "cudnn": backends.cudnn.version() if backends.cudnn.is_available() else None,
        "threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cpu_capability": _read(backends.cpu.get_cpu_capability),
        "allocator": _read(torch.cuda.get_allocator_backend),
        "flags": {
            "matmul_float32": _read(lambda: backends.cuda.matmul.fp32_precision),
            "convolution_float32": _read(lambda: backends.cudnn.conv.fp32_precision),
            "fp16_reduction": _read(lambda: backends.cuda.matmul.allow_fp16_reduced_precision_reduction),
            "fp16_accumulation": _read(lambda: backends.cuda.matmul.allow_fp16_accumulation),
            "cudnn_benchmark": _read(lambda: backends.cudnn.benchmark),
            "cudnn_deterministic": _read(lambda: backends.cudnn.deterministic),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "onednn": _read(lambda: backends.mkldnn.enabled),
        },
    }


def _cpu() -> dict[str, Any]:
    """Facts of the processor and of what this process may use of the machine."""
    import psutil

    lines = cpu_lines()
    flags = lines.get("flags", "").split()
    return {
        "name": lines.get("model name"),
        "model": " ".join(filter(None, map(lines.get, ("vendor_id", "cpu family", "model", "stepping"))))
        or None,
        "microcode": lines.get("microcode"),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "affinity_cores": _read(lambda: len(os.sched_getaffinity(0))),
        "governor": _text(_CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "numa_nodes": len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
        "ram_bytes": psutil.virtual_memory().total,
        "swap_bytes": psutil.swap_memory().total,
        "limit_bytes": _limit_bytes(),
        "quota_cores": _quota_cores(),
        "huge_pages": _chosen(_text(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        "is_virtual": "hypervisor" in flags if flags else None,
    }


def _turbo() -> bool | None:
    forbidden, allowed = _text(_CPU / "intel_pstate/no_turbo"), _text(_CPU / "cpufreq/boost")
    if forbidden is not None:
        return forbidden == "0"
    return None if allowed is None else allowed == "1"


def _limit_bytes() -> int | None:
    """Memory that the control group of this process may take; None where it is not limited."""
    found = _text(_CGROUP / "memory.max") or _text(_CGROUP / "memory/memory.limit_in_bytes")
    limit = int(found) if found and found.isdigit() else _UNLIMITED_BYTES
    return limit if limit < _UNLIMITED_BYTES else None


def _quota_cores() -> float | None:
    """Cores' worth of time that the control group of this process may take; None where it is not limited."""
    words = (_text(_CGROUP / "cpu.max") or "").split() or [
        _text(_CGROUP / "cpu/cpu.cfs_quota_us") or "",
        _text(_CGROUP / "cpu/cpu.cfs_period_us") or "",
    ]
    if len(words) != 2 or not all(word.isdigit() and int(word) for word in words):
        return None
    return round(int(words[0]) / int(words[1]), 2)


def _gpu(device: str) -> dict[str, Any] | None:
    """Facts of a CUDA device; None without one, and null fields where the driver does not tell."""
    if not device.startswith("cuda"):
        return None
    about = torch.cuda.get_device_properties(device)
    handle = device_handle(device)
    board = board_of(handle)
    memory = memory_bytes(device)
    return {
        "name": about.name,
        "uuid": ask("nvmlDeviceGetUUID", handle),
        "compute_capability": [about.major, about.minor],
        "sm_count": about.multi_processor_count,
        "memory_bytes": memory.total if memory else None,
        "mig": ask("nvmlDeviceGetName", handle) if board is not handle else None,
        "pci": _field(ask("nvmlDeviceGetPciInfo", board), "busId"),
        "vbios": ask("nvmlDeviceGetVbiosVersion", board),
        "driver": ask("nvmlSystemGetDriverVersion"),
        "cuda_driver": ask("nvmlSystemGetCudaDriverVersion_v2"),
        "ecc": _first(ask("nvmlDeviceGetEccMode", board)),
        "mig_mode": _first(ask("nvmlDeviceGetMigMode", board)),
        "power_limit_mw": ask("nvmlDeviceGetEnforcedPowerLimit", board),
        "power_limit_default_mw": ask("nvmlDeviceGetPowerManagementDefaultLimit", board),
        "sm_clock_max_mhz": ask("nvmlDeviceGetMaxClockInfo", board, 1),  # NVML_CLOCK_SM
        "memory_clock_max_mhz": ask("nvmlDeviceGetMaxClockInfo", board, 2),  # NVML_CLOCK_MEM
        "pcie_generation": ask("nvmlDeviceGetMaxPcieLinkGeneration", board),
        "pcie_width": ask("nvmlDeviceGetCurrPcieLinkWidth", board),
        "persistence": ask("nvmlDeviceGetPersistenceMode", board),
        "compute_mode": ask("nvmlDeviceGetComputeMode", board),
        "virtualization": ask("nvmlDeviceGetVirtualizationMode", board),
        "display": ask("nvmlDeviceGetDisplayActive", board),
        "now": {
            "reserved_bytes": memory.reserved if memory else None,
            "foreign_processes": foreign_processes(device),
            "pcie_generation": ask("nvmlDeviceGetCurrPcieLinkGeneration", board),
            "sm_clock_mhz": ask("nvmlDeviceGetClockInfo", board, 1),
            "memory_clock_mhz": ask("nvmlDeviceGetClockInfo", board, 2),
            "temperature_c": ask("nvmlDeviceGetTemperature", board, 0),  # NVML_TEMPERATURE_GPU
            "event_reasons": ask("nvmlDeviceGetCurrentClocksEventReasons", board),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(question: Callable[[], Any]) -> Any:
    """The answer, None where this version of torch or of the system does not have it, or refuses."""
    try:
        return question()
    except (AttributeError, RuntimeError, ValueError, OSError):
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None


def _chosen(choices: str | None) -> str | None:
    """The word in brackets, as the kernel marks what is chosen.

    >>> _chosen("always [madvise] never")
    'madvise'
    """
    return choices.partition("[")[2].partition("]")[0] or None if choices else None


def _first(answers: Any | None) -> Any | None:
    return answers[0] if answers else None


def _field(answer: Any | None, name: str) -> str | None:
    value = getattr(answer, name, None)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
