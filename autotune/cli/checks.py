"""The checks of `autotune doctor`, each one thing that tuning needs."""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from autotune.errors import AutotuneError
from autotune.runners.local import LocalRunner
from autotune.target import Target
from autotune.units import format_bytes

_NEEDED = (
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "safetensors",
    "optuna",
    "SQLAlchemy",
    "optuna-dashboard",
)
_HELPFUL = {
    "torchao": "quantization is not offered without it: pip install torchao",
    "xformers": "only of use on an NVIDIA GPU: pip install 'autotune[cuda]'",
}
_OLDEST_PYTHON = (3, 11)
_LEAST_DISK_BYTES = 2 * 2**30
_HUB = ("huggingface.co", 443)
_HUB_WAIT_S = 3.0
_OFF = ("", "0", "false", "no")


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found.

    Attributes:
        name: What was looked at.
        state: "missing" is worse than "warn".
        found: What was found, for a person.
        remedy: What to do, "" where there is nothing to do.
        is_essential: Whether nothing can be tuned without it.
    """

    name: str
    state: Literal["ok", "warn", "missing"]
    found: str
    remedy: str = ""
    is_essential: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def all_checks(runner: LocalRunner, device: str) -> Iterator[Check]:
    """Yield every check; the one of the device starts the trial server, which takes seconds.

    Args:
        runner: Looks at the machine.
        device: Torch device string, or "auto".
    """
    yield python_check()
    for package in _NEEDED:
        yield package_check(package, is_essential=True)
    for package, remedy in _HELPFUL.items():
        yield package_check(package, remedy=remedy)
    yield from device_checks(runner, device)
    yield compiler_check()
    yield nvml_check()
    yield disk_check(Path.cwd())
    yield hub_check()
    yield demo_check()


def python_check() -> Check:
    """Return whether this Python is new enough."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= _OLDEST_PYTHON:
        return Check(name="python", state="ok", found=found, is_essential=True)
    remedy = "Install Python 3.11 or newer."
    return Check(name="python", state="missing", found=found, remedy=remedy, is_essential=True)


def package_check(package: str, *, is_essential: bool = False, remedy: str = "") -> Check:
    """Return whether a package is installed, without importing it."""
    try:
        return Check(name=package, state="ok", found=version(package), is_essential=is_essential)
    except PackageNotFoundError:
        state: Literal["warn", "missing"] = "missing" if is_essential else "warn"
        advice = remedy or f"pip install '{package}'"
        return Check(
            name=package, state=state, found="not installed", remedy=advice, is_essential=is_essential
        )


def device_checks(runner: LocalRunner, device: str) -> Iterator[Check]:
    """Yield whether a trial can be started at all, and on what it would run."""
    try:
        target = runner.probe_target(device)
    except AutotuneError as error:
        remedy = "Reinstall torch and diffusers, or name another --device."
        yield Check(
            name="device", state="missing", found=_first_line(error), remedy=remedy, is_essential=True
        )
        return
    yield Check(name="device", state="ok", found=target.describe(), is_essential=True)
    yield _kernels_check(target)


def compiler_check() -> Check:
    """Return whether there is a C++ compiler, which torch.compile needs on a CPU and Triton on a GPU."""
    name = os.environ.get("CXX") or "g++"
    found = shutil.which(name) or shutil.which("c++") or shutil.which("clang++")
    if found:
        return Check(name="compiler", state="ok", found=found)
    remedy = "torch.compile is not offered without one: apt install g++, or set CXX."
    return Check(name="compiler", state="warn", found="no C++ compiler", remedy=remedy)


def nvml_check() -> Check:
    """Return whether the NVIDIA driver answers: a GPU's memory outside torch is counted by it."""
    try:
        import pynvml
    except ImportError:
        return Check(name="nvidia driver", state="warn", found="no NVML", remedy="pip install nvidia-ml-py")
    try:
        pynvml.nvmlInit()
        try:
            found = f"driver {pynvml.nvmlSystemGetDriverVersion()}, {pynvml.nvmlDeviceGetCount()} GPUs"
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        remedy = "Only of use on an NVIDIA GPU: install its driver where there is one."
        return Check(name="nvidia driver", state="warn", found=str(error), remedy=remedy)
    return Check(name="nvidia driver", state="ok", found=found)


def disk_check(folder: Path) -> Check:
    """Return whether there is room for pictures, logs and the compile cache of a study."""
    free = shutil.disk_usage(folder).free
    found = f"{format_bytes(free)} free in {folder}"
    if free >= _LEAST_DISK_BYTES:
        return Check(name="disk", state="ok", found=found)
    remedy = (
        f"A study's compile cache may need {format_bytes(_LEAST_DISK_BYTES)}: make room, or tune elsewhere."
    )
    return Check(name="disk", state="warn", found=found, remedy=remedy)


def hub_check() -> Check:
    """Return whether models can be fetched by a hub id; the demo model and local folders need no network."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").lower() not in _OFF:
            remedy = f"Unset {name} to fetch models by their hub id; local folders and 'demo' work without."
            return Check(name="hub", state="warn", found=f"switched off by {name}", remedy=remedy)
    try:
        socket.create_connection(_HUB, timeout=_HUB_WAIT_S).close()
    except OSError as error:
        remedy = "Models by hub id need it; local folders and 'demo' do not."
        return Check(
            name="hub",
            state="warn",
            found=f"{_HUB[0]} cannot be reached: {_first_line(error)}",
            remedy=remedy,
        )
    return Check(name="hub", state="ok", found=f"{_HUB[0]} answers")


def demo_check() -> Check:
    """Return whether the demo model is all there."""
    from autotune.demo import demo_model_path

    remedy = "Reinstall autotune: pip install --force-reinstall autotune."
    try:
        weights = sorted(demo_model_path().rglob("*.safetensors"))
    except OSError as error:
        return Check(name="demo model", state="warn", found=_first_line(error), remedy=remedy)
    damaged = [file.relative_to(demo_model_path()) for file in weights if not is_whole(file)]
    if damaged or not weights:
        found = f"damaged: {', '.join(map(str, damaged))}" if damaged else "no weights"
        return Check(name="demo model", state="warn", found=found, remedy=remedy)
    total = format_bytes(sum(file.stat().st_size for file in weights))
    return Check(name="demo model", state="ok", found=f"{len(weights)} weight files, {total}")


def is_whole(file: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    import json

    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        size = file.stat().st_size
        if not 2 <= length <= size - 8:
            return False
        try:
            header = json.loads(stream.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return size == 8 + length + max(ends, default=0)


def _kernels_check(target: Target) -> Check:
    found = ", ".join(sorted(target.backends)) or "none"
    return Check(name="abilities", state="ok", found=found)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
