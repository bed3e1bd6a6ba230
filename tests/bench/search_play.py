"""Play a search on a problem whose answers are known: what it tries, and what that comes to."""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self, TypeAlias

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from autotune.knob import Value
from autotune.objective import Limit
from autotune.observation import Observation
from autotune.search.sampler import SpaceExhausted
from autotune.search.tell import GIB, OBSERVATION
from tests.bench.problem import Problem, share

Tree: TypeAlias = dict[Value, "Tree | int"]
"""Valid recipes by the values of one knob after the other; at the end of each path is a row."""
FREE_IN_A_ROW = 500
"""A search ends that proposes so many invalid or known recipes one after the other."""
_FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a sampler begins with: its problem, the rows to try first, and the seed of its random numbers."""

    problem: Problem
    first: Sequence[int]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to search.

    Attributes:
        name: For flags and files.
        label: For a reader.
        sampler: Makes it.
        has_presets: Whether it begins with all presets, or with the untuned recipe alone.
        is_drawn: Whether valid recipes are drawn by chance, each once, so that its sampler proposes nothing.
        plants: Whether the sampler itself tries those first; else they are put into Optuna's queue.
        is_ours: Whether it is autotune's own, or a variant of that.
        penalised: Whether what is refused or failed is told with the worst values so far: for a sampler that
            learns from nothing else.
        trials: The most trials that a run of it can afford; None for any number.
        seeds: The most seeds, likewise.
    """

    name: str
    label: str
    sampler: Callable[[Start], BaseSampler]
    has_presets: bool = False
    is_drawn: bool = False
    plants: bool = False
    is_ours: bool = False
    penalised: bool = False
    trials: int | None = None
    seeds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one search came to.

    Attributes:
        rows: The recipes that were tried, in order, by their row.
        seconds: That each of them took on the device.
        shares: Share of the hypervolume after each.
        ask_cpu_s: CPU seconds of every ask, also of those that proposed what is invalid or known.
        invalid: Proposals that are no valid recipe.
        duplicates: Proposals of what was tried already.
        why_ended: Empty where it ended with the trials that it was given.
    """

    rows: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    ask_cpu_s: tuple[float, ...] = ()
    invalid: int = 0
    duplicates: int = 0
    why_ended: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        plain = asdict(self)
        plain["shares"] = [round(value, 6) for value in self.shares]
        plain["ask_cpu_s"] = [round(value, 5) for value in self.ask_cpu_s]
        return plain

    def first(self, trials: int) -> Self:
        """Return the run as it was after so many trials; what was wasted is taken to come evenly.

        >>> Run(rows=(3, 1), seconds=(2.0, 1.0), shares=(0.5, 0.75), invalid=4).first(1).invalid
        2
        """
        made = len(self.rows)
        if made <= trials:
            return self
        return replace(
            self,
            rows=self.rows[:trials],
            seconds=self.seconds[:trials],
            shares=self.shares[:trials],
            ask_cpu_s=self.ask_cpu_s[: round(len(self.ask_cpu_s) * trials / made)],
            invalid=round(self.invalid * trials / made),
            duplicates=round(self.duplicates * trials / made),
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Build a run from what `to_json` returned.

        >>> run = Run(rows=(3, 1), seconds=(2.0, 1.0), shares=(0.5, 0.75), ask_cpu_s=(0.1, 0.2))
        >>> Run.from_json(run.to_json()) == run
        True
        """
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**plain)


def tree_of(problem: Problem) -> Tree:
    """Return the valid recipes as a tree: below each value of a knob those that the next knob can have."""
    tree: Tree = {}
    for row, settings in enumerate(problem.rows):
        place: Any = tree
        *path, last = (settings[name] for name in problem.choices)
        for value in path:
            place = place.setdefault(value, {})
        place[last] = row
    return tree


def play(problem: Problem, method: Method, *, seed: int, trials: int, tree: Tree | None = None) -> Run:
    """Search, and return what came of it.

    Every knob is a category of its own. One that has a single possible value beside those before it has that
    value, whatever is proposed for it: what means nothing then makes no proposal invalid.

    A trial counts when it was executed. A proposal that is no valid recipe is answered for free, as is one
    that was tried before: it is told what was seen then.

    Args:
        problem: Answers the trials.
        method: Proposes them.
        seed: Of the sampler, and of the noise of what is measured.
        trials: To execute.
        tree: That of the problem, where it was made before.
    """
    first = problem.presets if method.has_presets else problem.presets[:1]
    study = optuna.create_study(
        directions=[
            StudyDirection.MAXIMIZE if objective.higher_is_better else StudyDirection.MINIMIZE
            for objective in problem.objectives
        ],
        sampler=method.sampler(Start(problem=problem, first=first, seed=seed)),
    )
    if not method.plants:
        for row in _drawn(problem, first, seed)[:trials] if method.is_drawn else first:
            study.enqueue_trial(dict(problem.rows[row]))
    game = _Game(
        problem=problem,
        method=method,
        study=study,
        dice=np.random.default_rng(seed),
        tree=tree or tree_of(problem),
    )
    return game.run(trials)


