"""Studies and trials as they are stored and read back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autotune.budget import Budget
from autotune.errors import StoreError, UnknownName
from autotune.measurement import Failure, FailureKind
from autotune.store import history
from autotune.store.engine import Database, open_database
from autotune.store.lock import exclusive
from autotune.store.records import StudyRecord, TrialState
from tests.search import synthetic

NEW = history.NewTrial(
    number=0, digest="0123456789ab", settings={"dtype": "float32"}, changed={}, preset="untuned"
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with one study."""
    with open_database(f"sqlite:///{tmp_path / 'x.db'}") as opened:
        history.save_study(opened, record())
        yield opened


def record(**changes: object) -> StudyRecord:
    """Return a study to store."""
    return StudyRecord(
        plan=synthetic.plan(**changes),
        situation=synthetic.SITUATION,
        choices={"dtype": ("float32", "bfloat16"), "steps": (20, 8)},
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_a_study_is_read_as_it_was_stored(database: Database) -> None:
    """Plan, situation, choices in their order and the time with its zone all come back."""
    assert record() == history.load_study(database, "first")


def test_storing_a_study_again_changes_only_its_plan(database: Database) -> None:
    """A budget may grow; when and where a study was begun stays."""
    history.save_study(database, record(budget=Budget(trials=99)))

    assert Budget(trials=99) == history.load_study(database, "first").plan.budget
    assert ("first",) == history.study_names(database)


def test_an_unknown_study_is_answered_with_the_nearest(database: Database) -> None:
    """A typing error is told from a study that never was."""
    with pytest.raises(UnknownName, match=r"There is no study 'frist'. Did you mean 'first'\?"):
        history.load_study(database, "frist")


def test_a_trial_goes_from_running_to_finished_to_told(database: Database) -> None:
    """Each state is on disk before the next begins."""
    started = history.start_trial(database, "first", NEW)
    outcome = synthetic.outcome({name: values[0] for name, values in synthetic.VALUES.items()})
    finished = history.finish_trial(database, "first", 0, outcome=outcome, seconds=1.5)
    history.mark_told(database, "first", 0)
    (told,) = history.trials(database, "first")

    states = [started.state, finished.state, told.state]
    assert [TrialState.RUNNING, TrialState.FINISHED, TrialState.TOLD] == states
    assert (outcome, 1.5, NEW.settings, "untuned") == (told.outcome, told.seconds, told.settings, told.preset)
    assert database.folders.root / "first/trials/0000-0123456789ab" == told.folder


def test_a_trial_of_a_killed_tuner_says_nothing_about_its_recipe(database: Database) -> None:
    """Reaping finishes what nobody runs any more, and only that."""
    history.start_trial(database, "first", NEW)

    assert (0,) == history.reap(database, "first")
    (trial,) = history.trials(database, "first")
    assert isinstance(trial.outcome, Failure)
    assert (FailureKind.CANCELLED, False) == (trial.outcome.kind, trial.counts)
    assert () == history.reap(database, "first")


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """The second is told at once, with the process that holds it."""
    path = tmp_path / "deep" / "tuner.lock"

    message = r"Somebody tunes. It is process \d+."
    with exclusive(path), pytest.raises(StoreError, match=message), exclusive(path, busy="Somebody tunes."):
        pass
    with exclusive(path, busy="Somebody tunes."):
        assert path.is_file()
