"""Tell: what Optuna and its dashboard learn of a trial that our own tables hold already."""

from typing import Any

from optuna import Study as OptunaStudy
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState
from optuna_dashboard import save_note, save_plotly_graph_object

from autotune.measurement import Failure, FailureKind, Measurement, Pruned
from autotune.objective import BYTES, COST, Objective, violations
from autotune.observation import observe
from autotune.plan import Plan
from autotune.search.figure import front_figure
from autotune.search.notes import study_note, trial_note
from autotune.search.study import Study
from autotune.search.wanted import is_wanted
from autotune.store.folders import Folders
from autotune.store.images import keep_pictures
from autotune.store.records import TrialRecord

GIB = 2**30
OBSERVATION = "autotune:observation"
"""Key of the system attribute of a trial that holds its `Observation`."""
_FAILED, _UNWANTED = "failed", "outside the plan's knobs"


def tell(optuna_study: OptunaStudy, trial: TrialRecord, *, study: Study, folders: Folders) -> None:
    """Tell Optuna a trial's outcome, with figures and pictures for the dashboard.

    May be called again after it was interrupted anywhere: what was told once is not told twice.

    Args:
        optuna_study: Holds the trial as running, or as told already.
        trial: As it is in our own tables.
        study: It belongs to, this trial included.
        folders: Of the database.
    """
    handle = _handle(optuna_study, trial)
    if trial.outcome is None or handle.storage.get_trial(handle._trial_id).state.is_finished():
        return
    for name, value in _attributes(trial).items():
        handle.set_user_attr(name, value)
    _note_observation(handle, trial, study)
    _set_constraints(handle, trial, study)
    _note(handle, trial, study, folders)
    if isinstance(trial.outcome, Measurement):
        optuna_study.tell(trial.number, told_values(trial.outcome, study.plan))
        return
    is_evidence = isinstance(trial.outcome, Pruned) or trial.outcome.kind != FailureKind.CANCELLED
    # Samplers learn from pruned trials and pass over failed ones; no value is made up for either.
    optuna_study.tell(trial.number, state=TrialState.PRUNED if is_evidence else TrialState.FAIL)


def renew_notes(optuna_study: OptunaStudy, study: Study, folders: Folders) -> None:
    """Show on the dashboard what was found out of recipes since their trials: gains by rounds, more pictures.

    Args:
        optuna_study: Holds the trials as told.
        study: With what was measured beside them.
        folders: Of the database.
    """
    for trial in study.measured():
        if study.settled(trial) != trial.measurement:
            _note(_handle(optuna_study, trial), trial, study, folders)


def told_values(measurement: Measurement, plan: Plan) -> list[float]:
    """Return the plan's objectives in Optuna's units: memory in GiB, all else as it is."""
    told = ((objective.unit, objective.value(measurement)) for objective in plan.measured_objectives())
    return [value / GIB if unit == BYTES else value for unit, value in told]


def metric_names(plan: Plan) -> list[str]:
    """Return Optuna's name of each objective, with its unit: "latency_s", "memory_gib", "cost_usd", …."""
    return [_metric_name(objective) for objective in plan.measured_objectives()]


def _metric_name(objective: Objective) -> str:
    if objective.unit == BYTES:
        return objective.name.replace("bytes", "gib")
    return f"{objective.name}_{objective.unit.lower()}" if objective.name == COST else objective.name


def directions(plan: Plan) -> list[StudyDirection]:
    """Return Optuna's direction of each objective."""
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    return [up if objective.higher_is_better else down for objective in plan.measured_objectives()]


def publish(optuna_study: OptunaStudy, study: Study, *, with_figure: bool = False) -> None:
    """Show the answer so far on the dashboard: a note and, where asked for, the Pareto front."""
    save_note(optuna_study, study_note(study))
    if with_figure and study.measured():
        save_plotly_graph_object(optuna_study, front_figure(study), graph_object_id="pareto-front")


def _handle(optuna_study: OptunaStudy, trial: TrialRecord) -> Trial:
    study_id = optuna_study._study_id
    trial_id = optuna_study._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
    return Trial(optuna_study, trial_id)


def _note(handle: Trial, trial: TrialRecord, study: Study, folders: Folders) -> None:
    save_note(handle, trial_note(trial, study, picture_url=_picture_url(handle, trial, folders)))


def _attributes(trial: TrialRecord) -> dict[str, Any]:
    """Few and flat: each is a transaction, and a column of the dashboard's table."""
    attributes: dict[str, Any] = {"recipe": trial.describe(), "digest": trial.digest, "preset": trial.preset}
    if isinstance(trial.outcome, Failure):
        return attributes | {"outcome": trial.outcome.kind.value, "message": trial.outcome.message}
    if isinstance(trial.outcome, Pruned):
        return attributes | {"outcome": "pruned", "message": trial.outcome.message}
    return attributes | {"outcome": "measured", "seconds": _seconds(trial)}


def _note_observation(handle: Trial, trial: TrialRecord, study: Study) -> None:
    """Keep what the sampler learns from: it reads nothing but Optuna's storage."""
    if trial.outcome is None:
        return
    limit = None if trial.is_baseline else study.plan.memory_cap_on(study.situation.target.kind)
    seen = observe(trial.outcome, seconds=trial.seconds, memory_limit_bytes=limit)
    if seen is not None:
        handle.storage.set_trial_system_attr(handle._trial_id, OBSERVATION, seen.to_json())


def _seconds(trial: TrialRecord) -> dict[str, float]:
    if trial.measurement is None:
        return {}
    seconds = {"trial": trial.seconds, "cold": trial.measurement.cold_s, "call": trial.measurement.latency_s}
    parts = trial.measurement.parts
    if parts is not None:
        seconds |= {"text": parts.text_s, "steps": sum(parts.steps_s), "decode": parts.decode_s}
    return {name: round(value, 6) for name, value in seconds.items()}


def _set_constraints(handle: Trial, trial: TrialRecord, study: Study) -> None:
    """Above zero is unfit. Every measured trial has the same constraints, as samplers expect.

    A limit relative to the baseline is kept by everything until the baseline was measured.
    """
    plan = study.plan
    if trial.measurement is None:
        values = {_FAILED: 1.0}  # of a trial that was stopped early, too, nothing else is known
    else:
        unknown = dict.fromkeys(plan.goals, 0.0)
        values = {**unknown, **violations(study.limits, trial.measurement), _FAILED: 0.0}
        if plan.knobs:
            values[_UNWANTED] = 0.0 if is_wanted(trial, plan) else 1.0
    known = handle.constraints
    for name, value in values.items():
        if name not in known:
            handle.set_constraint(name, value)
    # optuna-dashboard 0.21 reads only this list, which Optuna wrote before 5.0.
    handle.storage.set_trial_system_attr(handle._trial_id, "constraints", list(values.values()))


def _picture_url(handle: Trial, trial: TrialRecord, folders: Folders) -> str:
    if trial.measurement is None:
        return ""
    names = trial.measurement.pictures
    kept = keep_pictures(folders, handle, [trial.folder / name for name in names])
    first = next((kept[name.rpartition("/")[2]] for name in names if name.rpartition("/")[2] in kept), None)
    return f"/artifacts/{handle.study._study_id}/{handle._trial_id}/{first}" if first is not None else ""
