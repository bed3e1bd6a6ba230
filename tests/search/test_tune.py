"""The loop: what is run, in which order it is written down, and when it ends."""

import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.budget import Budget
from autotune.errors import AutotuneError, StoreError
from autotune.job import Job
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.search.events import (
    CheckFinished,
    Event,
    ReferenceStarted,
    Stop,
    StudyOpened,
    StudyStopped,
    TrialFinished,
    TrialStarted,
)
from autotune.search.study import Study
from autotune.store.records import TrialState
from tests.search import synthetic
from tests.search.conftest import Tuner

CANCELLED = Failure(kind=FailureKind.CANCELLED, message="You stopped it.")
JOURNAL = """
CREATE TABLE IF NOT EXISTS journal (line TEXT);
CREATE TRIGGER asked AFTER INSERT ON trials BEGIN INSERT INTO journal VALUES ('asked'); END;
CREATE TRIGGER begun AFTER INSERT ON autotune_trial BEGIN INSERT INTO journal VALUES ('begun'); END;
CREATE TRIGGER kept AFTER UPDATE OF state ON autotune_trial BEGIN
    INSERT INTO journal VALUES (NEW.state || ' ' || NEW.outcome_kind);
END;
CREATE TRIGGER told AFTER UPDATE OF state ON trials BEGIN
    INSERT INTO journal VALUES ('optuna ' || NEW.state);
END;
"""


def reason(events: list[Event]) -> str:
    """Return why the study stopped."""
    (stopped,) = [event for event in events if isinstance(event, StudyStopped)]
    return stopped.reason


def test_sixty_trials_are_sixty_recipes(sixty: Study) -> None:
    """No recipe is ever measured twice."""
    assert 60 == len({trial.digest for trial in sixty.trials})


def test_the_untuned_baseline_comes_first_and_presets_among_the_rest(sixty: Study) -> None:
    """What the guides recommend is tried where it is expected to be about as good as anything else."""
    named = [trial.preset for trial in sixty.trials]

    assert ("untuned", "untuned") == (named[0], sixty.trials[0].describe())
    assert set(named) - {"", "untuned"}


def test_failures_are_recorded_and_the_study_goes_on(sixty: Study) -> None:
    """A trial that fails is evidence with a reason, not the end."""
    failed = sixty.failed()

    assert len(failed) >= 3
    assert all(trial.failure and trial.failure.message.startswith("A synthetic") for trial in failed)
    assert Counter(trial.failure.kind for trial in failed if trial.failure) == sixty.failures()


def test_an_outcome_is_stored_before_optuna_is_told(tune: Tuner, tmp_path: Path) -> None:
    """A kill between the two loses nothing: our tables always know at least as much."""
    tune(synthetic.plan(budget=Budget(trials=1)))
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.executescript(JOURNAL)

    def runner(job: Job) -> Outcome:
        connection.execute("INSERT INTO journal VALUES ('run')")
        connection.commit()
        return synthetic.runner()(job)

    tune(synthetic.plan(budget=Budget(trials=2)), runner=runner)

    lines = [line for (line,) in connection.execute("SELECT line FROM journal ORDER BY rowid")]
    expected = ["asked", "begun", "run", "finished measurement", "optuna COMPLETE", "told measurement"]
    assert expected == lines
    connection.close()


def test_the_listener_hears_of_everything_in_order(tune: Tuner) -> None:
    """A display can be drawn from the events alone."""
    events: list[Event] = []
    tune(synthetic.plan(budget=Budget(trials=2)), listen=events.append)

    names = [type(event).__name__ for event in events]
    trial, check = ["TrialStarted", "TrialFinished"], ["CheckStarted", "CheckFinished"]
    floor = check * sum(isinstance(event, CheckFinished) for event in events)
    assert ["StudyOpened", "ReferenceStarted", *floor, *trial, *trial, "StudyStopped"] == names
    finished = [event for event in events if isinstance(event, TrialFinished)]
    assert [1, 2] == [len(event.study.trials) for event in finished]


