"""Tune: the loop that asks for a recipe, has it measured, stores the outcome and only then tells Optuna."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from autotune.budget import stop_reason
from autotune.errors import StoreError
from autotune.footprint import Footprint
from autotune.gpus import as_asked
from autotune.job import Job, Runner
from autotune.knob import Knob, Settings, Situation
from autotune.knobs import all_knobs
from autotune.measurement import FailureKind
from autotune.plan import Plan
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
from autotune.search.feasible import without_what_cannot_fit
from autotune.search.presets import presets
from autotune.search.reference import PATIENCE_S, has_reference, make_reference
from autotune.search.resume import mend, open_optuna, open_record
from autotune.search.sampler import SpaceSampler
from autotune.search.study import Study, read_study
from autotune.search.tell import publish, tell
from autotune.space import SearchSpace, build_space, key
from autotune.store import history
from autotune.store.engine import Database, open_database
from autotune.store.lock import exclusive
from autotune.store.optuna_tables import optuna_storage
from autotune.store.records import TrialRecord, TrialState
from autotune.store.trouble import store_errors

_STOPPED = "you stopped it"
_EXHAUSTED = "every valid recipe has been tried"


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """Everything that one run of the loop works with."""

    plan: Plan
    space: SearchSpace
    database: Database
    optuna_study: optuna.Study
    sampler: SpaceSampler
    runner: Runner
    listen: Listener


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
        PlanError: The study exists and was asked for something else, or elsewhere.
        StoreError: The database cannot be used, or somebody else tunes this study.
        BudgetError: Even the smallest recipe cannot fit the memory limit, by forecast.
        AutotuneError: The untuned pipeline cannot make the reference pictures.
    """
    whole = build_space(
        all_knobs() if knobs is None else knobs,
        as_asked(situation, plan.target),
        allow_approximate=plan.allow_approximate,
        narrowed=plan.knobs,
    )
    space = without_what_cannot_fit(whole, plan, footprint)
    remedy = "Wait for it, or choose another name with --study."
    busy = f"Study '{plan.study}' is being tuned by somebody else. {remedy}"
    with (
        open_database(url) as database,
        store_errors(database.address),
        exclusive(database.folders.study(plan.study) / "tuner.lock", busy=busy),
    ):
        bench, resumed = _prepare(plan, space, database, runner=runner, listen=listen)
        return _run(bench, stop or Stop(), resumed=resumed)


def _prepare(
    plan: Plan, space: SearchSpace, database: Database, *, runner: Runner, listen: Listener
) -> tuple[_Bench, bool]:
    storage = optuna_storage(database)
    record, resumed = open_record(database, plan, space)
    sampler = SpaceSampler(space, record.choices, presets=presets(space), seed=plan.seed)
    optuna_study = open_optuna(storage, plan, resumed=resumed, sampler=sampler)
    mend(database, optuna_study)
    bench = _Bench(
        plan=plan,
        space=space,
        database=database,
        optuna_study=optuna_study,
        sampler=sampler,
        runner=runner,
        listen=listen,
    )
    return bench, resumed


def _run(bench: _Bench, stop: Stop, *, resumed: bool) -> Study:
    study = read_study(bench.database, bench.plan.study)
    bench.listen(StudyOpened(study=study, resumed=resumed, combinations=bench.space.combinations))
    reason = _why_stop(bench, study, stop) or _reference(bench, stop)
    while reason is None:
        study, reason = _run_trial(bench, study)
        publish(bench.optuna_study, study)
        reason = reason or _why_stop(bench, study, stop)
    publish(bench.optuna_study, study, with_figure=True)
    bench.listen(StudyStopped(reason=reason, study=study))
    return study


def _why_stop(bench: _Bench, study: Study, stop: Stop) -> str | None:
    if stop.requested:
        return _STOPPED
    done = sum(trial.counts for trial in study.trials)
    elapsed_s = sum(trial.seconds for trial in study.trials)
    spent = stop_reason(bench.plan.budget, done, elapsed_s=elapsed_s)
    return spent or (None if bench.sampler.has_untried(bench.optuna_study) else _EXHAUSTED)


def _reference(bench: _Bench, stop: Stop) -> str | None:
    """Make the reference pictures; return why the study stops where the user stopped that."""
    folders, situation = bench.database.folders, bench.space.situation
    if not has_reference(folders.reference(situation)):
        bench.listen(ReferenceStarted())
    made = make_reference(folders, bench.plan, situation, runner=bench.runner)
    return None if made and not stop.requested else _STOPPED


def _run_trial(bench: _Bench, study: Study) -> tuple[Study, str | None]:
    """Run one trial; return the study with it, and why the study stops if the trial says so."""
    name = bench.plan.study
    trial = bench.optuna_study.ask(bench.sampler.distributions)
    started = _start(bench, trial.number, trial.params)
    recipe = bench.space.recipe(started.settings)
    bench.listen(TrialStarted(number=started.number, recipe=recipe, preset=started.preset))
    began = time.monotonic()
    outcome = bench.runner(_job(bench, started))
    seconds = time.monotonic() - began
    # The store first, Optuna second: a kill in between is mended by the next run, from what is stored.
    finished = history.finish_trial(bench.database, name, trial.number, outcome=outcome, seconds=seconds)
    study = study.with_trial(finished)
    tell(bench.optuna_study, finished, study=study, folders=bench.database.folders)
    history.mark_told(bench.database, name, trial.number)
    finished = replace(finished, state=TrialState.TOLD)
    study = study.with_trial(finished)
    bench.listen(TrialFinished(record=finished, study=study))
    was_cancelled = finished.failure is not None and finished.failure.kind == FailureKind.CANCELLED
    return study, _STOPPED if was_cancelled else None


def _start(bench: _Bench, number: int, settings: Settings) -> TrialRecord:
    recipe = bench.space.recipe(settings)
    preset = bench.sampler.presets.get(key(settings))
    new = history.NewTrial(
        number=number,
        digest=recipe.digest,
        settings=settings,
        changed=recipe.settings,
        preset=preset.name if preset is not None else "",
    )
    started = history.start_trial(bench.database, bench.plan.study, new)
    _make_folder(started.folder)
    return started


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The folder '{folder}' of a trial cannot be made: {error.strerror}."
        raise StoreError(f"{problem} Check the rights and the space on its disk.") from error


def _job(bench: _Bench, trial: TrialRecord) -> Job:
    plan, situation, folders = bench.plan, bench.space.situation, bench.database.folders
    return Job(
        recipe=bench.space.recipe(trial.settings),
        workload=situation.workload,
        device=situation.target.device,
        folder=str(trial.folder),
        reference=str(folders.reference(situation)),
        # The baseline may need more than what fits, and longer than what a recipe is allowed: everything is
        # compared to it, so it runs all the same.
        memory_limit_bytes=None if trial.is_baseline else plan.memory_cap_on(situation.target.kind),
        time_limit_s=max(plan.trial_time_s, PATIENCE_S) if trial.is_baseline else plan.trial_time_s,
        protocol=plan.protocol,
        cache=str(folders.cache),
        threads=plan.threads,
    )
