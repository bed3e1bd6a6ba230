"""The untuned baseline that another study has just measured: taken over, said, and not charged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from sqlalchemy import update

from autotune.budget import Budget
from autotune.job import Job
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.plan import Plan
from autotune.report.as_json import row_json
from autotune.report.figures import rows
from autotune.search.notes import trial_note
from autotune.search.study import Study
from autotune.search.tune import run_study
from autotune.store.engine import open_database
from autotune.store.schema import TrialRow
from tests.search import synthetic

HERE = replace(synthetic.SITUATION, target=replace(synthetic.SITUATION.target, uuid="cpu-1"))
RUN = "run trial untuned"
Tuner = Callable[..., Study]


@pytest.fixture
def tune(url: str) -> Tuner:
    """Run a study on a machine that can be told from others; `events` gets the jobs."""

    def run(name: str, events: list[str], *, situation: Situation = HERE, **asked: object) -> Study:
        return run_study(
            plan(name, **asked),
            url=url,
            runner=synthetic.runner(events),
            situation=situation,
            knobs=synthetic.knobs(),
        )

    return run


def plan(name: str, **asked: object) -> Plan:
    """Return the plan of a study of three trials."""
    return replace(synthetic.plan(), study=name, budget=Budget(trials=3), **asked)  # type: ignore[arg-type]


def test_a_second_study_takes_over_the_baseline(tune: Tuner, url: str) -> None:
    """The measurement is the first study's, with its pictures, for Optuna too; its seconds are not spent."""
    first, events = tune("first", []), list[str]()
    second = tune("second", events, memory_limit_bytes=2**30)

    theirs, ours = first.baseline(), second.baseline()
    assert theirs is not None
    assert ours is not None
    assert RUN not in events
    assert "first" == ours.measured_in
    assert (ours.measurement, ours.seconds) == (theirs.measurement, theirs.seconds)
    assert (ours.folder / "0.png").read_bytes() == (theirs.folder / "0.png").read_bytes()
    assert "drew untuned\n" == (ours.folder / "log.txt").read_text()
    spent = sum(check.seconds for check in second.checks) + sum(one.seconds for one in second.trials[1:])
    assert spent == pytest.approx(second.elapsed_s)
    told = optuna.load_study(study_name="second", storage=url).trials[0]
    assert told.values == optuna.load_study(study_name="first", storage=url).trials[0].values


def test_everybody_is_told_whose_it_is(tune: Tuner) -> None:
    """Tables, JSON and the dashboard say in which study it was measured; of one's own they say nothing."""
    first = tune("first", [])
    second = tune("second", [])
    row = rows(second)[0]

    assert "untuned, measured in study 'first'" == row.recipe
    assert "first" == row_json(row)["measured_in"]
    assert "It was measured in study 'first'." in trial_note(row.trial, second)
    assert "measured in" not in trial_note(rows(first)[0].trial, first)
    assert "untuned" == rows(first)[0].recipe


def test_what_was_taken_over_is_not_taken_over_again(tune: Tuner) -> None:
    """A third study names the study that measured, so that an old measurement does not stay young."""
    for name in ("first", "second"):
        tune(name, [])
    baseline = tune("third", []).baseline()

    assert baseline is not None
    assert "first" == baseline.measured_in


@pytest.mark.parametrize(
    "changes",
    [
        {"situation": replace(HERE, target=replace(HERE.target, uuid="cpu-2"))},
        {"situation": replace(HERE, target=replace(HERE.target, libraries={"torch": "9"}))},
        {"situation": replace(HERE, workload=replace(HERE.workload, seeds=(7,)))},
        {"protocol": replace(synthetic.plan().protocol, calls_min=9)},
        {"threads": 1},
        {"objectives": ("first_picture_s", "memory_bytes")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_baseline_of_other_conditions_is_measured(tune: Tuner, changes: dict[str, object]) -> None:
    """Another device, other software, another workload, another way to measure: another baseline."""
    tune("first", [])
    events = list[str]()
    baseline = tune("second", events, **changes).baseline()

    assert baseline is not None
    assert RUN in events
    assert "" == baseline.measured_in


def test_a_device_that_cannot_be_told_from_others_shares_nothing(tune: Tuner) -> None:
    """Two cards of one name may run at different clocks."""
    events = list[str]()
    for name in ("first", "second"):
        tune(name, events, situation=synthetic.SITUATION)

    assert 2 == events.count(RUN)


def test_an_old_baseline_is_measured_again(tune: Tuner, url: str) -> None:
    """Of yesterday nobody knows what the machine did."""
    tune("first", [])
    with open_database(url) as database, database.writing() as session:
        session.execute(update(TrialRow).values(started_at=datetime.now(UTC) - timedelta(hours=7)))
    events = list[str]()
    tune("second", events)

    assert RUN in events


def test_a_baseline_without_its_pictures_is_measured_again(tune: Tuner) -> None:
    """Somebody tidied up."""
    theirs, events = tune("first", []).baseline(), list[str]()
    assert theirs is not None
    (theirs.folder / "0.png").unlink()
    tune("second", events)

    assert RUN in events


def test_a_disturbed_baseline_is_measured_again(url: str, tune: Tuner) -> None:
    """What other programs did to one study must not be held against the recipes of the next."""

    def disturbed(job: Job) -> Outcome:
        found = synthetic.runner()(job)
        if isinstance(found, Measurement) and not job.recipe.settings:
            return replace(found, warnings=("disturbed: 5 of 5 timed calls",))
        return found

    run_study(plan("first"), url=url, runner=disturbed, situation=HERE, knobs=synthetic.knobs())
    baseline = tune("second", []).baseline()

    assert baseline is not None
    assert "" == baseline.measured_in


def test_a_baseline_that_failed_is_tried_again(tune: Tuner, url: str) -> None:
    """It may have been the moment: only a measurement is taken over."""

    def failing(job: Job) -> Outcome:
        if job.recipe.settings or job.role != "trial":
            return synthetic.runner()(job)
        return Failure(kind=FailureKind.CRASH, message="It crashed.")

    run_study(plan("first"), url=url, runner=failing, situation=HERE, knobs=synthetic.knobs())
    baseline = tune("second", []).baseline()

    assert baseline is not None
    assert "" == baseline.measured_in
