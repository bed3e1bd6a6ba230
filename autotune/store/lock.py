"""Lock: one holder at a time, by a file that the operating system frees even after a kill."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import StoreError


@contextmanager
def exclusive(path: Path, *, busy: str | None = None) -> Iterator[None]:
    """Hold the lock of a file; its folder is made where it is missing.

    Args:
        path: The lock's file. It stays behind; only the lock itself says that somebody works.
        busy: What to tell the user when somebody else holds it; None waits instead.

    Raises:
        StoreError: Somebody else holds the lock, or the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as error:
        raise StoreError(
            f"'{path}' cannot be written: {error.strerror}. Check the rights on its folder."
        ) from error
    with handle:
        _take(handle.fileno(), path, busy=busy)
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def _take(descriptor: int, path: Path, *, busy: str | None) -> None:
    if busy is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = path.read_text().strip()
        raise StoreError(busy + (f" It is process {holder}." if holder else "")) from error