def test_the_reference_pictures_are_made_once(tune: Tuner) -> None:
    """They come before the first trial and are kept for the next run."""
    jobs: list[str] = []
    tune(synthetic.plan(budget=Budget(trials=1)), runner=synthetic.runner(jobs))
    tune(synthetic.plan(budget=Budget(trials=2)), runner=synthetic.runner(jobs))

    made = [job for job in jobs if not job.startswith("run pictures")]
    assert ["run reference untuned", "run trial untuned"] == made[:2]
    assert 3 == len(made)


def test_reference_pictures_that_vanished_are_made_again(tune: Tuner, tmp_path: Path) -> None:
    """What the trials need is looked for, not assumed."""
    jobs: list[str] = []
    tune(synthetic.plan(budget=Budget(trials=1)))
    for picture in (tmp_path / "x-files" / "references").rglob("*.png"):
        picture.unlink()
    tune(synthetic.plan(budget=Budget(trials=2)), runner=synthetic.runner(jobs))

    assert "run reference untuned" == jobs[0]


def test_a_pipeline_that_cannot_make_the_reference_ends_with_its_log(tune: Tuner) -> None:
    """Without anything to compare to, there is no study."""

    def runner(job: Job) -> Outcome:
        return Failure(kind=FailureKind.CRASH, message="It died.", phase="load", log="No such weights")

    with pytest.raises(AutotuneError) as caught:
        tune(runner=runner)
    assert "crash during load. It died." in str(caught.value)
    assert "No such weights" in str(caught.value)


def test_a_job_holds_what_the_plan_asks_for(tune: Tuner, tmp_path: Path) -> None:
    """Limits, folders and protocol reach the worker; the baseline runs without a memory limit."""
    jobs: list[Job] = []

    def runner(job: Job) -> Outcome:
        jobs.append(job)
        return synthetic.runner()(job)

    plan = synthetic.plan(budget=Budget(trials=2), trial_time_s=33.0, threads=3)
    tune(plan, runner=runner)

    files = tmp_path / "x-files"
    baseline, second = (job for job in jobs if job.role == "trial")
    assert (None, plan.memory_limit_bytes) == (baseline.memory_limit_bytes, second.memory_limit_bytes)
    assert (33.0, 3, str(files / "cache")) == (second.time_limit_s, second.threads, second.cache)
    workload = synthetic.SITUATION.workload.digest
    assert str(files / "references" / f"{workload}-cpu") == second.reference
    assert str(files / "first" / "trials" / f"0001-{second.recipe.digest}") == second.folder


def test_the_baseline_has_time_where_others_are_cut_short(tune: Tuner) -> None:
    """A short limit on trials stops hopeless recipes, never what they are all compared to."""
    jobs: list[Job] = []

    def runner(job: Job) -> Outcome:
        jobs.append(job)
        return synthetic.runner()(job)

    tune(synthetic.plan(trial_time_s=30.0, budget=Budget(trials=2)), runner=runner)
    reference = next(job for job in jobs if job.role == "reference")
    baseline, second = (job for job in jobs if job.role == "trial")

    assert [600.0, 600.0, 30.0] == [job.time_limit_s for job in (reference, baseline, second)]


def test_the_budget_counts_over_all_runs(tune: Tuner) -> None:
    """The same command again adds nothing; a larger budget goes on where it stopped."""
    tune(synthetic.plan(budget=Budget(trials=5)))
    events: list[Event] = []
    again = tune(synthetic.plan(budget=Budget(trials=5)), listen=events.append)
    more = tune(synthetic.plan(budget=Budget(trials=7)))

    assert (5, "the budget of 5 trials is spent") == (len(again.trials), reason(events))
    assert isinstance(events[0], StudyOpened)
    assert events[0].resumed
    assert 7 == len({trial.digest for trial in more.trials})
    assert Budget(trials=7) == more.plan.budget


def test_a_resumed_study_goes_on_as_if_it_had_never_stopped(tune: Tuner, tmp_path: Path) -> None:
    """Stopping and resuming changes nothing in what is tried."""
    whole = tune(synthetic.plan(budget=Budget(trials=13)))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    parts = [tune(synthetic.plan(budget=Budget(trials=n)), at=other) for n in (3, 11, 13)]

    assert [t.digest for t in whole.trials] == [t.digest for t in parts[-1].trials]


