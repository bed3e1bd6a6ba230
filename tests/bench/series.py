"""Raw series of calls: fresh processes of recipes a known distance apart, in turn, and how they spread."""

import math
import random
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from autotune.job import Job, Protocol
from autotune.measurement import Measurement
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload

STEPS = {"A": 40, "B": 41, "C": 42}
"""The recipes: nothing but their steps differs, so that their distance is known."""
QUICK_STEPS = {"A": 8, "B": 9, "C": 10}
"""Shorter calls, further apart: to see that the bench works."""
CALLS = 22
"""Calls of each process, the very first included."""
WARM, TIMED = 3, 12
"""Of which so many are timed for the spread, after so many."""
# Small pictures: a call that is longer than 0.2 s, as those of real pipelines are, and yet many of them.
WORKLOAD = Workload(
    model="demo", prompts=("a red house in the snow by day",), guidance=3.0, width_px=64, height_px=64
)
# Nothing is left out, repeated or stopped early: the series is raw.
RAW = Protocol(
    settle_min=1,
    settle_max=1,
    busy_s=0.0,
    calls_min=CALLS - 1,
    calls_max=CALLS - 1,
    interval=0.0,
    timing_s=600.0,
    retries=0,
    pairs=1,
    race=False,
)


@dataclass(frozen=True, kw_only=True)
class Series:
    """The calls of one fresh process.

    Attributes:
        recipe: Name of the recipe.
        round: Number of the round.
        started_s: Seconds since the first round began.
        calls_s: Wall seconds of every call from the very first one.
    """

    recipe: str
    round: int
    started_s: float
    calls_s: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`; calls to the microsecond."""
        return {**asdict(self), "calls_s": [round(call, 6) for call in self.calls_s]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a series from what `to_json` returned.

        >>> series = Series(recipe="A", round=0, started_s=0.0, calls_s=(1.0, 2.0))
        >>> Series.from_json(series.to_json()) == series
        True
        """
        return cls(**{**data, "calls_s": tuple(data["calls_s"])})


def record(
    runner: LocalRunner, folder: Path, steps: Mapping[str, int], *, minutes: float, least: int
) -> tuple[list[Series], float]:
    """Measure whole rounds, every recipe once in each, until the time is up.

    Args:
        runner: Where they run.
        folder: Where trials leave their files.
        steps: Recipe to its steps.
        minutes: No round begins that is not expected to end within them.
        least: So many rounds are made whatever the time.

    Returns:
        The series, and the share of a call of A that its steps take.

    Raises:
        SystemExit: A trial failed.
    """
    workload = runner.probe(replace(WORKLOAD, steps=steps["A"]), "cpu").workload
    reference = str(folder / "series-reference")
    common = {"workload": workload, "device": "cpu", "protocol": RAW}
    untuned = Recipe(model=workload.model)
    runner(Job(recipe=untuned, folder=reference, role="reference", **common))  # type: ignore[arg-type]
    whole = Job(recipe=untuned, folder=str(folder / "series-whole"), reference=reference, **common)  # type: ignore[arg-type]
    parts = measured(runner(whole)).parts
    share = sum(parts.steps_s) / parts.total_s if parts else 1.0
    shuffle = random.Random(1).sample
    found: list[Series] = []
    start, number = time.monotonic(), 0
    while number < least or (time.monotonic() - start) * (1 + 1 / number) < 60 * minutes:
        for name in shuffle(list(steps), len(steps)):
            began = time.monotonic() - start
            recipe = Recipe(model=workload.model, settings={"steps": steps[name]})
            place = str(folder / f"series-{number}-{name}")
            outcome = runner(
                Job(recipe=recipe, folder=place, reference=reference, is_whole=False, **common)  # type: ignore[arg-type]
            )
            calls = measured(outcome)
            # What drifts is made again, and its beginning is among the warm-up then: the first calls are raw.
            calls_s = (*calls.warmup_s, *calls.calls_s)[:CALLS]
            found.append(Series(recipe=name, round=number, started_s=began, calls_s=calls_s))
        number += 1
        spent = time.monotonic() - start
        print(f"round {number} of {len(steps)} processes, {spent:.0f} s", file=sys.stderr)
    return found, share


def measured(outcome: object) -> Measurement:
    """Return the outcome of a trial that must not fail.

    Raises:
        SystemExit: It failed; the message says how.
    """
    if isinstance(outcome, Measurement):
        return outcome
    raise SystemExit(f"A trial of the bench did not work: {getattr(outcome, 'message', outcome)}")


def by_recipe(series: Sequence[Series]) -> dict[str, list[tuple[float, ...]]]:
    """Return the calls of each recipe's processes, in the order of the rounds."""
    ordered = sorted(series, key=lambda one: one.round)
    names = sorted({one.recipe for one in series})
    return {name: [one.calls_s for one in ordered if one.recipe == name] for name in names}


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How much equal work differs, as relative standard deviations; recipes are taken together.

    Attributes:
        within: Of a settled call, in one process.
        between: Of the medians of settled calls, between fresh processes of one recipe.
        by_chance: What `between` would be if the calls of all processes were alike.
        in_round: What is left of `between` where recipes are compared within their round.
    """

    within: float
    between: float
    by_chance: float
    in_round: float


def spread(processes: Mapping[str, Sequence[Sequence[float]]]) -> Spread:
    """Return the spread of recorded processes; every recipe has the same rounds, two at least.

    By chance a median of n normal samples spreads by sqrt(pi / 2 n) of their standard deviation.

    Args:
        processes: Recipe to the calls of its process in each round.

    >>> calls = [1.0] * 15
    >>> spread({"A": [calls, calls], "B": [calls, [1.1] * 15]}).within
    0.0
    """
    logs = {
        name: [[math.log(call) for call in calls[WARM : WARM + TIMED]] for calls in of_one]
        for name, of_one in processes.items()
    }
    medians = {name: [statistics.median(calls) for calls in of_one] for name, of_one in logs.items()}
    within = _root_mean(statistics.variance(calls) for of_one in logs.values() for calls in of_one)
    between = _root_mean(statistics.variance(of_one) for of_one in medians.values())
    # Each recipe against the mean of its round: what slows a whole round is gone.
    levels = [statistics.fmean(together) for together in zip(*medians.values(), strict=True)]
    beside = [
        statistics.variance([own - level for own, level in zip(of_one, levels, strict=True)])
        for of_one in medians.values()
    ]
    shared = len(medians) / (len(medians) - 1)  # the mean of a round holds the recipe itself
    return Spread(
        within=within,
        between=between,
        by_chance=within * math.sqrt(math.pi / 2 / TIMED),
        in_round=math.sqrt(statistics.fmean(beside) * shared),
    )


def true_gap(steps: Mapping[str, int], slower: str, share_of_steps: float) -> float:
    """Return by how much a recipe is slower than A: its further steps, as far as steps are what takes time.

    >>> round(true_gap(STEPS, "B", 1.0), 4), round(true_gap(STEPS, "C", 0.9), 4)
    (0.025, 0.045)
    """
    return (steps[slower] / steps["A"] - 1) * share_of_steps


def _root_mean(variances: Iterable[float]) -> float:
    return math.sqrt(statistics.fmean(variances))
