"""Figures: every trial beside the untuned baseline of its own study, for tables, the page and JSON."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from autotune.duel import Ratio
from autotune.measurement import Measurement
from autotune.objective import NAMES, Objective, short_name
from autotune.samples import break_even
from autotune.search.evidence import cold_start
from autotune.search.study import Study
from autotune.store.records import TrialRecord
from autotune.tiers import Tier
from autotune.units import format_bytes, format_duration

_ALWAYS_SHOWN = frozenset({"latency_s", "memory_bytes", "similarity", "first_picture_s"})


class Standing(enum.StrEnum):
    """What a trial came to within its study."""

    BASELINE = "baseline"
    FRONT = "front"
    DOMINATED = "dominated"
    UNFIT = "unfit"  # measured, but outside the limits
    PRUNED = "pruned"  # stopped early: it cannot reach the front
    FAILED = "failed"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial and how it compares with the baseline.

    Attributes:
        trial: The trial.
        standing: What it came to within its study.
        is_baseline: Whether nothing was tuned; the baseline may be on the front too.
        is_on_front: Whether no fit trial is better in everything.
        picks: Which picks name this trial.
        beyond: The limits that it breaks, such as "similarity".
        speed_up: Baseline's latency divided by this one's; None where either is unknown.
        memory_share: This memory divided by the baseline's; None where either is unknown.
        measured: What is known of it: its measurement, with what was found out since; None without one.
        gain: Its speed-up by rounds beside the baseline; None where it was not measured in rounds.
        tier: How near its pictures are to the reference, in a word; None without a measurement.
        break_even: After how many pictures its longer cold start is repaid, 0 where it is not longer; None
            where it never is, or is not known.
        fresh_cold_s: Cold start with nothing compiled before, where that was measured apart.
        least_memory_bytes: The smallest enforced limit under which it ran as fast; None where none was tried.
        further: What the plan bounds or is good at beside latency, memory, similarity and the cold start,
            with its value; None without a measurement.
    """

    trial: TrialRecord
    standing: Standing
    is_baseline: bool = False
    is_on_front: bool = False
    picks: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    speed_up: float | None = None
    memory_share: float | None = None
    measured: Measurement | None = None
    gain: Ratio | None = None
    tier: Tier | None = None
    break_even: float | None = None
    fresh_cold_s: float | None = None
    least_memory_bytes: int | None = None
    further: tuple[tuple[Objective, float | None], ...] = ()

    @property
    def latency(self) -> str:
        """Latency of one call, or "-"."""
        measured = self.measured
        return format_duration(measured.latency_s) if measured else "-"

    @property
    def latency_per_picture(self) -> str:
        """Latency of one picture, or "-"."""
        measured = self.measured
        return format_duration(measured.latency_s / measured.batch) if measured else "-"

    @property
    def memory(self) -> str:
        """Peak memory, or "-"."""
        measured = self.measured
        return format_bytes(measured.memory_bytes) if measured else "-"

    @property
    def host_memory(self) -> str:
        """Peak memory of the host beside a GPU; "" where that is the memory itself, or unknown."""
        measured = self.measured
        is_beside = measured is not None and "host_bytes" in measured.memory.detail
        return format_bytes(measured.host_memory_bytes) if measured is not None and is_beside else ""

    @property
    def similarity(self) -> str:
        """Similarity to the reference pictures, or "-"."""
        measured = self.measured
        return f"{measured.similarity:.4f}" if measured else "-"

    @property
    def cold_start(self) -> str:
        """Time until the first picture of a fresh process, or "-"."""
        measured = self.measured
        return format_duration(measured.cold_s) if measured else "-"

    @property
    def further_figures(self) -> tuple[str, ...]:
        """Each of `further` as text, or "-"."""
        return tuple("-" if value is None else objective.show(value) for objective, value in self.further)

    @property
    def speed(self) -> str:
        """How many times as fast as the baseline, with its interval where rounds tell one, or "-"."""
        if self.speed_up is None:
            return "-"
        gain = self.gain
        if gain is None or gain.low is None or gain.high is None:
            return format_factor(self.speed_up)
        return f"{format_factor(self.speed_up)} ({gain.low:.2f} to {gain.high:.2f})"

    @property
    def likeness(self) -> str:
        """The tier of its likeness, or "-"."""
        return self.tier.value if self.tier is not None else "-"

    @property
    def recipe(self) -> str:
        """Its settings in one line, and whose measurement it is where another study made it."""
        return ", ".join(filter(None, (self.trial.describe(), self.trial.whose)))

    @property
    def verdict(self) -> str:
        """Its picks, or else its standing and the reason for a failure."""
        if self.picks:
            return ", ".join((*(["baseline"] if self.is_baseline else []), *self.picks))
        failure = self.trial.failure
        if failure is not None:
            return f"{failure.kind.value}: {failure.message}"
        if self.trial.pruned is not None:
            return f"pruned: {self.trial.pruned.message}"
        if self.standing is Standing.UNFIT:
            return f"unfit: {', '.join(self.beyond) or 'values that the plan leaves out'}"
        return self.standing.value


