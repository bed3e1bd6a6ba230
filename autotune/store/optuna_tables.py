"""Optuna's tables: its storage on the same database as ours, set up in the same way."""

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage

from autotune.errors import StoreError
from autotune.store.connection import engine_options, set_up_sqlite
from autotune.store.engine import Database
from autotune.store.lock import exclusive
from autotune.store.trouble import store_errors


def optuna_storage(database: Database) -> RDBStorage:
    """Return Optuna's storage on this database, its tables made where they are missing.

    Raises:
        StoreError: The database cannot be used, or is from another version of Optuna.
    """
    # Optuna tells of each new study on stderr; what is worth telling, autotune tells.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = database.url.render_as_string(hide_password=False)
    options = engine_options(database.url, database.patience_s)
    # Two programs that open a new database at the same moment would both make the tables.
    with store_errors(database.address), exclusive(database.folders.root / "opening.lock"):
        try:
            storage = RDBStorage(url, engine_kwargs=options)
        except (RuntimeError, OptunaError) as error:
            if isinstance(error.__cause__, Exception):
                raise
            message = f"The database '{database.address}' is from another version of Optuna: {error}"
            raise StoreError(message) from error
        set_up_sqlite(storage.engine, database.patience_s)
        storage.engine.dispose()  # the connections that were made before it was set up
    database.dispose_on_close(storage.engine)
    return storage
