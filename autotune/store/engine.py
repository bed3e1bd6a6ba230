"""Engine: opens the database of a URL, or says in one sentence why it cannot be opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from autotune.store.connection import READING, connect, parse_url
from autotune.store.folders import Folders
from autotune.store.migration import migrate
from autotune.store.sqlite_file import check_file
from autotune.store.trouble import store_errors

DEFAULT_URL = "sqlite:///autotune.db"
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open database; close it, or use it in a `with`.

    Attributes:
        url: As SQLAlchemy and Optuna take it.
        address: As a person knows it: a file, or a URL without its password.
        folders: Where the files beside it live.
        engine: SQLAlchemy's engine of our tables.
        patience_s: Seconds to wait for another program's lock.
    """

    url: URL
    address: str
    folders: Folders
    engine: Engine
    patience_s: float
    _on_close: list[Engine] = field(default_factory=list)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that never waits for writers."""
        reader = self.engine.execution_options(**READING)
        with store_errors(self.address), Session(reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a session that is committed as a whole, or not at all."""
        with store_errors(self.address), Session(self.engine) as session, session.begin():
            yield session

    def dispose_on_close(self, engine: Engine) -> None:
        """Close this engine too when the database is closed."""
        self._on_close.append(engine)

    def close(self) -> None:
        """Close all connections."""
        for engine in (self.engine, *self._on_close):
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(url: str, *, must_exist: bool = False, patience_s: float = PATIENCE_S) -> Database:
    """Open the database of a URL, with our tables brought up to date.

    Args:
        url: Such as "sqlite:///autotune.db" or "postgresql://me@host/studies".
        must_exist: Refuse to make a new SQLite file.
        patience_s: Seconds to wait for another program's lock.

    Raises:
        StoreError: It cannot be opened; nothing was changed.
    """
    parsed = parse_url(url)
    path = _sqlite_path(parsed)
    if path is not None:
        check_file(path, must_exist=must_exist)
    engine = connect(parsed, patience_s)
    address = str(path) if path is not None else parsed.render_as_string(hide_password=True)
    try:
        with store_errors(address):
            migrate(engine, address)
    except BaseException:
        engine.dispose()
        raise
    folders = Folders(_files_folder(parsed, path))
    return Database(url=parsed, address=address, folders=folders, engine=engine, patience_s=patience_s)


def _sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite URL; None for a server."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path((url.database or "").removeprefix("file:"))


def _files_folder(url: URL, path: Path | None) -> Path:
    folder = (
        path.with_name(f"{path.stem}-files")
        if path is not None
        else Path(f"{url.database or 'autotune'}-files")
    )
    return folder.absolute()
