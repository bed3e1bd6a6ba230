"""Study: everything that was found so far, as plain values that disturb no tuner."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autotune import pareto
from autotune.errors import BudgetError
from autotune.knob import Situation, Value
from autotune.measurement import FailureKind, Measurement
from autotune.objective import violations
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.search.choose import choose, front, losses
from autotune.search.shortfall import nothing_fits
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.records import TrialRecord

_ROOM = 2.0  # without a limit, the hypervolume counts what is better than twice the baseline's loss


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as it was at one moment.

    Attributes:
        plan: What was asked for.
        situation: Where, of what, making what, with sizes resolved.
        choices: Each knob's values, the default first.
        trials: All trials, the oldest first; those that run or were cancelled too.
        storage: URL of its database.
    """

    plan: Plan
    situation: Situation
    choices: Mapping[str, tuple[Value, ...]]
    trials: tuple[TrialRecord, ...]
    storage: str

    @property
    def name(self) -> str:
        """The study's name."""
        return self.plan.study

    def measured(self) -> tuple[TrialRecord, ...]:
        """Return the trials that worked."""
        return tuple(trial for trial in self.trials if trial.measurement is not None)

    def failed(self) -> tuple[TrialRecord, ...]:
        """Return the trials that did not work; those that were cancelled say nothing and are left out."""
        return tuple(trial for trial in self.trials if trial.failure is not None and trial.counts)

    def failures(self) -> Counter[FailureKind]:
        """Return how many trials failed, by kind."""
        return Counter(trial.failure.kind for trial in self.failed() if trial.failure is not None)

    def baseline(self) -> TrialRecord | None:
        """Return the measured trial in which nothing was tuned, or None when there is none."""
        return next((trial for trial in self.measured() if trial.is_baseline), None)

    def fit(self) -> tuple[TrialRecord, ...]:
        """Return the trials that were measured and lie within the plan's limits and its values for knobs."""
        return tuple(trial for trial in self.measured() if is_fit(trial, self.plan))

    def front(self) -> tuple[TrialRecord, ...]:
        """Return the fit trials that no other fit trial beats in every objective."""
        fit = self.fit()
        indices = front([_measurement(trial) for trial in fit], self.plan.measured_objectives())
        return tuple(fit[index] for index in indices)

    def hypervolume(self) -> float:
        """Return the share of the worthwhile region that the front dominates, 0 to 1: it only grows.

        The region lies between perfection and the plan's limit in each objective; where there is no limit,
        twice the baseline's loss. 0 until the baseline is measured.
        """
        reference = self._reference()
        if reference is None or not all(bound > 0 for bound in reference):
            return 0.0
        points = losses([_measurement(trial) for trial in self.front()], self.plan.measured_objectives())
        scaled = [tuple(x / bound for x, bound in zip(point, reference, strict=True)) for point in points]
        return pareto.hypervolume(scaled, [1.0] * len(reference))

    def best_trial(self, pick: str = "knee") -> TrialRecord:
        """Return the trial that is the answer.

        Args:
            pick: The rule: "knee", "fastest", "smallest" or "closest".

        Raises:
            BudgetError: Nothing fits; the message says what came nearest.
            UnknownName: There is no such rule.
        """
        candidates = self.front()
        if not candidates:
            raise BudgetError(nothing_fits(self.plan, self.trials))
        measurements = [_measurement(trial) for trial in candidates]
        return candidates[choose(measurements, self.plan.measured_objectives(), pick)]

    def best(self, pick: str = "knee") -> Recipe:
        """Return the recipe that is the answer, with where it was measured and its figures.

        Args:
            pick: The rule: "knee", "fastest", "smallest" or "closest".

        Raises:
            BudgetError: Nothing fits; the message says what came nearest.
            UnknownName: There is no such rule.
        """
        return self.recipe(self.best_trial(pick))

    def recipe(self, trial: TrialRecord) -> Recipe:
        """Return the recipe of a trial, with where it was measured and, if it worked, its figures."""
        workload = self.situation.workload
        call = {
            "steps": trial.settings.get("steps", workload.steps),
            "guidance": workload.guidance,
            "width_px": workload.width_px,
            "height_px": workload.height_px,
            "batch": workload.batch,
            **({"frames": workload.frames} if workload.frames else {}),
        }
        return Recipe(
            model=workload.model,
            revision=workload.revision,
            settings=trial.changed,
            call=call,
            target=self.situation.target.to_json(),
            measured=self._figures(trial),
            study=self.name,
        )

    def speedup(self, trial: TrialRecord) -> float | None:
        """Return how many times as fast as the baseline a trial was; None where either was not measured."""
        baseline, measurement = self.baseline(), trial.measurement
        if baseline is None or measurement is None:
            return None
        return _measurement(baseline).latency_s / measurement.latency_s

    def with_trial(self, trial: TrialRecord) -> "Study":
        """Return this study with one trial added, or brought up to date."""
        others = [known for known in self.trials if known.number != trial.number]
        return replace(self, trials=tuple(sorted([*others, trial], key=lambda known: known.number)))

    def _figures(self, trial: TrialRecord) -> dict[str, Any]:
        measurement = trial.measurement
        if measurement is None:
            return {}
        figures = {
            "latency_s": measurement.latency_s,
            "speedup": self.speedup(trial),
            "memory_bytes": measurement.memory_bytes,
            "similarity": measurement.similarity,
            "cold_s": measurement.cold_s,
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _reference(self) -> list[float] | None:
        """The losses beyond which nothing counts, or None while they are unknown."""
        bounds = {limit.objective.name: limit for limit in self.plan.limits()}
        baseline, reference = self.baseline(), list[float]()
        for objective in self.plan.measured_objectives():
            if objective.name in bounds:
                bound = bounds[objective.name].bound
                reference.append(1.0 - bound if objective.higher_is_better else bound)
            elif objective.higher_is_better:
                reference.append(1.0)
            elif baseline is not None:
                reference.append(_ROOM * objective.loss(_measurement(baseline)))
            else:
                return None
        return reference


def read_study(database: Database, name: str) -> Study:
    """Return a study as it is now.

    Raises:
        UnknownName: There is none of this name.
    """
    record = history.load_study(database, name)
    return Study(
        plan=record.plan,
        situation=record.situation,
        choices=record.choices,
        trials=history.trials(database, name),
        storage=database.url.render_as_string(hide_password=False),
    )


def is_fit(trial: TrialRecord, plan: Plan) -> bool:
    """Whether a trial was measured and lies within the plan's limits and its values for knobs."""
    if trial.measurement is None or not is_wanted(trial, plan):
        return False
    return all(violation <= 0 for violation in violations(plan.limits(), trial.measurement).values())


def is_wanted(trial: TrialRecord, plan: Plan) -> bool:
    """Whether the plan's values for knobs include a trial's; the baseline is measured in any case."""
    return all(trial.settings[name] in values for name, values in plan.knobs.items())


def _measurement(trial: TrialRecord) -> Measurement:
    if trial.measurement is None:
        raise ValueError(f"Trial {trial.number} has no measurement.")
    return trial.measurement
