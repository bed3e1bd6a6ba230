"""Recorded trials of a study: read from what `autotune show --all --json` wrote, or from a recorded table."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.knob import Settings
from autotune.measurement import Measurement, outcome_from_json
from autotune.objective import SIMILARITY, Limit
from autotune.table import read_table

STARTED = ("fork", "load", "apply")
"""Phases before the first call."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A trial that was measured to its end.

    Attributes:
        digest: Its recipe.
        changed: The settings that differ from the default.
        measurement: What was measured.
    """

    digest: str
    changed: Settings = field(default_factory=dict)
    measurement: Measurement

    @property
    def seconds(self) -> float:
        """Wall seconds of all its phases."""
        return sum(self.measurement.phases_s.values())


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recorded study.

    Attributes:
        name: Its name.
        trials: Those that were measured, the baseline first.
        limits: What is unfit.
    """

    name: str
    trials: tuple[Recorded, ...]
    limits: tuple[Limit, ...] = ()

    @property
    def floor_s(self) -> float:
        """Seconds that no screening can save: of starting, loading and compiling."""
        return sum(cold_s(trial.measurement) for trial in self.trials)


def read_study(file: Path) -> Case:
    """Return a study that `autotune show --all --json` wrote."""
    study: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    found = []
    for trial in sorted(study["trials"], key=lambda trial: not trial["is_baseline"]):
        outcome = trial.get("outcome") or {}
        if outcome.get("outcome") == "measurement":
            found.append(_recorded(trial["digest"], trial["settings"], outcome_from_json(outcome)))
    floor = study["limits"].get("similarity")
    limits = (Limit(objective=SIMILARITY, bound=floor),) if floor is not None else ()
    return Case(name=file.parent.name, trials=tuple(found), limits=limits)


def read_rows(file: Path, *, min_similarity: float) -> Case:
    """Return a recorded table as a study with a floor of similarity."""
    table = read_table(file)
    rows = [row for row in table.rows if row.role == "trial" and isinstance(row.outcome, Measurement)]
    trials = [_recorded(table.recipe(row.changed).digest, row.changed, row.outcome) for row in rows]
    limits = (Limit(objective=SIMILARITY, bound=min_similarity),)
    return Case(name=f"{file.parent.name}, {table.name}", trials=tuple(trials), limits=limits)


def _recorded(digest: str, changed: Settings, measured: Any) -> Recorded:
    return Recorded(digest=digest, changed=changed, measurement=measured)


def cold_s(measured: Measurement) -> float:
    """Seconds until the end of the first call."""
    return sum(measured.phases_s.get(name, 0.0) for name in (*STARTED, "first call"))
