"""A table of measured recipes: written, read, and never mistaken for something else."""

import gzip
import json
from pathlib import Path

import pytest

from autotune.errors import StoreError
from autotune.measurement import Failure, FailureKind, Measurement
from autotune.table import Row, Table, read_table, write_table
from tests.search import synthetic


def table() -> Table:
    """Return a table of two recipes that were measured and one that crashed."""
    defaults = {name: values[0] for name, values in synthetic.VALUES.items()}
    measured = [
        Row(
            changed=changed,
            outcome=synthetic.measurement({**defaults, **changed}),
            seconds=4.0,
            forecast={"load": 100, "decode": 200},
        )
        for changed in ({}, {"steps": 8})
    ]
    crash = Failure(kind=FailureKind.CRASH, message="It died.", log="Traceback")
    return Table(
        name="three",
        situation=synthetic.SITUATION,
        plans=(synthetic.plan(),),
        choices=synthetic.VALUES,
        rows=(*measured, Row(changed={"fuse_qkv": True}, outcome=crash, seconds=1.0)),
        machine_sd=0.02,
    )


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Figures to six digits, failures, forecasts and where it was measured."""
    written = table()
    write_table(written, tmp_path / "some" / "table.jsonl.gz")
    found = read_table(tmp_path / "some" / "table.jsonl.gz")

    assert (written.situation, written.plans, written.choices, 0.02) == (
        found.situation,
        found.plans,
        found.choices,
        found.machine_sd,
    )
    was, now = written.rows[1].outcome, found.rows[1].outcome
    assert isinstance(was, Measurement)
    assert isinstance(now, Measurement)
    assert now.calls_s == pytest.approx(was.calls_s, rel=1e-5)
    assert (was.memory, was.batch) == (now.memory, now.batch)
    assert {"load": 100, "decode": 200} == found.rows[1].forecast


def test_what_names_the_machine_is_left_out() -> None:
    """Pictures, logs and the state of the machine stay where they were measured."""
    assert "log" not in table().rows[2].to_json()["outcome"]
    assert not {"pictures", "conditions", "environment"} & table().rows[0].to_json()["outcome"].keys()


def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    """A file that was written again shows no change where there is none."""
    for name in ("a.gz", "b.gz"):
        write_table(table(), tmp_path / name)

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "is no table of measured recipes"),
        (gzip.compress(b"", mtime=0), "is no table of measured recipes"),
        (gzip.compress(b"{}\n", mtime=0), "is no table of measured recipes"),
        (gzip.compress(json.dumps({"schema_version": 99}).encode(), mtime=0), "written by a newer autotune"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The message names the file and says what it should have been."""
    path = tmp_path / "table.jsonl.gz"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=message):
        read_table(path)
    with pytest.raises(StoreError, match="cannot be read"):
        read_table(tmp_path / "absent.gz")
