"""Session: everything that one run of a study works with, and what it measures beside the trials."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

from autotune.elapsed import taken_s
from autotune.errors import StoreError
from autotune.job import Job, Runner
from autotune.knob import Settings
from autotune.measurement import Failure, FailureKind
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.search.events import CheckFinished, CheckStarted, Listener, Stop
from autotune.search.reference import PATIENCE_S
from autotune.search.rounds import round_protocol
from autotune.search.sampler import SpaceSampler
from autotune.search.study import Study
from autotune.search.warm import Sources
from autotune.space import SearchSpace
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.folders import Folders
from autotune.store.records import CheckRecord, Purpose


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that one run of a study works with."""

    plan: Plan
    space: SearchSpace
    database: Database
    optuna_study: optuna.Study
    sampler: SpaceSampler
    sources: Sources
    runner: Runner
    listen: Listener
    stop: Stop

    @property
    def folders(self) -> Folders:
        """The folders beside the database."""
        return self.database.folders

    def recipe(self, changed: Settings) -> Recipe:
        """Return the recipe of settings, the values of knobs that are not named left at their default."""
        return self.space.recipe(changed)

    def job(self, recipe: Recipe, folder: Path, **changes: Any) -> Job:
        """Return the job of a recipe under the plan's limits; the untuned baseline has none.

        The baseline may need more than what fits, and longer than what a recipe is allowed: everything is
        compared to it, so it runs all the same.

        Args:
            recipe: What to measure.
            folder: Where its log and its pictures go.
            changes: Fields of the job that differ.
        """
        plan, situation = self.plan, self.space.situation
        is_baseline = not recipe.settings
        fields: dict[str, Any] = {
            "recipe": recipe,
            "workload": situation.workload,
            "device": situation.target.device,
            "folder": str(folder),
            "reference": str(self.folders.reference(situation)),
            "memory_limit_bytes": None if is_baseline else plan.memory_cap_on(situation.target.kind),
            "time_limit_s": max(plan.trial_time_s, PATIENCE_S) if is_baseline else plan.trial_time_s,
            "protocol": plan.protocol,
            "cache": str(self.folders.cache),
            "threads": plan.threads,
            "extras": dict(plan.extras),
            # A card that the device stands in for may lack what the device has.
            "backends": () if plan.target else tuple(sorted(situation.target.backends)),
        }
        return Job(**fields | changes)

    def round_job(self, recipe: Recipe, folder: Path) -> Job:
        """Return the job of one round: a fresh process, settled, timed three times, and nothing else."""
        protocol = replace(round_protocol(self.plan.protocol), busy_s=0.0, pairs=3)
        return self.job(recipe, folder, protocol=protocol, is_whole=False)


def run_check(  # noqa: PLR0913 - what is measured, why, and how far it is
    session: Session, study: Study, job: Job, *, purpose: Purpose, number: int, of: int
) -> tuple[Study, CheckRecord | None]:
    """Measure something beside the trials, store it and tell the listener.

    Args:
        session: Of the study.
        study: As it is now.
        job: What to measure.
        purpose: Why.
        number: The round.
        of: How many checks of this purpose are planned, for progress.

    Returns:
        The study with it, and what was stored; None where the user stopped it, and nothing is stored.
    """
    session.listen(CheckStarted(purpose=purpose, recipe=job.recipe, round=number, of=of))
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcome = session.runner(job)
    if isinstance(outcome, Failure) and outcome.kind is FailureKind.CANCELLED:
        session.stop.requested = True
        return study, None
    check = CheckRecord(
        purpose=purpose,
        round=number,
        digest=job.recipe.digest,
        changed=dict(job.recipe.settings),
        outcome=outcome,
        seconds=taken_s(outcome, time.monotonic() - began),
        finished_at=datetime.now(UTC),
    )
    history.save_check(session.database, study.name, check)
    study = study.with_check(check)
    session.listen(CheckFinished(check=check, study=study))
    return study, check


def check_folder(session: Session, purpose: Purpose, number: int, digest: str) -> Path:
    """Return the folder of a check, made where it is missing.

    Raises:
        StoreError: It cannot be made.
    """
    folder = session.folders.study(session.plan.study) / purpose.value / f"{number:03d}-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The folder '{folder}' cannot be made: {error.strerror}."
        raise StoreError(f"{problem} Check the rights and the space on its disk.") from error
    return folder