def rows(study: Study) -> tuple[Row, ...]:
    """Return a row for every trial, in the order of their numbers."""
    baseline = study.baseline()
    standing = _standings(study)
    on_front = {trial.number for trial in study.front()}
    picked = picks(study)
    return tuple(
        Row(
            trial=trial,
            standing=standing[trial.number],
            is_baseline=baseline is not None and trial.number == baseline.number,
            is_on_front=trial.number in on_front,
            picks=tuple(name for name, number in picked.items() if number == trial.number),
            beyond=_limits_broken(study, trial),
            speed_up=study.speedup(trial),
            memory_share=_ratio(_memory_bytes(trial), _memory_bytes(baseline)),
            measured=study.settled(trial),
            gain=study.gain(trial) if trial.changed else None,
            tier=study.tier(trial),
            break_even=_break_even(study, trial),
            fresh_cold_s=_fresh_cold_s(study, trial),
            least_memory_bytes=study.least_memory_bytes(trial),
            further=_further(study, trial),
        )
        for trial in study.trials
    )


def further_objectives(study: Study) -> tuple[Objective, ...]:
    """Return what a plan bounds or is good at beside latency, memory, similarity and the cold start."""
    plan = study.plan
    named = {*plan.objectives, *plan.bounds, *plan.goals} - _ALWAYS_SHOWN
    return tuple(plan.objective(name) for name in NAMES if name in named)


def heading(objective: Objective) -> str:
    """Return the short heading of an objective's column.

    >>> from autotune.objective import HOST_MEMORY
    >>> heading(HOST_MEMORY)
    'host memory'
    """
    return short_name(objective.name).replace("-", " ")


def front_rows(every: Iterable[Row]) -> tuple[Row, ...]:
    """Return the baseline first, then the front from the fastest to the slowest."""
    listed = tuple(every)
    baseline = [row for row in listed if row.is_baseline]
    front = [row for row in listed if row.is_on_front and not row.is_baseline]
    return (*baseline, *sorted(front, key=lambda row: row.measured.latency_s if row.measured else 0.0))


def picks(study: Study) -> dict[str, int]:
    """Return each pick's trial number; empty while nothing is on the front."""
    return {pick: trial.number for pick, trial in study.picks().items()}


def caution(study: Study) -> str:
    """Return what a reader must know before believing a study's figures, "" where there is nothing."""
    target, sentences = study.situation.target, list[str]()
    if study.situation.blueprint.has_random_weights:
        sentences.append(
            "The weights are random: latency and memory are the real model's, similarity is numerical only."
        )
    if target.stands_for:
        sentences.append(
            f"Measured on {target.name or target.device} under a cap of {format_bytes(target.memory_bytes)}: "
            f"what fits carries over to {target.stands_for}, seconds do not."
        )
    return " ".join(sentences)


