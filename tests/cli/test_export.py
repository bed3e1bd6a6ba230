"""`autotune export` and `autotune report`: files, never over others, never half."""

import json
from pathlib import Path

import pytest

from autotune.cli.files import write_whole
from autotune.errors import UsageError
from autotune.recipe import parse_recipe
from tests.cli.conftest import Cli


@pytest.mark.parametrize("name", ["recipe.json", "recipe.yaml", "recipe.yml"])
def test_a_recipe_is_read_back_as_it_was_written(call: Cli, folder: Path, name: str) -> None:
    """With its figures, the machine and the study it came from."""
    done = call("export", "first", "-o", name, "--pick", "fastest", at=folder)

    assert done.returncode == 0, done.stderr
    recipe = parse_recipe((folder / name).read_text(), source=name)
    shown = json.loads(call("show", "first", "--json", at=folder).stdout)
    fastest = next(trial for trial in shown["front"] if "fastest" in trial["picks"])
    assert fastest["digest"] == recipe.digest
    assert fastest["latency_s"] == recipe.measured["latency_s"]
    assert recipe.study == "first"


def test_picks_differ_and_a_trial_can_be_named(call: Cli, folder: Path) -> None:
    """Each pick is a recipe of its own here."""
    digests = [
        parse_recipe(call("export", "first", "-o", "-", "--format", "json", *how, at=folder).stdout).digest
        for how in (["--pick", "smallest"], ["--pick", "closest"], ["--trial", "3"])
    ]

    assert len(set(digests)) == 3


def test_a_file_is_only_overwritten_when_asked(call: Cli, folder: Path) -> None:
    """And nothing is left beside it."""
    (folder / "recipe.json").write_text("mine")
    refused = call("export", "first", "-o", "recipe.json", at=folder)

    assert (2, "mine") == (refused.returncode, (folder / "recipe.json").read_text())
    assert "Overwrite it with --force" in refused.stderr
    assert call("export", "first", "-o", "recipe.json", "--force", at=folder).returncode == 0
    assert sorted(file.name for file in folder.iterdir()) == ["autotune-files", "autotune.db", "recipe.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pick", "quickest"], "There is no pick 'quickest'."),
        (["--pick", "fatest"], "Did you mean 'fastest'?"),
        (["--trial", "99"], "There is no trial '99'"),
    ],
)
def test_a_wrong_choice_is_refused(call: Cli, folder: Path, arguments: list[str], message: str) -> None:
    """And nothing is written."""
    done = call("export", "first", "-o", "recipe.json", *arguments, at=folder)

    assert done.returncode == 2
    assert message in done.stderr
    assert not (folder / "recipe.json").exists()


def test_a_failed_trial_cannot_be_exported(call: Cli, folder: Path) -> None:
    """It has no measurement."""
    trials = json.loads(call("show", "first", "--all", "--json", at=folder).stdout)["trials"]
    number = next(trial["number"] for trial in trials if trial["standing"] == "failed")
    done = call("export", "first", "-o", "recipe.json", "--trial", str(number), at=folder)

    assert done.returncode == 2
    assert f"Trial {number} has no measurement: not applied." in done.stderr


def test_the_report_is_one_file(call: Cli, folder: Path) -> None:
    """Its size is said."""
    done = call("report", "-o", "report.html", at=folder)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("report.html: ")
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """And no part of the new one."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_whole(tmp_path / "folder", "new")

    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "has schema version 99; this autotune reads up to"),
        ({"settings": {"dtype": "float64"}}, "was altered"),
        (
            {"digest": None, "settings": {"atention": "x"}},
            "There is no knob 'atention'. Did you mean 'attention'?",
        ),
        ({"model": None}, "is no recipe"),
    ],
)
def test_a_wrong_recipe_is_refused_before_torch_is_imported(
    call: Cli, folder: Path, change: dict[str, object], message: str
) -> None:
    """From a newer autotune, altered, with an unknown knob, or no recipe at all."""
    text = call("export", "first", "-o", "-", "--format", "json", at=folder).stdout
    changed = {name: value for name, value in (json.loads(text) | change).items() if value is not None}
    (folder / "wrong.json").write_text(json.dumps(changed))
    done = call("generate", "wrong.json", "a cat", at=folder)

    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
