"""A search of the synthetic pipeline by asking and telling: its trials take no time, and nothing is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import optuna
from optuna.trial import Trial, TrialState

from autotune.knob import Settings, Touches, Value
from autotune.measurement import Measurement, Memory, Outcome
from autotune.observation import observe
from autotune.pareto import hypervolume
from autotune.plan import Plan
from autotune.search import proposing
from autotune.search.known import known_from
from autotune.search.presets import Preset
from autotune.search.proposing import Proposer, proposer
from autotune.search.resume import frozen_choices
from autotune.search.sampler import SpaceSampler
from autotune.search.sampling import aim_of, sampler_for
from autotune.search.surrogate import Forecast
from autotune.search.surrogate_sampler import SurrogateSampler
from autotune.search.tell import OBSERVATION
from autotune.space import SearchSpace, build_space
from tests.search import synthetic

SOME = ("dtype", "compile", "steps", "vae_tiling", "vae_slicing", "prompt_embeds")
FEW = ("dtype", "fuse_qkv", "quantization")
LARGE: dict[str, tuple[Value, ...]] = {f"extra_{number}": (0, 1, 2, 3) for number in range(8)}
"""Knobs that do nothing to speak of, and say so: with the others, 28 million combinations."""


def space_of(names: Sequence[str] = SOME, more: Mapping[str, tuple[Value, ...]] | None = None) -> SearchSpace:
    """Return a space in which these knobs have a choice."""
    values = {name: offered if name in names else offered[:1] for name, offered in synthetic.VALUES.items()}
    others = [replace(knob, touches=frozenset({Touches.TEXT})) for knob in synthetic.knobs(more or {})]
    knobs = [*synthetic.knobs(values), *others]
    return build_space(knobs, synthetic.SITUATION, allow_approximate=True)


@dataclass
class Search:
    """A study whose trials take no time.

    Attributes:
        space: What is searched.
        plan: What for.
        presets: In place of those of the guides, where there are any.
        storage: Of Optuna; in memory where there is none.
        forecast: Of memory, where there is one.
    """

    space: SearchSpace = field(default_factory=space_of)
    plan: Plan = field(default_factory=lambda: synthetic.plan(sampler="surrogate"))
    presets: tuple[Preset, ...] = ()
    storage: str | None = None
    forecast: Forecast | None = None

    def __post_init__(self) -> None:
        """Begin the study."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(directions=["minimize"] * 3, storage=self.storage, study_name="one")
        self.restart()

    def restart(self) -> SpaceSampler:
        """Go on with a sampler that has seen nothing yet."""
        choices = frozen_choices(self.space)
        self.sampler = sampler_for(self.plan, self.space, choices, forecast=self.forecast)
        if self.presets:
            aim = aim_of(self.plan, self.space, choices)
            self.sampler = SurrogateSampler(self.space, choices, presets=self.presets, seed=0, aim=aim)
        self.study.sampler = self.sampler
        return self.sampler

    def ask(self) -> Trial:
        """Begin a trial."""
        return self.study.ask(self.sampler.distributions)

    def tell(self, trial: Trial) -> None:
        """End a trial as `tell` does: with what was seen among the system attributes."""
        outcome = outcome_of({**self.space.defaults, **trial.params})
        seconds = 2.0 + (5 * outcome.latency_s if isinstance(outcome, Measurement) else 0.0)
        seen = observe(outcome, seconds=seconds, memory_limit_bytes=self.plan.memory_limit_bytes)
        assert seen is not None
        self.study._storage.set_trial_system_attr(trial._trial_id, OBSERVATION, seen.to_json())
        if isinstance(outcome, Measurement):
            self.study.tell(trial, [outcome.latency_s, outcome.memory_bytes / 2**30, outcome.similarity])
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def run(self, trials: int, *, restarts: bool = False) -> list[dict[str, Value]]:
        """Ask and tell, with a new sampler for each trial where it `restarts`; return what was proposed."""
        proposed = []
        for _ in range(trials):
            if restarts:
                self.restart()
            if not self.sampler.has_untried(self.study):
                break
            trial = self.ask()
            proposed.append(dict(trial.params))
            self.tell(trial)
        return proposed

    def gain(self) -> float | None:
        """Return the share by which the front is expected to grow."""
        assert isinstance(self.sampler, SurrogateSampler)
        return self.sampler.outlook(self.study).gain

    def look(self, *, pending: Sequence[Settings] = (), by_cost: float = 0.5) -> Proposer | None:
        """Return what is known now."""
        aim = aim_of(self.plan, self.space, frozen_choices(self.space))
        known = known_from(self.study.get_trials())
        return proposer(replace(aim, by_cost=by_cost), known, pending, proposing.Memory())


def outcome_of(settings: Settings) -> Outcome:
    """Return what a recipe comes to, with the peaks of its stages."""
    outcome = synthetic.outcome(settings)
    if not isinstance(outcome, Measurement):
        return outcome
    peak = outcome.memory.peak_bytes
    return replace(outcome, memory=Memory(peak_bytes=peak, stages={"load": peak // 2, "first call": peak}))


def volume(proposed: Sequence[Settings]) -> float:
    """Return the volume that proposed recipes dominate, within the limits of the plan."""
    every = [synthetic.outcome({**space_of().defaults, **settings}) for settings in proposed]
    points = [
        (one.latency_s / 4.0, one.memory_bytes / (900 * synthetic.MIB), (1 - one.similarity) / 0.1)
        for one in every
        if isinstance(one, Measurement)
    ]
    return hypervolume(points, [1.0, 1.0, 1.0])
