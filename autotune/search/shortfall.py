"""Shortfall: why nothing fits, and what came nearest, as sentences for the user."""

from collections import Counter
from collections.abc import Mapping, Sequence

from autotune.job import LOG_FILE
from autotune.objective import Limit, short_name, violations
from autotune.plan import Plan
from autotune.plan_text import describe_limits
from autotune.search.wanted import is_wanted
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
_OTHERS = "the best {label} measured is {value}: {recipe}"


def nothing_fits(
    plan: Plan, trials: Sequence[TrialRecord], baseline: Mapping[str, float] | None = None
) -> str:
    """Return why no trial of a study fits, what came nearest and what to do.

    Args:
        plan: Has the limits.
        trials: Of the study.
        baseline: Figures of the untuned baseline, for limits relative to it.
    """
    measured = [trial for trial in trials if trial.measurement is not None]
    if not measured:
        return _nothing_measured(plan, trials)
    limits = plan.limits(baseline)
    if not any(is_wanted(trial, plan) for trial in measured):
        return (
            "No recipe with the values that the plan wants of its knobs was measured yet, but the untuned "
            f"baseline ({describe_failures(trials)} failed). Go on with 'autotune tune'."
        )
    nearest = [sentence for limit in limits if (sentence := _nearest(limit, limits, measured))]
    remedies = [_remedy(limit) for limit in limits]
    remedy = ", ".join([*remedies, "or search longer with --trials"])
    said = "; ".join(nearest) or "no recipe is within all limits at once"
    return (
        f"Nothing fits {describe_limits(plan, baseline=baseline)}; {said}. {remedy[0].upper()}{remedy[1:]}."
    )


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


def _remedy(limit: Limit) -> str:
    name = limit.objective.name
    if limit.share is None and name in _REMEDIES:
        return _REMEDIES[name]
    return f"ask for less with --limit '{short_name(name)}{limit.sign}…'"


def _nearest(limit: Limit, limits: Sequence[Limit], measured: Sequence[TrialRecord]) -> str | None:
    """What came nearest to one limit among the trials within all others; None where it was met."""
    others = tuple(other for other in limits if other is not limit)
    rivals = [trial for trial in measured if _is_within(trial, others)] or measured
    best = min(
        rivals, key=lambda trial: limit.objective.loss(trial.measurement) if trial.measurement else 0.0
    )
    if best.measurement is None or limit.violation(best.measurement) <= 0:
        return None
    value = limit.objective.show(limit.objective.value(best.measurement))
    sentence = _NEAREST.get(limit.objective.name, _OTHERS)
    return sentence.format(label=limit.objective.label, value=value, recipe=best.describe())


def _is_within(trial: TrialRecord, limits: tuple[Limit, ...]) -> bool:
    return trial.measurement is not None and all(
        v <= 0 for v in violations(limits, trial.measurement).values()
    )
