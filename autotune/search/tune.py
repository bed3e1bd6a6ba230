"""Tune: the loop that asks for a recipe, has it measured, stores the outcome and only then tells Optuna."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.elapsed import taken_s
from autotune.errors import StoreError
from autotune.footprint import Footprint
from autotune.gpus import as_asked
from autotune.job import Job, Runner
from autotune.knob import Knob, Settings, Situation
from autotune.knobs import all_knobs
from autotune.measurement import FailureKind, Outcome
from autotune.plan import Plan
from autotune.search.confirm import confirm
from autotune.search.earlier import earlier_baseline
from autotune.search.events import (
    Listener,
    ReferenceStarted,
    Stop,
    StudyOpened,
    StudyStopped,
    TrialFinished,
    TrialStarted,
    ignore,
)
from autotune.search.expecting import forecast_of
from autotune.search.feasible import without_what_cannot_fit
from autotune.search.floor import measure_floor
from autotune.search.needs import check_machine, check_outcome, run_trial
from autotune.search.reference import has_reference, make_reference, needed_calls
from autotune.search.resume import frozen_choices, mend, open_optuna, open_record
from autotune.search.sampling import sampler_for, searched
from autotune.search.screening import screen_for
from autotune.search.seen import seen_of
from autotune.search.session import Session, check_folder, run_check
from autotune.search.stopping import STOPPED, why_stop
from autotune.search.study import Study, read_study
from autotune.search.tell import publish, renew_notes, tell
from autotune.search.warm import find_sources, note_sources
from autotune.space import SearchSpace, build_space, key
from autotune.store import history
from autotune.store.engine import Database, open_database
from autotune.store.lock import exclusive
from autotune.store.optuna_tables import optuna_storage
from autotune.store.records import Purpose, TrialRecord, TrialState
from autotune.store.trouble import store_errors


def run_study(  # noqa: PLR0913 - the door to the loop: each is a part of the world that a test replaces
    plan: Plan,
    *,
    url: str,
    runner: Runner,
    situation: Situation,
    listen: Listener = ignore,
    stop: Stop | None = None,
    knobs: Sequence[Knob] | None = None,
    footprint: Footprint | None = None,
) -> Study:
    """Run a study until its budget is spent, or go on with one that was begun.

    Args:
        plan: What is asked for. The budget counts over all runs of the study.
        url: URL of the database.
        runner: Where trials run.
        situation: Where (this machine, even where the plan names another target), of what, making what,
            with sizes resolved.
        listen: Is told what happens, as it happens.
        stop: Set its `requested` to stop after the running trial.
        knobs: What to search instead of every knob there is.
        footprint: Of the model, for a plan with a memory limit: what cannot fit by forecast is not tried.

    Returns:
        The study as it was at the end.

    Raises:
        PlanError: The study exists and was asked for something else, or elsewhere; it asks for what this
            machine cannot measure; or it cannot learn from a study that the plan names.
        UnknownName: There is no study of a name that the plan names.
        StoreError: The database cannot be used, or somebody else tunes this study.
        BudgetError: Even the smallest recipe cannot fit the memory limit, by forecast.
        AutotuneError: The untuned pipeline cannot make the reference pictures.
    """
    check_machine(plan, situation.target)
    whole = build_space(
        all_knobs() if knobs is None else knobs,
        as_asked(situation, plan.target),
        allow_approximate=plan.allow_approximate,
        narrowed=plan.narrowed,
    )
    space = without_what_cannot_fit(searched(whole, plan), plan, footprint)
    remedy = "Wait for it, or choose another name with --study."
    busy = f"Study '{plan.study}' is being tuned by somebody else. {remedy}"
    with (
        open_database(url) as database,
        store_errors(database.address),
        exclusive(database.folders.study(plan.study) / "tuner.lock", busy=busy),
    ):
        world = _World(runner=runner, listen=listen, stop=stop or Stop(), footprint=footprint)
        session, resumed = _prepare(plan, space, database, world)
        return _run(session, resumed=resumed)


@dataclass(frozen=True, kw_only=True)
class _World:
    """What a session works with beside its study; see `run_study`."""

    runner: Runner
    listen: Listener
    stop: Stop
    footprint: Footprint | None


def _prepare(plan: Plan, space: SearchSpace, database: Database, world: _World) -> tuple[Session, bool]:
    storage = optuna_storage(database)
    sources = find_sources(database, storage, plan, space)
    expected = forecast_of(space, world.footprint)
    sampler = sampler_for(plan, space, frozen_choices(space), sources=sources, forecast=expected)
    _, resumed = open_record(database, plan, space)
    optuna_study = open_optuna(storage, plan, resumed=resumed, sampler=sampler)
    note_sources(optuna_study, sources)
    mend(database, optuna_study)
    session = Session(
        plan=plan,
        space=space,
        database=database,
        optuna_study=optuna_study,
        sampler=sampler,
        sources=sources,
        runner=world.runner,
        listen=world.listen,
        stop=world.stop,
    )
    return session, resumed


def _run(session: Session, *, resumed: bool) -> Study:
    study = read_study(session.database, session.plan.study)
    combinations, sources = session.space.combinations, session.sources
    session.listen(StudyOpened(study=study, resumed=resumed, combinations=combinations, sources=sources))
    reason = why_stop(session, study) or _reference(session)
    if reason is None:
        study = measure_floor(session, study)
        reason = STOPPED if session.stop.requested else None
    while reason is None:
        study, reason = _run_trial(session, study)
        publish(session.optuna_study, study)
        study = _look_at_the_machine(session, study)
        reason = reason or why_stop(session, study)
    if not session.stop.requested and reason != STOPPED:
        study = confirm(session, study)
        renew_notes(session.optuna_study, study, session.folders)
    publish(session.optuna_study, study, with_figure=True)
    session.listen(StudyStopped(reason=reason, study=study, seen=seen_of(study, session.space)))
    return study


def _reference(session: Session) -> str | None:
    """Make the reference pictures; return why the study stops where the user stopped that."""
    situation = session.space.situation
    needed = needed_calls(session.plan, situation)
    if not has_reference(session.folders.reference(situation), needed):
        session.listen(ReferenceStarted())
    made = make_reference(session.folders, session.plan, situation, runner=session.runner)
    return None if made and not session.stop.requested else STOPPED


def _look_at_the_machine(session: Session, study: Study) -> Study:
    """Measure the untuned baseline again after every so many trials: how much the machine itself varies."""
    every = session.plan.protocol.baseline_every
    done = sum(trial.counts for trial in study.trials)
    known = sum(check.purpose is Purpose.BASELINE for check in study.checks)
    if not every or done // every <= known or study.baseline() is None or session.stop.requested:
        return study
    recipe = session.recipe(session.space.defaults)
    folder = check_folder(session, Purpose.BASELINE, known, recipe.digest)
    job = session.round_job(recipe, folder)
    return run_check(session, study, job, purpose=Purpose.BASELINE, number=known, of=known + 1)[0]


def _run_trial(session: Session, study: Study) -> tuple[Study, str | None]:
    """Run one trial; return the study with it, and why the study stops if the trial says so."""
    name = session.plan.study
    trial = session.optuna_study.ask(session.sampler.distributions)
    started = _start(session, trial.number, trial.params)
    recipe = session.space.recipe(started.settings)
    session.listen(TrialStarted(number=started.number, recipe=recipe, preset=started.preset))
    outcome, seconds, measured_in = _outcome(session, started, study)
    # The store first, Optuna second: a kill in between is mended by the next run, from what is stored.
    finished = history.finish_trial(
        session.database, name, trial.number, outcome=outcome, seconds=seconds, measured_in=measured_in
    )
    study = study.with_trial(finished)
    tell(session.optuna_study, finished, study=study, folders=session.database.folders)
    history.mark_told(session.database, name, trial.number)
    finished = replace(finished, state=TrialState.TOLD)
    study = study.with_trial(finished)
    session.listen(TrialFinished(record=finished, study=study))
    was_cancelled = finished.failure is not None and finished.failure.kind == FailureKind.CANCELLED
    return study, STOPPED if was_cancelled else None


def _outcome(session: Session, trial: TrialRecord, study: Study) -> tuple[Outcome, float, str]:
    """What a trial comes to, in how many seconds, and in which other study the baseline was measured."""
    plan = session.plan
    known = earlier_baseline(session.database, plan, session.space.situation) if trial.is_baseline else None
    if known is not None:
        known.copy_files(trial.folder)
        outcome = check_outcome(known.measurement, plan, trial)
        return outcome, known.seconds, known.study
    began = time.monotonic()
    outcome = check_outcome(run_trial(_job(session, trial, study), plan, session.runner), plan, trial)
    return outcome, taken_s(outcome, time.monotonic() - began), ""


def _start(session: Session, number: int, settings: Settings) -> TrialRecord:
    recipe = session.space.recipe(settings)
    preset = session.sampler.presets.get(key(settings))
    new = history.NewTrial(
        number=number,
        digest=recipe.digest,
        settings=settings,
        changed=recipe.settings,
        preset=preset.name if preset is not None else "",
    )
    started = history.start_trial(session.database, session.plan.study, new)
    _make_folder(started.folder)
    return started


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The folder '{folder}' of a trial cannot be made: {error.strerror}."
        raise StoreError(f"{problem} Check the rights and the space on its disk.") from error


def _job(session: Session, trial: TrialRecord, study: Study) -> Job:
    screen = screen_for(study, session.space, trial)
    return session.job(session.recipe(trial.settings), trial.folder, screen=screen)
