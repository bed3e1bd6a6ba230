"""Connection: URLs that we know, and engines set up so that several processes can share one SQLite file."""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from autotune.errors import StoreError

READING = {"autotune_reading": True}  # execution options of an engine that never writes
_FORMS = "Write sqlite:///FILE.db or postgresql://USER@HOST/NAME."


def parse_url(url: str) -> URL:
    """Return a URL whose kind of database we know, with its driver filled in.

    Raises:
        StoreError: It is no URL, or of a database that autotune does not know.

    >>> parse_url("postgresql://me@host/studies").drivername
    'postgresql+psycopg'
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        hint = f"Did you mean 'sqlite:///{url}'?" if url and "://" not in url else _FORMS
        raise StoreError(f"'{url}' is no URL of a database. {hint}") from error
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == kind else parsed
    if kind != "sqlite":
        raise StoreError(f"autotune cannot keep studies in '{kind}', asked for by '{parsed}'. {_FORMS}")
    if parsed.database in {None, "", ":memory:"}:
        raise StoreError(f"'{url}' names no file, so nothing would be kept. {_FORMS}")
    return parsed


def connect(url: URL, patience_s: float) -> Engine:
    """Return an engine; SQLite is set up so that several processes can read while one writes.

    Raises:
        StoreError: The driver of this kind of database is not installed.
    """
    try:
        engine = create_engine(url, **engine_options(url, patience_s))
    except ModuleNotFoundError as error:
        remedy = "Install it with: pip install 'autotune[postgres]'."
        raise StoreError(
            f"'{url}' needs the package '{error.name}', which is not installed. {remedy}"
        ) from error
    set_up_sqlite(engine, patience_s)
    return engine


def engine_options(url: URL, patience_s: float) -> dict[str, Any]:
    """Return the arguments of `create_engine` that our engine and Optuna's share."""
    return {"connect_args": {"timeout": patience_s}} if url.get_backend_name() == "sqlite" else {}


def set_up_sqlite(engine: Engine, patience_s: float) -> None:
    """Make an engine of SQLite safe for several processes; engines of other databases are left alone.

    A write transaction takes its lock when it begins (BEGIN IMMEDIATE): one that read first and then wants
    to write would fail at once, whatever the timeout. Readers begin plainly, and in WAL mode never wait.
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # else Python begins transactions of its own
        connection.execute(f"PRAGMA busy_timeout={round(patience_s * 1000)}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        is_reading = connection.get_execution_options().items() >= READING.items()
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")
