"""The sampler of a study: what is expected to add most to the front for its seconds, presets among it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from autotune.budget import LOOKAHEAD
from autotune.knob import Settings, Value
from autotune.search.candidates import Codes, Floats
from autotune.search.known import known_from
from autotune.search.pool import Pool
from autotune.search.presets import Preset
from autotune.search.proposing import Aim, Memory, Proposer, proposer
from autotune.search.sampler import SpaceSampler
from autotune.space import SearchSpace, key

_WORTH = 0.7  # a preset goes first whose score is so large a share of the best one's
_GOOD = 8  # recipes of the front near which others are looked for
_SEEN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a sampler expects of the trials to come.

    Attributes:
        gain: Share by which the volume that the front dominates is expected to grow in the next `LOOKAHEAD`
            trials; None while nobody can tell.
    """

    gain: float | None


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What a study knows at one moment.

    Attributes:
        proposer: Ranks what may be tried.
        rows: What was tried or is being tried, as numbers.
        good: Recipes of the front, near which others are looked for.
    """

    proposer: Proposer
    rows: Sequence[tuple[int, ...]]
    good: Sequence[Settings]


class SurrogateSampler(SpaceSampler):
    """The untuned baseline, then what is expected to improve the front most, its seconds considered.

    A preset that is expected to be worth nearly as much goes before it: somebody found it good. So presets
    cost little where trials know better.

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
        look = self._look(study)
        if look is None:
            return Outlook(gain=None)
        volume = look.proposer.volume()
        codes = self._pool.untried(look.good, look.rows, seed=f"{self._seed}:{len(look.rows)}")
        return Outlook(gain=look.proposer.growth(codes, LOOKAHEAD) / volume if volume > 0 else None)

    def _candidates(self, study: Study, trial: FrozenTrial, tried: set[str]) -> Iterator[Settings]:
        """What may be tried next, the best first; each is valid and untried."""
        yield from (s for s in self._interrupted(study, trial) if key(s) not in tried)
        look = self._look(study, but=trial.number)
        if look is not None:
            yield from self._ranked(look, trial.number, tried)
        yield from super()._candidates(study, trial, tried)

    def _ranked(self, look: _Look, number: int, tried: set[str]) -> Iterator[Settings]:
        """The best untried recipes by what is known now; presets go first that are worth it."""

        def score(codes: Codes) -> Floats:
            return look.proposer.gains(codes)[1]

        seed = f"{self._seed}/{number}"
        best = self._pool.best(score, look.good, look.rows, trials=len(look.rows), seed=seed)
        found = [settings for settings in best if self._is_good(settings, tried)]
        if not found:
            return
        presets = [preset.settings for name, preset in self.presets.items() if name not in tried]
        scores = score(self._aim.coding.codes([found[0], *presets])).tolist()
        least = _WORTH * scores[0]
        yield from (preset for preset, worth in zip(presets, scores[1:], strict=True) if worth >= least)
        yield from found

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        """Nothing more: where the surrogate knows nothing, presets come, and then what is drawn."""
        del study, trial
        return iter(())

    def _look(self, study: Study, *, but: int = -1) -> _Look | None:
        """Look at what the study knows, one trial left aside; None before its baseline is measured."""
        trials = [t for t in study.get_trials(deepcopy=False, states=_SEEN) if t.number != but]
        known = known_from(trials)
        names = self.distributions.keys()
        running = [t for t in trials if t.state is TrialState.RUNNING]
        pending = [trial.params for trial in running if trial.params.keys() == names]
        now = proposer(self._aim, known, pending, self._memory)
        if now is None:
            return None
        rows = [row for trial in trials if trial.params and (row := self._aim.coding.row(trial.params))]
        good = [known[index].settings for index in now.best_of(known)[:_GOOD]]
        return _Look(proposer=now, rows=rows, good=good)
