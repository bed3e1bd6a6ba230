"""Files that a command writes: never over another one unless asked, never half."""

import os
from pathlib import Path

from autotune.errors import UsageError


def check_writable(path: Path, *, is_forced: bool) -> None:
    """Refuse a path that cannot or should not be written, before any work is done for it.

    Raises:
        UsageError: Its folder is missing, it is a folder, or it is a file and `is_forced` is False.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder '{path.parent}' for '{path.name}'. Make it: mkdir -p '{path.parent}'."
        )
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder. Name a file in it.")
    if path.exists() and not is_forced:
        raise UsageError(f"'{path}' is there already. Overwrite it with --force, or name another file.")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either the old one or the new one, whatever happens meanwhile.

    Raises:
        UsageError: It cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error
