"""`autotune compare`: two recipes in turn, and pairs that cannot be compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from autotune.recipe import Recipe
from tests.cli.conftest import Cli

CALL = {
    "prompts": ["a blue boat in the middle at sea at night with the moon"],
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

    def write_recipe(name: str, **changes: Any) -> str:
        fields: dict[str, Any] = {"model": "demo", "settings": {"steps": 1}, "call": CALL} | changes
        (tmp_path / name).write_text(Recipe(**fields).to_json_text())
        return name

    return write_recipe


@pytest.mark.slow
def test_a_recipe_against_the_untuned_baseline(cli: Cli, write: Write, tmp_path: Path) -> None:
    """A table with every round, and what may be claimed, in words."""
    locks = str(tmp_path / "locks")
    done = cli("compare", write("one.json"), "untuned", *QUICK, AUTOTUNE_LOCKS=locks)
    heading, _, one, untuned, _, *notes, verdict = done.stdout.splitlines()

    assert done.returncode == 0, done.stderr
    assert " ".join(heading.split()) == "recipe settings round 1 round 2 round 3 memory similarity"
    assert one.startswith("one.json   steps=1 ")
    assert untuned.endswith(" 1.000")
    assert verdict.startswith(("one.json is faster: ", "Unclear: one.json is "))
    assert all(note.startswith("note: ") for note in notes)
    assert "round 3 of 3: untuned: " in done.stderr


@pytest.mark.slow
def test_two_recipes_as_json(cli: Cli, write: Write, tmp_path: Path) -> None:
    """One document for programs; one round proves nothing."""
    locks, slow = str(tmp_path / "locks"), write("two.json", settings={"steps": 2})
    done = cli("compare", write("one.json"), slow, "--rounds", "1", "--json", *QUICK, AUTOTUNE_LOCKS=locks)
    found = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert [side["name"] for side in found["recipes"]] == ["one.json", "two.json"]
    assert found["recipes"][1]["settings"] == {"steps": 2}
    assert all(len(side["seconds"]) == 1 and side["memory_bytes"] > 0 for side in found["recipes"])
    assert (found["rounds"], found["ratio"]["verdict"]) == (1, "unclear")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "sd15"}, "Only recipes of one model and revision can be compared."),
        ({"call": {**CALL, "untuned_steps": 20}}, "different calls: steps 8 and 20."),
        (
            {"call": {**CALL, "prompts": ["a car"], "batch": 2}},
            "different calls: other prompts, batch 1 and 2.",
        ),
        ({"settings": {"warp": 9}}, "There is no knob 'warp'"),
    ],
)
def test_what_cannot_be_compared(call: Cli, write: Write, changes: dict[str, Any], said: str) -> None:
    """Before anything is started."""
    done = call("compare", write("a.json"), write("b.json", **changes))

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "looking at" not in done.stderr


def test_untuned_needs_a_model(call: Cli) -> None:
    """A recipe's file says which."""
    done = call("compare", "untuned", "untuned")

    assert done.returncode == 2
    assert "Both are 'untuned'" in done.stderr
