"""The rim: help, exit codes, and what an error becomes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, clean_environment

COMMANDS = ("tune", "show", "explain", "export", "report", "generate", "knobs", "doctor", "dashboard")


def test_help_lists_every_command_and_a_first_study(cli: Cli) -> None:
    """Each command has a line, and the examples can be typed as they stand."""
    done = cli("--help")

    assert done.returncode == 0
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)
    assert "\n    autotune tune demo\n" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example(call: Cli, command: str) -> None:
    """Each help ends with a command that can be typed as it stands."""
    done = call(command, "--help")

    assert done.returncode == 0
    assert (
        f"Examples:\n    autotune {command}" in done.stdout or "Examples:\n    autotune export" in done.stdout
    )


def test_help_imports_nothing_heavy() -> None:
    """What makes `autotune --help` answer in 0.3 s: no torch, Optuna, Rich, nor our own floors."""
    program = (
        "import sys; sys.argv = ['autotune', '--help']\n"
        "from autotune.cli.app import run\n"
        "run()\n"
        "heavy = {'torch', 'optuna', 'rich', 'sqlalchemy', 'plotly', 'numpy', 'PIL', 'autotune.store'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean_environment()
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tun"], 2, "No such command 'tun'"),
        (["tune"], 2, "Missing argument"),
        (["tune", "demo", "--trials", "many"], 2, "'--trials'"),
        (["tune", "demo", "--vram", "lots"], 2, "'lots' is no amount of memory"),
        (["tune", "demo", "--knob", "dtyp=float32"], 2, "Did you mean 'dtype'?"),
        (["tune", "nowhere.toml"], 2, "'nowhere.toml' cannot be read: No such file"),
        (["tune", "demo", "--prompts", "none.txt"], 2, "'none.txt' cannot be read"),
        (["knobs", "dtyp"], 2, "There is no knob 'dtyp'. Did you mean 'dtype'?"),
        (["show"], 1, "autotune.db"),
        (["show", "x", "--storage", "mysql://x/y"], 1, "mysql"),
        (["export", "x", "-o", "recipe.txt"], 2, "does not say how to write the recipe"),
        (["export", "x", "-o", "no/where.json"], 2, "There is no folder 'no'"),
        (["generate", "none.json", "a cat"], 1, "There is no recipe 'none.json'"),
        (["generate", "none.json", "a cat", "-o", "out.txt"], 2, "does not end like a picture"),
        (["generate", "none.json", ""], 2, "A prompt is empty"),
        (["dashboard", "--host", "192.0.2.1"], 2, "only this machine may reach it"),
        (["dashboard", "--port", "99999"], 2, "is no port"),
    ],
)
def test_bad_input_is_one_message_and_an_exit_code(
    call: Cli, arguments: list[str], code: int, message: str
) -> None:
    """2 for what cannot be understood, 1 for what went wrong; no traceback, nothing on stdout."""
    done = call(*arguments)

    assert code == done.returncode, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_debug_shows_the_traceback(cli: Cli) -> None:
    """Both the flag and the variable do."""
    assert "Traceback" in cli("--debug", "knobs", "dtyp").stderr
    assert "Traceback" in cli("knobs", "dtyp", AUTOTUNE_DEBUG="1").stderr


def test_a_fault_of_ours_keeps_its_traceback_and_asks_for_a_report() -> None:
    """An exception that nobody foresaw is shown whole."""
    program = (
        "import sys; sys.argv = ['autotune', 'knobs']\n"
        "import autotune.knobs\n"
        "def broken(): raise RuntimeError('boom')\n"
        "autotune.knobs.all_knobs = broken\n"
        "from autotune.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=clean_environment()
    )

    assert done.returncode == 1
    assert "RuntimeError: boom" in done.stderr
    assert "Please report it" in done.stderr


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    """`autotune knobs | head -1` ends quietly."""
    command = f"{sys.executable} -u -m autotune knobs --json | head -1"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )

    assert done.stdout == "[\n"
    assert not done.stderr


def test_the_version_is_printed(cli: Cli) -> None:
    """For bug reports."""
    assert cli("--version").stdout.startswith("autotune 0.")