def answer(every: Iterable[Row], pick: str = "knee") -> str:
    """Return what a pick gains over the untuned baseline, in a sentence."""
    listed = tuple(every)
    chosen = next((row for row in listed if pick in row.picks), None)
    if chosen is None or chosen.measured is None:
        return "No recipe is within the limits yet."
    if chosen.is_baseline:
        return f"The {pick} is the untuned baseline: nothing that was tried beats it within the limits."
    figures = [f"similarity {chosen.measured.similarity:.2f} ({chosen.likeness})"]
    if chosen.memory_share is not None:
        figures.insert(0, f"{100 * chosen.memory_share:.0f} % of the memory")
    figures += [f"{heading(o)} {o.show(value)}" for o, value in chosen.further if value is not None]
    if chosen.speed_up is None:
        return (
            f"{pick}: {chosen.latency} a call, {', '.join(figures)}; the untuned baseline was not measured."
        )
    return f"{pick}: {format_speed(chosen.speed_up)} than untuned, {', '.join(figures)}."


def format_factor(factor: float) -> str:
    """Return a factor with two digits that matter.

    >>> format_factor(1.0), format_factor(0.753), format_factor(12.34)
    ('1.00×', '0.75×', '12.3×')
    """
    return f"{factor:.2f}×" if factor < 9.995 else f"{factor:.1f}×"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "trial"), counted(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_speed(factor: float) -> str:
    """Return a factor as a comparison.

    >>> format_speed(1.9), format_speed(0.5), format_speed(1.004)
    ('1.90× faster', '2.00× slower', 'no faster')
    """
    if 0.99 < factor < 1.01:
        return "no faster"
    return f"{format_factor(factor)} faster" if factor > 1 else f"{format_factor(1 / factor)} slower"


def _further(study: Study, trial: TrialRecord) -> tuple[tuple[Objective, float | None], ...]:
    measured = study.settled(trial)
    return tuple(
        (objective, objective.value(measured) if measured is not None else None)
        for objective in further_objectives(study)
    )


def _break_even(study: Study, trial: TrialRecord) -> float | None:
    """After how many pictures a trial's longer cold start is repaid, against the untuned baseline."""
    baseline, measured = study.baseline(), study.settled(trial)
    untuned = baseline.measurement if baseline is not None else None
    if untuned is None or measured is None or not trial.changed:
        return None
    cold_s = _fresh_cold_s(study, trial) or measured.cold_s
    each = (untuned.latency_s / untuned.batch, measured.latency_s / measured.batch)
    return break_even(untuned.cold_s, each[0], cold_s, each[1])


def _fresh_cold_s(study: Study, trial: TrialRecord) -> float | None:
    found = cold_start(study.checks, trial.digest)
    return found.cold_s if found is not None else None


def _standings(study: Study) -> dict[int, Standing]:
    fit = {trial.number for trial in study.fit()}
    front = {trial.number for trial in study.front()}
    baseline = study.baseline()

    def standing(trial: TrialRecord) -> Standing:
        if trial.outcome is None:
            return Standing.RUNNING
        if trial.failure is not None:
            return Standing.FAILED
        if trial.pruned is not None:
            return Standing.PRUNED
        if baseline is not None and trial.number == baseline.number:
            return Standing.BASELINE
        if trial.number in front:
            return Standing.FRONT
        return Standing.DOMINATED if trial.number in fit else Standing.UNFIT

    return {trial.number: standing(trial) for trial in study.trials}


def _limits_broken(study: Study, trial: TrialRecord) -> tuple[str, ...]:
    if trial.measurement is None:
        return ()
    measured = study.settled(trial) or trial.measurement
    return tuple(limit.objective.label for limit in study.limits if limit.violation(measured) > 0)


def _memory_bytes(trial: TrialRecord | None) -> float | None:
    return trial.measurement.memory_bytes if trial is not None and trial.measurement else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None
