"""Sampler: proposes what to try next, never an invalid recipe and never one twice."""

import random
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from autotune.errors import SpaceError
from autotune.knob import Settings, Value
from autotune.search.presets import Preset
from autotune.space import SearchSpace, key

_REDRAWS = 20
_RANDOM_DRAWS = 100
_EVIDENCE = (TrialState.COMPLETE, TrialState.PRUNED)


class SpaceExhausted(Exception):  # noqa: N818 - a signal, not an error
    """Every valid recipe has been tried."""


class SpaceSampler(BaseSampler):
    """Presets first, then TPE over the whole space, put right where it proposes what is invalid or known.

    It keeps nothing: all that it knows it reads from the study, and its random numbers follow from the seed
    and the trial's number. So a study that is resumed goes on as if it had never stopped.
    """

    def __init__(
        self,
        space: SearchSpace,
        choices: Mapping[str, tuple[Value, ...]],
        *,
        presets: Sequence[Preset],
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            space: Says what is valid and searched.
            choices: Each knob's values as the study froze them: the distributions that Optuna keeps.
            presets: What to try first.
            seed: Of all random numbers.
        """
        self.distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in choices.items()
        }
        self.presets = {key(preset.settings): preset for preset in presets}
        self._space, self._seed = space, seed
        self._single = {name: values[0] for name, values in choices.items() if len(values) == 1}

    def has_untried(self, study: Study) -> bool:
        """Whether there is anything left to propose."""
        return next(self._every_untried(_tried(study)), None) is not None

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - the signature is Optuna's
        trial: FrozenTrial,  # noqa: ARG002 - as above
    ) -> dict[str, BaseDistribution]:
        """Return every knob that has a choice: they are drawn together."""
        return {name: knob for name, knob in self.distributions.items() if not knob.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the settings to try next.

        Raises:
            SpaceExhausted: Every valid recipe has been tried.
        """
        tried = _tried(study, but=trial.number)
        settings = next(self._candidates(study, trial, tried), None)
        if settings is None:
            raise SpaceExhausted
        return {name: settings[name] for name in search_space}

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002 - the signature is Optuna's
        trial: FrozenTrial,  # noqa: ARG002 - as above
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002 - as above
    ) -> Any:
        """Refuse: every knob is drawn together with all others."""
        raise LookupError(f"Knob '{param_name}' is not part of this study's space.")

    def _candidates(self, study: Study, trial: FrozenTrial, tried: set[str]) -> Iterator[Settings]:
        """What may be tried next, the best first; each is valid and untried."""
        yield from (s for s in self._interrupted(study, trial) if key(s) not in tried)
        yield from (p.settings for name, p in self.presets.items() if name not in tried)
        rng = random.Random(f"{self._seed}/{trial.number}")
        proposals: list[Settings] = []
        for proposal in self._proposals(study, trial):
            if self._is_good(proposal, tried):
                yield proposal
            proposals.append(proposal)
        for proposal in proposals[:1]:
            near = [s for s in self._space.neighbours(proposal) if key(s) not in tried]
            rng.shuffle(near)
            yield from near
        yield from (s for s in self._draws(rng) if key(s) not in tried)
        yield from self._every_untried(tried)

    def _interrupted(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        """Settings of trials that were begun and never ended: cancelled, or killed with the tuner."""
        for failed in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            is_whole = failed.params.keys() == self.distributions.keys()
            is_known = is_whole and (
                key(failed.params) in self.presets or self._space.is_searched(failed.params)
            )
            if is_known and failed.number != trial.number:
                yield failed.params

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Settings]:
        """What TPE would try; nothing while it knows too few trials."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # `group`
            # Only one trial runs at a time, so none needs to be kept away from others (constant_liar).
            tpe = TPESampler(
                multivariate=True,
                group=True,
                constant_liar=False,
                seed=random.Random(f"{self._seed}:{trial.number}").getrandbits(32),
            )
        known = tpe.infer_relative_search_space(study, trial)
        for _ in range(_REDRAWS):
            proposal = tpe.sample_relative(study, trial, known)
            if proposal.keys() | self._single.keys() != self.distributions.keys():
                return
            yield {**self._single, **proposal}

    def _draws(self, rng: random.Random) -> Iterator[Settings]:
        """Valid recipes at random; none where they are so rare that drawing finds none."""
        for _ in range(_RANDOM_DRAWS):
            try:
                yield self._space.draw(rng)
            except SpaceError:
                return

    def _every_untried(self, tried: set[str]) -> Iterator[Settings]:
        every: Iterable[Settings] = self._space.valid()
        yield from (preset.settings for name, preset in self.presets.items() if name not in tried)
        yield from (settings for settings in every if key(settings) not in tried)

    def _is_good(self, settings: Settings, tried: set[str]) -> bool:
        return key(settings) not in tried and self._space.is_searched(settings)


def _tried(study: Study, *, but: int = -1) -> set[str]:
    """The settings of all trials that said something about them, or are about to."""
    states = (*_EVIDENCE, TrialState.RUNNING)
    trials = study.get_trials(deepcopy=False, states=states)
    return {key(trial.params) for trial in trials if trial.number != but}
