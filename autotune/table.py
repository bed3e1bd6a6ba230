"""Table: what recipes of a space were measured to come to, all or some, in one small file, to be replayed."""

import gzip
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from autotune.blueprint import Blueprint
from autotune.errors import StoreError
from autotune.knob import Settings, Situation, Value
from autotune.measurement import Outcome, outcome_from_json
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.target import Target
from autotune.workload import Workload

SCHEMA_VERSION = 1
_DIGITS = 6  # of a figure that is kept: a thousandth of what two equal trials differ by
# Of no use to who replays: where and with what it was measured is the same for all rows.
_LEFT_OUT = ("environment", "conditions", "pictures", "log", "discarded_s")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recipe, and what it came to.

    Attributes:
        changed: The settings that differ from the default.
        outcome: What it came to, with all its samples, without its pictures and the state of the machine.
        seconds: Wall seconds that it took.
        role: Of the job that it answered: "trial", or "pictures" where likeness alone was measured.
        forecast: Bytes that a forecast expected, before it was tried, for each stage ("load", "encode",
            "denoise", "decode"); empty where nothing was forecast.
    """

    changed: Settings
    outcome: Outcome
    seconds: float
    role: str = "trial"
    forecast: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`: figures to six digits."""
        outcome = {name: value for name, value in self.outcome.to_json().items() if name not in _LEFT_OUT}
        if "likeness" in outcome:
            outcome["likeness"] = {k: v for k, v in outcome["likeness"].items() if v and k != "sha256"}
        kept = {"changed": dict(self.changed), "role": self.role, "seconds": self.seconds}
        brief: dict[str, Any] = _rounded(kept | {"outcome": outcome, "forecast": dict(self.forecast)})
        return brief

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a row from what `to_json` returned.

        >>> from autotune.measurement import Failure, FailureKind
        >>> row = Row(changed={"steps": 8}, outcome=Failure(kind=FailureKind.CRASH, message="x"), seconds=1.5)
        >>> Row.from_json(row.to_json()) == row
        True
        """
        return cls(**{**data, "outcome": outcome_from_json(data["outcome"])})


@dataclass(frozen=True, kw_only=True)
class Table:
    """What recipes of a space were measured to come to, on one machine, making the same pictures.

    Attributes:
        name: Its name.
        situation: Where, of what, making what.
        plans: The studies that measured it; the values that they searched make the space. Where a study is
            not at its end, not all of that is among the rows.
        choices: Each knob's values, the default first.
        rows: Every recipe that was measured, once for each role, the untuned baseline first.
        machine_sd: Relative standard deviation of the untuned baseline's latency between fresh processes;
            None where it was measured once.
    """

    name: str
    situation: Situation
    plans: tuple[Plan, ...]
    choices: Mapping[str, tuple[Value, ...]]
    rows: tuple[Row, ...]
    machine_sd: float | None = None

    def row(self, recipe: Recipe, role: str = "trial") -> Row | None:
        """Return the row of a recipe; None where it was not measured in this role."""
        return self._rows.get((recipe.digest, role))

    def recipe(self, changed: Settings) -> Recipe:
        """Return the recipe of settings that differ from the default."""
        workload = self.situation.workload
        return Recipe(model=workload.model, revision=workload.revision, settings=dict(changed))

    @cached_property
    def _rows(self) -> Mapping[tuple[str, str], Row]:
        return {(self.recipe(row.changed).digest, row.role): row for row in self.rows}


def write_table(table: Table, path: Path) -> None:
    """Write a table as JSON lines, its facts first and then a row each; equal tables are equal files.

    Raises:
        StoreError: The file cannot be written.
    """
    lines = [_head(table), *(row.to_json() for row in table.rows)]
    text = "".join(f"{json.dumps(line, ensure_ascii=False, separators=(',', ':'))}\n" for line in lines)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(text.encode())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed.getvalue())
    except OSError as error:
        raise StoreError(f"The table '{path}' cannot be written: {error.strerror}.") from error


def read_table(path: Path) -> Table:
    """Return the table of a file that `write_table` made.

    Raises:
        StoreError: The file cannot be read, is no table, or is one of a newer autotune.
    """
    try:
        first, *others = gzip.decompress(path.read_bytes()).decode().splitlines()
        head = json.loads(first)
        if head["schema_version"] > SCHEMA_VERSION:
            raise StoreError(f"The table '{path}' was written by a newer autotune. Update this one.")
        return _table(head, map(json.loads, others))
    except (gzip.BadGzipFile, EOFError, ValueError, KeyError, TypeError) as error:
        message = f"'{path}' is no table of measured recipes: {type(error).__name__}: {error}."
        raise StoreError(f"{message} 'make record' writes one.") from error
    except OSError as error:
        raise StoreError(f"The table '{path}' cannot be read: {error.strerror}.") from error


def _head(table: Table) -> dict[str, Any]:
    situation = table.situation
    return {
        "schema_version": SCHEMA_VERSION,
        "name": table.name,
        "target": situation.target.to_json(),
        "blueprint": situation.blueprint.to_json(),
        "workload": situation.workload.to_json(),
        "plans": [plan.to_json() for plan in table.plans],
        "choices": [[name, list(values)] for name, values in table.choices.items()],
        "machine_sd": _rounded(table.machine_sd),
    }


def _table(head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Table:
    return Table(
        name=head["name"],
        situation=Situation(
            target=Target.from_json(head["target"]),
            blueprint=Blueprint.from_json(head["blueprint"]),
            workload=Workload.from_json(head["workload"]),
        ),
        plans=tuple(Plan.from_json(plan) for plan in head["plans"]),
        choices={name: tuple(values) for name, values in head["choices"]},
        rows=tuple(Row.from_json(row) for row in rows),
        machine_sd=head["machine_sd"],
    )


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with its numbers to six digits; whole numbers, such as bytes, are left as they are."""
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
