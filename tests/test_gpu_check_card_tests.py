"""The stage that runs the GPU test suite: what a killed run left counts, and what it comes to is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.ledger import FAILED, KEPT_ROWS, LEDGER, NOT_HERE, PASSED, ROWS, WAITING
from tests.gpu_check.card_tests import FOUND, _ended, fold, lines
from tests.gpu_check.stage import Status

ONE, OTHER, KNOB = (
    "tests/gpu/test_memory.py::test_a",
    "tests/gpu/test_processes.py::test_b",
    "tests/gpu/test_knobs.py::test_c[demo-dtype]",
)
COLLECTED = ({"collected": [ONE, OTHER]}, {"collected": [KNOB]})


def came_to(test: str, outcome: str, message: str = "") -> dict[str, Any]:
    """Return a line of the ledger."""
    return {"test": test, "outcome": outcome, "message": message, "seconds": 1.0, "notes": {}, "commit": "c"}


def wrote(results: Path, *entries: dict[str, Any], cut: str = "") -> None:
    """Append to the ledger as a run does; the last line may be cut off."""
    text = "".join(json.dumps(entry) + "\n" for entry in entries) + cut
    with (results / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(text)


def test_what_a_killed_run_left_is_kept(tmp_path: Path) -> None:
    """Its whole lines count, the one that was cut off does not, and no line is read twice."""
    wrote(tmp_path, *COLLECTED, came_to(ONE, PASSED), cut='{"test": "tests/gpu/te')
    row = {"model": "demo", "knob": "dtype", "value": "bfloat16", "settings": "dtype=bfloat16"}
    (tmp_path / ROWS).write_text(json.dumps(row) + "\n" + json.dumps(row | {"latency_s": 2.0}) + "\n")
    fold(tmp_path)

    assert json.loads((tmp_path / FOUND).read_text())["tests"][ONE]["outcome"] == PASSED
    assert json.loads((tmp_path / KEPT_ROWS).read_text()) == [row | {"latency_s": 2.0}]
    assert not (tmp_path / LEDGER).exists()
    assert not (tmp_path / ROWS).exists()


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ((PASSED, NOT_HERE, PASSED), Status.DONE),
        ((PASSED, NOT_HERE, WAITING), Status.PARTIAL),
        ((PASSED, FAILED, WAITING), Status.FAILED),
    ],
)
def test_the_stage_is_done_when_nothing_waits(
    tmp_path: Path, outcomes: tuple[str, str, str], status: Status
) -> None:
    """What failed is no success, whatever else is left; what cannot be here is counted apart."""
    pairs = zip((ONE, OTHER, KNOB), outcomes, strict=True)
    wrote(tmp_path, *COLLECTED, *(came_to(test, outcome) for test, outcome in pairs))
    fold(tmp_path)
    ended = _ended(tmp_path, [])

    assert ended.status is status
    assert f"{outcomes.count(PASSED)} passed" in ended.message


def test_a_failure_stays_until_the_test_has_run_again(tmp_path: Path) -> None:
    """A test that had no time in the next run still counts as failed; one that passed then does not."""
    wrote(tmp_path, *COLLECTED, came_to(ONE, FAILED, "too large"))
    fold(tmp_path)
    wrote(tmp_path, came_to(ONE, WAITING))
    fold(tmp_path)
    assert "- `test_memory.py::test_a`: too large" in lines(tmp_path)
    wrote(tmp_path, came_to(ONE, PASSED))
    fold(tmp_path)

    assert "Failed:" not in lines(tmp_path)


def test_the_table_has_a_row_for_each_value(tmp_path: Path) -> None:
    """With seconds and bytes, or the kind of failure in bold; what was not offered has no row."""
    wrote(tmp_path, *COLLECTED, came_to(ONE, NOT_HERE, "only a CUDA card can show this"))
    common = {"model": "demo", "knob": "dtype", "settings": "s"}
    rows = [
        common | {"value": "bfloat16", "latency_s": 0.5, "memory_bytes": 2**30, "allocated_bytes": 2**20},
        common | {"value": "float16", "failure": "crash", "message": "it broke", "phase": "first call"},
        {"model": "demo", "knob": "tf32", "value": True, "not_offered": "no GPU"},
    ]
    (tmp_path / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    fold(tmp_path)
    text = lines(tmp_path)

    assert "- only a CUDA card can show this (1 test)" in text
    assert text[-2:] == ["| dtype = bfloat16 | 500 ms, 1 MiB |", "| dtype = float16 | **crash** |"]
