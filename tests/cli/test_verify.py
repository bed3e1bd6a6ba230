"""`autotune verify`: a recipe that holds, files that claim too much, and machines that cannot tell."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from autotune.recipe import Recipe
from tests.cli.conftest import Cli, clean_environment

ROOT = Path(__file__).parents[2]
FAST = {"steps": 1}
CALL = {
    "prompts": ["a blue boat in the middle at sea at night with the moon", "a red house in the snow by day"],
    "seeds": [3],
    "steps": 1,
    "untuned_steps": 8,
    "guidance": 3.0,
    "batch": 1,
}
QUICK = ("--device", "cpu", "--threads", "1")
Write: TypeAlias = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a recipe's file and return its name."""

    def write_recipe(name: str = "recipe.json", **changes: Any) -> str:
        fields: dict[str, Any] = {"model": "demo", "settings": FAST, "call": CALL} | changes
        (tmp_path / name).write_text(Recipe(**fields).to_json_text())
        return name

    return write_recipe


@pytest.fixture
def verified(cli: Cli, tmp_path: Path) -> Cli:
    """Run `autotune verify` on one CPU thread, beside whatever else is measured on this machine."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return cli("verify", *arguments, *QUICK, AUTOTUNE_LOCKS=str(tmp_path / "locks"), **environment)

    return run


@pytest.mark.slow
def test_a_recipe_is_verified_on_the_machine_that_it_was_measured_on(verified: Cli, write: Write) -> None:
    """Without figures nothing can be said; with those of this machine it passes; with twice the speed not."""
    bare = verified(write(), "--rounds", "1", "--json")
    found = json.loads(bare.stdout)

    assert bare.returncode == 2, bare.stderr
    assert found["result"] == "inconclusive"
    assert found["ratio"]["rounds"] == len(found["seconds"]["recipe"]) == 1
    assert "holds no figures" in found["notes"][0]

    measured = {
        "latency_s": found["seconds"]["recipe"][0],
        "speedup": 0.8 * found["ratio"]["value"],  # a machine on which tests run is not quiet
        "memory_bytes": found["memory_bytes"],
        "similarity": found["similarity"],
        "pictures": found["pictures"],
        "sd_machine": 0.05,
    }
    honest = verified(write(measured=measured, target=found["target"]), "--rounds", "2")

    assert honest.returncode == 0, honest.stdout + honest.stderr
    assert honest.stdout.startswith("recipe.json: steps=1\n  runs      pass ")
    assert honest.stdout.endswith("\nPASS\n")
    assert "round 2 of 2: untuned: " in honest.stderr

    tampered = {**measured, "speedup": 2.5 * measured["speedup"]}
    wrong = verified(write(measured=tampered, target=found["target"]), "--rounds", "2")

    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert wrong.stdout.endswith("\nFAIL\n")
    assert "  latency   fail " in wrong.stdout
    assert "  likeness  pass " in wrong.stdout


@pytest.mark.slow
def test_another_machine_cannot_tell(verified: Cli, write: Write) -> None:
    """Exit code 2, and what differs: pictures and memory are judged all the same."""
    measured = {"speedup": 99.0, "latency_s": 0.001, "memory_bytes": 1, "similarity": 0.1}
    target = {"device": "cpu", "name": "Quipu"}
    done = verified(write(measured=measured, target=target), "--rounds", "1")

    assert done.returncode == 2, done.stdout + done.stderr
    assert "note      Measured on Quipu, but this is " in done.stdout
    assert "  likeness  pass " in done.stdout
    assert done.stdout.endswith("\nINCONCLUSIVE\n")


@pytest.mark.slow
def test_a_knob_that_does_nothing_here_fails(verified: Cli, write: Write) -> None:
    """Whatever the figures say: exit code 1, and how it failed."""
    plugins = f"{ROOT / 'tests' / 'plugins'}:{ROOT}"
    name = write(settings={"fault": "ignored"})
    done = verified(name, "--rounds", "1", PYTHONPATH=plugins)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "It failed in round 1: not applied. Knob 'fault' was set to 'ignored'" in done.stdout
    assert done.stdout.endswith("\nFAIL\n")


@pytest.mark.slow
def test_an_interrupt_ends_it_at_once(tmp_path: Path, write: Write) -> None:
    """Exit code 130, no traceback, and no process is left."""
    child = subprocess.Popen(
        [sys.executable, "-m", "autotune", "verify", write(), "--rounds", "20", *QUICK],
        cwd=tmp_path,
        env=clean_environment() | {"AUTOTUNE_LOCKS": str(tmp_path / "locks")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    while "round 1" not in child.stderr.readline():
        assert child.poll() is None
    threading.Event().wait(0.2)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=30)

    assert child.returncode == 130, errors
    assert errors.splitlines()[-1] == "Interrupted: nothing is kept."
    assert "Traceback" not in errors
    assert output == ""


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"model": "models/sd15", "call": {}}, 2, "Name them with --prompts FILE"),
        ({"call": {"steps": 1, "prompts": ["a"]}}, 2, "Name them with --steps N"),
        ({"settings": {"warp": 9}}, 2, "There is no knob 'warp'"),
        ({"call": {**CALL, "width_px": 3}}, 1, "It must be a multiple of 8"),
        ({"call": {**CALL, "seeds": "x"}}, 1, "cannot be made"),
    ],
)
def test_what_cannot_be_made_again_is_refused(
    call: Cli, write: Write, changes: dict[str, Any], code: int, said: str
) -> None:
    """Before anything is started, with what to do."""
    done = call("verify", write(**changes))

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "looking at" not in done.stderr


def test_a_file_whose_settings_were_altered_is_refused(call: Cli, write: Write, tmp_path: Path) -> None:
    """Its digest names other settings."""
    file = tmp_path / write()
    file.write_text(file.read_text().replace('"steps": 1\n', '"steps": 2\n', 1))
    done = call("verify", file.name)

    assert done.returncode == 1
    assert "was altered" in done.stderr
    assert call("verify", "none.json").stderr.startswith("autotune: There is no recipe 'none.json'.")
