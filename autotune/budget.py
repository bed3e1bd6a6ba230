"""Budget: when a study stops, and why."""

import math
from dataclasses import dataclass

from autotune.errors import PlanError
from autotune.units import format_duration, format_share

LOOKAHEAD = 20
"""Trials over which the gain is expected."""
DEFAULT_TRIALS = 100
"""How many trials a study may have where nothing is said: most stop before, for want of a gain."""


@dataclass(frozen=True)
class Budget:
    """How much a study may spend; what comes first ends it, and None is no bound.

    Attributes:
        trials: Number of trials, at least 1.
        seconds: Wall seconds, above 0.
        gain: The study stops where the front is expected to gain less than this share in the next
            `LOOKAHEAD` trials, between 0 and 1; None to go on.
    """

    trials: int | None = None
    seconds: float | None = None
    gain: float | None = 0.005

    def __post_init__(self) -> None:
        """Refuse a budget that lets nothing run.

        Raises:
            PlanError: A bound is no number, or not above zero.
        """
        if self.trials is not None and (type(self.trials) is not int or self.trials < 1):
            raise PlanError(f"The budget is {self.trials!r} trials. It must be a whole number of 1 or more.")
        if self.gain is not None and (type(self.gain) not in (int, float) or not 0 < self.gain < 1):
            raise PlanError(f"The least gain is {self.gain!r}. It must be a share between 0 and 1, or none.")
        if self.seconds is None:
            return
        if type(self.seconds) not in (int, float) or not 0 < self.seconds < math.inf:
            raise PlanError(f"The budget is {self.seconds!r} seconds. It must be a number above 0.")


def stop_reason(
    budget: Budget, trials_done: int, *, elapsed_s: float, gain: float | None = None
) -> str | None:
    """Return why a study stops now, as part of a sentence, or None while it goes on.

    Args:
        budget: What it may spend.
        trials_done: How many trials have come to something.
        elapsed_s: Wall seconds that it has spent.
        gain: Share by which the front is expected to grow in the next `LOOKAHEAD` trials; None while nobody
            can tell.

    >>> stop_reason(Budget(trials=40), 40, elapsed_s=10.0)
    'the budget of 40 trials is spent'
    >>> stop_reason(Budget(seconds=1200.0), 3, elapsed_s=1200.0)
    'the budget of 20 min is spent'
    >>> stop_reason(Budget(trials=40), 39, elapsed_s=10.0, gain=0.002)
    'the front is expected to gain less than 0.5 % in the next 20 trials (0.2 %)'
    >>> stop_reason(Budget(trials=40), 39, elapsed_s=10.0) is None
    True
    """
    if budget.trials is not None and trials_done >= budget.trials:
        return f"the budget of {_trials(budget.trials)} is spent"
    if budget.seconds is not None and elapsed_s >= budget.seconds:
        return f"the budget of {format_duration(budget.seconds)} is spent"
    if budget.gain is not None and gain is not None and gain < budget.gain:
        return f"{_little_gain(budget.gain)} ({format_share(gain)})"
    return None


def describe_budget(budget: Budget) -> str:
    """Return what ends a study, as part of a sentence.

    >>> describe_budget(Budget(trials=40, seconds=7200.0, gain=None))
    '40 trials or 2 h'
    >>> describe_budget(Budget(trials=40))
    '40 trials, or until the front is expected to gain less than 0.5 % in the next 20 trials'
    >>> describe_budget(Budget(gain=None))
    'until Ctrl-C'
    """
    bounds = [
        *([_trials(budget.trials)] if budget.trials is not None else []),
        *([format_duration(budget.seconds)] if budget.seconds is not None else []),
    ]
    spent = [" or ".join(bounds)] if bounds else []
    until = [f"until {_little_gain(budget.gain)}"] if budget.gain is not None else []
    return ", or ".join([*spent, *until]) or "until Ctrl-C"


def _trials(number: int) -> str:
    return f"{number} {'trial' if number == 1 else 'trials'}"


def _little_gain(gain: float) -> str:
    return f"the front is expected to gain less than {format_share(gain)} in the next {LOOKAHEAD} trials"


def time_left(budget: Budget, trials_done: int, *, elapsed_s: float) -> float | None:
    """Return the seconds until the budget is spent, at the mean pace so far; None where nothing is known.

    >>> time_left(Budget(trials=40, seconds=1000.0), 10, elapsed_s=100.0)
    300.0
    >>> time_left(Budget(trials=40), 0, elapsed_s=5.0) is None
    True
    """
    bounds: list[float] = []
    if budget.seconds is not None:
        bounds.append(max(0.0, budget.seconds - elapsed_s))
    if budget.trials is not None and trials_done > 0:
        bounds.append(max(0, budget.trials - trials_done) * elapsed_s / trials_done)
    return min(bounds, default=None)
