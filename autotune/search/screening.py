"""Screening: what a trial is held against while it runs: the front so far, the limits, and experience."""

from collections.abc import Sequence

from autotune.knob import Knob, Settings, Touches
from autotune.measurement import Measurement
from autotune.samples import median
from autotune.screen import LEAST_HEADROOM, Rival, Screen
from autotune.search.study import Study
from autotune.space import SearchSpace
from autotune.store.records import TrialRecord

_FEWEST_TO_TELL = 5


def screen_for(study: Study, space: SearchSpace, trial: TrialRecord) -> Screen:
    """Return what a trial is held against; nothing for the untuned baseline, and where nothing is left early.

    Args:
        study: As it is now.
        space: That it searches.
        trial: That is about to run.
    """
    if trial.is_baseline or not study.plan.protocol.race:
        return Screen()
    known = [(one, measured) for one in study.measured() if (measured := study.settled(one)) is not None]
    return Screen(
        objectives=study.plan.measured_objectives(),
        limits=study.limits,
        rivals=tuple(
            Rival(digest=one.digest, figures=measured.figures)
            for one in study.front()
            if (measured := study.settled(one)) is not None
        ),
        errors=tuple(
            (_mean_error(measured), measured.similarity)
            for one, measured in known
            if measured.likeness.step_error and is_denoisers_own(one.changed, space.knobs)
        ),
        headroom=headroom([measured.likeness.haarpsi for _, measured in known], _compared(study)),
    )


def headroom(scores: Sequence[Sequence[float]], calls: int) -> float | None:
    """Return by how much the similarity of all pictures was above the best of the first call's, at most.

    Args:
        scores: Similarity of every picture of each recipe that was measured, in the order of the calls.
        calls: How many calls they were made by, as many by each.

    Returns:
        At least `LEAST_HEADROOM`; None for fewer than five recipes that differ from the reference.

    >>> headroom([[0.8, 0.9, 0.7, 0.96]] * 5, 2), headroom([[0.5, 0.4, 0.8, 0.9]] * 5, 2)
    (0.01, 0.15000000000000002)
    >>> headroom([[0.5, 0.4, 0.8, 0.9]] * 4, 2) is None
    True
    """
    unlike = [row for row in scores if min(row) < 1.0 and len(row) >= calls]
    if len(unlike) < _FEWEST_TO_TELL:
        return None
    return max(LEAST_HEADROOM, *(median(row) - max(row[: len(row) // calls]) for row in unlike))


def _compared(study: Study) -> int:
    return min(len(study.situation.workload.calls()), study.plan.protocol.pairs)


def is_denoisers_own(changed: Settings, knobs: Sequence[Knob]) -> bool:
    """Whether nothing but the denoiser changes the likeness of a recipe, so that its step error tells of it.

    Args:
        changed: The settings that differ from the default.
        knobs: All there are.
    """
    return not any(
        knob.name in changed and Touches.LIKENESS in knob.touches and Touches.STEP not in knob.touches
        for knob in knobs
    )


def _mean_error(measured: Measurement) -> float:
    errors = measured.likeness.step_error
    return sum(errors) / len(errors)
