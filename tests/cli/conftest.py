"""What the tests of the command line share: a study to show, and the command as a user starts it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from autotune.cli import app
from tests.drawn_study import make_study

Cli: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study in autotune.db; not to be changed."""
    folder = tmp_path_factory.mktemp("studies")
    make_study(folder / "autotune.db")
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """A folder with a study in autotune.db, of the test's own."""
    shutil.copytree(made_folder, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run a command in a process of its own, and return what it printed and how it ended."""

    def run(*arguments: str, at: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "autotune", *arguments],
            cwd=at,
            env={**clean_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process: as `cli`, for the tests that are many."""

    def run(*arguments: str, at: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            patch.chdir(at)
            patch.setattr(sys, "argv", ["autotune", *arguments])
            for name, value in environment.items():
                patch.setenv(name, value)
            code = app.run()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return run


def clean_environment() -> dict[str, str]:
    """The environment without what would change the output of a command."""
    left_out = ("AUTOTUNE_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "PYTEST", "TERM")
    locks = "AUTOTUNE_LOCKS"  # each process of the tests has its own: else they would wait for each other
    kept = {n: value for n, value in os.environ.items() if n == locks or not n.startswith(left_out)}
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])}
