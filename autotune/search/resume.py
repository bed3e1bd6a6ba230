"""Resume: takes up a study where it was left, or begins it, and mends what a kill left between two writes."""

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from autotune.errors import PlanError, StoreError
from autotune.knob import Situation, Value
from autotune.plan import Plan
from autotune.search.study import read_study
from autotune.search.tell import directions, metric_names, tell
from autotune.space import SearchSpace
from autotune.store import history
from autotune.store import records as store_records
from autotune.store.engine import Database

_OTHER_NAME = "Choose another name with --study"


def open_record(database: Database, plan: Plan, space: SearchSpace) -> tuple[store_records.StudyRecord, bool]:
    """Return the stored study and whether it existed; a new one is stored.

    Raises:
        PlanError: It exists and differs in what is asked for, where, or in what can be chosen.
    """
    choices = frozen_choices(space)
    found = history.find_study(database, plan.study)
    if found is None:
        record = store_records.StudyRecord(
            plan=plan, situation=space.situation, choices=choices, created_at=datetime.now(UTC)
        )
    else:
        _check_plan(found.plan, plan)
        _check_situation(found.situation, space.situation, plan.study)
        _check_choices(found.choices, choices, plan.study)
        record = replace(found, plan=plan)
    history.save_study(database, record)
    return record, found is not None


def frozen_choices(space: SearchSpace) -> dict[str, tuple[Value, ...]]:
    """Return each knob's values for Optuna: what the plan wants, and the default, for the baseline."""
    return {
        name: tuple(
            value for value in offered.values if value == offered.default or value in space.choices[name]
        )
        for name, offered in space.offered.items()
    }


def open_optuna(
    storage: optuna.storages.BaseStorage, plan: Plan, *, resumed: bool, sampler: optuna.samplers.BaseSampler
) -> optuna.Study:
    """Return Optuna's study of the same name, made where it is missing.

    Raises:
        StoreError: Optuna has a study of this name that autotune did not make.
    """
    if not resumed and plan.study in optuna.get_all_study_names(storage):
        message = (
            f"The database has an Optuna study '{plan.study}' that autotune did not make. {_OTHER_NAME}."
        )
        raise StoreError(message)
    study = optuna.create_study(
        study_name=plan.study,
        storage=storage,
        directions=directions(plan),
        sampler=sampler,
        load_if_exists=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(metric_names(plan))
    return study


def mend(database: Database, optuna_study: optuna.Study) -> None:
    """Bring our tables and Optuna's to the same state, wherever a kill parted them.

    Only the holder of the study's lock may call this. What ended is told; what was begun and never ended is
    told as failed without evidence, so that it is tried again.
    """
    name = optuna_study.study_name
    history.reap(database, name)
    study = read_study(database, name)
    for trial in study.trials:
        if trial.state != store_records.TrialState.TOLD:
            tell(optuna_study, trial, study=study, folders=database.folders)
            history.mark_told(database, name, trial.number)
    for orphan in optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        optuna_study.tell(orphan.number, state=TrialState.FAIL)


def _check_plan(stored: Plan, given: Plan) -> None:
    names = [f.name for f in fields(Plan) if f.name != "budget"]
    differing = [name for name in names if getattr(stored, name) != getattr(given, name)]
    if differing:
        shown = "; ".join(
            f"{name} was {getattr(stored, name)!r} and is now {getattr(given, name)!r}" for name in differing
        )
        message = (
            f"Study '{given.study}' exists and was asked for something else: {shown}. "
            f"{_OTHER_NAME}, or give only the name to go on with what was asked for then."
        )
        raise PlanError(message)


def _check_situation(stored: Situation, now: Situation, name: str) -> None:
    then_target, now_target = stored.target, now.target
    if (then_target.kind, then_target.name) != (now_target.kind, now_target.name):
        message = (
            f"Study '{name}' was measured on {then_target.describe()}; this is {now_target.describe()}. "
            f"Figures of two machines cannot be compared. {_OTHER_NAME}."
        )
        raise PlanError(message)
    if stored.blueprint.facts.get("weights") != now.blueprint.facts.get("weights"):
        message = (
            f"The weights of '{now.workload.model}' have changed since study '{name}' began: its pictures "
            f"cannot be compared with new ones. {_OTHER_NAME}."
        )
        raise PlanError(message)


def _check_choices(
    stored: Mapping[str, tuple[Value, ...]], now: Mapping[str, tuple[Value, ...]], study: str
) -> None:
    """Optuna's distributions never change: a study keeps the choices that it began with."""
    for name in sorted(stored.keys() | now.keys()):
        then_values, now_values = stored.get(name), now.get(name)
        if then_values is None or now_values is None or then_values != now_values:
            then_shown, now_shown = _shown(then_values), _shown(now_values)
            message = (
                f"Study '{study}' was begun with other choices: knob '{name}' had {then_shown} and now has "
                f"{now_shown}. {_OTHER_NAME}, or go on where it was begun."
            )
            raise PlanError(message)


def _shown(values: tuple[Value, ...] | None) -> str:
    return "no values" if values is None else ", ".join(map(str, values))
