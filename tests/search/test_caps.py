"""The least memory that a recipe runs in: found on a device that enforces limits, and told to everybody."""

from dataclasses import replace

from autotune.budget import Budget
from autotune.job import Job, Protocol
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.report.as_json import row_json
from autotune.report.figures import rows
from autotune.report.trust import trust_lines
from autotune.search.study import Study
from autotune.search.tune import run_study
from autotune.store.records import Purpose
from tests.search import synthetic

SPARE = 0.75  # of its peak is what a recipe needs: the rest is what the allocator keeps
SLOW = 0.85  # below this share of it, the allocator has to give back and take again


def on_a_card(job: Job) -> Outcome:
    """Answer as the synthetic pipeline does on a device that keeps to the limit that a job gives."""
    found = synthetic.runner()(job)
    cap = job.memory_limit_bytes
    if not isinstance(found, Measurement) or cap is None:
        return found
    if cap < SPARE * found.memory_bytes:
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message=f"It does not fit {cap} B.")
    calls_s = tuple(2 * call for call in found.calls_s) if cap < SLOW * found.memory_bytes else found.calls_s
    memory = replace(found.memory, detail={**found.memory.detail, "cap_bytes": cap})
    return replace(found, calls_s=calls_s, memory=memory)


def tuned(device: str, url: str) -> Study:
    """Return a study of a device, confirmed."""
    situation = replace(synthetic.SITUATION, target=replace(synthetic.SITUATION.target, device=device))
    plan = synthetic.plan(
        device=device, budget=Budget(trials=8), protocol=Protocol(confirm_rounds=2), memory_limit_bytes=None
    )
    return run_study(plan, url=url, runner=on_a_card, situation=situation, knobs=synthetic.knobs())


def test_the_least_memory_is_found_and_told(url: str) -> None:
    """It is between what the recipe needs and its peak, and never a limit under which it was slower."""
    study = tuned("cuda", url)
    known = [row for row in rows(study) if row.least_memory_bytes is not None]

    assert study.best_trial("fastest").number in {row.trial.number for row in known}
    for row in known:
        peak = row.measured.memory_bytes if row.measured is not None else 0
        least = row.least_memory_bytes or 0
        assert SLOW * peak <= least <= peak
        assert row_json(row)["least_memory_bytes"] == least
    told = [line for line in trust_lines(study) if "under an enforced limit of" in line]
    on_front = [row for row in known if row.is_on_front]
    assert len(told) == len(on_front) > 0


def test_recipes_carry_it(url: str) -> None:
    """Who loads the recipe on a smaller card learns what it needs."""
    study = tuned("cuda", url)
    best = study.best_trial("fastest")

    assert study.best("fastest").measured["least_memory_bytes"] == study.least_memory_bytes(best)


def test_where_nothing_enforces_a_limit_none_is_tried(url: str) -> None:
    """A process of a CPU is never refused memory: the answer would mean nothing."""
    study = tuned("cpu", url)

    assert not [check for check in study.checks if check.purpose is Purpose.CAP]
    assert all(row.least_memory_bytes is None for row in rows(study))
