"""`autotune dashboard`: optuna-dashboard on this machine's loopback, and nowhere else."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.cli.dashboard import check_loopback
from autotune.errors import UsageError
from tests.cli.conftest import Cli, clean_environment
from tests.drawn_study import search_study


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The URL of a running dashboard, and its process."""
    search_study(tmp_path / "autotune.db")
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "autotune", "dashboard", "first", "--port", "0"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        yield child.stdout.readline().split()[0], child
        child.kill()


@pytest.mark.slow
def test_the_dashboard_serves_the_study_with_its_pictures(
    dashboard: tuple[str, "subprocess.Popen[str]"],
) -> None:
    """Its page, the trials and a picture; Ctrl-C ends it quietly."""
    url, child = dashboard
    root = url.partition("/dashboard")[0]

    assert url.endswith("/dashboard/studies/1")
    assert b"<title>Optuna Dashboard</title>" in _fetch(url)
    study = json.loads(_fetch(f"{root}/api/studies/1"))
    assert len(study["trials"]) == 8
    artifact = study["trials"][0]["artifacts"][0]["artifact_id"]
    trial_id = study["trials"][0]["trial_id"]
    assert _fetch(f"{root}/artifacts/1/{trial_id}/{artifact}").startswith(b"\x89PNG")
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=60)
    assert (0, "stopped\n", "") == (child.returncode, output, errors)


def test_a_port_in_use_is_said_to_be(call: Cli, folder: Path) -> None:
    """With the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = call("dashboard", "--port", str(taken.getsockname()[1]), at=folder)

    assert done.returncode == 2
    assert "cannot be used: Address already in use. Choose another with --port" in done.stderr


def test_a_study_that_is_not_there(call: Cli, folder: Path) -> None:
    """Did you mean."""
    done = call("dashboard", "frist", at=folder)

    assert done.returncode == 2
    assert "Did you mean 'first'?" in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "example.org", ""])
def test_other_machines_are_kept_out(host: str) -> None:
    """The dashboard has no password and can delete studies."""
    with pytest.raises(UsageError, match="it has no password and can delete studies"):
        check_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_is_let_in(host: str) -> None:
    """By every name that it has for itself."""
    check_loopback(host)


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server
        content: bytes = answer.read()
        return content
