"""Opening databases: what is made, what is refused, and that a refusal changes nothing."""

import importlib.util
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.errors import StoreError
from autotune.store import history
from autotune.store.engine import open_database
from autotune.store.optuna_tables import optuna_storage
from autotune.store.schema import VERSION_TABLE


def refusal(url: str, **options: bool | float) -> str:
    """Return the message with which a database is refused."""
    with pytest.raises(StoreError) as caught:
        open_database(url, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def refusal_without_rights(url: str) -> str:
    """Return the message that an ordinary user gets; root, as whom tests may run, has every right."""
    if os.getuid() != 0:
        return refusal(url)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            os.write(writer, refusal(url).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def test_a_new_database_holds_our_tables_and_optunas_side_by_side(tmp_path: Path) -> None:
    """Both sets of tables live in one file, each with its own version table."""
    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        optuna_storage(database)

    tables = {
        name for (name,) in sqlite3.connect(tmp_path / "x.db").execute("SELECT name FROM sqlite_master")
    }
    assert {
        "autotune_study",
        "autotune_trial",
        VERSION_TABLE,
        "studies",
        "trials",
        "alembic_version",
    } <= tables


def test_files_live_beside_the_database(tmp_path: Path) -> None:
    """The folder of files is named after the database, so that the two are moved together."""
    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        assert tmp_path / "x-files" == database.folders.root


def test_a_plain_file_name_is_answered_with_the_url() -> None:
    """The commonest slip gets the URL that was meant."""
    assert "'autotune.db' is no URL of a database. Did you mean 'sqlite:///autotune.db'?" == refusal(
        "autotune.db"
    )


@pytest.mark.parametrize("url", ["mongodb://host/x", "mysql://host/x"])
def test_an_unknown_kind_of_database_is_refused(url: str) -> None:
    """The message says which kinds there are."""
    assert "Write sqlite:///FILE.db or postgresql://" in refusal(url)


def test_a_database_in_memory_is_refused() -> None:
    """A study that nobody can find again is no study."""
    assert "names no file, so nothing would be kept" in refusal("sqlite://")


def test_a_password_is_never_shown() -> None:
    """Messages about a server hide its password."""
    assert "secret" not in refusal("mysql://me:secret@host/x")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """What autotune makes is files, not whole paths that may be typing errors."""
    assert f"The folder '{tmp_path}/no' of the database" in refusal(f"sqlite:///{tmp_path}/no/x.db")


def test_reading_makes_no_database(tmp_path: Path) -> None:
    """A question about studies leaves no empty file behind."""
    message = refusal(f"sqlite:///{tmp_path}/x.db", must_exist=True)

    assert f"There is no database '{tmp_path}/x.db'." in message
    assert [] == list(tmp_path.iterdir())


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A folder in the place of a file is called one."""
    assert f"The database '{tmp_path}' is a folder." in refusal(f"sqlite:///{tmp_path}")


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    """What is no SQLite file is refused by its first bytes and not touched."""
    path = tmp_path / "x.db"
    path.write_text("Dear diary, today I tuned a pipeline.")

    assert "is no SQLite database" in refusal(f"sqlite:///{path}")
    assert "Dear diary, today I tuned a pipeline." == path.read_text()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Foreign tables are a sign of a slip of the hand."""
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    before = path.read_bytes()

    assert "belongs to another program: it has the tables invoices" in refusal(f"sqlite:///{path}")
    assert before[100:] == path.read_bytes()[100:]


def test_a_damaged_database_is_called_damaged(tmp_path: Path) -> None:
    """A file that begins like a database and goes on as noise is no crash."""
    path = tmp_path / "x.db"
    with open_database(f"sqlite:///{path}") as database:
        history.study_names(database)
    whole = path.read_bytes()
    path.write_bytes(whole[:512] + b"\xff" * (len(whole) - 512))

    assert "is damaged" in refusal(f"sqlite:///{path}")


def test_a_locked_database_says_so_after_the_patience(tmp_path: Path) -> None:
    """Another program's lock is waited for, then named."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    assert "is locked by another program" in refusal(url, patience_s=0.05)
    holder.close()


def test_a_study_can_be_read_while_another_program_writes(tmp_path: Path) -> None:
    """Readers take no lock, so that a report never waits for the tuner."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    open_database(url).close()
    writer = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    with open_database(url, patience_s=0.05) as database:
        assert () == history.study_names(database)
    writer.close()


def test_a_database_from_a_newer_autotune_is_refused(tmp_path: Path) -> None:
    """An older program must not guess at newer tables."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    open_database(url).close()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("UPDATE autotune_alembic_version SET version_num = '0999'")

    message = refusal(url)
    assert "was written by a newer autotune (schema 0999; this one knows up to 0003)" in message
    assert "pip install --upgrade autotune" in message


def test_a_server_that_cannot_be_used_is_named() -> None:
    """PostgreSQL needs an extra and a server; the message says which of them is missing."""
    has_driver = importlib.util.find_spec("psycopg") is not None
    expected = "cannot be reached" if has_driver else "pip install 'autotune[postgres]'"

    assert expected in refusal("postgresql://me@127.0.0.1:1/x")


def test_a_read_only_database_is_called_read_only(public_folder: Path) -> None:
    """Without the right to write, nothing is begun."""
    path = public_folder / "x.db"
    open_database(f"sqlite:///{path}").close()
    path.chmod(0o444)

    assert "is read-only" in refusal_without_rights(f"sqlite:///{path}")


def test_an_unreadable_database_is_called_unreadable(public_folder: Path) -> None:
    """Without the right to read, the owner is to be asked."""
    path = public_folder / "x.db"
    open_database(f"sqlite:///{path}").close()
    path.chmod(0o000)

    assert "may not be read by you" in refusal_without_rights(f"sqlite:///{path}")


def test_a_new_database_in_a_read_only_folder_is_refused(public_folder: Path) -> None:
    """The folder is named, for it is what must change."""
    assert f"The folder '{public_folder}' is read-only" in refusal_without_rights(
        f"sqlite:///{public_folder}/x.db"
    )
