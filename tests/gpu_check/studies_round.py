"""A round of the stage "studies": what is known, what looks at models, and how long steps may take."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, StoreError
from autotune.knob import Situation
from autotune.plan import Plan
from autotune.runners.local import LocalRunner
from autotune.search.study import Study
from autotune.store.records import TrialRecord
from tests.gpu_check.commands import GRACE_S, Ran, autotune
from tests.gpu_check.stage import Where
from tests.gpu_check.studies_found import Book

DONE, CUT, FAILED, IMPOSSIBLE = "done", "cut", "failed", "not possible here"
SETTLED = (DONE, IMPOSSIBLE)
TRIES = 2
"""What failed, or was ended by the time, is begun again so often in all."""
_ENDING_S = GRACE_S + 15.0
_START_S = 15.0  # of a command that measures: processes, a look at the machine


class OutOfTime(Exception):  # noqa: N818 - no error: the same command goes on
    """Too little time is left for the next step."""


@dataclass(kw_only=True)
class Round:
    """One run of the stage.

    Attributes:
        where: Where it runs.
        book: What is known.
        runner: Looks at models; it starts nothing before it is asked.
        is_fresh: Whether nothing was measured in this run yet: what needs more time than is left even then
            is begun all the same.
    """

    where: Where
    book: Book
    runner: LocalRunner
    is_fresh: bool = True
    _situations: dict[str, Situation] = field(default_factory=dict)

    def situation(self, plan: Plan) -> Situation:
        """Return machine, model and workload of a plan."""
        model = plan.workload.model
        if model not in self._situations:
            self._situations[model] = self.runner.probe(plan.workload, plan.device)
        return self._situations[model]

    def study(self, name: str) -> Study | None:
        """Return a study, None where it was never begun.

        Raises:
            StoreError: It was begun, and its database is not here any more.
        """
        found = self.book.study(name)
        if found is None and self.book.of("studies", name).get("trials"):
            raise StoreError(
                f"Study '{name}' was begun, but its database '{self.book.database}' is not here. Bring the "
                "folder of work back, or begin again without 'studies.json'."
            )
        return found

    def command(self, words: list[str | Path]) -> Ran:
        """Run one of autotune's commands, and note that something was measured in this run."""
        ran = autotune(words, self.where)
        self.is_fresh = False
        return ran

    def check_time(self, needed_s: float) -> None:
        """Go on where there is time for a step, or where this run has done nothing else.

        Raises:
            OutOfTime: There is too little.
        """
        if self.where.left_s < _ENDING_S + (0.0 if self.is_fresh else needed_s):
            raise OutOfTime


def fitting_rounds(this: Round, study: Study, trials: tuple[TrialRecord, ...], *, most: int) -> int:
    """How many rounds there is time for, as long as their trials took: each in a process of its own.

    Raises:
        OutOfTime: Not one.
    """
    baseline = study.baseline()
    reference = _START_S + (baseline.seconds if baseline is not None else 0.0)
    each = sum(trial.seconds for trial in trials)
    this.check_time(reference + each)
    fitting = int((this.where.left_s - _ENDING_S - reference) / max(each, 1.0))
    return min(max(fitting, 1), most)


def export(this: Round, study: Study, trial: TrialRecord, name: str) -> Path:
    """Write the recipe of a trial to the results; return its file.

    Raises:
        AutotuneError: It was not written.
        OutOfTime: The time was over.
    """
    file = this.book.recipe_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    storage: list[str | Path] = ["--storage", this.book.database, "--force"]
    ran = autotune(["export", study.name, "-o", file, "--trial", str(trial.number), *storage], this.where)
    if ran.code != 0:
        raise OutOfTime if ran.was_stopped else AutotuneError(f"'{name}' was not exported: {ran.last_words}")
    return file


def note_command(
    this: Round, kind: str, name: str, ran: Ran, *, is_told: bool | None = None, **facts: Any
) -> None:
    """Keep what a command came to. One that was ended in time is begun again by the next run, once.

    Raises:
        OutOfTime: The time was over.
    """
    has_answer = ran.code == 0 if is_told is None else is_told
    tries = this.book.of(kind, name).get("tries", 0) + (not has_answer)
    state = DONE if has_answer else CUT if ran.was_stopped else FAILED
    message = "" if has_answer else ran.last_words
    if state == CUT and tries >= TRIES:
        state, message = IMPOSSIBLE, "It needs more time than one run has."
    this.book.note(kind, name, state=state, code=ran.code, tries=tries, message=message, **facts)
    this.where.say(f"   {name}: {facts.get('result', state)}. {message}".rstrip())
    if ran.was_stopped:
        raise OutOfTime


def device_flags(this: Round) -> list[str]:
    """Return the option that names the device."""
    return ["--device", this.where.device]


def is_settled(known: dict[str, Any]) -> bool:
    """Whether nothing more is to be done about something."""
    state = known.get("state")
    return state in SETTLED or (state == FAILED and known.get("tries", 0) >= TRIES)