@dataclass(kw_only=True)
class _Game:
    """A search that goes on, and what it has come to."""

    problem: Problem
    method: Method
    study: optuna.Study
    dice: np.random.Generator
    tree: Tree
    seen: dict[int, Observation] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    ask_cpu_s: list[float] = field(default_factory=list)
    invalid: int = 0
    duplicates: int = 0

    def run(self, trials: int) -> Run:
        """Ask and answer until all trials were executed, or the search ends by itself."""
        free, why = 0, ""
        while len(self.seen) < trials and not why:
            try:
                trial, row = self._ask()
            except SpaceExhausted:
                why = "every valid recipe was tried"
                break
            free = 0 if row is not None and row not in self.seen else free + 1
            self._answer(trial, row)
            if free == FREE_IN_A_ROW:
                why = f"{free} proposals in a row were invalid or known"
        return Run(
            rows=tuple(self.seen),
            seconds=tuple(seen.seconds for seen in self.seen.values()),
            shares=tuple(self.shares),
            ask_cpu_s=tuple(self.ask_cpu_s),
            invalid=self.invalid,
            duplicates=self.duplicates,
            why_ended=why,
        )

    def _ask(self) -> tuple[Trial, int | None]:
        """Ask for every knob; return the row, None where no valid recipe has such settings."""
        start = time.process_time()
        trial = self.study.ask()
        asked: dict[str, Any] = {
            name: trial.suggest_categorical(name, v) for name, v in self.problem.choices.items()
        }
        self.ask_cpu_s.append(time.process_time() - start)
        return trial, _row(self.tree, asked)

    def _answer(self, trial: Trial, row: int | None) -> None:
        if row is None:
            self.invalid += 1
            self._fail(trial)
            return
        if row in self.seen:
            self.duplicates += 1
        else:
            self.seen[row] = self.problem.observe(row, self.dice)
            self.shares.append(share(self.problem, list(self.seen)))
        self._tell(trial, self.seen[row])

    def _tell(self, trial: Trial, seen: Observation) -> None:
        """Tell as a study does: what is measured with its limits, what failed as pruned and constrained."""
        storage = self.study._storage
        storage.set_trial_system_attr(trial._trial_id, OBSERVATION, seen.to_json())
        if not seen.is_measured:
            self._fail(trial)
            return
        for limit in self.problem.limits:
            trial.set_constraint(limit.objective.name, _violation(limit, seen))
        trial.set_constraint(_FAILED, 0.0)
        self.study.tell(trial, told_values(self.problem, seen))

    def _fail(self, trial: Trial) -> None:
        """Tell of what failed, or is no valid recipe: as pruned, since samplers learn nothing from `FAIL`."""
        trial.set_constraint(_FAILED, 1.0)
        worst = self._worst() if self.method.penalised else None
        if worst is None:
            self.study.tell(trial, state=TrialState.PRUNED)
            return
        # A sampler that models constraints wants the same ones of every trial that it learns from.
        for limit in self.problem.limits:
            trial.set_constraint(limit.objective.name, 0.0)
        self.study.tell(trial, worst)

    def _worst(self) -> list[float] | None:
        """The worst value of each objective so far; None while nothing was measured."""
        told = [told_values(self.problem, seen) for seen in self.seen.values() if seen.is_measured]
        if not told:
            return None
        return [
            min(column) if objective.higher_is_better else max(column)
            for objective, column in zip(self.problem.objectives, zip(*told, strict=True), strict=True)
        ]


def _drawn(problem: Problem, first: Sequence[int], seed: int) -> list[int]:
    """All rows in an order of chance, after those that come first."""
    others = [row for row in range(len(problem.rows)) if row not in set(first)]
    random.Random(seed).shuffle(others)
    return [*first, *others]


def _row(tree: Tree, asked: Mapping[str, Value]) -> int | None:
    """The row of what was asked for; a knob that has no choice left takes the value that it can have."""
    place: Tree | int | None = tree
    for value in asked.values():
        if isinstance(place, dict):
            place = next(iter(place.values())) if len(place) == 1 else place.get(value)
    return place if isinstance(place, int) else None


def _violation(limit: Limit, seen: Observation) -> float:
    """How far beyond the bound, relative to it: 0 or less is fit."""
    value = limit.objective.of(seen.figures)
    excess = limit.bound - value if limit.objective.higher_is_better else value - limit.bound
    return excess / abs(limit.bound)


def told_values(problem: Problem, seen: Observation) -> list[float]:
    """The objectives in the study's units: memory in GiB, all else as it is."""
    values = {objective.name: objective.of(seen.figures) for objective in problem.objectives}
    told = [value / GIB if name == "memory_bytes" else value for name, value in values.items()]
    if not all(map(math.isfinite, told)):
        raise ValueError(f"A measured recipe of '{problem.name}' lacks an objective: {values}.")
    return told
