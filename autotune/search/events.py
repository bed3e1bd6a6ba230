"""Events: what a running study tells its listener, and the one thing that it can be told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from autotune.recipe import Recipe
from autotune.search.seen import Seen
from autotune.search.study import Study
from autotune.search.warm import Sources
from autotune.store.records import CheckRecord, Purpose, TrialRecord


@dataclass(frozen=True, kw_only=True)
class StudyOpened:
    """A study was begun or resumed.

    Attributes:
        study: As it was found.
        resumed: Whether it existed.
        combinations: How many combinations of settings there are, before conflicts are looked at.
        sources: What it learns from.
    """

    study: Study
    resumed: bool
    combinations: int
    sources: Sources = field(default_factory=Sources)


@dataclass(frozen=True, kw_only=True)
class ReferenceStarted:
    """The untuned pictures are being made, to which all others are compared."""


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A trial is about to run; `preset` is "" for one that the search proposed."""

    number: int
    recipe: Recipe
    preset: str


@dataclass(frozen=True, kw_only=True)
class TrialFinished:
    """A trial ended, one way or the other; `study` has it already."""

    record: TrialRecord
    study: Study


@dataclass(frozen=True, kw_only=True)
class GainExpected:
    """What the sampler expects: the front grows by this share in the next `budget.LOOKAHEAD` trials."""

    gain: float


@dataclass(frozen=True, kw_only=True)
class ConfirmStarted:
    """The best recipes are measured again, in turn with the baseline, before a winner is named."""

    finalists: tuple[TrialRecord, ...]
    rounds: int


@dataclass(frozen=True, kw_only=True)
class CheckStarted:
    """Something is about to be measured beside the trials; `of` is how many of its kind are planned."""

    purpose: Purpose
    recipe: Recipe
    round: int
    of: int


@dataclass(frozen=True, kw_only=True)
class CheckFinished:
    """Something beside the trials was measured; `study` has it already."""

    check: CheckRecord
    study: Study


@dataclass(frozen=True, kw_only=True)
class StudyStopped:
    """No further trial is run; `reason` is part of a sentence, `seen` how much of the space was tried."""

    reason: str
    study: Study
    seen: Seen


Event: TypeAlias = (
    StudyOpened
    | ReferenceStarted
    | TrialStarted
    | TrialFinished
    | GainExpected
    | ConfirmStarted
    | CheckStarted
    | CheckFinished
    | StudyStopped
)
Listener: TypeAlias = Callable[[Event], None]


@dataclass
class Stop:
    """A wish to stop, as set by a handler of Ctrl-C.

    Attributes:
        requested: The running trial is finished, then the study stops. Whoever wants to end the trial itself
            cancels it at its runner, which then answers with a cancelled failure.
    """

    requested: bool = False


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
