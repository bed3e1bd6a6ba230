"""Old databases: each schema that was ever written is opened by today's code."""

import sqlite3
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from autotune.measurement import FailureKind
from autotune.search.study import read_study
from autotune.store import history
from autotune.store.engine import open_database
from autotune.store.schema import VERSION_TABLE, Table

HERE = Path(__file__).parent


def test_the_first_schema_is_read_by_todays_code(tmp_path: Path) -> None:
    """A study of schema 1 keeps its plan, its trials and its answer."""
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.executescript((HERE / "schema_1.sql").read_text())

    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        study = read_study(database, "golden")

    assert 12 == len(study.trials)
    assert 2**30 == study.plan.memory_limit_bytes
    assert {FailureKind.UNSUPPORTED: 1, FailureKind.CRASH: 1} == study.failures()
    assert "diffusion, fast" == study.trials[4].preset
    assert "84124ba437ea" == study.best("fastest").digest


def test_the_second_schema_is_read_by_todays_code(tmp_path: Path) -> None:
    """A study of schema 2 keeps what was measured beside its trials, and with it its answer."""
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.executescript((HERE / "schema_2.sql").read_text())

    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        study = read_study(database, "golden")

    assert {"floor", "baseline", "confirm", "pictures"} == {check.purpose.value for check in study.checks}
    best = study.best_trial("fastest")
    assert "8c3f83dacc07" == best.digest
    gain = study.gain(best)
    assert gain is not None
    assert 2 == gain.rounds


def test_migrations_lead_to_todays_tables(tmp_path: Path) -> None:
    """What the migrations build is what the models say, so that neither is forgotten."""
    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as database, database.engine.connect() as connection:
        options = {"version_table": VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata)

    assert [] == differences


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    """A database that is up to date is left as it is."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    open_database(url).close()
    before = (tmp_path / "x.db").read_bytes()

    with open_database(url) as database:
        assert () == history.study_names(database)
    assert before == (tmp_path / "x.db").read_bytes()
