"""Records: studies and trials as the store returns them, plain values without a database behind them."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autotune.knob import Settings, Situation, Value
from autotune.measurement import Failure, FailureKind, Measurement, Outcome, Pruned
from autotune.plan import Plan
from autotune.recipe import describe_settings


class TrialState(enum.StrEnum):
    """How far a trial is."""

    RUNNING = "running"
    FINISHED = "finished"  # its outcome is stored, Optuna does not know yet
    TOLD = "told"


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """One study as stored.

    Attributes:
        plan: What was asked for.
        situation: Where, of what, making what, with sizes resolved.
        choices: Each knob's values, the default first; frozen for the study's life.
        created_at: When it was first tuned, in UTC.
    """

    plan: Plan
    situation: Situation
    choices: Mapping[str, tuple[Value, ...]]
    created_at: datetime

    @property
    def defaults(self) -> dict[str, Value]:
        """The untuned baseline."""
        return {name: values[0] for name, values in self.choices.items()}


class Purpose(enum.StrEnum):
    """Why something was measured beside the trials."""

    FLOOR = "floor"  # how unlike the reference are pictures of recipes that should change nothing?
    BASELINE = "baseline"  # the untuned baseline again: how much does the machine itself vary?
    CONFIRM = "confirm"  # a round of the best recipes, measured against each other
    PICTURES = "pictures"  # more pictures of the best recipes
    COLD = "cold"  # a fresh start of the best recipes without anything compiled before
    CAP = "cap"  # the least memory limit under which the best recipes run


@dataclass(frozen=True, kw_only=True)
class CheckRecord:
    """One measurement beside the trials.

    Attributes:
        purpose: Why it was made.
        round: Counted from 0; what has the same round was measured close together.
        digest: The recipe's digest.
        changed: The settings that differ from the default.
        outcome: What it came to.
        seconds: Wall seconds it took.
        finished_at: In UTC.
    """

    purpose: Purpose
    round: int
    digest: str
    changed: Settings
    outcome: Outcome
    seconds: float
    finished_at: datetime

    @property
    def measurement(self) -> Measurement | None:
        """The measurement of a check that worked."""
        return self.outcome if isinstance(self.outcome, Measurement) else None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as stored.

    Attributes:
        number: Optuna's trial number.
        digest: The recipe's digest.
        settings: The value of every knob.
        changed: The settings that differ from the default, as in `Recipe.settings`.
        preset: Name of the preset it came from, or "".
        folder: Its log ("log.txt") and pictures.
        state: How far it is.
        started_at: In UTC.
        outcome: What it came to; None while it runs.
        seconds: Wall seconds it took; 0 while it runs and where a kill left it unknown.
        measured_in: Name of the study that measured it, which this one took it over from; "" for its own.
    """

    number: int
    digest: str
    settings: Settings
    changed: Settings
    preset: str = ""
    folder: Path
    state: TrialState
    started_at: datetime
    outcome: Outcome | None = None
    seconds: float = 0.0
    measured_in: str = ""

    @property
    def measurement(self) -> Measurement | None:
        """The measurement of a trial that worked."""
        return self.outcome if isinstance(self.outcome, Measurement) else None

    @property
    def failure(self) -> Failure | None:
        """The failure of a trial that did not work."""
        return self.outcome if isinstance(self.outcome, Failure) else None

    @property
    def pruned(self) -> Pruned | None:
        """What is known of a trial that was stopped early, since it cannot reach the front any more."""
        return self.outcome if isinstance(self.outcome, Pruned) else None

    @property
    def counts(self) -> bool:
        """Whether it says something about its recipe: it ended, and nobody stopped it."""
        return self.outcome is not None and (
            self.failure is None or self.failure.kind != FailureKind.CANCELLED
        )

    @property
    def is_baseline(self) -> bool:
        """Whether nothing was tuned."""
        return not self.changed

    @property
    def whose(self) -> str:
        """In words, which other study measured it; "" for its own."""
        return f"measured in study '{self.measured_in}'" if self.measured_in else ""

    def describe(self) -> str:
        """The settings that differ from the default in one line, or "untuned"."""
        return describe_settings(self.changed) or "untuned"
