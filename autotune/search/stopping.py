"""Stopping: when a study is over, and why: it is spent, or has nothing more to gain or to try."""

from typing import Protocol, runtime_checkable

import optuna

from autotune.budget import stop_reason
from autotune.search.events import GainExpected
from autotune.search.session import Session
from autotune.search.study import Study

STOPPED = "you stopped it"
EXHAUSTED = "every valid recipe has been tried"
FEWEST_MEASURED = 10
"""Before so many trials were measured, and as many as there are knobs to turn, no gain is expected."""


class Outlook(Protocol):
    """What a sampler expects of the trials to come."""

    @property
    def gain(self) -> float | None:
        """Share by which the front grows in the next `budget.LOOKAHEAD` trials; None while it cannot tell."""


@runtime_checkable
class Foresees(Protocol):
    """A sampler that can tell what it expects; chance and TPE cannot."""

    def outlook(self, study: optuna.Study) -> Outlook:
        """Return what is expected of the trials to come."""


def why_stop(session: Session, study: Study) -> str | None:
    """Return why a study stops now, as part of a sentence, or None while it goes on.

    The listener is told which gain is expected, where that is known and the plan asks for it.
    """
    if session.stop.requested:
        return STOPPED
    budget, done = session.plan.budget, sum(trial.counts for trial in study.trials)
    spent = stop_reason(budget, done, elapsed_s=study.elapsed_s)
    if spent:
        return spent
    if not session.sampler.has_untried(session.optuna_study):
        return EXHAUSTED
    gain = expected_gain(session, study) if budget.gain is not None else None
    if gain is not None:
        session.listen(GainExpected(gain=gain))
    return stop_reason(budget, done, elapsed_s=study.elapsed_s, gain=gain)


def expected_gain(session: Session, study: Study) -> float | None:
    """Return the share by which the front is expected to grow in the next `budget.LOOKAHEAD` trials.

    None while nobody can tell: the sampler does not foresee, or too little was measured to believe it.
    """
    sampler = session.sampler
    if not isinstance(sampler, Foresees):
        return None
    knobs = sum(len(values) > 1 for values in study.choices.values())
    if len(study.measured()) < max(FEWEST_MEASURED, knobs):
        return None
    return sampler.outlook(session.optuna_study).gain
