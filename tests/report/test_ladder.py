"""Ladders of guides as JSON and Markdown: published figures beside those of here, and what must be said."""

from pathlib import Path
from typing import Any

import pytest

from autotune.ladder import Ladder, Rung
from autotune.recipe import Recipe
from autotune.report.ladder import TITLE, Told, cells, guide_json, guide_lines, headings, page, sentences
from autotune.search.ladder import QUICK, LadderHere, ladder_plan, look_at, own_ladder
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic

LADDER = Ladder(
    name="small",
    title="A small guide",
    source="https://example.org/guide",
    hardware="Abacus Mini",
    model="demo",
    width_px=64,
    height_px=64,
    steps=40,
    note="Made by hand.",
    rungs=(
        Rung(name="half", settings={"dtype": "float16"}, latency_s=8.0, memory_bytes=2**30, note="Alone."),
        Rung(name="whole | again", settings={"steps": 24}, latency_s=4.0),
        Rung(name="flash", settings={"dtype": "float8"}, latency_s=2.0),
        Rung(name="crashing", settings={"compile": "full", "vae_tiling": 512}),
    ),
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A ladder that was measured, with a recipe of the user's own."""
    folder = tmp_path_factory.mktemp("ladder")
    mine = Recipe(model="demo", settings={"dtype": "bfloat16"})
    here, own = _here(LADDER), _here(own_ladder(LADDER, "mine.json", mine, synthetic.SITUATION.workload))
    return guide_json(
        Told(
            ladder=LADDER,
            here=here,
            study=_measured(here, folder),
            own=((own, _measured(own, folder)),),
            is_quick=True,
        )
    )


def _here(ladder: Ladder) -> LadderHere:
    return look_at(ladder, synthetic.SITUATION, synthetic.knobs())


def _measured(here: LadderHere, folder: Path) -> Study:
    return run_study(
        ladder_plan(here, protocol=QUICK, trial_time_s=60.0),
        url=f"sqlite:///{folder / 'x.db'}",
        runner=synthetic.runner(),
        situation=synthetic.SITUATION,
        knobs=synthetic.knobs(),
    )


def test_each_row_stands_beside_what_was_published(document: dict[str, Any]) -> None:
    """The guide's rungs in order, the untuned baseline and the user's own, all compared with the first."""
    half, whole, flash, crashing, untuned, yours = document["rows"]

    assert [half["speedup"], half["published_speedup"], half["published_memory_bytes"]] == [1.0, 1.0, 2**30]
    assert whole["published_speedup"] == 2.0
    assert whole["speedup"] == pytest.approx(half["latency_at_guide_s"] / whole["latency_at_guide_s"])
    assert (flash["status"], flash["latency_s"], flash["digest"]) == ("not possible here", None, None)
    assert (crashing["status"], crashing["failure"]) == ("failed", "crash")
    assert crashing["why"] == "crash during first call: A synthetic crash."
    assert (untuned["kind"], untuned["settings"], untuned["speedup"] < 1) == ("untuned", {}, True)
    assert (yours["rung"], yours["kind"], yours["untuned_ratio"]) == ("yours: mine.json", "yours", 1.0)
    assert all(row["status"] == "measured" for row in (half, whole, untuned, yours))


def test_a_reader_is_told_what_differs(document: dict[str, Any]) -> None:
    """Where the figures are from, what is not as in the guide, how they were scaled, how sure they are."""
    told = "\n".join(sentences(document))

    assert "Published: https://example.org/guide, measured on Abacus Mini; demo, a call makes 1" in told
    assert "Not as in the guide: steps, guidance." in told
    assert "Speed-ups are for the guide's 40 steps" in told
    assert "Speed-ups are over 'half', the guide's first rung." in told
    assert "A quick look: three timed calls a rung" in told
    assert told.endswith("Made by hand.")


def test_random_weights_make_likeness_a_numerical_drift(document: dict[str, Any]) -> None:
    """Then no word says how near the pictures are."""
    drawn = document | {"here": document["here"] | {"has_random_weights": True}}
    row = document["rows"][0]

    assert "drift>" in headings(drawn)
    assert "0.9900" in cells(drawn, row)
    assert f"0.9900 {row['tier']}" in cells(document, row)
    assert "numerical drift only" in "\n".join(sentences(drawn))


def test_markdown_is_a_whole_table(document: dict[str, Any]) -> None:
    """Every line has as many cells as there are headings, whatever the names hold."""
    lines = guide_lines(document)
    table = [line for line in lines if line.startswith("| ")]

    assert lines[0] == "## A small guide (small)"
    assert len(table) == 2 + 6
    assert {line.count("|") for line in table} == {1 + len(headings(document))}
    assert "- half: Alone." in lines


def test_a_ladder_that_nobody_measured_waits() -> None:
    """The page says how much is missing, and what to do."""
    waiting = guide_json(Told(ladder=LADDER, error="No such model."))
    text = page([waiting])

    assert {row["status"] for row in waiting["rows"]} == {"waiting"}
    assert text.startswith(TITLE)
    assert "4 rows not measured yet: the same command goes on." in text
    assert "No such model." in text


def test_a_first_rung_without_figures_leaves_no_speed_ups(document: dict[str, Any]) -> None:
    """It is said instead of comparing with something else."""
    flash_first = document | {"rows": [document["rows"][2], *document["rows"][:2]]}

    assert "it has no figures here, so there are none" in "\n".join(sentences(flash_first))
