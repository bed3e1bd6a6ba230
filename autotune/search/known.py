"""Known: a recipe that was tried, and what that taught; read from Optuna's storage alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from autotune.knob import Settings
from autotune.observation import Observation
from autotune.search.tell import OBSERVATION

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A recipe that was tried.

    Attributes:
        settings: The value of every knob that was searched.
        seen: What was seen.
        study: Name of the study it was tried in; "" for the one that goes on.
    """

    settings: Settings
    seen: Observation
    study: str = ""


def known_from(trials: Iterable[FrozenTrial], study: str = "") -> list[Known]:
    """Return what Optuna's trials taught, in their order; those that say nothing are left out."""
    return [
        Known(settings=trial.params, seen=Observation.from_json(trial.system_attrs[OBSERVATION]), study=study)
        for trial in trials
        if trial.state in _ENDED and OBSERVATION in trial.system_attrs
    ]
