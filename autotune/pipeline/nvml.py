"""NVML, NVIDIA's management library: the handle of a torch device, and questions that may be refused.

A driver may be missing, a container may hide it, a MIG slice (a part of a GPU that works as one) refuses many
questions: each of these makes an answer None. None is never a number, and a whole GPU never stands in for its
slice.
"""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

_UUID_BYTES = 16
_FIRST_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of Linux' include/linux/proc_ns.h


def ask(question: Callable[..., Any] | str, *arguments: Any) -> Any | None:
    """Return NVML's answer, None where it refuses, is missing or does not know the question.

    Args:
        question: A function of `pynvml`, or its name: older versions lack newer functions.
        arguments: What it is called with, a handle of `device_handle` in most cases. Where one is None, so is
            the answer.
    """
    library = _library()
    if library is None or any(argument is None for argument in arguments):
        return None
    function = getattr(library, question, None) if isinstance(question, str) else question
    if function is None:
        return None
    # The second is of versions that do not fit the driver's, and newer than the oldest ones.
    refusals = (library.NVMLError, getattr(library, "NVMLLibraryMismatchError", library.NVMLError))
    try:
        return function(*arguments)
    except refusals:
        return None


@functools.cache
def device_handle(device: str) -> Any | None:
    """Return NVML's handle of a torch device: of the slice, where the device is one.

    The device is found by its UUID, since NVML counts in the order of the bus and CUDA in an order of its
    own. CUDA's driver is started, but no context is created on the device. Not to be called in a process that
    still forks others.

    Args:
        device: Torch device string.

    Returns:
        The handle; None for a CPU, without NVML, and where it is not certain which device it is.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda" or _library() is None:
        return None
    uuid = cuda_uuid(int(index or 0))
    for prefix in ("MIG-", "GPU-") if uuid else ():
        handle = ask("nvmlDeviceGetHandleByUUID", prefix + uuid)
        if handle is not None:
            return handle if prefix == "MIG-" or not _is_sliced(handle) else _slice_of(handle)
    return None


def device_uuid(device: str) -> str | None:
    """Return a torch device's UUID as NVML spells it: "GPU-…", or "MIG-…" of a slice; None where unknown.

    Without NVML it is what CUDA's driver tells, with "GPU-" in front.

    Args:
        device: Torch device string.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return None
    uuid = ask("nvmlDeviceGetUUID", device_handle(device))
    if uuid is not None:
        return str(uuid)
    plain = cuda_uuid(int(index or 0))
    return f"GPU-{plain}" if plain else None


def board_of(handle: Any | None) -> Any | None:
    """Return the GPU that a slice is part of, which answers what a slice refuses; else the handle itself.

    Args:
        handle: As `device_handle` returns it.
    """
    if ask("nvmlDeviceIsMigDeviceHandle", handle):
        return ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)
    return handle


class DeviceBytes(NamedTuple):
    """Memory of a device in bytes, as NVML counts it.

    Attributes:
        total: All that there is, with what the driver keeps for itself.
        free: What programs may still take.
        used: What programs have taken, without what the driver keeps where that is known.
        reserved: What the driver keeps for itself; None where an older one does not tell.
    """

    total: int
    free: int
    used: int
    reserved: int | None


def memory_bytes(device: str) -> DeviceBytes | None:
    """Return a torch device's memory, of the slice where it is one; None where NVML does not tell.

    Args:
        device: Torch device string.
    """
    handle, library = device_handle(device), _library()
    newer = ask("nvmlDeviceGetMemoryInfo", handle, getattr(library, "nvmlMemory_v2", None))
    if newer is not None:
        return DeviceBytes(int(newer.total), int(newer.free), int(newer.used), int(newer.reserved))
    older = ask("nvmlDeviceGetMemoryInfo", handle)
    return None if older is None else DeviceBytes(int(older.total), int(older.free), int(older.used), None)


def own_bytes(device: str) -> int | None:
    """Return the memory of a device that NVML counts as this process's; None where that cannot be told.

    A container sees processes under the numbers of its host, where this one's number is another's.

    Args:
        device: Torch device string.
    """
    if not has_the_hosts_numbers():
        return None
    listed = _processes("Compute", device) or []
    own = [process.usedGpuMemory for process in listed if process.pid == os.getpid()]
    return int(own[0]) if own and own[0] is not None else None


def foreign_processes(device: str) -> int | None:
    """Return how many processes other than this one use a device; None where that cannot be told.

    A container sees processes under the numbers of its host: then one of them is taken for this process, if
    this one uses the device.

    Args:
        device: Torch device string.
    """
    listed = [_processes(kind, device) for kind in ("Compute", "Graphics")]
    if listed[0] is None:
        return None
    found = {int(process.pid) for each in listed if each for process in each}
    if os.getpid() in found and has_the_hosts_numbers():
        return len(found) - 1
    if not _uses_cuda():
        return len(found)
    return len(found) - 1 if found else None


def _processes(kind: str, device: str) -> list[Any] | None:
    """The processes that compute, or draw, on a device; None where the driver does not tell."""
    answers = (
        ask(f"nvmlDeviceGet{kind}RunningProcesses{version}", device_handle(device))
        for version in ("_v3", "_v2", "")  # of older drivers: the answers mean the same
    )
    return next((answer for answer in answers if answer is not None), None)


def has_the_hosts_numbers() -> bool:
    """Return whether processes have the same numbers here as on the host, which the driver uses."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_NAMESPACE
    except OSError:
        return False


def _uses_cuda() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


@functools.cache
def cuda_uuid(index: int) -> str:
    """Return the UUID of CUDA's device `index` without a prefix, of the slice where it is one; "" if unknown.

    The driver is asked, which needs no context for it.

    Args:
        index: As torch counts: what the environment hides is left out.
    """
    raw = (ctypes.c_ubyte * _UUID_BYTES)()
    number = ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1" if os.name == "posix" else "nvcuda.dll")
        answers = (
            driver.cuInit(0),
            driver.cuDeviceGet(ctypes.byref(number), index),
            driver.cuDeviceGetUuid_v2(ctypes.byref(raw), number),  # of CUDA 11.4: the first that knows slices
        )
    except (OSError, AttributeError):
        return ""
    return "" if any(answers) else spell_uuid(bytes(raw))


def spell_uuid(raw: bytes) -> str:
    """Return 16 bytes as UUIDs are spelt.

    >>> spell_uuid(bytes(range(16)))
    '00010203-0405-0607-0809-0a0b0c0d0e0f'
    """
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@functools.cache
def _library() -> Any | None:
    """`pynvml`, started; None without it or without a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _is_sliced(handle: Any) -> bool:
    """Whether a GPU is cut into slices, so that no program can use it whole."""
    mode = ask("nvmlDeviceGetMigMode", handle)
    return mode is not None and mode[0] == 1


def _slice_of(handle: Any) -> Any | None:
    """The one slice of a GPU; None where it has several, since nothing says which of them is meant."""
    count = ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    slices = [ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, index) for index in range(count)]
    found = [one for one in slices if one is not None]
    return found[0] if len(found) == 1 else None
