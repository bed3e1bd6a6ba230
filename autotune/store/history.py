"""History: every query of our tables that there is."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from autotune.blueprint import Blueprint
from autotune.errors import UnknownName, UsageError
from autotune.knob import Settings, Situation
from autotune.measurement import Failure, FailureKind, Outcome, outcome_from_json
from autotune.plan import Plan
from autotune.store.engine import Database
from autotune.store.folders import Folders
from autotune.store.records import CheckRecord, Purpose, StudyRecord, TrialRecord, TrialState
from autotune.store.schema import CheckRow, StudyRow, TrialRow
from autotune.target import Target
from autotune.workload import Workload

_INTERRUPTED = "autotune itself ended before this trial did; it is tried again when the study is resumed."


@dataclass(frozen=True, kw_only=True)
class NewTrial:
    """What is known of a trial before it runs; the fields are those of `TrialRecord`."""

    number: int
    digest: str
    settings: Settings
    changed: Settings
    preset: str


def save_study(database: Database, study: StudyRecord) -> None:
    """Store a study; of one that exists, only the plan (its budget may have grown)."""
    with database.writing() as session:
        row = session.scalar(select(StudyRow).where(StudyRow.name == study.plan.study))
        if row is not None:
            row.plan = study.plan.to_json()
            return
        session.add(
            StudyRow(
                name=study.plan.study,
                created_at=study.created_at,
                plan=study.plan.to_json(),
                target=study.situation.target.to_json(),
                blueprint=study.situation.blueprint.to_json(),
                workload=study.situation.workload.to_json(),
                choices=[[name, list(values)] for name, values in study.choices.items()],
            )
        )


def find_study(database: Database, name: str) -> StudyRecord | None:
    """Return a study, or None when there is none of this name."""
    with database.reading() as session:
        row = session.scalar(select(StudyRow).where(StudyRow.name == name))
        return _study_record(row) if row is not None else None


def readable_study(database: Database, name: str) -> StudyRecord | None:
    """Return a stored study; None where there is none, or none that this version can read."""
    try:
        return find_study(database, name)
    except UsageError:
        return None


def load_study(database: Database, name: str) -> StudyRecord:
    """Return a study.

    Raises:
        UnknownName: There is none of this name.
    """
    found = find_study(database, name)
    if found is None:
        raise UnknownName(
            "study", name, study_names(database), remedy=f"The database is '{database.address}'."
        )
    return found


def study_names(database: Database) -> tuple[str, ...]:
    """Return the names of all studies, the oldest first."""
    with database.reading() as session:
        return tuple(session.scalars(select(StudyRow.name).order_by(StudyRow.id)))


def start_trial(database: Database, study: str, trial: NewTrial) -> TrialRecord:
    """Store that a trial is about to run."""
    folder = database.folders.trial(study, trial.number, trial.digest)
    with database.writing() as session:
        row = TrialRow(
            study_id=session.scalars(select(StudyRow.id).where(StudyRow.name == study)).one(),
            number=trial.number,
            digest=trial.digest,
            settings=dict(trial.settings),
            changed=dict(trial.changed),
            preset=trial.preset,
            folder=folder.relative_to(database.folders.root).as_posix(),
            state=TrialState.RUNNING.value,
            started_at=datetime.now(UTC),
            measured_in="",
        )
        session.add(row)
        return _trial_record(row, database.folders)


def finish_trial(  # noqa: PLR0913 - which trial, and what it came to
    database: Database, study: str, number: int, *, outcome: Outcome, seconds: float, measured_in: str = ""
) -> TrialRecord:
    """Store what a trial came to, with all its samples: from here on it is never run again.

    Args:
        database: Holds it.
        study: It belongs to.
        number: Of the trial.
        outcome: What it came to.
        seconds: Wall seconds that it took.
        measured_in: The study that it was taken over from, "" for none.
    """
    with database.writing() as session:
        row = _trial_row(session, study, number)
        _finish(row, outcome, seconds)
        row.measured_in = measured_in
        return _trial_record(row, database.folders)


def mark_told(database: Database, study: str, number: int) -> None:
    """Store that Optuna knows a trial's outcome."""
    with database.writing() as session:
        _trial_row(session, study, number).state = TrialState.TOLD.value


