"""What the stage "studies" found, as plain JSON: read from its database, kept, summed up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.forecast import forecast
from autotune.report.as_json import row_json
from autotune.report.figures import front_rows, rows
from autotune.runners.local import LocalRunner
from autotune.samples import median
from autotune.search.study import Study, read_study
from autotune.store.engine import open_database
from tests.gpu_check.stage import Where

KEPT = "studies.json"
PLANS, RECIPES = "plans", "recipes"
"""Folders of the results: plans that can be run again, and the recipes that were exported."""

_FIGURES = (
    *("number", "settings", "latency_s", "speed_up", "memory_bytes", "host_memory_bytes", "similarity"),
    *("tier", "cold_s", "energy_j", "beyond_limits", "picks", "is_on_front", "is_baseline", "digest"),
)


@dataclass(kw_only=True)
class Book:
    """All that is known, written after each change.

    Attributes:
        where: Where the stage runs.
        known: "studies", "recipes" and "duels" by name; see `studies.py`.
    """

    where: Where
    known: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def opened(cls, where: Where) -> "Book":
        """Return the book with what earlier runs kept."""
        empty: dict[str, Any] = {"is_proof": where.is_proof, "studies": {}, "recipes": {}, "duels": {}}
        return cls(where=where, known=empty | (where.kept(KEPT) or {}))

    def of(self, kind: str, name: str) -> dict[str, Any]:
        """Return what is known of one thing, {} where nothing is; it is not kept before `note`."""
        found: dict[str, Any] = self.known[kind].get(name, {})
        return found

    def note(self, kind: str, name: str, **facts: Any) -> dict[str, Any]:
        """Add facts about one thing, and keep all."""
        found = self.of(kind, name) | facts
        self.known[kind][name] = found
        self.where.keep(KEPT, self.known)
        return found

    @property
    def database(self) -> Path:
        """Of all studies of this stage."""
        return self.where.work / "studies" / "studies.db"

    def study(self, name: str) -> Study | None:
        """Return a study of the database, None where it was never begun."""
        if not self.database.is_file():
            return None
        with open_database(f"sqlite:///{self.database}", must_exist=True) as database:
            from autotune.store import history

            return read_study(database, name) if name in history.study_names(database) else None

    def recipe_file(self, name: str) -> Path:
        """Return where a recipe is kept."""
        return self.where.results / RECIPES / f"{name}.json"


def facts_of(study: Study) -> dict[str, Any]:
    """Return what is kept of a study: figures of its trials, its front, and what failed."""
    every = rows(study)
    workload, target = study.situation.workload, study.situation.target
    done = [row for row in every if row.trial.counts]
    return {
        "model": workload.model,
        "likeness": "numerical drift only" if study.situation.blueprint.has_random_weights else "real",
        "workload": {
            "width_px": workload.width_px,
            "height_px": workload.height_px,
            "steps": workload.steps,
            "batch": workload.batch,
            "prompts": len(workload.prompts),
        },
        "memory_limit_bytes": study.plan.memory_limit_bytes,
        "min_similarity": study.plan.min_similarity,
        "device_bytes": target.memory_bytes,
        "trials": len(done),
        "seconds": round(study.elapsed_s, 1),
        "failures": {kind.value: count for kind, count in study.failures().most_common()},
        "pruned": sum(row.trial.pruned is not None for row in done),
        "baseline": next((_figures(row_json(row)) for row in every if row.is_baseline), None),
        "front": [_figures(row_json(row)) for row in front_rows(every) if row.is_on_front],
        "tried": [
            _figures(row_json(row))
            | {"preset": row.trial.preset, "seconds": round(row.trial.seconds, 1)}
            | ({"failure": _first_line(row.trial.failure.message)} if row.trial.failure is not None else {})
            for row in done
        ],
    }


def forecast_errors(study: Study, runner: LocalRunner) -> dict[str, float]:
    """Return by which share the expected memory of each measured trial differs from what was measured.

    Nothing of this card is known to the forecast. By the trial's number; above 0 where too much was expected.

    Raises:
        AutotuneError: The model cannot be surveyed.
    """
    workload, target = study.situation.workload, study.situation.target
    footprint, _ = runner.footprint(workload, target.device)
    found = {}
    for trial in study.measured():
        if trial.measurement is not None and trial.measurement.memory_bytes:
            expected = forecast(trial.settings, footprint, target).expected_bytes
            found[str(trial.number)] = round(expected / trial.measurement.memory_bytes - 1.0, 4)
    return found


def median_error(errors: Mapping[str, float]) -> float | None:
    """Return the median of the errors without their sign; None without any.

    >>> median_error({"0": -0.1, "1": 0.02, "2": 0.04}), median_error({})
    (0.04, None)
    """
    return median([abs(error) for error in errors.values()]) if errors else None


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _FIGURES if name in row}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]
