"""`autotune show`: what a study found."""

from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import AsJson, MaybeStudyName, Storage

if TYPE_CHECKING:
    from autotune.search.study import Study

EXAMPLES = (
    "autotune show demo",
    "autotune show demo --all",
    "autotune show demo --trial 3",
)


def show(
    study: MaybeStudyName = "",
    is_complete: Annotated[
        bool, typer.Option("--all", help="Every trial, failures with their reason.")
    ] = False,
    trial: Annotated[int | None, typer.Option("--trial", metavar="N", help="One trial in detail.")] = None,
    storage: Storage = "",
    is_json: AsJson = False,
) -> None:
    """Show the Pareto front of a study beside the untuned baseline.

    Without a name, lists the studies where there are several.
    """
    from autotune.cli.studies import names_of_studies, study_meant

    names = () if study else names_of_studies(storage)
    if len(names) > 1:
        _say_studies(names, storage, is_json=is_json)
        return
    opened = study_meant(study or "".join(names), storage)
    if trial is not None:
        _say_one(opened, trial, is_json=is_json)
    elif is_json:
        from autotune.cli.console import say_json
        from autotune.report.as_json import study_json

        say_json(study_json(opened, is_complete=is_complete))
    else:
        _say_table(opened, is_complete=is_complete)


def _say_table(study: "Study", *, is_complete: bool) -> None:
    from autotune.cli import tables
    from autotune.cli.console import say, say_table
    from autotune.report.figures import answer, rows

    if not is_complete:
        tables.say_front(study)
        return
    every = rows(study)
    tables.say_head(study)
    say()
    say_table(tables.trials_table(every))
    say()
    say(answer(every))


def _say_one(study: "Study", number: int, *, is_json: bool) -> None:
    from autotune.cli.console import say_json
    from autotune.cli.tables import say_trial
    from autotune.errors import UnknownName
    from autotune.job import LOG_FILE
    from autotune.report.as_json import row_json
    from autotune.report.figures import rows

    row = next((row for row in rows(study) if row.trial.number == number), None)
    if row is None:
        raise UnknownName("trial", str(number), [str(known.number) for known in study.trials])
    file = row.trial.folder / LOG_FILE
    log = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    if is_json:
        outcome = row.trial.outcome.to_json() if row.trial.outcome is not None else None
        say_json(row_json(row) | {"outcome": outcome, "folder": str(row.trial.folder), "log": log[-4000:]})
    else:
        say_trial(row, log)


def _say_studies(names: tuple[str, ...], storage: str, *, is_json: bool) -> None:
    from autotune.cli.console import plain_table, say, say_json, say_table
    from autotune.cli.studies import study_meant
    from autotune.report.figures import answer, rows

    studies = [study_meant(name, storage) for name in names]
    if is_json:
        say_json(
            [{"study": s.name, "model": s.plan.workload.model, "trials": len(s.trials)} for s in studies]
        )
        return
    table = plain_table("study", "model", "device", "trials>", "front>", "answer")
    for found in studies:
        counts = (str(len(found.trials)), str(len(found.front())))
        where = found.situation.target.device
        table.add_row(found.name, found.plan.workload.model, where, *counts, answer(rows(found)))
    say_table(table)
    say()
    say("Show one with: autotune show STUDY")
