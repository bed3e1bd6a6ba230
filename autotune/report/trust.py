"""Trust: what a reader must know of a study's figures before believing them, one sentence each."""

from collections.abc import Iterable

from autotune.fingerprint import warnings_about
from autotune.report.figures import Row, counted
from autotune.search.evidence import rounds_of
from autotune.search.study import Study
from autotune.tiers import EXPLAINED, Tier, is_benign_divergence
from autotune.units import format_bytes


def trust_lines(study: Study) -> tuple[str, ...]:
    """Return how sure a study's figures are: rounds, ties, the machine, how little memory does."""
    lines = (
        *(_confirmation(study), _ties(study), _noise_floor(study), _machine(study)),
        *_least_memory(study),
        *_divergence(study),
        *changes(study),
    )
    return tuple(line for line in lines if line)


def changes(study: Study) -> tuple[str, ...]:
    """Return what changed about machine and software between the trials of a study, a sentence each."""
    environments = {
        trial.number: environment
        for trial in study.trials
        if trial.outcome is not None and (environment := trial.outcome.environment)
    }
    return tuple(warnings_about(environments))


def flaws_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return what is wrong with the pictures, or uncertain about the timings, of rows that are shown."""
    found = []
    for row in rows:
        if row.measured is not None:
            said = (*row.measured.likeness.flaws, *row.measured.warnings)
            found += [f"Trial {row.trial.number}: {sentence}" for sentence in said]
    return tuple(found)


def legend(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return what each tier that is shown means, the best first."""
    shown = {row.tier for row in rows}
    return tuple(f"{tier.value}: {EXPLAINED[tier]}" for tier in Tier if tier in shown)


def _confirmation(study: Study) -> str:
    rounds = len(rounds_of(study.checks))
    if not rounds:
        if study.plan.protocol.confirm_rounds and study.front():
            return "Not confirmed yet: the same 'autotune tune' command measures the best recipes again."
        return "Not confirmed: each recipe was measured in one process only." if study.front() else ""
    return (
        f"A speed-up with an interval (95 %) comes from {counted(rounds, 'round')} of fresh processes in "
        "turn with the untuned baseline; one without is from a single process."
    )


def _ties(study: Study) -> str:
    if not study.front() or not rounds_of(study.checks):
        return ""
    best = study.best_trial("fastest")
    tied = [str(trial.number) for trial in study.tied(best)]
    if not tied:
        return ""
    return f"As fast as trial {best.number}, as far as rounds can tell: trial {', '.join(tied)}."


def _least_memory(study: Study) -> tuple[str, ...]:
    """With how little memory recipes of the front make do: their peaks hold what an allocator keeps spare."""
    known = ((trial, study.least_memory_bytes(trial)) for trial in study.front())
    return tuple(
        f"Trial {trial.number} ran as fast under an enforced limit of {format_bytes(least)}."
        for trial, least in known
        if least is not None
    )


def _divergence(study: Study) -> tuple[str, ...]:
    """What is to be thought of pictures of the front that show something else."""
    floor, found = study.noise_floor, list[str]()
    for trial in study.front():
        measured = study.settled(trial)
        if measured is None or not measured.likeness.divergence_rate:
            continue
        pairs = len(measured.likeness.haarpsi)
        diverged = round(measured.likeness.divergence_rate * pairs)
        said = f"Trial {trial.number}: {diverged} of {pairs} pictures show something else than the reference"
        is_harmless = floor is not None and is_benign_divergence(diverged, pairs, floor.diverged, floor.pairs)
        often = "no more often than after harmless changes" if is_harmless else "more often than by chance"
        found.append(f"{said}, {often}." if floor is not None else f"{said}.")
    return tuple(found)


def _noise_floor(study: Study) -> str:
    return study.noise_floor.describe() if study.noise_floor is not None else ""


def _machine(study: Study) -> str:
    if study.machine_sd is None:
        return ""
    return (
        f"The untuned baseline varies by {100 * study.machine_sd:.1f} % (standard deviation) between fresh "
        "processes on this machine."
    )
