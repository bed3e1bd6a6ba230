"""JSON of a study: its trials, what was measured beside them and the answer, as plain types."""

import math
from typing import Any

from autotune.measurement import Likeness
from autotune.objective import Limit
from autotune.plan import Plan
from autotune.report.figures import Row, Standing, answer, caution, front_rows, picks, rows
from autotune.samples import median
from autotune.search.study import Study
from autotune.store.records import CheckRecord


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
            **{limit.objective.name: limit.bound for limit in study.limits if _is_asked(limit, plan)},
        },
        "objectives": list(plan.objectives),
        "goals": dict(plan.goals),
        "images": plan.images,
        "price": plan.price or None,
        "trials_done": sum(row.standing is not Standing.RUNNING for row in every),
        "failures": {kind.value: count for kind, count in study.failures().most_common()},
        "pruned": sum(row.standing is Standing.PRUNED for row in every),
        "picks": picks(study),
        "answer": answer(every),
        "baseline": next((row_json(row) for row in every if row.is_baseline), None),
        "front": [row_json(row) for row in front_rows(every) if row.is_on_front],
    }
    return document | ({"trials": [_complete_json(row) for row in every]} if is_complete else {})


def _is_asked(limit: Limit, plan: Plan) -> bool:
    """Whether a limit is one of those that have no field of their own, or relative to the baseline."""
    return limit.objective.name in plan.bounds or limit.share is not None


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
        "measured_in": trial.measured_in,
    }
    if measured is not None:
        document |= {
            "latency_s": measured.latency_s,
            "latency_per_picture_s": measured.latency_s / measured.batch,
            "memory_bytes": measured.memory_bytes,
            "host_memory_bytes": measured.host_memory_bytes,
            "least_memory_bytes": row.least_memory_bytes,
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
            **{objective.name: _finite(value) for objective, value in row.further},
            "warnings": list(measured.warnings),
        }
    if trial.pruned is not None:
        names = ("latency_at_least_s", "memory_at_least_bytes", "rival", "message")
        document["pruned"] = {name: getattr(trial.pruned, name) for name in names}
    if failure is not None:
        document["failure"] = {name: getattr(failure, name) for name in ("message", "phase", "knob")}
        document["failure"]["kind"] = failure.kind.value
    return document


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


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
