"""Trouble: what an error of the database means for a person, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from autotune.errors import StoreError

_MEANINGS = (
    ("is locked", "is locked by another program. Wait until it is done, or end it, and try again."),
    (
        "readonly",
        "is read-only. Give yourself the right to write the file and its folder, or copy it elsewhere.",
    ),
    ("not a database", "is no SQLite database. Nothing was changed. Name another file with --storage."),
    ("malformed", "is damaged. Nothing was changed. Restore a copy, or name another file with --storage."),
    ("unable to open", "cannot be opened. Check that you may read and write the file and its folder."),
    ("disk is full", "cannot grow: the disk is full. Free some space and run the same command again."),
    ("no space left", "cannot grow: the disk is full. Free some space and run the same command again."),
    (
        "connection refused",
        "cannot be reached. Check that the server runs, and the host and port in --storage.",
    ),
    ("could not translate host", "cannot be reached. Check the host in --storage."),
    ("password", "refuses the user or the password in --storage."),
)


def meaning(address: str, reason: str) -> str:
    """Return the sentences for an error of a database.

    Args:
        address: The database, as the user knows it.
        reason: What the driver said.

    >>> meaning("a.db", "database is locked")
    "The database 'a.db' is locked by another program. Wait until it is done, or end it, and try again."
    >>> meaning("a.db", "no such column: x")
    "The database 'a.db' could not be read or written: no such column: x."
    """
    said = reason.lower()
    for sign, sentence in _MEANINGS:
        if sign in said:
            return f"The database '{address}' {sentence}"
    return f"The database '{address}' could not be read or written: {reason.strip().rstrip('.')}."


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Turn what a driver reports, directly or through Optuna, into a `StoreError` for the user.

    Raises:
        StoreError: The database cannot be read or written.
    """
    try:
        yield
    except DBAPIError as error:
        raise StoreError(meaning(address, _reason(error))) from error
    except Exception as error:
        # Optuna hides the driver's error behind its own StorageInternalError; knowing it by its cause spares
        # importing Optuna where a study is only read.
        if isinstance(error.__cause__, DBAPIError):
            raise StoreError(meaning(address, _reason(error.__cause__))) from error
        raise


def _reason(error: DBAPIError) -> str:
    """The driver's own words, without the SQL that SQLAlchemy adds."""
    return str(error.orig).split("\n", 1)[0]
