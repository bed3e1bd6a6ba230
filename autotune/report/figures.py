"""Figures: every trial beside the untuned baseline of its own study, for tables, the page and JSON."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from autotune.duel import Ratio
from autotune.measurement import Likeness, Measurement
from autotune.samples import break_even, median
from autotune.search.choose import PICKS
from autotune.search.evidence import cold_start
from autotune.search.study import Study
from autotune.store.records import CheckRecord, TrialRecord
from autotune.tiers import Tier
from autotune.units import format_bytes, format_duration


class Standing(enum.StrEnum):
    """What a trial came to within its study."""

    BASELINE = "baseline"
    FRONT = "front"
    DOMINATED = "dominated"
    UNFIT = "unfit"  # measured, but outside the limits
    PRUNED = "pruned"  # stopped early: another recipe is better beyond doubt
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
        )
        for trial in study.trials
    )


def front_rows(every: Iterable[Row]) -> tuple[Row, ...]:
    """Return the baseline first, then the front from the fastest to the slowest."""
    listed = tuple(every)
    baseline = [row for row in listed if row.is_baseline]
    front = [row for row in listed if row.is_on_front and not row.is_baseline]
    return (*baseline, *sorted(front, key=lambda row: row.measured.latency_s if row.measured else 0.0))


def picks(study: Study) -> dict[str, int]:
    """Return each pick's trial number; empty while nothing is on the front."""
    return {pick: study.best_trial(pick).number for pick in PICKS} if study.front() else {}


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


def study_json(study: Study, *, is_complete: bool = False) -> dict[str, Any]:
    """Return a study as plain JSON types.

    Args:
        study: The study.
        is_complete: With every trial, not only the baseline and the front.
    """
    every = rows(study)
    target, plan = study.situation.target, study.plan
    document: dict[str, Any] = {
        "study": study.name,
        "model": plan.workload.model,
        "target": target.to_json(),
        "caution": caution(study),
        "limits": {
            "memory_bytes": plan.memory_cap_on(target.kind),
            "host_memory_bytes": plan.host_memory_limit_bytes,
            "similarity": plan.min_similarity,
        },
        "trials_done": sum(row.standing is not Standing.RUNNING for row in every),
        "failures": {kind.value: count for kind, count in study.failures().most_common()},
        "pruned": sum(row.standing is Standing.PRUNED for row in every),
        "picks": picks(study),
        "answer": answer(every),
        "baseline": next((row_json(row) for row in every if row.is_baseline), None),
        "front": [row_json(row) for row in front_rows(every) if row.is_on_front],
    }
    return document | ({"trials": [_complete_json(row) for row in every]} if is_complete else {})


def check_json(check: CheckRecord) -> dict[str, Any]:
    """Return what was measured beside the trials as plain JSON types."""
    document: dict[str, Any] = {"purpose": check.purpose.value, "round": check.round, "digest": check.digest}
    document |= {"settings": dict(check.changed), "seconds": check.seconds}
    measured = check.measurement
    if measured is None:
        return document | {"failure": getattr(check.outcome, "message", "")}
    document |= {"latency_s": measured.latency_s, "similarity": measured.similarity}
    return document | {"calls_s": list(measured.calls_s), "warnings": list(measured.warnings)}


def _complete_json(row: Row) -> dict[str, Any]:
    """A trial with its raw samples; machine and log, which are long, are told by `show --trial`."""
    outcome = row.trial.outcome.to_json() if row.trial.outcome is not None else {}
    raw = {name: value for name, value in outcome.items() if name not in {"environment", "log"}}
    return row_json(row) | {"outcome": raw or None}


def row_json(row: Row) -> dict[str, Any]:
    """Return one trial and how it compares, as plain JSON types."""
    trial, measured, failure = row.trial, row.measured, row.trial.failure
    document: dict[str, Any] = {
        "number": trial.number,
        "digest": trial.digest,
        "settings": dict(trial.changed),
        "standing": row.standing.value,
        "is_baseline": row.is_baseline,
        "is_on_front": row.is_on_front,
        "picks": list(row.picks),
    }
    if measured is not None:
        document |= {
            "latency_s": measured.latency_s,
            "latency_per_picture_s": measured.latency_s / measured.batch,
            "memory_bytes": measured.memory_bytes,
            "host_memory_bytes": measured.host_memory_bytes,
            "similarity": measured.similarity,
            **_likeness_json(row, measured.likeness),
            "cold_s": measured.cold_s,
            "fresh_cold_s": row.fresh_cold_s,
            "compile_cache": measured.compile_cache,
            "break_even_pictures": row.break_even,
            "energy_j": measured.energy_j,
            "gain": row.gain.to_json() if row.gain is not None else None,
            "beyond_limits": list(row.beyond),
            "speed_up": row.speed_up,
            "memory_share": row.memory_share,
            "warnings": list(measured.warnings),
        }
    if trial.pruned is not None:
        names = ("latency_at_least_s", "memory_at_least_bytes", "rival", "message")
        document["pruned"] = {name: getattr(trial.pruned, name) for name in names}
    if failure is not None:
        document["failure"] = {name: getattr(failure, name) for name in ("message", "phase", "knob")}
        document["failure"]["kind"] = failure.kind.value
    return document


def _likeness_json(row: Row, likeness: Likeness) -> dict[str, Any]:
    return {
        "tier": row.tier.value if row.tier is not None else None,
        "similarity_p10": likeness.p10,
        "similarity_min": likeness.minimum,
        "divergence_rate": likeness.divergence_rate,
        "pairs": len(likeness.haarpsi),
        "psnr_db": median(likeness.psnr_db) if likeness.psnr_db else None,
        "ms_ssim": median(likeness.ms_ssim) if likeness.ms_ssim else None,
        "step_error": median(likeness.step_error) if likeness.step_error else None,
        "why_no_step_error": likeness.why_no_step_error,
        "ratios": dict(likeness.ratios),
        "is_exact": likeness.is_exact,
        "flaws": list(likeness.flaws),
        "extras": dict(likeness.extras),
    }


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
    limits = study.plan.limits()
    return tuple(limit.objective.label for limit in limits if limit.violation(measured) > 0)


def _memory_bytes(trial: TrialRecord | None) -> float | None:
    return trial.measurement.memory_bytes if trial is not None and trial.measurement else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None
