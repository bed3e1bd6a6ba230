"""Earlier: the untuned baseline that another study of the same database has just measured."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autotune.errors import StoreError
from autotune.knob import Situation
from autotune.measurement import Measurement
from autotune.plan import Plan
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.records import StudyRecord

FRESH = timedelta(hours=6)
"""So long a baseline is taken over: the rounds that settle a study's answer measure its own beside it."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A baseline that need not be measured again.

    Attributes:
        study: Which study measured it.
        measurement: What it came to.
        seconds: Wall seconds that it took.
        folder: Its log and its pictures.
    """

    study: str
    measurement: Measurement
    seconds: float
    folder: Path

    def copy_files(self, folder: Path) -> None:
        """Copy its log and its pictures to the folder of another trial.

        Raises:
            StoreError: They cannot be copied.
        """
        try:
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        except OSError as error:
            problem = f"The pictures of study '{self.study}' cannot be copied to '{folder}': {error}."
            raise StoreError(f"{problem} Check the rights and the space on its disk.") from error


def earlier_baseline(database: Database, plan: Plan, situation: Situation) -> Earlier | None:
    """Return the newest untuned baseline that was measured as a plan would measure its own; None without one.

    It was measured within the last `FRESH`, on the very same device with the same software, of the same
    weights, under the same workload and protocol, and nothing disturbed it: no gate fired.

    Args:
        database: Holds the other studies.
        plan: Says how it would be measured.
        situation: Where, of what, making what.
    """
    if not situation.target.uuid:
        return None
    since = datetime.now(UTC) - FRESH
    found = [
        (
            trial.started_at,
            Earlier(study=name, measurement=measured, seconds=trial.seconds, folder=trial.folder),
        )
        for name in history.study_names(database)
        if name != plan.study and _is_alike(history.readable_study(database, name), plan, situation)
        for trial in history.trials(database, name)
        if trial.is_baseline and not trial.measured_in and trial.started_at >= since
        if (measured := trial.measurement) is not None and _is_sound(measured, trial.folder, plan)
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def _is_alike(there: StudyRecord | None, plan: Plan, situation: Situation) -> bool:
    """Whether a study measures its untuned baseline just as a plan would."""
    return there is not None and (there.situation, *_manner(there.plan)) == (situation, *_manner(plan))


def _manner(plan: Plan) -> tuple[object, ...]:
    """All of a plan that a measurement of the untuned baseline depends on, beside the situation."""
    return plan.protocol, plan.threads, plan.extras, plan.counts_starts, plan.target


def _is_sound(measured: Measurement, folder: Path, plan: Plan) -> bool:
    """Whether all that a plan asks for was measured without a warning, and the pictures are still there."""
    asked = {term for objective in plan.measured_objectives() for term in objective.terms}
    has_pictures = all((folder / name).is_file() for name in measured.pictures)
    return not measured.warnings and asked <= measured.figures.keys() and has_pictures