def test_the_time_budget_counts_the_seconds_of_trials(tune: Tuner) -> None:
    """Seconds add up over runs as trials do."""
    events: list[Event] = []
    first = tune(synthetic.plan(budget=Budget(trials=2)))
    spent_s = sum(trial.seconds for trial in first.trials)
    study = tune(synthetic.plan(budget=Budget(seconds=spent_s / 2)), listen=events.append)

    assert 2 == len(study.trials)
    assert reason(events).endswith("is spent")


def test_a_small_space_is_tried_out_and_then_ends(tune: Tuner) -> None:
    """Every valid recipe, each once, whatever budget is left."""
    knobs = synthetic.knobs({name: synthetic.VALUES[name] for name in ("dtype", "vae_tiling")})
    events: list[Event] = []
    plan = synthetic.plan(budget=Budget(trials=100))
    study = tune(plan, knobs=knobs, listen=events.append)
    again = tune(plan, knobs=knobs)

    assert 3 * 3 == len({trial.digest for trial in study.trials}) == len(study.trials)
    assert "every valid recipe has been tried" == reason(events)
    assert len(study.trials) == len(again.trials)


def test_a_wish_to_stop_lets_the_running_trial_finish(tune: Tuner) -> None:
    """The first Ctrl-C loses no measurement."""
    stop, events = Stop(), list[Event]()

    def listen(event: Event) -> None:
        events.append(event)
        stop.requested = stop.requested or (isinstance(event, TrialStarted) and event.number == 2)

    study = tune(listen=listen, stop=stop)

    ended = [trial for trial in study.trials if trial.outcome is not None]
    assert (3, "you stopped it") == (len(ended), reason(events))


def test_a_wish_to_stop_during_the_reference_runs_no_trial(tune: Tuner) -> None:
    """The pictures are kept; the trials wait for the next run."""
    stop, events = Stop(), list[Event]()

    def listen(event: Event) -> None:
        events.append(event)
        stop.requested = stop.requested or isinstance(event, ReferenceStarted)

    study = tune(listen=listen, stop=stop)

    assert ((), "you stopped it") == (study.trials, reason(events))


def test_a_cancelled_reference_ends_the_study_quietly(tune: Tuner) -> None:
    """The user's own wish is no error; the pictures are made by the next run."""
    events: list[Event] = []
    study = tune(runner=lambda _: CANCELLED, listen=events.append)
    again = tune(synthetic.plan(budget=Budget(trials=1)))

    assert ((), "you stopped it") == (study.trials, reason(events))
    assert 1 == len(again.trials)


def test_a_cancelled_trial_says_nothing_and_is_tried_again_first(tune: Tuner) -> None:
    """The second Ctrl-C ends the trial itself; its recipe is the next to run."""

    def runner(job: Job) -> Outcome:
        was_named = job.role == "trial" and job.folder.rpartition("/")[2].startswith("0003")
        return CANCELLED if was_named else synthetic.runner()(job)

    events: list[Event] = []
    stopped = tune(runner=runner, listen=events.append)
    study = tune(synthetic.plan(budget=Budget(trials=6)))

    assert "you stopped it" == reason(events)
    assert FailureKind.CANCELLED not in stopped.failures()
    assert [3, 4] == [trial.number for trial in study.trials if trial.digest == stopped.trials[3].digest]
    assert 6 == sum(trial.counts for trial in study.trials)
    assert all(trial.state == TrialState.TOLD for trial in study.trials)


def test_a_second_tuner_of_the_same_study_is_refused(tune: Tuner) -> None:
    """Two loops on one study would measure each other; other studies are free."""
    refused: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, TrialStarted) and not refused:
            with pytest.raises(StoreError) as caught:
                tune()
            refused.append(str(caught.value))

    tune(synthetic.plan(budget=Budget(trials=2)), listen=listen)

    assert refused[0].startswith("Study 'first' is being tuned by somebody else. Wait for it")


