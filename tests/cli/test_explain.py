"""`autotune explain`: one recipe without each of its settings, why not another, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


def test_a_recipe_without_each_of_its_settings(call: Cli, folder: Path) -> None:
    """A line for its only setting, that trial 0 was measured without."""
    done = call("explain", "first", "1", at=folder)

    assert done.returncode == 0, done.stderr
    assert "Recipe: dtype=float16" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("dtype=float16 "))
    assert line.endswith("measured, trial 0")
    assert "float32" in line
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_what_became_of_a_recipe_named_by_its_settings(call: Cli, folder: Path) -> None:
    """The trial that measured it, its figure and the limit; no model is looked at for what was tried."""
    done = call("explain", "first", "untuned", at=folder)

    assert done.returncode == 0, done.stderr
    assert "Trial 0 measured it, and it is beyond a limit: memory 1.17 GiB" in done.stdout


def test_json_holds_what_the_table_holds(call: Cli, folder: Path) -> None:
    """The standing and each change as numbers."""
    done = call("explain", "first", "1", "--json", at=folder)
    found = json.loads(done.stdout)

    assert found["why"]["standing"] == "dominated"
    assert found["why"]["rival"] == 5
    assert found["effects"] is None
    (measured,) = found["ablation"]
    assert (measured["knob"], measured["default"], measured["trial"]) == ("dtype", "float32", 0)
    assert measured["changes"]["latency_s"]["kind"] == "ratio"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "has 7 measured trials: effects and predictions need at least 8"),
        (("dtyp=float16",), 2, "There is no knob 'dtyp'. Did you mean 'dtype'?"),
        (("compile=fast",), 2, "Knob 'compile' does not offer 'fast' here."),
        (("77",), 2, "There is no trial '77'."),
        (("1", "--plot", "nowhere/x.html"), 2, "There is no folder 'nowhere'"),
    ],
)
def test_what_cannot_be_explained_says_why(
    call: Cli, folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """One sentence that says what to do."""
    done = call("explain", "first", *arguments, at=folder)

    assert done.returncode == code
    assert message in done.stderr
