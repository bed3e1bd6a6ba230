"""Makes a table of measured recipes from the databases of exhaustive studies: `python -m tests.bench.record`.

The studies made the same pictures of the same model on the same machine, each with other values of knobs.
What they measured is put together: a recipe that several of them tried counts as the first one saw it, and
all times are brought to one pace of the machine. A study that is not at its end makes a table of what it has.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from autotune.errors import UsageError
from autotune.footprint import Footprint
from autotune.forecast import forecast
from autotune.knob import Situation, Value
from autotune.measurement import Failure, FailureKind, Outcome
from autotune.runners.local import LocalRunner
from autotune.search.study import Study, read_study
from autotune.store.engine import open_database
from autotune.store.history import study_names
from autotune.store.records import CheckRecord, Purpose, TrialRecord
from autotune.table import Row, Table, read_table, write_table
from tests.bench.pace import Pace, at_pace, pace_of, since_epoch, spread


def merged(name: str, studies: Sequence[Study]) -> Table:
    """Return the table of what some studies measured, without forecasts.

    Args:
        name: Of the table.
        studies: What was measured; the first one's situation is the table's.

    Raises:
        UsageError: The studies differ in the model, the pictures or the machine.
    """
    first = studies[0]
    for study in studies[1:]:
        _require_same(first.situation, study.situation, study.name)
    paces = [pace_of(study) for study in studies]
    rows: dict[tuple[str, str], Row] = {}
    for study, pace in zip(studies, paces, strict=True):
        for digest, row in _rows_of(study, pace, usual=paces[0].usual):
            rows.setdefault((digest, row.role), row)
    return Table(
        name=name,
        situation=_without_places(first.situation),
        plans=tuple(study.plan for study in studies),
        choices=_choices(studies),
        # The baseline first, then by settings: the same table whatever the order in which trials came.
        rows=tuple(
            sorted(rows.values(), key=lambda row: (row.role != "trial", len(row.changed), str(row.changed)))
        ),
        machine_sd=spread(paces),
    )


def foretold(table: Table, footprint: Footprint) -> Table:
    """Return a table with the forecast of each recipe's memory.

    Args:
        table: What was measured, on whichever machine.
        footprint: Of its model and workload, which is the same on every machine.
    """

    def with_forecast(row: Row) -> Row:
        needs = forecast(row.changed, footprint, table.situation.target).device
        return replace(row, forecast={stage: need.expected for stage, need in needs.items()})

    rows = (with_forecast(row) if row.role == "trial" else row for row in table.rows)
    return replace(table, rows=tuple(rows))


def studies_in(databases: Iterable[Path]) -> list[Study]:
    """Return the studies of some database files whose untuned baseline was measured, in their order."""
    found: list[Study] = []
    for path in databases:
        with open_database(f"sqlite:///{path}") as database:
            found += [read_study(database, name) for name in study_names(database)]
    return [study for study in found if (first := study.baseline()) is not None and first.measurement]


def _rows_of(study: Study, pace: Pace, *, usual: float) -> Iterator[tuple[str, Row]]:
    """Each row with its recipe's digest, as if the untuned recipe always took what it usually does."""

    def row(record: TrialRecord | CheckRecord, outcome: Outcome, when: datetime, role: str) -> Row:
        factor = math.exp(usual - pace.at(since_epoch(when)))
        outcome, seconds = at_pace(outcome, factor), factor * record.seconds
        return Row(changed=record.changed, outcome=outcome, seconds=seconds, role=role)

    for trial in study.trials:
        if trial.outcome is not None and trial.counts:
            yield trial.digest, row(trial, trial.outcome, trial.started_at, "trial")
    for check in study.checks:
        was_stopped = isinstance(check.outcome, Failure) and check.outcome.kind is FailureKind.CANCELLED
        if check.purpose is Purpose.FLOOR and not was_stopped:
            yield check.digest, row(check, check.outcome, check.finished_at, "pictures")


def _choices(studies: Sequence[Study]) -> Mapping[str, tuple[Value, ...]]:
    """Each knob's values in any of the studies, the default first."""
    names = dict.fromkeys(name for study in studies for name in study.choices)
    return {
        name: tuple(dict.fromkeys(value for study in studies for value in study.choices.get(name, ())))
        for name in names
    }


def _require_same(one: Situation, other: Situation, name: str) -> None:
    facts = {
        "pictures": (one.workload, other.workload),
        "model": (one.blueprint.facts.get("weights"), other.blueprint.facts.get("weights")),
        "machine": (one.target.name, other.target.name),
    }
    differing = [what for what, (a, b) in facts.items() if a != b]
    if differing:
        raise UsageError(
            f"Study '{name}' has another {differing[0]} than the first. Make two tables of them."
        )


def _without_places(situation: Situation) -> Situation:
    """A situation without what names this one machine: its folders, and its number."""
    facts = {
        name: Path(value).name if isinstance(value, str) and value.startswith("/") else value
        for name, value in situation.blueprint.facts.items()
    }
    return replace(
        situation,
        target=replace(situation.target, uuid=""),
        blueprint=replace(situation.blueprint, facts=facts),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the databases, forecast every recipe and write the table; without one, forecast a table's again.

    The forecasts need no GPU: a table that was recorded where minutes are few gets them afterwards.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.record", description=main.__doc__)
    parser.add_argument(
        "databases", nargs="*", type=Path, help="database files, the first one's baseline counts"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="the table, such as x/table.jsonl.gz"
    )
    parser.add_argument("--name", default="table", help="its name")
    asked = parser.parse_args(arguments)
    if asked.databases:
        studies = studies_in(asked.databases)
        if not studies:
            raise SystemExit(
                "None of the studies has a measured baseline yet. Let one go on for some trials."
            )
        table = merged(asked.name, studies)
    else:
        table = read_table(asked.output)
    with LocalRunner() as runner:
        footprint, _ = runner.footprint(table.situation.workload)
    table = foretold(table, footprint)
    write_table(table, asked.output)
    hours = sum(row.seconds for row in table.rows) / 3600
    sys.stdout.write(f"{asked.output}: {len(table.rows)} rows, {hours:.1f} h of measuring\n")


if __name__ == "__main__":
    main()
