"""Wanted: whether a trial has the values of knobs that its plan asks for."""

from autotune.plan import Plan
from autotune.store.records import TrialRecord


def is_wanted(trial: TrialRecord, plan: Plan) -> bool:
    """Whether the plan's values for knobs include a trial's; the baseline is measured in any case."""
    return all(trial.settings[name] in values for name, values in plan.knobs.items())
