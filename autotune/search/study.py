"""Study: everything that was found so far, as plain values that disturb no tuner."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from autotune import pareto
from autotune.duel import WIDE_GAP, Ratio, Verdict
from autotune.errors import BudgetError
from autotune.fingerprint import stable
from autotune.knob import Situation, Value
from autotune.measurement import FailureKind, Measurement
from autotune.objective import Limit, reference_point, violations
from autotune.plan import Plan
from autotune.plan_text import describe_limits
from autotune.recipe import Recipe
from autotune.search import evidence
from autotune.search.choose import choose, front, losses, picks_of
from autotune.search.shortfall import nothing_fits
from autotune.search.wanted import is_wanted
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.records import CheckRecord, TrialRecord
from autotune.tiers import Tier, has_visible_flaw, tier

_FEWEST_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as it was at one moment.

    Attributes:
        plan: What was asked for.
        situation: Where, of what, making what, with sizes resolved.
        choices: Each knob's values, the default first.
        trials: All trials, the oldest first; those that run or were cancelled too.
        storage: URL of its database.
        checks: What was measured beside the trials, to judge their figures by, the oldest first.
    """

    plan: Plan
    situation: Situation
    choices: Mapping[str, tuple[Value, ...]]
    trials: tuple[TrialRecord, ...]
    storage: str
    checks: tuple[CheckRecord, ...] = ()

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

    @cached_property
    def baseline_figures(self) -> Mapping[str, float] | None:
        """What is known of the baseline, by name of the figure; None where it was not measured."""
        baseline = self.baseline()
        return None if baseline is None else self._settled[baseline.number].figures

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The bounds that make a recipe unfit; those relative to the baseline once it was measured."""
        return self.plan.limits(self.baseline_figures)

    def describe_limits(self) -> str:
        """Return the limits in one line, those relative to the baseline with their bound once it is known."""
        kind = self.situation.target.kind
        return describe_limits(self.plan, kind=kind, baseline=self.baseline_figures)

    @property
    def elapsed_s(self) -> float:
        """Wall seconds of all that it measured itself: trials and checks."""
        own = sum(trial.seconds for trial in self.trials if not trial.measured_in)
        return own + sum(check.seconds for check in self.checks)

    @cached_property
    def noise_floor(self) -> evidence.NoiseFloor | None:
        """How unlike the reference pictures are that should be equal to them; None if nobody looked."""
        return evidence.noise_floor(self.checks)

    @cached_property
    def machine_sd(self) -> float | None:
        """Relative standard deviation of the baseline's latency between fresh processes; None if unknown."""
        baseline = self.baseline()
        return evidence.machine_sd(baseline.measurement if baseline is not None else None, self.checks)

    def gain(self, trial: TrialRecord) -> Ratio | None:
        """Return how many times as fast as the baseline a trial's recipe is, by rounds; None without any."""
        baseline = self.baseline()
        return None if baseline is None else self.duel(trial, baseline)

    def duel(self, first: TrialRecord, second: TrialRecord) -> Ratio | None:
        """Return how many times as fast one recipe is as another, by rounds that both were measured in."""
        return evidence.ratio_in_rounds(self.checks, first.digest, second.digest, sd_machine=self.machine_sd)

    def least_memory_bytes(self, trial: TrialRecord) -> int | None:
        """Return the smallest enforced limit under which a trial's recipe ran as fast; None if none was."""
        known = trial.measurement
        if known is None:
            return None
        return evidence.least_memory(self.checks, trial.digest, known.latency_s)

    def settled(self, trial: TrialRecord) -> Measurement | None:
        """Return a trial's measurement with what was found out since, or None where it has none.

        Latency is the baseline's by the ratio of the rounds, where it was measured in rounds; likeness is
        that of further pictures, where such were made.
        """
        return self._settled.get(trial.number)

    @cached_property
    def _settled(self) -> Mapping[int, Measurement]:
        baseline = self.baseline()
        found = {}
        for trial in self.measured():
            gain = self.gain(trial) if trial is not baseline else None
            known = baseline.measurement if baseline is not None else None
            latency_s = known.latency_s / gain.value if gain is not None and known is not None else None
            pictures = evidence.more_pictures(self.checks, trial.digest)
            found[trial.number] = evidence.settled(
                _measurement(trial), latency_s=latency_s, pictures=pictures
            )
        return found

    def tier(self, trial: TrialRecord) -> Tier | None:
        """Return how near a trial's pictures are to the reference, in a word; None without a measurement."""
        measured, floor = self.settled(trial), self.noise_floor
        if measured is None:
            return None
        return tier(
            measured.similarity,
            floor=floor.median if floor is not None else None,
            has_flaws=has_visible_flaw(measured.likeness.flaws),
        )

    def fit(self) -> tuple[TrialRecord, ...]:
        """Return the trials that were measured and lie within the plan's limits and its values for knobs.

        One that failed when it was measured again is not fit.
        """
        return tuple(
            trial
            for trial in self.measured()
            if is_fit(trial, self, self.settled(trial))
            and not evidence.failed_again(self.checks, trial.digest)
        )

    def front(self) -> tuple[TrialRecord, ...]:
        """Return the fit trials that no other fit trial beats in every objective."""
        return self._front

    @cached_property
    def _front(self) -> tuple[TrialRecord, ...]:
        fit = self.fit()
        indices = front(self._settled_of(fit), self.plan.measured_objectives())
        return tuple(fit[index] for index in indices)

    def _settled_of(self, trials: Sequence[TrialRecord]) -> list[Measurement]:
        return [self._settled[trial.number] for trial in trials]

    def tied(self, trial: TrialRecord) -> tuple[TrialRecord, ...]:
        """Return the trials of the front that are as fast as one as far as rounds can tell."""
        others = [other for other in self.front() if other.number != trial.number]
        return tuple(other for other in others if self._is_tie(trial, other))

    def _is_tie(self, first: TrialRecord, second: TrialRecord) -> bool:
        met = self.duel(first, second)
        if met is None or met.rounds < _FEWEST_ROUNDS:
            return False
        is_near = abs(math.log(met.value)) < math.log(WIDE_GAP)
        return met.verdict is Verdict.TIE or (met.verdict is Verdict.UNCLEAR and is_near)

    def picks(self) -> dict[str, TrialRecord]:
        """Return the trial that each rule names; empty while nothing is on the front."""
        rules = picks_of(self.plan.measured_objectives()) if self.front() else ()
        return {pick: self.best_trial(pick) for pick in rules}

    def hypervolume(self) -> float:
        """Return the share of the worthwhile region that the front dominates, 0 to 1: it only grows.

        The region lies between perfection and the plan's limit in each objective; where there is no limit,
        twice the baseline's loss. 0 until the baseline is measured.
        """
        reference = reference_point(self.plan.measured_objectives(), self.limits, self.baseline_figures)
        if reference is None or not all(bound > 0 for bound in reference):
            return 0.0
        points = losses(self._settled_of(self.front()), self.plan.measured_objectives())
        scaled = [tuple(x / bound for x, bound in zip(point, reference, strict=True)) for point in points]
        return pareto.hypervolume(scaled, [1.0] * len(reference))

    def best_trial(self, pick: str = "knee") -> TrialRecord:
        """Return the trial that is the answer.

        Of several that are equally fast as far as rounds can tell, "fastest" takes the smallest, then the one
        with the fewest settings: of a tie, nobody need take the larger one.

        Args:
            pick: The rule: "knee", "fastest", "smallest", "closest", or another objective's short name.

        Raises:
            BudgetError: Nothing fits; the message says what came nearest.
            UnknownName: There is no such rule.
        """
        candidates = self.front()
        if not candidates:
            raise BudgetError(nothing_fits(self.plan, self.trials, self.baseline_figures))
        measured = self._settled_of(candidates)
        chosen = candidates[choose(measured, self.plan.measured_objectives(), pick)]
        if pick != "fastest":
            return chosen
        return min(
            (chosen, *self.tied(chosen)),
            key=lambda trial: (self._settled[trial.number].memory_bytes, len(trial.changed), trial.number),
        )

    def best(self, pick: str = "knee") -> Recipe:
        """Return the recipe that is the answer, with where it was measured and its figures.

        Args:
            pick: The rule: "knee", "fastest", "smallest", "closest", or another objective's short name.

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
            "prompts": list(workload.prompts),
            "seeds": list(workload.seeds),
            "untuned_steps": workload.steps,
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
        """Return how many times as fast as the baseline a trial was; None where either was not measured.

        By rounds where it was measured in rounds beside the baseline, else by the trials' own latencies.
        """
        baseline, measurement = self.baseline(), self.settled(trial)
        if baseline is None or measurement is None:
            return None
        return _measurement(baseline).latency_s / measurement.latency_s

    def with_trial(self, trial: TrialRecord) -> "Study":
        """Return this study with one trial added, or brought up to date."""
        others = [known for known in self.trials if known.number != trial.number]
        return replace(self, trials=tuple(sorted([*others, trial], key=lambda known: known.number)))

    def with_check(self, check: CheckRecord) -> "Study":
        """Return this study with one more measurement beside its trials."""
        return replace(self, checks=(*self.checks, check))

    def _figures(self, trial: TrialRecord) -> dict[str, Any]:
        measurement, first = self.settled(trial), trial.measurement
        if measurement is None or first is None:
            return {}
        gain, found_tier = self.gain(trial), self.tier(trial)
        figures = {
            "latency_s": measurement.latency_s,
            "speedup": self.speedup(trial),
            "speedup_low": gain.low if gain is not None else None,
            "speedup_high": gain.high if gain is not None else None,
            "rounds": gain.rounds if gain is not None else None,
            "memory_bytes": measurement.memory_bytes,
            "least_memory_bytes": self.least_memory_bytes(trial),
            "similarity": measurement.similarity,
            "tier": found_tier.value if found_tier is not None else None,
            "cold_s": measurement.cold_s,
            "energy_j": measurement.energy_j,
            "sd_machine": self.machine_sd,
            "pairs": len(measurement.likeness.haarpsi),
            "pictures": list(measurement.likeness.sha256) or None,
            "threads": self.plan.threads or None,
            "fingerprint": first.environment.get("digest"),
            "environment": stable(first.environment) or None,
        }
        return {name: value for name, value in figures.items() if value is not None}


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
        checks=history.checks(database, name),
        storage=database.url.render_as_string(hide_password=False),
    )


def is_fit(trial: TrialRecord, study: Study, measured: Measurement | None) -> bool:
    """Whether a trial lies within the limits of its study and its plan's values for knobs.

    Args:
        trial: Says which values it has.
        study: Has the limits.
        measured: What is known of it; None where nothing is.
    """
    if measured is None or not is_wanted(trial, study.plan):
        return False
    return all(violation <= 0 for violation in violations(study.limits, measured).values())


def _measurement(trial: TrialRecord) -> Measurement:
    if trial.measurement is None:
        raise ValueError(f"Trial {trial.number} has no measurement.")
    return trial.measurement
