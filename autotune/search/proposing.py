"""Proposing: ranks candidates by what they are expected to add to the front, for each second of a trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from autotune import pareto
from autotune.knob import Settings, Touches, Value
from autotune.objective import Limit, Objective
from autotune.observation import Observation
from autotune.search.acquire import Goals, gains
from autotune.search.belief import Belief
from autotune.search.candidates import Codes, Coding, Floats
from autotune.search.gaussian_process import Fitted
from autotune.search.known import Known
from autotune.search.learn import learn, learn_earlier
from autotune.search.process import Hyper
from autotune.search.surrogate import Forecast, Surrogate, expected_by

Limits: TypeAlias = Callable[[Mapping[str, float]], tuple[Limit, ...]]

_LEAST_SECONDS = 0.3  # share of the shortest trial so far that any trial is taken to need
_BELIEVED = 300  # candidates among which the trials to come are simulated


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a search is after, and what it knows before the first trial.

    Attributes:
        knobs: The values of each knob, the default first.
        touches: What each knob acts on.
        objectives: What to be good at.
        limits: Beyond which a recipe is unfit, given the figures of the untuned baseline.
        steps: Of the untuned baseline.
        forecast: Of memory; None where there is none.
        earlier: What other studies taught, with their baselines among it.
        by_parts: Whether parts of figures are modelled, not totals.
        by_cost: Power of the expected seconds of a trial by which its gain is divided: 0 to look at trials
            alone, 1 at seconds alone.
    """

    knobs: Mapping[str, tuple[Value, ...]]
    touches: Mapping[str, frozenset[Touches]]
    objectives: tuple[Objective, ...]
    limits: Limits
    steps: int
    forecast: Forecast | None = None
    earlier: tuple[Known, ...] = ()
    by_parts: bool = True
    by_cost: float = 0.5

    @cached_property
    def coding(self) -> Coding:
        """How settings are written as numbers."""
        return Coding.of(self.knobs)


