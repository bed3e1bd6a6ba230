"""Allocators: the C library's, told to keep nothing that is freed, and torch's on a GPU, given a limit.

glibc keeps freed memory for later, and how much of it depends on where the blocks happened to lie: processes
that do the very same work differ by half in what they hold. Nothing may be timed after `keep_nothing`, since
each large block is mapped and filled with zeros by the kernel from then on.
"""

import ctypes
from pathlib import Path
from typing import Any

from autotune.errors import BudgetError
from autotune.units import format_bytes

_MAPS = Path("/proc/self/maps")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_IS_MAPPED = 2  # malloc/malloc.c: a flag in the word before a block, which holds the block's size
_BLOCK_BYTES = 65_536
_LARGEST_THRESHOLD = 32 * 2**20
_LARGEST_BYTES = 2**30


def allocator_share(limit_bytes: int, outside_bytes: int, total_bytes: int) -> float:
    """Return the share of a GPU's memory that torch's allocator may take under a limit for the process.

    Args:
        limit_bytes: Memory that the whole process may take.
        outside_bytes: What it takes outside of the allocator: its context, with the libraries' code.
        total_bytes: All memory of the GPU, as torch tells it.

    Returns:
        More than 0, at most 1.

    Raises:
        BudgetError: Nothing is left for the allocator.

    >>> allocator_share(8 * 2**30, 2**30, 28 * 2**30)
    0.25
    """
    if limit_bytes <= outside_bytes:
        message = (
            f"The memory limit of {format_bytes(limit_bytes)} is below what CUDA's context takes on this GPU "
            f"before a model is loaded: {format_bytes(outside_bytes)}. No recipe can run under it. "
            "Give a limit that holds the context and the model."
        )
        raise BudgetError(message)
    return min((limit_bytes - outside_bytes) / total_bytes, 1.0)


def trim() -> bool:
    """Give all memory that is free back to the kernel; False where the allocator is not glibc's."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
    return library is not None


def keep_nothing() -> bool:
    """Make every freed block of 64 KiB or more go back to the kernel at once, from now on.

    Such blocks are mapped one by one from now on. The holes that earlier ones left in the heap would still be
    filled first, and would then be kept: they are taken up, without touching their pages.

    Returns:
        Whether it was done: False where the allocator is not glibc's.
    """
    library = _glibc()
    if library is None or not trim():
        return False
    if not all(library.mallopt(name, _BLOCK_BYTES) for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)):
        return False
    size = _LARGEST_BYTES
    while size >= _BLOCK_BYTES:
        block = library.malloc(size)
        if block is None:  # an address space with a limit
            size //= 2
        elif ctypes.c_size_t.from_address(block - ctypes.sizeof(ctypes.c_size_t)).value & _IS_MAPPED:
            library.free(block)  # no hole of this size is left
            size = size * 3 // 4
    return True


def keep_again() -> None:
    """Let the allocator keep freed blocks again, as it does in a program that has run for a while.

    glibc raises its thresholds by itself as large blocks are freed, up to 32 MiB, but not after `mallopt` was
    called: they are set to that. Source: mallopt(3), M_MMAP_THRESHOLD and its dynamic adjustment.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)


def _glibc() -> Any:
    """The C library whose `malloc` this process uses; None where that is not glibc's."""
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim, library.mallopt, library.gnu_get_libc_version  # noqa: B018 - looks them up
        address = ctypes.cast(library.malloc, ctypes.c_void_p).value or 0
        maps = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, AttributeError, TypeError):
        return None
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    # jemalloc and tcmalloc, when preloaded, answer for `malloc` while glibc still answers for `malloc_trim`.
    return library if _file_at(address, maps).startswith(("libc.so", "libc-")) else None


def _file_at(address: int, maps: list[str]) -> str:
    """Return the name of the file that is mapped at an address.

    >>> _file_at(0x1800, ["1000-2000 r-xp 0 08:01 7    /lib/x86_64-linux-gnu/libc.so.6"])
    'libc.so.6'
    """
    for line in maps:
        span, *rest = line.split(None, 5)
        first, last = (int(edge, 16) for edge in span.split("-"))
        if first <= address < last:
            return Path(rest[4]).name if len(rest) == 5 else ""
    return ""
