"""Reference: the untuned pictures of a workload, made once, to which all others are compared."""

import json
from pathlib import Path

from autotune.errors import AutotuneError
from autotune.job import LOG_FILE, Job, Runner
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.store.folders import Folders
from autotune.store.lock import exclusive

PATIENCE_S = 600.0
"""Seconds that the reference pictures and the untuned baseline may always take."""
_COMPLETE = "complete.json"  # written last: without it the pictures are made again


def has_reference(folder: Path, calls: int = 0) -> bool:
    """Whether all reference pictures are there.

    Args:
        folder: Of the reference.
        calls: How many calls' pictures are needed at least, as far as the workload has as many.
    """
    complete = folder / _COMPLETE
    if not complete.is_file():
        return False
    made = json.loads(complete.read_text())
    is_enough = len(made.get("calls_s", ())) >= calls
    return is_enough and all((folder / name).is_file() for name in made.get("pictures", []))


def needed_calls(plan: Plan, situation: Situation) -> int:
    """Return how many calls' pictures are compared."""
    return min(plan.protocol.pairs, len(situation.workload.calls()))


def make_reference(folders: Folders, plan: Plan, situation: Situation, *, runner: Runner) -> bool:
    """Make the reference pictures where they are missing; return whether they are there now.

    Returns:
        False when the user stopped it.

    Raises:
        AutotuneError: The untuned pipeline cannot make them; the message holds the end of its log.
    """
    folder = folders.reference(situation)
    # Two studies of one workload share the pictures: the second waits for the first.
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        if has_reference(folder, needed_calls(plan, situation)):
            return True
        folder.mkdir(parents=True, exist_ok=True)
        outcome = runner(_job(folders, plan, situation))
        if not isinstance(outcome, Failure):
            (folder / _COMPLETE).write_text(json.dumps(outcome.to_json()))
            return True
        if outcome.kind == FailureKind.CANCELLED:
            return False
        raise AutotuneError(_explain(outcome, folder, situation.workload.model))


def _job(folders: Folders, plan: Plan, situation: Situation) -> Job:
    workload = situation.workload
    return Job(
        recipe=Recipe(model=workload.model, revision=workload.revision),
        workload=workload,
        device=situation.target.device,
        folder=str(folders.reference(situation)),
        role="reference",
        # The limit on trials stops hopeless recipes; this one is the measure of all others and must succeed.
        time_limit_s=max(plan.trial_time_s, PATIENCE_S),
        protocol=plan.protocol,
        cache=str(folders.cache),
        threads=plan.threads,
        backends=() if plan.target else tuple(sorted(situation.target.backends)),
    )


def _explain(failure: Failure, folder: Path, model: str) -> str:
    where = f" during {failure.phase}" if failure.phase else ""
    message = (
        f"The untuned pipeline of '{model}' cannot make the pictures that all others are compared to: "
        f"{failure.kind.value}{where}. {failure.message}"
    )
    log = f"\nThe end of its log ({folder / LOG_FILE}):\n{failure.log.rstrip()}" if failure.log else ""
    return message + log
