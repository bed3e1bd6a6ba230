"""SQLite file: what a look at it tells before it is opened, so that a slip of the hand changes nothing."""

import os
from pathlib import Path

from autotune.errors import StoreError


def check_file(path: Path, *, must_exist: bool) -> None:
    """Look at an SQLite file without opening it, so that a mistake changes nothing.

    Raises:
        StoreError: It is missing, a folder, of another kind, of another program, or may not be written.
    """
    if not path.parent.is_dir():
        raise StoreError(
            f"The folder '{path.parent}' of the database '{path}' does not exist. Make it: mkdir -p."
        )
    if path.is_dir():
        raise StoreError(f"The database '{path}' is a folder. Name a file with --storage sqlite:///FILE.db.")
    if not path.exists():
        if must_exist:
            raise StoreError(
                f"There is no database '{path}'. 'autotune tune' makes one; --storage names another."
            )
        if not os.access(path.parent, os.W_OK):
            raise StoreError(
                f"The folder '{path.parent}' is read-only. Name a database elsewhere with --storage."
            )
        return
    if not os.access(path, os.R_OK):
        raise StoreError(
            f"The database '{path}' may not be read by you. Ask its owner, or name another file."
        )
    with path.open("rb") as file:
        head = file.read(16)
    if head and head != b"SQLite format 3\0":
        raise StoreError(
            f"The file '{path}' is no SQLite database. It was not changed. Name another with --storage."
        )
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        remedy = "Give yourself the right to write the file and its folder, or copy it elsewhere."
        raise StoreError(f"The database '{path}' is read-only. {remedy}")
