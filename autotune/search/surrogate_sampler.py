"""The sampler of a study: presets first, then what is expected to add most to the front for its seconds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from autotune.budget import LOOKAHEAD
from autotune.knob import Settings, Value
from autotune.search.known import Known, known_from
from autotune.search.pool import Pool
from autotune.search.presets import Preset
from autotune.search.proposing import Aim, Memory, Proposer, proposer
from autotune.search.sampler import SpaceSampler
from autotune.space import SearchSpace

_GOOD = 8  # recipes of the front near which others are looked for
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a sampler expects of the trials to come.

    Attributes:
        gain: Share by which the volume that the front dominates is expected to grow in the next `LOOKAHEAD`
            trials; None while nobody can tell.
    """

    gain: float | None


class SurrogateSampler(SpaceSampler):
    """Presets first, then the recipes of the largest expected improvement for each second of a trial.

    It keeps nothing that it could not learn again: all that it knows it reads from the study, and its random
    numbers follow from the seed and the trial's number.
    """

    def __init__(
        self,
        space: SearchSpace,
        choices: Mapping[str, tuple[Value, ...]],
        *,
        presets: Sequence[Preset],
        seed: int,
        aim: Aim,
    ) -> None:
        """Prepare.

        Args:
            space: Says what is valid and searched.
            choices: Each knob's values as the study froze them.
            presets: What to try first.
            seed: Of all random numbers.
            aim: What the search is after.
        """
        super().__init__(space, choices, presets=presets, seed=seed)
        self._aim, self._memory = aim, Memory()
        self._pool = Pool(space, aim.coding)

    def outlook(self, study: Study) -> Outlook:
        """Return what is expected of the trials to come."""
        known = known_from(study.get_trials(deepcopy=False, states=_ENDED))
        now = proposer(self._aim, known, (), self._memory)
        if now is None or not len(now.front):
            return Outlook(gain=None)
        volume = now.volume()
        codes = self._pool.untried(
            self._good(now, known), self._rows(study), seed=f"{self._seed}:{len(known)}"
        )
        return Outlook(gain=now.growth(codes, LOOKAHEAD) / volume if volume > 0 else None)

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        """The best untried recipes by what is known now; nothing before the baseline is measured."""
        known = known_from(study.get_trials(deepcopy=False, states=_ENDED))
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        names = self.distributions.keys()
        pending = [t.params for t in running if t.number != trial.number and t.params.keys() == names]
        now = proposer(self._aim, known, pending, self._memory)
        if now is None:
            return
        yield from self._pool.best(
            lambda codes: now.gains(codes)[1],
            self._good(now, known),
            self._rows(study, but=trial.number),
            trials=len(known),
            seed=f"{self._seed}/{trial.number}",
        )

    def _rows(self, study: Study, *, but: int = -1) -> list[tuple[int, ...]]:
        """What was tried or is being tried, as numbers."""
        states = (*_ENDED, TrialState.RUNNING)
        coding = self._aim.coding
        rows = (
            coding.row(trial.params)
            for trial in study.get_trials(deepcopy=False, states=states)
            if trial.number != but and trial.params
        )
        return [row for row in rows if row is not None]

    def _good(self, now: Proposer, known: Sequence[Known]) -> list[Settings]:
        """Recipes of the front, those that are best in one objective among them."""
        return [known[index].settings for index in now.best_of(known)[:_GOOD]]
