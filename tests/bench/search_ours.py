"""Our sampler on a problem: the space of its rows, and variants that leave out one of its ideas each."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from autotune.blueprint import Blueprint
from autotune.knob import Choice, Settings, Situation, Value
from autotune.search.known import Known
from autotune.search.presets import Preset
from autotune.search.proposing import Aim
from autotune.search.surrogate_sampler import SurrogateSampler
from autotune.space import SearchSpace
from autotune.target import Target
from autotune.workload import Workload
from tests.bench.problem import Problem
from tests.bench.search_play import Method, Start

_TRIALS, _OF_VARIANTS, _SEEDS_OF_VARIANTS = 100, 60, 4  # an ask takes a fraction of a second
_STEPS = 20  # of the untuned recipe, where steps are no knob
_SITUATION = Situation(
    target=Target(device="cpu", name="none", memory_bytes=2**34, cores=1),
    blueprint=Blueprint(pipeline_class="StableDiffusionPipeline"),
    workload=Workload(model="demo", width_px=64, height_px=64, steps=_STEPS),
)


@dataclass(frozen=True, kw_only=True)
class RowSpace(SearchSpace):
    """The space of a problem: its rows are valid, and nothing else."""

    problem: Problem

    def valid(self) -> Iterator[dict[str, Value]]:
        """Yield every row."""
        yield from map(dict, self.problem.rows)

    def is_searched(self, settings: Settings) -> bool:
        """Whether settings are those of a row."""
        return self.problem.row_of(settings) is not None

    def draw(self, rng: random.Random) -> dict[str, Value]:
        """Return a row by chance."""
        return dict(rng.choice(self.problem.rows))


def space_of(problem: Problem) -> RowSpace:
    """Return the space of a problem."""
    return RowSpace(
        knobs=(),
        situation=_SITUATION,
        offered={name: Choice(values) for name, values in problem.choices.items()},
        choices=problem.choices,
        why_fixed={},
        problem=problem,
    )


def sampler(start: Start, earlier: Sequence[Known] = (), **changes: Any) -> SurrogateSampler:
    """Return our sampler.

    Args:
        start: What it begins with.
        earlier: What other studies taught.
        changes: Of its aim: what it is to leave out.
    """
    problem = start.problem
    aim: dict[str, Any] = {
        "knobs": problem.choices,
        "touches": problem.touches,
        "objectives": problem.objectives,
        "limits": lambda baseline: problem.limits,  # noqa: ARG005 - they need no baseline here
        "steps": int(str(problem.choices.get("steps", (_STEPS,))[0])),
        "forecast": partial(_forecast, problem) if problem.forecasts is not None else None,
        "earlier": tuple(earlier),
    }
    presets = [Preset(name=f"row {row}", settings=problem.rows[row]) for row in start.first]
    return SurrogateSampler(
        space_of(problem), problem.choices, presets=presets, seed=start.seed, aim=Aim(**aim | changes)
    )


def _forecast(problem: Problem, settings: Settings) -> dict[str, float]:
    row = problem.row_of(settings)
    return dict(problem.forecasts[row]) if row is not None and problem.forecasts is not None else {}


def _ours(name: str, label: str, **changes: Any) -> Method:
    return Method(
        name=name,
        label=label,
        trials=_TRIALS if not changes else _OF_VARIANTS,
        seeds=None if not changes else _SEEDS_OF_VARIANTS,
        sampler=lambda start: sampler(start, **changes),
        plants=True,
        is_ours=True,
    )


OURS = _ours("ours", "autotune")
VARIANTS = (
    _ours("ours-totals", "autotune, totals for parts", by_parts=False),
    _ours("ours-no-forecast", "autotune without a forecast", forecast=None),
    _ours("ours-no-cost", "autotune by trials alone", by_cost=0.0),
    _ours("ours-cost", "autotune by seconds alone", by_cost=1.0),
)
"""What each idea is worth: methods that leave one out."""