@dataclass
class Memory:
    """What was found before: it is found again from the same trials, so it may be lost.

    Attributes:
        trials: What the hyperparameters were found from.
        hypers: They, by quantity.
        earlier: What other studies taught; None while nobody looked.
        expected: What was known of candidates beforehand, by their numbers.
    """

    trials: tuple[Known, ...] = ()
    hypers: dict[str, Hyper] = field(default_factory=dict)
    earlier: dict[str, Fitted] | None = None
    expected: dict[tuple[int, ...], tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """What is known at one moment, ready to rank candidates.

    Attributes:
        aim: What the search is after.
        goals: With limits resolved.
        surrogate: What trials taught.
        front: Losses of all fit recipes, as shares of the reference, shape (recipes, objectives).
        shortest_s: Seconds of the shortest trial.
        memory: Of what was found before.
    """

    aim: Aim
    goals: Goals
    surrogate: Surrogate
    front: Floats
    shortest_s: float
    memory: Memory

    def beliefs(self, codes: Codes) -> dict[str, Belief]:
        """Return what is believed of candidates."""
        return self.surrogate.predict_codes(codes, self._expected(codes))

    def _expected(self, codes: Codes) -> dict[str, Floats]:
        """What was known of candidates before they are tried; each is asked for once."""
        forecast, coding, known = self.aim.forecast, self.surrogate.coding, self.memory.expected
        if forecast is None or not len(codes):
            return {}
        rows = [tuple(row) for row in codes.tolist()]
        new = [row for row in dict.fromkeys(rows) if row not in known]
        told = expected_by(forecast, [coding.settings(row) for row in new], coding)
        known.update(zip(new, zip(*(values.tolist() for values in told.values()), strict=True), strict=True))
        columns = np.array([known[row] for row in rows]).T
        return dict(zip(told, columns, strict=True))

    def gains(self, codes: Codes) -> tuple[Floats, Floats]:
        """Return what candidates are expected to add to the dominated volume, and that for their cost.

        Args:
            codes: Shape (rows, knobs).

        Returns:
            Shares of the volume up to the reference, and scores by which to rank, both of shape (rows,).
        """
        beliefs = self.beliefs(codes)
        found = gains(self.goals, self.front, beliefs, self.surrogate.reliability.works(codes))
        if "seconds" not in beliefs or not self.aim.by_cost:
            return found, found
        seconds = np.maximum(beliefs["seconds"].mean, _LEAST_SECONDS * self.shortest_s)
        return found, found / seconds**self.aim.by_cost

    def volume(self) -> float:
        """Return the volume that the front dominates, a share of that up to the reference."""
        inside = [tuple(point) for point in self.front.tolist()]
        return pareto.hypervolume(inside, [1.0] * self.front.shape[1]) if inside else 0.0

    def best_of(self, known: Sequence[Known]) -> list[int]:
        """Return which of the known recipes are on the front, those first that lie farthest inside."""
        points = {tuple(point) for point in self.front.tolist()}
        found = []
        for index, each in enumerate(known):
            losses = self.goals.losses(each.seen.figures) if each.seen.is_measured else None
            if losses is not None and tuple(losses.tolist()) in points:
                found.append((float(np.prod(np.maximum(1.0 - losses, 0.0))), index))
        return [index for _, index in sorted(found, reverse=True)]

    def growth(self, codes: Codes, trials: int) -> float:
        """Return the volume that the best of candidates are expected to add, one after the other.

        After each, the front is taken to hold what was expected of it.

        Args:
            codes: What was not tried.
            trials: How many will be.
        """
        if not len(codes):
            return 0.0
        found, _ = self.gains(codes)
        best = np.argsort(-found)[:_BELIEVED]
        left, beliefs = codes[best], self.beliefs(codes[best])
        works, front, total = self.surrogate.reliability.works(left), self.front, 0.0
        means, _ = self.goals.believed_losses(beliefs)
        for _ in range(min(trials, len(left))):
            found = gains(self.goals, front, beliefs, works)
            place = int(found.argmax())
            total += float(found[place])
            front = np.vstack([front, means[place]])
            works[place] = 0.0
        return total


def proposer(
    aim: Aim, known: Sequence[Known], pending: Sequence[Settings], memory: Memory
) -> Proposer | None:
    """Return what ranks candidates; None before the untuned baseline is measured.

    Args:
        aim: What the search is after.
        known: What was tried, the oldest first.
        pending: Recipes that are being tried: their figures are taken to be what is expected of them.
        memory: Of hyperparameters; it may be empty.
    """
    baseline = _baseline(aim, known)
    goals = _goals(aim, baseline)
    if goals is None:
        return None
    surrogate = _learn(aim, known, goals, memory)
    if surrogate is None:
        return None
    everything = list(known)
    if pending:
        everything += _believed(surrogate, pending)
        surrogate = _learn(aim, everything, goals, memory, is_new=False) or surrogate
    points = [
        found.tolist()
        for each in everything
        if each.seen.is_measured and (found := goals.losses(each.seen.figures)) is not None
    ]
    return Proposer(
        aim=aim,
        goals=goals,
        surrogate=surrogate,
        front=np.array([points[index] for index in pareto.front(points)]).reshape(-1, len(goals.objectives)),
        shortest_s=min(each.seen.seconds for each in known),
        memory=memory,
    )


def _goals(aim: Aim, baseline: Observation | None) -> Goals | None:
    if baseline is None:
        return None
    return Goals.of(aim.objectives, aim.limits(baseline.figures), baseline.figures)


def _baseline(aim: Aim, known: Sequence[Known]) -> Observation | None:
    coding = aim.coding
    for each in known:
        row = coding.row(each.settings)
        if row is not None and not any(row) and each.seen.is_measured:
            return each.seen
    return None


def _learn(
    aim: Aim, known: Sequence[Known], goals: Goals, memory: Memory, *, is_new: bool = True
) -> Surrogate | None:
    """Learn from all trials, with the hyperparameters that the first so many of them gave."""
    figures = (*goals.figures, "seconds")
    if memory.earlier is None:
        memory.earlier = learn_earlier(aim.earlier, aim.knobs, aim.touches, steps=aim.steps)

    def taught(some: Sequence[Known], hypers: Mapping[str, Hyper] | None) -> Surrogate | None:
        return learn(
            some,
            aim.knobs,
            aim.touches,
            steps=aim.steps,
            forecast=aim.forecast,
            figures=figures,
            hypers=hypers,
            by_parts=aim.by_parts,
            earlier=memory.earlier,
        )

    trials = tuple(known[: looked_at(len(known))]) if is_new else memory.trials
    if trials != memory.trials:
        first = taught(trials, None)
        if first is None:
            return taught(known, None)
        memory.hypers = {name: part.process.hyper for name, part in first.parts.items()}
        memory.trials = trials
    return taught(known, memory.hypers)


def looked_at(trials: int) -> int:
    """Return how many of so many trials hyperparameters are found from: all of few, of many the first.

    >>> [looked_at(trials) for trials in (7, 13, 14, 38, 247)]
    [7, 12, 14, 36, 240]
    """
    if trials < 12:
        return trials
    every = 2 if trials < 30 else max(3, trials // 10)
    return trials - trials % every


def _believed(surrogate: Surrogate, pending: Sequence[Settings]) -> list[Known]:
    beliefs = surrogate.predict(pending)
    return [
        Known(
            settings=settings,
            seen=Observation(
                figures={name: float(belief.mean[place]) for name, belief in beliefs.items()},
                seconds=float(beliefs["seconds"].mean[place]) if "seconds" in beliefs else 0.0,
            ),
        )
        for place, settings in enumerate(pending)
    ]
