"""Runs ladders of guides for `autotune bench-guides`: one study each, shown, kept and said at the end."""

import json
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import typer

from autotune.budget import Budget
from autotune.cli.again import read_recipe
from autotune.cli.console import is_terminal, plain_table, remark, say, say_json, say_table
from autotune.cli.files import check_writable, write_whole
from autotune.cli.run_study import (
    INTERRUPTED,
    Doors,
    Work,
    at_work,
    make_folder,
    this_command,
    view_of,
)
from autotune.cli.studies import storage_url
from autotune.errors import AutotuneError, UsageError
from autotune.job import Protocol
from autotune.ladder import Ladder
from autotune.plan import Plan
from autotune.plan_file import parse_plan
from autotune.recipe import Recipe
from autotune.report.figures import counted
from autotune.report.ladder import (
    MEASURED,
    TITLE,
    WAITING,
    Own,
    Told,
    cells,
    footnotes,
    guide_json,
    headings,
    page,
    sentences,
    waiting,
)
from autotune.search.events import Event, TrialFinished
from autotune.search.ladder import (
    FULL,
    QUICK,
    Changes,
    LadderHere,
    ladder_plan,
    look_at,
    own_ladder,
    remembered,
    rung_rows,
    workload_of,
)
from autotune.search.study import Study, read_study
from autotune.search.tune import run_study
from autotune.store.engine import open_database
from autotune.store.history import find_study
from autotune.target import Target
from autotune.workload import Workload

_PATIENCE_S, _QUICK_PATIENCE_S = 900.0, 300.0
_LEAST_S = 1.0  # a budget is above 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for.

    Attributes:
        changes: What is otherwise than in the guides.
        device: Torch device string, or "auto".
        seconds: After which no further rung is begun; None for no bound.
        trial_time_s: After which a rung is given up; None for autotune's own choice.
        recipes: Files of the user's own recipes.
        storage: What --storage names, "" for the default.
        out: Folder of database, page, figures and recipes; None for none.
        export: Folder of the rungs' recipes; None for none but that in `out`.
        page: File of the page; None for none but that in `out`.
        is_json: Events as JSON lines on stdout, the last of them all ladders.
        is_quiet: Nothing before the end.
    """

    changes: Changes
    device: str = "auto"
    seconds: float | None = None
    trial_time_s: float | None = None
    recipes: tuple[Path, ...] = ()
    storage: str = ""
    out: Path | None = None
    export: Path | None = None
    page: Path | None = None
    is_json: bool = False
    is_quiet: bool = False

    @property
    def doors(self) -> Doors:
        """Where studies are kept and shown."""
        return Doors(storage=self.storage, out=self.out, is_json=self.is_json, is_quiet=self.is_quiet)

    @property
    def url(self) -> str:
        """URL of the database."""
        return storage_url(self.doors.database)

    @property
    def protocol(self) -> Protocol:
        """How a rung is measured."""
        return QUICK if self.changes.is_quick else FULL

    def plan_of(self, here: LadderHere) -> Plan:
        """Return the study of a ladder in its situation."""
        patience_s = _QUICK_PATIENCE_S if self.changes.is_quick else _PATIENCE_S
        trial_time_s = patience_s if self.trial_time_s is None else self.trial_time_s
        return ladder_plan(here, protocol=self.protocol, trial_time_s=trial_time_s)


@dataclass(kw_only=True)
class Guides:
    """The ladders of one command, and what is known of each so far.

    Attributes:
        asked: What the command line asks for.
        ladders: In the order in which they are run.
        recipes: The user's own, by name.
        until: On the clock `time.monotonic`, when no further rung is begun; None for no bound.
        told: What is known of each ladder, by its name.
    """

    asked: Asked
    ladders: Sequence[Ladder]
    recipes: dict[str, Recipe]
    until: float | None
    told: dict[str, Told] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() >= self.until

    def documents(self) -> list[dict[str, Any]]:
        """Return what is known of each ladder as plain JSON types."""
        return [guide_json(self.known(ladder)) for ladder in self.ladders]

    def workload(self, ladder: Ladder) -> Workload:
        """Return what a ladder makes; sizes that are 0 are the model's own."""
        model = self.asked.changes.model or ladder.model
        return workload_of(ladder, self.asked.changes, demo_workload() if model == "demo" else None)

    def own(self, ladder: Ladder) -> list[Ladder]:
        """Return the user's own recipes of a ladder's model, each as a ladder of one rung."""
        workload = self.workload(ladder)
        recipes = self.recipes.items()
        return [own_ladder(ladder, name, one, workload) for name, one in recipes if _is_of(one, workload)]

    def known(self, ladder: Ladder) -> Told:
        """Return what is known of a ladder so far."""
        return self.told.get(ladder.name, Told(ladder=ladder, is_quick=self.asked.changes.is_quick))

    def note(self, told: Told) -> None:
        """Note what is known of a ladder now."""
        self.told[told.ladder.name] = told

    def keep(self) -> None:
        """Write the pages that the user asked for with what is known now."""
        asked, documents = self.asked, self.documents()
        if asked.page is not None:
            write_whole(asked.page, page(documents))
        if asked.out is not None:
            write_whole(asked.out / "guides.md", page(documents))
            write_whole(asked.out / "guides.json", json.dumps({"guides": documents}, indent=1) + "\n")

    def export(self) -> None:
        """Write the recipes of all rungs that were measured into the folders that the user named for it."""
        asked = self.asked
        folders = [asked.export, asked.out / "recipes" if asked.out is not None else None]
        for folder in filter(None, folders):
            make_folder(folder)
            for name, recipe in self.measured_recipes():
                write_whole(folder / f"{name}.json", recipe.to_json_text())

    def measured_recipes(self) -> Iterator[tuple[str, Recipe]]:
        """Yield the recipe of every rung that was measured, with a name for its file."""
        for told in self.told.values():
            if told.here is None or told.study is None:
                continue
            for row in rung_rows(told.here, told.study):
                if row.trial is not None and row.measured is not None:
                    yield f"{told.ladder.name}-{plain_name(row.rung.name)}", told.study.recipe(row.trial)


