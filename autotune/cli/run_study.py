"""Runs a study for `autotune tune`: shows progress, takes Ctrl-C, prints what was found and what is next."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autotune import __version__
from autotune.cli.console import console, is_terminal, remark, say, say_json
from autotune.cli.files import write_whole
from autotune.cli.interrupt import Interrupts, listening
from autotune.cli.progress import View, json_view, plain_view, quiet_view, summary_json
from autotune.cli.studies import storage_flag, storage_url
from autotune.cli.tables import say_front
from autotune.errors import UsageError
from autotune.plan import Plan
from autotune.search.events import Event, Listener, Stop, StudyOpened

if TYPE_CHECKING:
    from autotune.runners.local import LocalRunner
    from autotune.search.study import Study

INTERRUPTED = 130
_FINISHING = "finishing the running trial, press Ctrl-C again to stop now"
_STOPPING = "stopping now; every finished trial is kept"


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Where a study is kept and shown.

    Attributes:
        storage: What --storage names, "" for the default.
        out: Folder for recipe and report, and for the database unless `storage` names one; None for no files.
        is_json: Events as JSON lines on stdout.
        is_quiet: Nothing before the end.
    """

    storage: str = ""
    out: Path | None = None
    is_json: bool = False
    is_quiet: bool = False

    @property
    def database(self) -> str:
        """What --storage must say to find the study again."""
        return str(self.out / "study.db") if self.out is not None and not self.storage else self.storage


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a command that runs studies works with while it listens to Ctrl-C.

    Attributes:
        runner: Where trials run.
        listen: Shows what happens.
        stop: Set at the first Ctrl-C.
        interrupts: How often there was one.
    """

    runner: "LocalRunner"
    listen: Listener
    stop: Stop
    interrupts: Interrupts


@contextmanager
def at_work(view: View) -> Iterator[Work]:
    """Give a runner, and take Ctrl-C: the first finishes the running trial, the second ends it.

    Args:
        view: Where progress is shown; it is opened and closed.
    """
    from autotune.runners.local import LocalRunner

    stop = Stop()
    with view, LocalRunner(view.phase) as runner:

        def finish() -> None:
            stop.requested = True
            view.notice(_FINISHING)

        def stop_now() -> None:
            view.notice(_STOPPING)
            runner.cancel()

        def listen(event: Event) -> None:
            interrupts.is_armed = interrupts.is_armed or isinstance(event, StudyOpened)
            view(event)

        with listening(Interrupts(finish=finish, stop_now=stop_now)) as interrupts:
            yield Work(runner=runner, listen=listen, stop=stop, interrupts=interrupts)


def run_study(plan: Plan, doors: Doors) -> None:
    """Tune, and print the result.

    A study that was stopped by Ctrl-C ends with exit code 0 when it has results, else with 130.

    Raises:
        BudgetError: Nothing fits the limits.
    """
    from autotune.search.expecting import footprint_for
    from autotune.search.tune import run_study as run_trials

    if doors.out is not None:
        make_folder(doors.out)
    view = view_of(doors)
    if not is_terminal():
        remark("looking at the model and the machine …")  # seconds, in which a log would be silent
    with at_work(view) as work:
        situation = work.runner.probe(plan.workload, plan.device)
        url = storage_url(doors.database)
        footprint = footprint_for(plan, work.runner.footprint, remark)
        study = run_trials(
            plan,
            url=url,
            runner=work.runner,
            situation=situation,
            listen=work.listen,
            stop=work.stop,
            footprint=footprint,
        )
    if work.interrupts.count:
        remark(f"Interrupted. The same command resumes: {this_command()}")
        if not study.front():
            raise typer.Exit(INTERRUPTED)
    study.best()  # raises where nothing fits, with what came nearest
    _say_result(study, doors)


def _say_result(study: "Study", doors: Doors) -> None:
    written = _write_files(study, doors)
    if doors.is_json:
        say_json(summary_json(study) | {"files": [str(file) for file in written]}, is_line=True)
        return
    say()
    say_front(study)
    say()
    name, flag = shlex.quote(study.name), storage_flag(doors.database)
    for file in written:
        say(f"wrote {file}")
    say("Next:")
    for command in (
        f"autotune show {name} --all{flag}",
        f"autotune export {name} -o recipe.json{flag}",
        f"autotune report {name} -o report.html{flag}",
        f"autotune dashboard {name}{flag}",
    ):
        say(f"  {command}")


def _write_files(study: "Study", doors: Doors) -> list[Path]:
    """Write recipe and report where the user asked for a folder; older ones are of this study too."""
    if doors.out is None:
        return []
    from autotune.report.page import page

    recipe, report = doors.out / "recipe.json", doors.out / "report.html"
    write_whole(recipe, study.best().to_json_text())
    write_whole(report, page(study, storage_flag=storage_flag(doors.database), version=__version__))
    return [recipe, report]


def view_of(doors: Doors) -> View:
    """Return where progress is shown: as JSON, nowhere, on a terminal or in a log."""
    if doors.is_json:
        return json_view()
    if doors.is_quiet:
        return quiet_view()
    if not is_terminal():
        return plain_view()
    from autotune.cli.live import LiveView

    return LiveView(console())


def make_folder(folder: Path) -> None:
    """Make a folder that the user named, where it is missing.

    Raises:
        UsageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder '{folder}' cannot be made: {error.strerror}.") from error


def this_command() -> str:
    """Return the command as it was typed."""
    return shlex.join(["autotune", *sys.argv[1:]])
