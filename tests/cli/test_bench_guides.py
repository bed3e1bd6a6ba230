"""`autotune bench-guides`: the list, what is refused before anything starts, and a ladder from end to end."""

import json
from pathlib import Path

import pytest

from autotune.guides import LADDERS
from autotune.recipe import Recipe, parse_recipe
from tests.cli.conftest import Cli

GUIDE = "flux-torchao"  # on a CPU and the demo model only its first rung can run, in bfloat16
QUICK = (
    *("--model", "demo", "--device", "cpu"),
    *("--quick", "--size", "64x64", "--steps", "1", "--batch", "1"),
)


def test_the_list_names_every_guide(call: Cli) -> None:
    """With its model, where its figures come from, and as JSON with all its rungs."""
    told, plain = call("bench-guides", "--list", "--json"), call("bench-guides", "--list")
    guides = json.loads(told.stdout)

    assert [guide["guide"] for guide in guides] == [ladder.name for ladder in LADDERS]
    assert all(ladder.name in plain.stdout and ladder.source in plain.stdout for ladder in LADDERS)
    assert [row["rung"] for row in guides[0]["rows"]] == [rung.name for rung in LADDERS[0].rungs]
    assert {row["status"] for guide in guides for row in guide["rows"]} == {"waiting"}


def test_a_guide_that_is_none(call: Cli) -> None:
    """The nearest that there is, is offered."""
    done = call("bench-guides", "sd15-destilled")

    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'sd15-distilled'?" in done.stderr


def test_a_full_size_model_on_a_cpu_must_be_meant(call: Cli) -> None:
    """The way with the demo model is said at once."""
    done = call("bench-guides", GUIDE, "--device", "cpu")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--model demo" in done.stderr
    assert "--model arch:flux-dev" in done.stderr
    assert "looking at" not in done.stderr


def test_a_recipe_of_another_model_is_refused(call: Cli, tmp_path: Path) -> None:
    """It cannot stand beside the guide's."""
    (tmp_path / "mine.json").write_text(Recipe(model="sdxl", settings={"dtype": "float16"}).to_json_text())
    done = call("bench-guides", GUIDE, "--model", "demo", "--recipe", "mine.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'mine.json' is a recipe for 'sdxl'" in done.stderr


def test_a_page_is_not_written_over_another_file(call: Cli, tmp_path: Path) -> None:
    """Only a page of this command is, which a further run writes again."""
    (tmp_path / "notes.md").write_text("# Mine\n")
    done = call("bench-guides", GUIDE, *QUICK, "-o", "notes.md")

    assert done.returncode == 2
    assert "'notes.md' is there already" in done.stderr
    assert (tmp_path / "notes.md").read_text() == "# Mine\n"


@pytest.mark.slow
def test_a_ladder_from_end_to_end(cli: Cli, tmp_path: Path) -> None:
    """Each rung is measured or not possible; page, figures and recipes lie in the folder."""
    locks = str(tmp_path / "locks")
    done = cli("bench-guides", GUIDE, *QUICK, "--out", "g", "--json", AUTOTUNE_LOCKS=locks)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    guide = events[-1]["guides"][0]
    baseline, *others, untuned = guide["rows"]

    assert done.returncode == 0, done.stderr
    assert events[-1]["event"] == "guides"
    assert (guide["guide"], guide["error"], guide["is_quick"]) == (GUIDE, "", True)
    assert (guide["here"]["model"], guide["here"]["steps"], guide["published"]["steps"]) == ("demo", 1, 28)
    assert baseline["status"] == untuned["status"] == "measured", (baseline["why"], untuned["why"])
    assert (baseline["speedup"], baseline["published_latency_s"]) == (1.0, 6.573)
    assert baseline["latency_at_guide_s"] > baseline["latency_s"] > 0
    assert {row["status"] for row in others} == {"not possible here"}
    assert untuned["kind"] == "untuned"
    written = (tmp_path / "g" / "guides.md").read_text()
    assert written.startswith("# Published guides, measured again\n")
    assert "| fp8dqrow + compile | - | - | - | 2.16× (3.04 s) |" in written
    assert json.loads((tmp_path / "g" / "guides.json").read_text())["guides"] == events[-1]["guides"]
    exported = tmp_path / "g" / "recipes" / f"{GUIDE}-bfloat16.json"
    assert parse_recipe(exported.read_text()).digest == baseline["digest"]
