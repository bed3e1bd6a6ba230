"""Where studies are found: the database that --storage names, and the study that was meant."""

from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError

if TYPE_CHECKING:
    from autotune.search.study import Study


def storage_url(storage: str) -> str:
    """Return the URL of what --storage names: a URL as it is, a file as SQLite; "" is the default.

    >>> storage_url("studies/first.db"), storage_url("postgresql://me@host/studies")
    ('sqlite:///studies/first.db', 'postgresql://me@host/studies')
    """
    from autotune.store.engine import DEFAULT_URL

    if not storage:
        return DEFAULT_URL
    return storage if "://" in storage else f"sqlite:///{Path(storage).expanduser()}"


def storage_flag(storage: str) -> str:
    """Return what a command that is suggested to the user needs to name the same database.

    >>> storage_flag(""), storage_flag("a b.db")
    ('', " --storage 'a b.db'")
    """
    import shlex

    return f" --storage {shlex.quote(storage)}" if storage else ""


def names_of_studies(storage: str) -> tuple[str, ...]:
    """Return the names of all studies, the oldest first.

    Raises:
        StoreError: There is no such database.
    """
    from autotune.store.engine import open_database
    from autotune.store.history import study_names

    with open_database(storage_url(storage), must_exist=True) as database:
        return study_names(database)


def study_meant(name: str, storage: str) -> "Study":
    """Return the study of this name, or the only one there is where none is named.

    Raises:
        UnknownName: There is none of this name.
        UsageError: None is named and there are several, or none at all.
    """
    from autotune.search.study import read_study
    from autotune.store.engine import open_database

    with open_database(storage_url(storage), must_exist=True) as database:
        return read_study(database, name or only_study(storage))


def only_study(storage: str) -> str:
    """Return the name of the only study in the database.

    Raises:
        UsageError: There are several, or none.
    """
    names = names_of_studies(storage)
    if not names:
        raise UsageError("There is no study yet. 'autotune tune demo' makes the first.")
    if len(names) > 1:
        raise UsageError(f"There are {len(names)} studies. Name one: {', '.join(names)}.")
    return names[0]
