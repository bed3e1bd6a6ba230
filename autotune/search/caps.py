"""Caps: the smallest enforced memory limit under which a recipe still runs, and as fast."""

from dataclasses import replace

from autotune.measurement import Failure, FailureKind, Outcome
from autotune.search.min_cap import min_cap
from autotune.search.session import Session, check_folder, run_check
from autotune.search.study import Study
from autotune.store.records import Purpose, TrialRecord

_RUNS = 4


def find_least_memory(session: Session, study: Study, trial: TrialRecord) -> Study:
    """Find the least memory limit of a trial's recipe, where a limit can be enforced: on a GPU.

    The runs are stored as they are made; the smallest limit that one of them kept to is the answer.

    Args:
        session: Of the study.
        study: As it is now.
        trial: Measured.

    Returns:
        The study with the runs; unchanged where they were made before.
    """
    known = trial.measurement
    is_done = any(check.purpose is Purpose.CAP and check.digest == trial.digest for check in study.checks)
    if known is None or session.space.situation.target.kind != "cuda" or is_done:
        return study
    recipe = session.recipe(trial.settings)
    now, count = study, 0

    def measure(limit_bytes: int) -> Outcome:
        nonlocal now, count
        job = session.round_job(recipe, check_folder(session, Purpose.CAP, count, trial.digest))
        job = replace(job, memory_limit_bytes=limit_bytes)
        now, check = run_check(session, now, job, purpose=Purpose.CAP, number=count, of=_RUNS)
        count += 1
        stopped = Failure(kind=FailureKind.CANCELLED, message="The user stopped it.")
        return check.outcome if check is not None else stopped

    detail = known.memory.detail
    least = detail.get("allocated_bytes", 0) + detail.get("outside_bytes", 0)
    latency_s = known.latency_s
    min_cap(measure, low_bytes=least, high_bytes=known.memory_bytes, latency_s=latency_s, runs=_RUNS)
    return now
