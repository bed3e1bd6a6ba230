"""Shortfall: why nothing fits, and what came nearest, as sentences for the user."""

from collections import Counter
from collections.abc import Sequence

from autotune.job import LOG_FILE
from autotune.objective import Limit, violations
from autotune.plan import Plan, describe_limits
from autotune.store.records import TrialRecord

_NEAREST = {
    "memory_bytes": "the smallest recipe measured needs {value}: {recipe}",
    "host_memory_bytes": "the smallest on the host needs {value}: {recipe}",
    "similarity": "the closest recipe measured reaches a similarity of {value}: {recipe}",
}
_REMEDIES = {
    "memory_bytes": "allow more with --vram",
    "host_memory_bytes": "allow more with --host-memory",
    "similarity": "allow less likeness with --min-similarity",
}


def nothing_fits(plan: Plan, trials: Sequence[TrialRecord]) -> str:
    """Return why no trial of a study fits, what came nearest and what to do."""
    measured = [trial for trial in trials if trial.measurement is not None]
    if not measured:
        return _nothing_measured(plan, trials)
    nearest = [sentence for limit in plan.limits() if (sentence := _nearest(limit, plan, measured))]
    remedies = [_REMEDIES[limit.objective.name] for limit in plan.limits()]
    remedy = ", ".join([*remedies, "or search longer with --trials"])
    said = "; ".join(nearest) or "no recipe is within all limits at once"
    return f"Nothing fits {describe_limits(plan)}; {said}. {remedy[0].upper()}{remedy[1:]}."


def describe_failures(trials: Sequence[TrialRecord]) -> str:
    """Return how often trials failed, by kind, the most frequent first: "3 crash, 1 timeout", or "none"."""
    kinds = Counter(
        trial.failure.kind.value for trial in trials if trial.failure is not None and trial.counts
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"


def _nothing_measured(plan: Plan, trials: Sequence[TrialRecord]) -> str:
    failed = [trial for trial in trials if trial.failure is not None and trial.counts]
    if not failed:
        return f"Study '{plan.study}' has no finished trial yet. Go on with 'autotune tune'."
    last = failed[-1]
    message = last.failure.message if last.failure is not None else ""
    return (
        f"None of the {len(failed)} trials could be measured ({describe_failures(failed)}). "
        f"The last one, '{last.describe()}', said: {message.rstrip('.')}. "
        f"Its log is '{last.folder / LOG_FILE}'."
    )


def _nearest(limit: Limit, plan: Plan, measured: Sequence[TrialRecord]) -> str | None:
    """What came nearest to one limit among the trials within all others; None where it was met."""
    others = tuple(other for other in plan.limits() if other.objective is not limit.objective)
    rivals = [trial for trial in measured if _is_within(trial, others)] or measured
    best = min(
        rivals, key=lambda trial: limit.objective.loss(trial.measurement) if trial.measurement else 0.0
    )
    if best.measurement is None or limit.violation(best.measurement) <= 0:
        return None
    value = limit.objective.show(limit.objective.value(best.measurement))
    return _NEAREST[limit.objective.name].format(value=value, recipe=best.describe())


def _is_within(trial: TrialRecord, limits: tuple[Limit, ...]) -> bool:
    return trial.measurement is not None and all(
        v <= 0 for v in violations(limits, trial.measurement).values()
    )
