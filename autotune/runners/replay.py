"""Replays what was measured: answers each job from a table, so that a whole study takes no time."""

import math
import random
from dataclasses import replace
from pathlib import Path

from autotune.elapsed import REPLAYED
from autotune.errors import AutotuneError
from autotune.job import Job
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.table import Row, Table
from autotune.units import format_bytes, format_duration


class ReplayRunner:
    """A runner without a machine: call it with a job, get what its recipe came to when it was measured.

    It answers as a machine would that is always the same. With a seed it is not: the calls of each job are
    drawn anew from those that were timed, and are all slower or faster by what fresh processes differ by.
    What a job is raced against is not looked at: every trial runs to its end.
    """

    def __init__(self, table: Table, *, seed: int | None = None) -> None:
        """Prepare.

        Args:
            table: What was measured.
            seed: Of the noise; None to repeat what was measured to the last digit. Equal jobs get equal
                answers in either case: the noise follows from the seed, the recipe and the job's folder.
        """
        self._table, self._seed = table, seed

    def __call__(self, job: Job) -> Outcome:
        """Return what a job came to; its phase `REPLAYED` has the seconds that this took.

        Raises:
            AutotuneError: Nobody measured the recipe, or the job makes other pictures.
        """
        row = self._row(job)
        why = _why_stopped(row, job)
        if why is not None:
            return replace(why, phases_s={**why.phases_s, REPLAYED: min(row.seconds, job.time_limit_s)})
        outcome = row.outcome
        if isinstance(outcome, Measurement):
            outcome = self._answer(outcome, job)
        seconds = _seconds(row, job)
        return replace(outcome, phases_s={**outcome.phases_s, REPLAYED: seconds})

    def _row(self, job: Job) -> Row:
        table, own = self._table, self._table.situation.workload
        named = f"'{table.name}', a table of measured recipes,"
        # More pictures of the same prompts, from further seeds, are answered by those that there are.
        if replace(job.workload, seeds=own.seeds) != own:
            raise AutotuneError(
                f"{named} was recorded while other pictures were made than those that are asked for. "
                "Take the workload of a plan that it was recorded with."
            )
        recipe = Recipe(model=own.model, revision=own.revision, settings=job.recipe.settings)
        order = ("pictures", "trial") if job.role == "pictures" else ("trial", "pictures")
        row = next((row for role in order if (row := table.row(recipe, role)) is not None), None)
        if row is None:
            raise AutotuneError(
                f"{named} has no recipe '{recipe.describe()}'. Narrow the plan's [knobs] to the values that "
                "were recorded, or record this one too: studies/search-cpu tells how."
            )
        return row

    def _answer(self, known: Measurement, job: Job) -> Measurement:
        """A measurement as the job asks for it."""
        rng = random.Random(f"{self._seed}/{job.recipe.digest}/{Path(job.folder).name}")
        if self._seed is not None:
            known = _drawn_anew(known, rng, self._table.machine_sd or 0.0)
        if job.role == "trial":
            return known if job.is_whole else replace(known, parts=None)
        calls_s = tuple(known.calls_s[number % len(known.calls_s)] for number in range(job.protocol.pairs))
        if job.role == "pictures":
            return replace(known, calls_s=calls_s, parts=None)
        count = len(known.likeness.haarpsi)
        return replace(known, calls_s=calls_s, parts=None, likeness=Likeness(haarpsi=(1.0,) * count))


def _why_stopped(row: Row, job: Job) -> Failure | None:
    """The failure of a trial that the job's limits end; those that end a machine's trials do so here."""
    if row.seconds > job.time_limit_s:
        limit = format_duration(job.time_limit_s)
        return Failure(kind=FailureKind.TIMEOUT, message=f"It took more than {limit}.", phase="timing")
    outcome, limit_bytes = row.outcome, job.memory_limit_bytes
    is_enforced = limit_bytes is not None and job.device.startswith("cuda")
    if not is_enforced or not isinstance(outcome, Measurement) or limit_bytes is None:
        return None
    if outcome.memory_bytes <= limit_bytes:
        return None
    needs = f"It needs {format_bytes(outcome.memory_bytes)} of {format_bytes(limit_bytes)}."
    return Failure(kind=FailureKind.OUT_OF_MEMORY, message=needs, phase="first call")


def _seconds(row: Row, job: Job) -> float:
    """What a job took: without the parts that a round leaves out."""
    phases = row.outcome.phases_s
    if row.role != "trial" or (job.role == "trial" and job.is_whole) or not phases:
        return row.seconds
    kept = ("fork", "load", "apply", "first call", "timing", "likeness")
    return sum(phases.get(name, 0.0) for name in (*kept, *(("settle",) if job.role == "trial" else ())))


def _drawn_anew(known: Measurement, rng: random.Random, sd_machine: float) -> Measurement:
    """A measurement as another process would have made it."""
    factor = math.exp(rng.gauss(0.0, sd_machine))
    calls_s = tuple(factor * second for second in rng.choices(known.calls_s, k=len(known.calls_s)))
    return replace(known, calls_s=calls_s)
