"""Needs: what a plan's objectives and limits need of a machine and of its baseline, and what is missing."""

from dataclasses import replace
from tempfile import TemporaryDirectory

from autotune.errors import AutotuneError, PlanError
from autotune.job import Job, Runner
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.plan import Plan
from autotune.store.records import TrialRecord
from autotune.target import Target

_ENERGY = "energy_j"
_COUNTERS = "a GPU needs NVML's counter (not MIG), a CPU a readable /sys/class/powercap"
_REMEDY = "Take 'energy_j' out of 'objectives', and energy out of the limits, under another --study."


def check_machine(plan: Plan, target: Target) -> None:
    """Refuse a plan that asks for what a machine cannot measure, before anything is measured.

    Args:
        plan: What is asked for.
        target: This machine.

    Raises:
        PlanError: Energy is asked for, and the device has no counter.
    """
    if _asks_for_energy(plan) and target.has_energy_counter is False:
        raise PlanError(
            f"The plan asks for energy, but {target.describe()} has no counter that can be read: "
            f"{_COUNTERS}. {_REMEDY}"
        )


def run_trial(job: Job, plan: Plan, runner: Runner) -> Outcome:
    """Return what a trial comes to; where the plan counts starts, nothing was compiled before.

    Else a recipe would be charged with compiling only what those before it had not compiled already.

    Args:
        job: Of the trial.
        plan: What is asked for.
        runner: Where it runs.
    """
    if not plan.counts_starts:
        return runner(job)
    with TemporaryDirectory(prefix="autotune-cold-") as empty:
        return runner(replace(job, cache=empty))


def check_outcome(outcome: Outcome, plan: Plan, trial: TrialRecord) -> Outcome:
    """Return a trial's outcome; a failure where the plan asks for energy and the measurement has none.

    Args:
        outcome: Of the trial.
        plan: What is asked for.
        trial: Says whether it is the baseline, without which some plans cannot go on.

    Raises:
        AutotuneError: It is the baseline's, and has no energy at all, or failed while limits are relative to
            it.
    """
    if trial.is_baseline and isinstance(outcome, Failure) and outcome.kind is not FailureKind.CANCELLED:
        _check_baseline(outcome, plan)
    if not _asks_for_energy(plan) or not isinstance(outcome, Measurement) or outcome.energy_j is not None:
        return outcome
    why = (
        f"The plan asks for energy, but nothing told how much a call takes: {_COUNTERS}, and the timed calls "
        "five seconds together."
    )
    if trial.is_baseline:
        raise AutotuneError(f"{why} {_REMEDY}")
    return Failure(kind=FailureKind.UNSUPPORTED, message=why, phase="timing")


def _check_baseline(failure: Failure, plan: Plan) -> None:
    if plan.goals:
        raise AutotuneError(
            "Limits are relative to the untuned baseline, which could not be measured: "
            f"{failure.kind.value}: {failure.message.rstrip('.')}. Give limits in seconds, bytes or the "
            "like, under another --study."
        )


def _asks_for_energy(plan: Plan) -> bool:
    return _ENERGY in {*plan.objectives, *plan.bounds, *plan.goals}
