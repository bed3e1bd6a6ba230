"""Speed: CPU seconds that an ask takes in a large space after many trials, kept in the study's storage."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from autotune.knob import Touches, Value
from autotune.measurement import FailureKind
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from autotune.search.tell import OBSERVATION
from tests.bench.problem import Floats, Problem
from tests.bench.problems.grid import GIB, Grid, Truth, as_problem, whole_grid
from tests.bench.search_play import Method, Start, told_values

TRIALS, ASKS = 1000, 5
_PARTS = (
    frozenset({Touches.TEXT, Touches.TEXT_MEMORY}),
    frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    frozenset({Touches.STEP, Touches.LIKENESS}),
    frozenset({Touches.DECODE, Touches.DECODE_MEMORY}),
    frozenset({Touches.STEP, Touches.DECODE, Touches.STEP_MEMORY, Touches.LIKENESS}),
)
_SIZES = (5, 5, 5, 5, 5, 2, 2, 2, 2, 2)
_CHOICES: Mapping[str, tuple[Value, ...]] = {
    f"knob {number}": tuple(range(size)) for number, size in enumerate(_SIZES)
}
_TOUCHES = {name: _PARTS[number % len(_PARTS)] for number, name in enumerate(_CHOICES)}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What an ask costs.

    Attributes:
        recipes: Of the space.
        trials: That the study had.
        first_s: CPU seconds of the first ask of a process, which reads all trials.
        next_s: Median CPU seconds of an ask after that, each after one more trial.
    """

    recipes: int
    trials: int
    first_s: float
    next_s: float

    def describe(self) -> str:
        """Return the figures as a sentence."""
        return (
            f"CPU of an ask with {self.trials:,} trials and {self.recipes:,} recipes: {self.next_s:.2f} s; "
            f"{self.first_s:.2f} s for the first one of a process"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def measure_speed(method: Method, *, trials: int = TRIALS, asks: int = ASKS) -> Speed:
    """Return what an ask costs after so many trials of recipes drawn by chance."""
    problem = wide()
    dice = np.random.default_rng(0)
    drawn = dice.permutation(len(problem.rows)).tolist()
    rows = [*problem.presets, *(row for row in drawn if row not in problem.presets)][:trials]
    study = optuna.create_study(
        directions=["minimize", "minimize", "maximize"],
        sampler=method.sampler(Start(problem=problem, first=problem.presets, seed=0)),
    )
    study.add_trials([_trial(problem, row, dice) for row in rows])
    seconds = []
    for _ in range(asks + 1):
        start = time.process_time()
        trial = study.ask()
        asked: dict[str, Any] = {name: trial.suggest_categorical(name, v) for name, v in _CHOICES.items()}
        seconds.append(time.process_time() - start)
        row = problem.row_of(asked)
        if row is None:
            raise SystemExit(f"'{method.name}' proposed {asked}, which is no recipe of the space.")
        seen = problem.observe(row, dice)
        study._storage.set_trial_system_attr(trial._trial_id, OBSERVATION, seen.to_json())
        if seen.is_measured:
            study.tell(trial, told_values(problem, seen))
        else:
            study.tell(trial, state=TrialState.PRUNED)
    return Speed(
        recipes=len(problem.rows),
        trials=trials,
        first_s=seconds[0],
        next_s=statistics.median(seconds[1:]),
    )


def wide() -> Problem:
    """Return a problem of 100,000 recipes, all of them valid, some of which fail."""
    grid = whole_grid(_CHOICES)
    return as_problem(
        "wide",
        grid,
        _truth(grid),
        touches=_TOUCHES,
        goals=(
            (LATENCY, MEMORY, SIMILARITY),
            (Limit(objective=MEMORY, bound=12 * GIB), Limit(objective=SIMILARITY, bound=0.8)),
        ),
        presets=(),
        noise={"latency_s": 0.015, "memory_bytes": 0.003},
    )


def _truth(grid: Grid) -> Truth:
    dice = np.random.default_rng(5)

    def effects(touched: Touches, size: float) -> Floats:
        found = np.zeros(len(grid.codes))
        for name, values in _CHOICES.items():
            if touched in _TOUCHES[name]:
                found += grid.by(name, 0.0, *dice.normal(0.0, size, len(values) - 1))
        return found

    text_s, steps_s, decode_s = (
        seconds * np.exp(effects(touched, 0.2))
        for seconds, touched in ((0.1, Touches.TEXT), (4.0, Touches.STEP), (0.5, Touches.DECODE))
    )
    text_gib, steps_gib, decode_gib = (
        gib * np.exp(effects(touched, 0.15))
        for gib, touched in (
            (6.0, Touches.TEXT_MEMORY),
            (9.0, Touches.STEP_MEMORY),
            (8.0, Touches.DECODE_MEMORY),
        )
    )
    return Truth(
        text_s=text_s,
        steps_s=steps_s,
        decode_s=decode_s,
        load_gib=text_gib,
        text_gib=text_gib,
        steps_gib=steps_gib,
        decode_gib=decode_gib,
        similarity=np.clip(1.0 - np.abs(effects(Touches.LIKENESS, 0.04)), 0.0, 1.0),
        cold_s=20.0 + text_s + steps_s + decode_s,
        forecast={"load": text_gib, "calls": np.maximum(steps_gib, decode_gib)},
        failures={FailureKind.CRASH: grid.has("knob 0", 4) & grid.has("knob 7", 1)},
        cap_gib=24.0,
    )


def _trial(problem: Problem, row: int, dice: np.random.Generator) -> FrozenTrial:
    seen = problem.observe(row, dice)
    return create_trial(
        state=TrialState.COMPLETE if seen.is_measured else TrialState.PRUNED,
        values=told_values(problem, seen) if seen.is_measured else None,
        params=dict(problem.rows[row]),
        distributions={name: CategoricalDistribution(values) for name, values in problem.choices.items()},
        system_attrs={OBSERVATION: seen.to_json()},
    )
