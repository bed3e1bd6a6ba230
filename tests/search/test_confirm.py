"""Behaviour of what is measured beside the trials: noise floor, baseline again, and the confirmation."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from autotune.budget import Budget
from autotune.duel import Verdict
from autotune.job import Job, Protocol
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.search.events import CheckFinished, ConfirmStarted, Event, Stop
from autotune.search.study import Study
from autotune.store.records import Purpose
from tests.search import synthetic
from tests.search.conftest import Tuner

CONFIRMED = Protocol(baseline_every=0, confirm_rounds=3)
BATCHED = synthetic.plan(budget=Budget(trials=16), protocol=CONFIRMED, memory_limit_bytes=None)


def changed_by(change: Callable[[Job, Measurement], Outcome]) -> Callable[[Job], Outcome]:
    """Return the synthetic runner with what `change` makes of each measurement."""
    run = synthetic.runner()

    def changed(job: Job) -> Outcome:
        made = run(job)
        return change(job, made) if isinstance(made, Measurement) else made

    return changed


def is_round(job: Job) -> bool:
    """Whether a job is one of a round, or of the baseline again."""
    return job.role == "trial" and not job.is_whole


def is_confirmed(study: Study) -> bool:
    """Whether the fastest recipe has a gain from rounds beside the baseline."""
    best = study.best_trial("fastest")
    return not best.changed or study.gain(best) is not None


def test_what_is_named_was_measured_again_beside_the_baseline(tune: Tuner) -> None:
    """Every pick has three rounds, and an interval of its gain over the untuned baseline."""
    study = tune(BATCHED)
    for pick in ("fastest", "smallest", "closest", "knee"):
        trial = study.best_trial(pick)
        if trial.changed:
            gain = study.gain(trial)
            assert gain is not None
            assert gain.rounds >= 3
            assert gain.low is not None
            assert gain.value == pytest.approx(study.speedup(trial))

    confirmed = [check for check in study.checks if check.purpose is Purpose.CONFIRM]
    untuned = study.baseline()
    assert untuned is not None
    rounds = {check.round for check in confirmed}
    assert all(any(c.round == k and c.digest == untuned.digest for c in confirmed) for k in rounds)


def test_a_lucky_trial_loses_its_rank(tune: Tuner) -> None:
    """A recipe that was fastest once, by accident, is not the fastest one that is named."""
    by_chance = replace(BATCHED, sampler="random")  # what is tried does not hang on what was measured
    honest = tune(replace(by_chance, study="honest", protocol=synthetic.ALONE))
    fastest = honest.best_trial("fastest")
    lucky = next(trial for trial in honest.fit() if trial.number != fastest.number and trial.changed)

    def luck(job: Job, made: Measurement) -> Outcome:
        if job.recipe.digest != lucky.digest or is_round(job):
            return made
        return replace(made, calls_s=tuple(call_s / 20 for call_s in made.calls_s))

    study = tune(by_chance, runner=changed_by(luck))
    trials = {trial.digest: trial for trial in study.trials}

    assert study.best_trial("fastest").digest != lucky.digest
    assert (study.speedup(trials[lucky.digest]) or 0) < (study.speedup(study.best_trial("fastest")) or 0)


def test_a_recipe_that_fails_when_measured_again_is_out(tune: Tuner) -> None:
    """What worked once and crashes the next time is no recommendation."""
    first = tune(replace(BATCHED, study="honest", protocol=synthetic.ALONE)).best_trial("fastest")

    def crash(job: Job, made: Measurement) -> Outcome:
        if job.recipe.digest == first.digest and is_round(job):
            return Failure(kind=FailureKind.CRASH, message="It worked yesterday.")
        return made

    study = tune(BATCHED, runner=changed_by(crash))
    assert first.digest not in {trial.digest for trial in study.front()}
    assert is_confirmed(study)


def test_recipes_that_tie_are_called_tied(tune: Tuner) -> None:
    """Two recipes of the same speed are told as a tie, and the smaller of the two is the fastest."""

    def level(job: Job, made: Measurement) -> Outcome:
        is_fast = "dtype" in job.recipe.settings
        return replace(made, calls_s=(1.0 if is_fast else 2.0,) * 5)

    study = tune(BATCHED, runner=changed_by(level))
    best = study.best_trial("fastest")
    tied = study.tied(best)
    assert tied
    assert all((met := study.duel(best, other)) and met.verdict is Verdict.TIE for other in tied)
    measured = [study.settled(trial) for trial in (best, *tied)]
    sizes = [one.memory_bytes for one in measured if one is not None]
    assert sizes[0] == min(sizes)


def test_a_confirmation_that_was_stopped_goes_on(tune: Tuner) -> None:
    """Rounds that were finished are kept; the same command makes the missing ones."""
    stop, events = Stop(), list[Event]()

    def listen(event: Event) -> None:
        events.append(event)
        done = sum(isinstance(e, CheckFinished) and e.check.purpose is Purpose.CONFIRM for e in events)
        stop.requested = done >= 4

    stopped = tune(BATCHED, listen=listen, stop=stop)
    kept = [check for check in stopped.checks if check.purpose is Purpose.CONFIRM]
    study = tune(BATCHED)

    assert len(kept) == 4
    assert study.checks[: len(stopped.checks)] == stopped.checks
    assert is_confirmed(study)
    assert [] == [e for e in _again(tune) if isinstance(e, ConfirmStarted)]


def _again(tune: Tuner) -> list[Event]:
    events: list[Event] = []
    tune(BATCHED, listen=events.append)
    return events


def test_the_machine_is_looked_at_again_and_again(tune: Tuner) -> None:
    """The untuned baseline is measured again after every tenth trial: how much the machine varies."""
    drift = iter(range(1000))

    def sway(job: Job, made: Measurement) -> Outcome:
        factor = 1 + 0.02 * (next(drift) % 3) if is_round(job) else 1.0
        return replace(made, calls_s=tuple(call_s * factor for call_s in made.calls_s))

    protocol = Protocol(baseline_every=10, confirm_rounds=0)
    study = tune(synthetic.plan(budget=Budget(trials=30), protocol=protocol), runner=changed_by(sway))

    assert 3 == sum(check.purpose is Purpose.BASELINE for check in study.checks)
    assert study.machine_sd == pytest.approx(0.0185, abs=0.005)


def test_the_noise_floor_is_measured_once(tune: Tuner) -> None:
    """Recipes that only compute in another order are compared with the reference, once for a study."""
    plan = synthetic.plan(budget=Budget(trials=2), protocol=synthetic.ALONE)
    tune(plan)
    study = tune(replace(plan, budget=Budget(trials=4)))
    floor = study.noise_floor

    assert floor is not None
    assert {"channels_last", "fuse_qkv"} == set(floor.variants)
    assert floor.median == 1.0
    assert 3 == sum(check.purpose is Purpose.FLOOR for check in study.checks)


def test_a_study_can_do_without_a_noise_floor(tune: Tuner) -> None:
    """Where pictures mean nothing, or minutes are few: nothing is compared before the first trial."""
    study = tune(synthetic.plan(budget=Budget(trials=2), protocol=replace(synthetic.ALONE, floor=0)))

    assert study.noise_floor is None
    assert 2 == len(study.measured())
    assert all(check.purpose is not Purpose.FLOOR for check in study.checks)


def test_a_finalist_is_judged_by_more_pictures(tune: Tuner) -> None:
    """A recipe whose pictures fall apart now and then is seen by the sixteen pairs of its confirmation."""

    def fall_apart(job: Job, made: Measurement) -> Outcome:
        if job.role != "pictures" or len(job.workload.calls()) < 16 or not job.recipe.settings:
            return made
        pairs = (0.95,) * 12 + (0.2,) * 4
        return replace(made, likeness=replace(made.likeness, haarpsi=pairs))

    study = tune(BATCHED, runner=changed_by(fall_apart))
    best = study.settled(study.best_trial("fastest"))

    assert best is not None
    assert best.likeness.divergence_rate == 0.25
