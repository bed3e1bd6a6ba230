"""PostgreSQL: the same study on a server, for several machines that share one."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import create_engine, text

from autotune.budget import Budget
from autotune.errors import StoreError
from autotune.search.door import open_study
from autotune.search.tune import run_study
from autotune.store.engine import open_database
from tests.search import synthetic

pytestmark = pytest.mark.postgres
PORT = 54321


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of an empty server: the one that AUTOTUNE_POSTGRES names, or one of our own."""
    if url := os.environ.get("AUTOTUNE_POSTGRES"):
        yield url
        return
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    user = 65534 if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    with TemporaryDirectory() as folder:
        if user is not None:
            os.chown(folder, user, -1)
        data, options = f"{folder}/data", f"-p {PORT} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", data, *arguments]
            subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)

        run("initdb", "-A", "trust", "-U", "me")
        run("pg_ctl", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql://me@127.0.0.1:{PORT}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")


@pytest.fixture
def url(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a new database; its files lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    admin = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS tuned"))
        connection.execute(text("CREATE DATABASE tuned"))
    admin.dispose()
    return f"{server.rpartition('/')[0]}/tuned"


def test_a_study_on_a_server_is_run_resumed_and_read(url: str, tmp_path: Path) -> None:
    """Everything that a file can do, with the files of the study in the working folder."""
    for trials in (4, 6):
        study = run_study(
            synthetic.plan(budget=Budget(trials=trials)),
            url=url,
            runner=synthetic.runner(),
            situation=synthetic.SITUATION,
            knobs=synthetic.knobs(),
        )

        assert trials == len({trial.digest for trial in study.trials})
        assert study == open_study("first", storage=url)
    assert (tmp_path / "tuned-files" / "first" / "trials").is_dir()


def test_a_database_that_the_server_lacks_is_named(server: str) -> None:
    """The server's own words are passed on, without a traceback."""
    with pytest.raises(StoreError, match=r"could not be read or written.*nowhere"):
        open_database(f"{server.rpartition('/')[0]}/nowhere")
