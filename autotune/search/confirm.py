"""Confirm: the best recipes and the baseline are measured again, in turn, before a winner is named.

A search looks at many recipes once each, so that the best one it saw was partly lucky. Here those that would
be named are measured once more in every round, each in a fresh process, beside the untuned baseline.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from tempfile import TemporaryDirectory

from autotune.duel import Contest, more_rounds_needed
from autotune.measurement import Measurement
from autotune.recipe import Recipe
from autotune.search import evidence
from autotune.search.caps import find_least_memory
from autotune.search.events import ConfirmStarted
from autotune.search.reference import make_reference
from autotune.search.rounds import order
from autotune.search.session import Session, check_folder, run_check
from autotune.search.study import Study
from autotune.store.records import Purpose, TrialRecord

_PASSES = 3  # a new leader that comes up when others lose their rank is measured too
_PICTURES = 16
"""Pairs by which a finalist's likeness is judged: a divergence rate of 10 % is seen in 81 % of cases."""


def confirm(session: Session, study: Study) -> Study:
    """Measure the study's best recipes again as far as that was not done yet; return the study with it.

    A recipe that does not hold its rank loses it: what it lost it to is measured again as well, until
    everything that would be named has been, or three times.
    """
    rounds = session.plan.protocol.confirm_rounds
    if not rounds or study.baseline() is None or not study.front():
        return study
    for _ in range(_PASSES):
        wanted = unconfirmed(study, rounds)
        if not wanted or session.stop.requested:
            break
        session.listen(ConfirmStarted(finalists=tuple(wanted), rounds=rounds))
        study = _measure_rounds(session, study, wanted, rounds)
    for trial in named(study):
        if not session.stop.requested:
            study = _complete(session, study, trial)
    return study


def named(study: Study) -> tuple[TrialRecord, ...]:
    """Return the trials that a study's picks name, the fastest first, the baseline left out."""
    ranked = sorted(study.picks().items(), key=lambda item: item[0] != "fastest")
    found = {trial.number: trial for _, trial in ranked if trial.changed}
    return tuple(found.values())


def finalists(study: Study) -> tuple[TrialRecord, ...]:
    """Return what is measured again: the picks, then the front's fastest, as many as the plan says."""
    front = [trial for trial in study.front() if trial.changed]
    by_speed = sorted(front, key=lambda trial: -(study.speedup(trial) or 0.0))
    distinct = {trial.number: trial for trial in (*named(study), *by_speed)}
    return tuple(islice(distinct.values(), study.plan.protocol.finalists))


def unconfirmed(study: Study, rounds: int) -> list[TrialRecord]:
    """Return the finalists that were not measured in enough rounds yet."""
    return [trial for trial in finalists(study) if _rounds_done(study, trial) < rounds]


def _measure_rounds(session: Session, study: Study, wanted: Sequence[TrialRecord], rounds: int) -> Study:
    recipes = {trial.digest: _recipe(session, trial) for trial in wanted}
    baseline = session.recipe(session.space.defaults)
    recipes[baseline.digest] = baseline
    first = 1 + max(evidence.rounds_of(study.checks), default=-1)
    most = rounds + 2 if rounds >= 3 else rounds
    for number, names in enumerate(order(list(recipes), most, seed=session.plan.seed + first)):
        if number >= rounds and not _is_open(study, list(recipes)):
            break
        for digest in names:
            if session.stop.requested or digest in _lost(study, recipes):
                continue
            folder = check_folder(session, Purpose.CONFIRM, first + number, digest)
            job = session.round_job(recipes[digest], folder)
            study, _ = run_check(
                session, study, job, purpose=Purpose.CONFIRM, number=first + number, of=len(recipes) * rounds
            )
    return study


def _is_open(study: Study, digests: list[str]) -> bool:
    """Whether more rounds are needed to tell the fastest from the others."""
    rounds = evidence.rounds_of(study.checks).values()
    left = [digest for digest in digests if not evidence.failed_again(study.checks, digest)]
    complete = [found for found in rounds if all(digest in found for digest in left)]
    if len(left) < 2 or not complete:
        return False
    seconds = {digest: [_latency_s(found[digest].measurement) for found in complete] for digest in left}
    leaders = sorted(left, key=lambda digest: sum(seconds[digest]))[:2]
    return more_rounds_needed(Contest(seconds=seconds, sd_machine=study.machine_sd), leaders)


def _lost(study: Study, recipes: dict[str, Recipe]) -> set[str]:
    return {digest for digest in recipes if evidence.failed_again(study.checks, digest)}


def _latency_s(measurement: Measurement | None) -> float:
    if measurement is None:
        raise ValueError("A round without a measurement was compared.")
    return measurement.latency_s


def _rounds_done(study: Study, trial: TrialRecord) -> int:
    found = evidence.rounds_of(study.checks).values()
    return sum(trial.digest in one for one in found)


def _complete(session: Session, study: Study, trial: TrialRecord) -> Study:
    """What else is measured of a recipe that is named: more pictures, a cold start, its least memory."""
    study = _more_pictures(session, study, trial)
    study = _cold_start(session, study, trial)
    return find_least_memory(session, study, trial)


def _more_pictures(session: Session, study: Study, trial: TrialRecord) -> Study:
    known = trial.measurement
    if known is None or len(known.likeness.haarpsi) >= _PICTURES:
        return study
    if evidence.more_pictures(study.checks, trial.digest) is not None:
        return study
    wide = replace(session.space.situation, workload=session.space.situation.workload.widened(_PICTURES))
    protocol = replace(session.plan.protocol, pairs=len(wide.workload.calls()))
    plan = replace(session.plan, protocol=protocol)
    if not make_reference(session.folders, plan, wide, runner=session.runner):
        session.stop.requested = True
        return study
    job = session.job(
        _recipe(session, trial),
        check_folder(session, Purpose.PICTURES, 0, trial.digest),
        role="pictures",
        workload=wide.workload,
        reference=str(session.folders.reference(wide)),
        protocol=protocol,
    )
    return run_check(session, study, job, purpose=Purpose.PICTURES, number=0, of=1)[0]


def _cold_start(session: Session, study: Study, trial: TrialRecord) -> Study:
    """What a restart costs where nothing was compiled before; recipes that compile nothing know it."""
    known = trial.measurement
    if known is None or not known.compile_cache or evidence.cold_start(study.checks, trial.digest):
        return study
    with TemporaryDirectory(prefix="autotune-cold-") as empty:
        folder = check_folder(session, Purpose.COLD, 0, trial.digest)
        job = replace(session.round_job(_recipe(session, trial), folder), cache=empty)
        return run_check(session, study, job, purpose=Purpose.COLD, number=0, of=1)[0]


def _recipe(session: Session, trial: TrialRecord) -> Recipe:
    return session.recipe(trial.settings)
