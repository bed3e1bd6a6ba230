"""The demo model, tuned for real: the whole way to a picture, and Ctrl-C on the way."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Cli, clean_environment

pytestmark = pytest.mark.slow
PROMPT = "a blue boat in the middle at sea at night with the moon"
SMALL = (
    "--steps",
    "4",
    "--batch",
    "1",
    "--prompts",
    "prompts.txt",
    "--knob",
    "dtype=float32",
    "--threads",
    "1",
    "--confirm",
    "1",
)
NARROW = ("--min-similarity", "0.3", "--time", "10m", "--device", "cpu")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a list of prompts."""
    (tmp_path / "prompts.txt").write_text(f"# one\n{PROMPT}\n")
    return tmp_path


def test_from_a_model_to_a_picture(cli: Cli, home: Path) -> None:
    """Tune, show, export in three forms, generate with each, report."""
    tuned = cli("tune", "demo", *SMALL, *NARROW, "--trials", "4", at=home)
    assert tuned.returncode == 0, tuned.stderr
    assert len(re.findall(r"^\[\d/4\] trial \d", tuned.stdout, re.MULTILINE)) == 4
    assert "autotune export demo -o recipe.json" in tuned.stdout

    shown = json.loads(cli("show", "demo", "--json", "--all", at=home).stdout)
    assert [trial["number"] for trial in shown["trials"]] == [0, 1, 2, 3]
    assert shown["baseline"]["similarity"] > 0.999
    for name in ("recipe.json", "recipe.yaml", "app.py"):
        assert cli("export", "demo", "-o", name, "--pick", "fastest", at=home).returncode == 0
    made = cli("generate", "recipe.json", PROMPT, "-o", "json.png", "--device", "cpu", at=home)
    assert (0, "json.png\n") == (made.returncode, made.stdout), made.stderr
    several = cli("generate", "recipe.yaml", PROMPT, PROMPT, "-o", "yaml.png", "--steps", "2", at=home)
    assert several.stdout.split() == ["yaml-1.png", "yaml-2.png"], several.stderr
    script = [sys.executable, "app.py", PROMPT, "-o", "app.png"]
    subprocess.run(script, cwd=home, check=True, timeout=240)
    assert (home / "json.png").read_bytes() == (home / "app.png").read_bytes()
    with Image.open(home / "yaml-2.png") as picture:
        assert picture.width == picture.height >= 64
    assert cli("report", "demo", at=home).returncode == 0
    assert "data:image/png;base64," in (home / "report.html").read_text()

    again = cli("tune", "demo", *SMALL, *NARROW, "--trials", "4", "--json", at=home)
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert ["study_opened", "study_stopped", "summary"] == [event["event"] for event in events]
    assert events[0]["resumed"]


def test_the_first_interrupt_finishes_the_trial(home: Path) -> None:
    """The study ends with what it has, exit code 0, and says how to go on; the same command does."""
    child, lines = _start(home, "--trials", "60")
    _wait_for(lines, r"^\[1/60\]")
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=200)

    assert child.returncode == 0, errors
    assert "finishing the running trial" in errors
    assert "The same command resumes: autotune tune demo" in errors
    assert "stopped: you stopped it" in output
    assert "cancelled" not in output


def test_the_second_interrupt_stops_at_once(cli: Cli, home: Path) -> None:
    """The running trial is cancelled, which is no failure of its recipe; every finished one is kept."""
    child, lines = _start(home, "--trials", "60")
    _wait_for(lines, r"^\[1/60\]")
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    while "finishing" not in child.stderr.readline():
        pass
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    shown = json.loads(cli("show", "demo", "--json", "--all", at=home).stdout)

    assert child.returncode == 0, errors
    assert "stopping now" in errors or shown["trials_done"] >= 2
    assert shown["baseline"]["number"] == 0
    assert not shown["failures"]


def test_an_interrupt_before_the_first_trial_ends_at_once(home: Path) -> None:
    """While the model is looked at there is nothing to finish: exit code 130, no traceback."""
    child, _ = _start(home, "--trials", "60")
    assert child.stderr is not None
    assert "looking at" in child.stderr.readline()
    threading.Event().wait(0.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)

    assert child.returncode == 130
    assert "Traceback" not in errors


def test_a_budget_that_nothing_fits_says_what_would(cli: Cli, home: Path) -> None:
    """Exit code 1 before anything is run, and the smallest recipe with its forecast."""
    done = cli("tune", "demo", *SMALL, "--trials", "1", "--vram", "1MiB", at=home)

    assert done.returncode == 1
    assert "No recipe of 'demo' fits 1 MiB: the smallest, " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_keeps_everything_of_a_study(cli: Cli, home: Path) -> None:
    """Database, recipe and report, and commands that find them."""
    done = cli("tune", "demo", *SMALL, *NARROW, "--trials", "1", "--out", "mine", at=home)

    assert done.returncode == 0, done.stderr
    assert {"study.db", "recipe.json", "report.html"} <= {file.name for file in (home / "mine").iterdir()}
    assert "autotune show demo --all --storage mine/study.db" in done.stdout


def test_a_folder_that_is_no_model(cli: Cli, home: Path) -> None:
    """One message, exit code 1."""
    done = cli("tune", ".", "--trials", "1", at=home)

    assert done.returncode == 1
    assert "'.' is no diffusers pipeline" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_none(cli: Cli, home: Path) -> None:
    """One message, exit code 2."""
    done = cli("tune", "demo", "--device", "gaudi", "--trials", "1", at=home)

    assert done.returncode == 2
    assert "gaudi" in done.stderr
    assert "Traceback" not in done.stderr


def _start(home: Path, *arguments: str) -> tuple[subprocess.Popen[str], Iterator[str]]:
    """Start tuning, and return the process and the lines of its output."""
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "autotune", "tune", "demo", *SMALL, *NARROW, *arguments],
        cwd=home,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child, iter(child.stdout.readline, "")


def _wait_for(lines: Iterator[str], pattern: str) -> None:
    seen = []
    for line in lines:
        seen.append(line)
        if re.search(pattern, line):
            return
    pytest.fail(f"'{pattern}' never came:\n{''.join(seen)}")
