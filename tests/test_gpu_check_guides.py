"""The stage of the guides: all of them are measured, and what became of their rungs is told as it is."""

import time
from pathlib import Path
from typing import Any

import pytest

from autotune.guides import LADDERS
from autotune.report.ladder import Told, guide_json
from tests.gpu_check.ladders import FOUND, ended, guides_in_order, lines, run
from tests.gpu_check.stage import Status, Where


def test_every_guide_has_its_turn() -> None:
    """Once, those that compile for minutes at the end."""
    assert sorted(guides_in_order()) == sorted(ladder.name for ladder in LADDERS)
    assert guides_in_order()[0] == "sdxl-simple"
    assert guides_in_order()[-1] == "flux-torchao"


def document(*rows: dict[str, Any], error: str = "") -> dict[str, Any]:
    """Return a ladder whose rungs came to this."""
    plain = guide_json(Told(ladder=LADDERS[0], error=error))
    return plain | {"rows": [{**plain["rows"][0], **row} for row in rows]}


@pytest.mark.parametrize(
    ("rows", "status", "told"),
    [
        ([{"status": "measured"}], Status.DONE, "1 ladder: 1 rung measured."),
        (
            [{"status": "measured"}, {"status": "waiting"}],
            Status.PARTIAL,
            "1 rung measured, 1 rung not measured yet.",
        ),
        ([{"status": "not possible here"}], Status.DONE, "1 rung not possible here"),
        ([{"status": "failed", "failure": "timeout"}], Status.DONE, "1 rung failed"),
        ([{"status": "failed", "failure": "crash", "why": "crash: Boom."}], Status.FAILED, "crash: Boom."),
    ],
)
def test_the_stage_ends_as_its_rungs_did(rows: list[dict[str, Any]], status: Status, told: str) -> None:
    """What is not possible or takes too long is no fault; a crash is, and it is named."""
    end = ended([document(*rows)])

    assert end.status is status
    assert told in end.message


def test_a_ladder_that_could_not_be_begun_is_a_fault() -> None:
    """Its reason is told."""
    assert ended([document({"status": "waiting"}, error="No room.")]).status is Status.FAILED


def test_without_time_nothing_is_begun(tmp_path: Path) -> None:
    """And what was kept is shown as it was."""
    where = Where(
        device="cpu",
        results=tmp_path / "r",
        work=tmp_path / "w",
        until=time.monotonic(),
        say=lambda _line: None,
    )
    first = run(where)
    where.keep(FOUND, {"guides": [document({"status": "waiting"})]})

    assert (first.status, run(where).status) == (Status.PARTIAL, Status.PARTIAL)
    assert f"### {LADDERS[0].title} ({LADDERS[0].name})" in lines(where.results)