def reap(database: Database, study: str) -> tuple[int, ...]:
    """Finish the trials of a tuner that was killed, as cancelled; return their numbers.

    Only the holder of the study's lock may call this: no trial of the study runs.
    """
    outcome = Failure(kind=FailureKind.CANCELLED, message=_INTERRUPTED)
    with database.writing() as session:
        rows = session.scalars(_trials_of(study).where(TrialRow.state == TrialState.RUNNING.value)).all()
        for row in rows:
            _finish(row, outcome, 0.0)
        return tuple(row.number for row in rows)


def trials(database: Database, study: str) -> tuple[TrialRecord, ...]:
    """Return all trials of a study, the oldest first."""
    with database.reading() as session:
        return tuple(_trial_record(row, database.folders) for row in session.scalars(_trials_of(study)))


def save_check(database: Database, study: str, check: CheckRecord) -> None:
    """Store what was measured beside the trials."""
    data = check.outcome.to_json()
    with database.writing() as session:
        session.add(
            CheckRow(
                study_id=session.scalars(select(StudyRow.id).where(StudyRow.name == study)).one(),
                purpose=check.purpose.value,
                round=check.round,
                digest=check.digest,
                changed=dict(check.changed),
                finished_at=check.finished_at,
                seconds=check.seconds,
                outcome_kind=data.get("kind", data["outcome"]),
                outcome=data,
            )
        )


def checks(database: Database, study: str) -> tuple[CheckRecord, ...]:
    """Return all that was measured beside a study's trials, the oldest first."""
    query = select(CheckRow).join(StudyRow).where(StudyRow.name == study).order_by(CheckRow.id)
    with database.reading() as session:
        return tuple(_check_record(row) for row in session.scalars(query))


def _trials_of(study: str) -> Select[TrialRow]:
    return select(TrialRow).join(StudyRow).where(StudyRow.name == study).order_by(TrialRow.number)


def _trial_row(session: Session, study: str, number: int) -> TrialRow:
    return session.scalars(_trials_of(study).where(TrialRow.number == number)).one()


def _finish(row: TrialRow, outcome: Outcome, seconds: float) -> None:
    data = outcome.to_json()
    row.state = TrialState.FINISHED.value
    row.finished_at = datetime.now(UTC)
    row.seconds = seconds
    row.outcome = data
    row.outcome_kind = data.get("kind", data["outcome"])


def _study_record(row: StudyRow) -> StudyRecord:
    situation = Situation(
        target=Target.from_json(row.target),
        blueprint=Blueprint.from_json(row.blueprint),
        workload=Workload.from_json(row.workload),
    )
    return StudyRecord(
        plan=Plan.from_json(row.plan),
        situation=situation,
        choices={name: tuple(values) for name, values in row.choices},
        created_at=row.created_at,
    )


def _trial_record(row: TrialRow, folders: Folders) -> TrialRecord:
    return TrialRecord(
        number=row.number,
        digest=row.digest,
        settings=row.settings,
        changed=row.changed,
        preset=row.preset,
        folder=folders.root / row.folder,
        state=TrialState(row.state),
        started_at=row.started_at,
        outcome=outcome_from_json(row.outcome) if row.outcome is not None else None,
        seconds=row.seconds or 0.0,
        measured_in=row.measured_in,
    )


def _check_record(row: CheckRow) -> CheckRecord:
    return CheckRecord(
        purpose=Purpose(row.purpose),
        round=row.round,
        digest=row.digest,
        changed=row.changed,
        outcome=outcome_from_json(row.outcome),
        seconds=row.seconds,
        finished_at=row.finished_at,
    )
