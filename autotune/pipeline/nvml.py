"""NVML, NVIDIA's management library: the handle of a torch device, and questions that may be refused.

A driver may be missing, a container may hide it, a MIG slice (a part of a GPU that works as one) refuses many
questions: each of these makes an answer None. None is never a number, and a whole GPU never stands in for its
slice.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

_UUID_BYTES = 16


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
    try:
        return function(*arguments)
    except library.NVMLError:
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