def plain_name(name: str) -> str:
    """Return a rung's name as part of a file's.

    >>> plain_name("fp16 + channels_last (default)")
    'fp16-channels-last-default'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "rung"


def demo_workload() -> Workload:
    """Return what the demo model draws: it knows no other prompts than those of its own plan."""
    text = (files("autotune.demo") / "plan.toml").read_text(encoding="utf-8")
    return parse_plan(text, source="demo").workload


def run_guides(ladders: Sequence[Ladder], asked: Asked) -> None:
    """Measure ladders as far as time allows, and say what is known of them.

    Raises:
        UsageError: A file cannot be written, or a full-size model was not meant to run on a CPU.
        AutotuneError: No ladder could be measured.
        Exit: 130 where the user stopped it before anything was measured, 1 where a ladder failed.
    """
    guides = _prepared(ladders, asked)
    _check_size_of_task(guides, asked.device)
    if not is_terminal():
        remark("looking at the models and the machine …")
    with at_work(view_of(asked.doors)) as work:
        target = work.runner.probe_target(asked.device)
        _check_size_of_task(guides, target.kind)
        for ladder in ladders:
            _recall(guides, ladder, target)
        for ladder in ladders:
            if not work.stop.requested and not guides.is_over:
                _measure(guides, ladder, work)
    guides.keep()
    guides.export()
    documents = guides.documents()
    _say(documents, asked)
    if work.interrupts.count and not _measured(documents):
        raise typer.Exit(INTERRUPTED)
    if any(document["error"] for document in documents):
        raise typer.Exit(1)


def _prepared(ladders: Sequence[Ladder], asked: Asked) -> Guides:
    """Look at all that was named before anything is started."""
    for folder in filter(None, (asked.out, asked.export)):
        make_folder(folder)
    if asked.page is not None:
        check_writable(asked.page, is_forced=_is_page(asked.page))
    until = None if asked.seconds is None else time.monotonic() + asked.seconds
    recipes = {str(file): read_recipe(file) for file in asked.recipes}
    guides = Guides(asked=asked, ladders=ladders, recipes=recipes, until=until)
    for name, recipe in recipes.items():
        if not any(_is_of(recipe, guides.workload(ladder)) for ladder in ladders):
            own_ladder(ladders[0], name, recipe, guides.workload(ladders[0]))  # raises, and says what to do
    return guides


def _is_of(recipe: Recipe, workload: Workload) -> bool:
    return (recipe.model, recipe.revision) == (workload.model, workload.revision)


def _is_page(file: Path) -> bool:
    """Whether a file is a page of this command, which a further run writes again."""
    return file.is_file() and file.read_text(encoding="utf-8", errors="replace").startswith(TITLE)


def _check_size_of_task(guides: Guides, kind: str) -> None:
    """Refuse to run full-size models on a CPU unless they were named for it.

    Raises:
        UsageError: A guide's own model would take hours.
    """
    if kind != "cpu" or guides.asked.changes.model:
        return
    large = next((one for one in guides.ladders if one.model.startswith("arch:")), None)
    if large is not None:
        raise UsageError(
            f"Guide '{large.name}' takes the full-size model '{large.model}', hours of work for a CPU. Take "
            f"the small one: --model demo. To run it all the same, name it: --model {large.model}."
        )


def _measure(guides: Guides, ladder: Ladder, work: Work) -> None:
    """Run a ladder's study and those of the user's own recipes; what goes wrong is noted with the ladder."""
    try:
        situation = work.runner.probe(guides.workload(ladder), guides.asked.device)
        here = look_at(ladder, situation)
        guides.note(replace(guides.known(ladder), here=here, own=()))
        _run(guides, here, work, lambda study: guides.note(replace(guides.known(ladder), study=study)))
        for one in guides.own(ladder):
            mine = look_at(one, situation)
            others = guides.known(ladder).own
            _note_own(guides, ladder, others, mine, None)
            if mine.recipes and not work.stop.requested and not guides.is_over:
                _run(guides, mine, work, partial(_note_own, guides, ladder, others, mine))
    except Exception as error:  # noqa: BLE001 - whatever becomes of one ladder, the others have their turn
        if not work.stop.requested:  # else it was ended by the user, which says nothing about the ladder
            why = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
            guides.note(replace(guides.known(ladder), error=why))
            remark(f"{ladder.name}: {why}")
            if not isinstance(error, AutotuneError):
                traceback.print_exception(error)
    guides.keep()
    guides.export()


def _note_own(
    guides: Guides, ladder: Ladder, others: tuple[Own, ...], mine: LadderHere, study: Study | None
) -> None:
    guides.note(replace(guides.known(ladder), own=(*others, (mine, study))))


def _run(guides: Guides, here: LadderHere, work: Work, note: Callable[[Study], None]) -> None:
    """Run the study of a ladder, or go on with it, as far as time allows.

    Args:
        guides: Say how and until when.
        here: The ladder in its situation.
        work: Has the runner, and hears Ctrl-C.
        note: Is told what is known of the study, from the first on.
    """
    plan, url = guides.asked.plan_of(here), guides.asked.url
    with open_database(url) as database:
        known = read_study(database, plan.study) if find_study(database, plan.study) is not None else None
    if known is not None:
        note(known)
    if guides.until is not None:
        spent = known.elapsed_s if known is not None else 0.0
        left_s = max(guides.until - time.monotonic(), _LEAST_S)
        plan = replace(plan, budget=Budget(seconds=spent + left_s, gain=None))

    def listen(event: Event) -> None:
        work.listen(event)
        if isinstance(event, TrialFinished):
            note(event.study)
            guides.keep()

    note(
        run_study(plan, url=url, runner=work.runner, situation=here.situation, listen=listen, stop=work.stop)
    )


def _recall(guides: Guides, ladder: Ladder, target: Target) -> None:
    """Note what an earlier run found of a ladder: this one may have no time to come to it."""
    workload, plan_of = guides.workload(ladder), guides.asked.plan_of
    with open_database(guides.asked.url) as database:
        found = [
            remembered(database, one, workload, target, plan_of=plan_of)
            for one in (ladder, *guides.own(ladder))
        ]
    if found[0] is not None:
        here, study = found[0]
        own = tuple(one for one in found[1:] if one is not None)
        guides.note(replace(guides.known(ladder), here=here, study=study, own=own))


def _measured(documents: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["status"] == MEASURED for document in documents for row in document["rows"])


def _say(documents: Sequence[dict[str, Any]], asked: Asked) -> None:
    left = waiting(documents)
    if left:
        remark(f"{counted(left, 'row')} not measured yet. The same command goes on: {this_command()}")
    if asked.is_json:
        say_json({"event": "guides", "guides": documents}, is_line=True)
        return
    for document in documents:
        say()
        say(f"{document['title']} ({document['guide']})")
        if all(row["status"] == WAITING for row in document["rows"]) and not document["error"]:
            say("Not measured yet.")
            continue
        for line in sentences(document):
            say(line)
        say()
        table = plain_table(*headings(document))
        for row in document["rows"]:
            table.add_row(*cells(document, row))
        say_table(table)
        for line in footnotes(document):
            say(f"note: {line}")
    say()
    for file in filter(None, (asked.page, asked.out and asked.out / "guides.md")):
        say(f"wrote {file}")