def test_two_studies_share_a_database(tune: Tuner) -> None:
    """Each has its own trials, numbered from zero, and its own folder."""
    one = tune(synthetic.plan(study="one", budget=Budget(trials=3)))
    two = tune(synthetic.plan(study="two/2", seed=5, budget=Budget(trials=4)))
    again = tune(synthetic.plan(study="one", budget=Budget(trials=3)))

    def numbers(study: Study) -> list[int]:
        return [trial.number for trial in study.trials]

    assert ([0, 1, 2], [0, 1, 2, 3]) == (numbers(one), numbers(two))
    assert one.trials == again.trials
    assert one.trials[0].folder.parent != two.trials[0].folder.parent


def test_a_narrowed_plan_still_measures_the_baseline(tune: Tuner) -> None:
    """Everything is compared to the untuned pipeline, but it is no answer where the plan excludes it."""
    narrowed = {"dtype": ("bfloat16",)}
    plan = synthetic.plan(
        knobs=narrowed, min_similarity=None, memory_limit_bytes=None, budget=Budget(trials=11)
    )
    study = tune(plan)

    assert "untuned" == study.trials[0].preset
    assert {"bfloat16"} == {str(trial.settings["dtype"]) for trial in study.trials[1:]}
    assert study.trials[0] not in study.fit()
    assert {"bfloat16"} == {str(trial.settings["dtype"]) for trial in study.front()}


def test_approximate_knobs_stay_put_unless_they_are_allowed(tune: Tuner) -> None:
    """Fewer steps make another picture: nobody gets that unasked."""
    plain = tune(synthetic.plan(study="plain", budget=Budget(trials=10)))
    allowed = tune(synthetic.plan(study="allowed", budget=Budget(trials=10), allow_approximate=True))

    assert {20} == {trial.settings["steps"] for trial in plain.trials}
    assert {20} < {trial.settings["steps"] for trial in allowed.trials}


def test_log_and_pictures_lie_in_the_trials_folder(tune: Tuner) -> None:
    """A person finds a trial's files by its number."""
    study = tune(synthetic.plan(budget=Budget(trials=2)))

    tried = study.trials[1]
    assert f"drew {tried.describe()}\n" == (tried.folder / "log.txt").read_text()
    assert (study.trials[1].folder / "0.png").is_file()


def test_energy_is_an_objective_where_the_device_tells_it(tune: Tuner) -> None:
    """Joules are searched when they are measured; a trial without them is a failure with its reason."""
    plan = synthetic.plan(
        budget=Budget(trials=6),
        objectives=("latency_s", "energy_j"),
        knobs={"dtype": ("bfloat16", "float32")},
    )

    def metered(job: Job) -> Outcome:
        made = synthetic.runner()(job)
        is_read = job.recipe.settings.get("dtype") != "bfloat16"
        energy_j = 40.0 * made.latency_s if isinstance(made, Measurement) and is_read else None
        return replace(made, energy_j=energy_j) if isinstance(made, Measurement) else made

    study = tune(plan, runner=metered)
    assert {FailureKind.UNSUPPORTED} <= set(study.failures())
    assert all(trial.measurement and trial.measurement.energy_j for trial in study.front())


def test_energy_that_nothing_tells_is_refused_at_the_baseline(tune: Tuner) -> None:
    """A search for what cannot be measured ends before it costs anything."""
    with pytest.raises(AutotuneError, match="Take 'energy_j' out of 'objectives'"):
        tune(synthetic.plan(objectives=("latency_s", "energy_j")))


def test_a_study_of_listed_recipes_ends_when_all_were_tried(tune: Tuner) -> None:
    """Each trial has its recipe's name, the end says how many there were, and a second run adds nothing."""
    events: list[Event] = []
    plan = synthetic.plan(
        sampler="listed",
        recipes={"half": {"dtype": "bfloat16"}, "fewer steps": {"steps": 12}},
        budget=Budget(gain=None),
    )
    study = tune(plan, listen=events.append)

    assert ["untuned", "half", "fewer steps"] == [trial.preset for trial in study.trials]
    assert reason(events) == "every valid recipe has been tried"
    assert "3 of 3 recipes" in next(e for e in events if isinstance(e, StudyStopped)).seen.describe()
    assert len(tune(plan).trials) == 3
