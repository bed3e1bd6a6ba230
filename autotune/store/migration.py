"""Migration: brings our tables up to date when a database is opened, and refuses one from the future."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from autotune.errors import StoreError
from autotune.store.connection import READING
from autotune.store.schema import VERSION_TABLE

_SCRIPTS = Path(__file__).parent / "migrations"
_OPTUNA_TABLE = "studies"


def migrate(engine: Engine, address: str) -> None:
    """Bring our tables to today's schema, in one transaction.

    Raises:
        StoreError: The database is from a newer autotune, or of another program.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    with engine.execution_options(**READING).connect() as connection:
        if _revision(connection) == known[0]:
            return  # found without taking the lock of a writer: a study can be read while it is tuned
    with engine.begin() as connection:
        found = _revision(connection)
        if found is None:
            _refuse_foreign(inspect(connection).get_table_names(), engine, address)
        elif found not in known:
            message = (
                f"The database '{address}' was written by a newer autotune (schema {found}; this one "
                f"knows up to {known[0]}). Update it: pip install --upgrade autotune. Nothing was changed."
            )
            raise StoreError(message)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def _refuse_foreign(tables: list[str], engine: Engine, address: str) -> None:
    """A file of another program is a slip of the hand; a server's database may be shared on purpose."""
    if engine.dialect.name == "sqlite" and tables and _OPTUNA_TABLE not in tables:
        found = ", ".join(sorted(tables)[:5])
        message = (
            f"The database '{address}' belongs to another program: it has the tables {found}. "
            "Nothing was changed. Name another file with --storage."
        )
        raise StoreError(message)
