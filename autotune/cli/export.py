"""`autotune export`: the recipe that won, as a file."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import Force, Storage, StudyName
from autotune.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from autotune.recipe import Recipe
    from autotune.search.study import Study


class Format(enum.StrEnum):
    """How a recipe is written."""

    JSON = "json"
    YAML = "yaml"
    PY = "py"


_FORMATS = {".json": Format.JSON, ".yaml": Format.YAML, ".yml": Format.YAML, ".py": Format.PY}

EXAMPLES = (
    "autotune export demo -o recipe.json",
    "autotune export demo -o fast.py --pick fastest",
)


def export(
    study: StudyName,
    out: Annotated[
        str, typer.Option("-o", "--out", metavar="FILE", help=".json, .yaml or .py; '-' for stdout.")
    ],
    pick: Annotated[
        str, typer.Option(help="knee, fastest, smallest, closest, or an objective of the plan.")
    ] = "knee",
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", help="This trial instead of a pick.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="For '-o -', or instead of the file's ending.")
    ] = None,
    storage: Storage = "",
    is_forced: Force = False,
) -> None:
    """Write the recipe that won to a file.

    .json and .yaml are for autotune.load_pipeline; .py is a plain diffusers script that needs no autotune.
    """
    from autotune.cli.console import remark, say
    from autotune.cli.files import check_writable, write_whole
    from autotune.cli.studies import study_meant

    path = Path(out)
    chosen = format_of(out, form)
    if out != "-":
        check_writable(path, is_forced=is_forced)
    opened = study_meant(study, storage)
    recipe = recipe_meant(opened, pick, trial)
    text = recipe_text(recipe, opened, chosen, name="app.py" if out == "-" else path.name)
    if out == "-":
        typer.echo(text, nl=False)
        return
    write_whole(path, text)
    say(f"{path}: {recipe.describe()}")
    if chosen is Format.PY:
        remark(f'Run it with: python {path} "a prompt" -o out.png')
    else:
        remark(f'Use it with: autotune generate {path} "a prompt" -o out.png')


def format_of(out: str, form: Format | None) -> Format:
    """Return the format that is asked for, or else that of the file's ending.

    Raises:
        UsageError: Neither says it.

    >>> format_of("recipe.YML", None).value
    'yaml'
    """
    if form is not None:
        return form
    found = _FORMATS.get(Path(out).suffix.lower())
    if found is None:
        hint = (
            "Add --format json, yaml or py."
            if out == "-"
            else "Name it .json, .yaml or .py, or add --format."
        )
        raise UsageError(f"The ending of '{out}' does not say how to write the recipe. {hint}")
    return found


def recipe_meant(study: "Study", pick: str, trial: int | None) -> "Recipe":
    """Return the recipe of a pick or of a trial, with its figures.

    Raises:
        UnknownName: There is no such pick or trial.
        UsageError: The trial failed.
    """
    if trial is None:
        return study.best(pick)
    found = next((known for known in study.trials if known.number == trial), None)
    if found is None:
        raise UnknownName("trial", str(trial), [str(known.number) for known in study.trials])
    if found.measurement is None:
        stopped = "it was stopped early" if found.pruned is not None else "still runs"
        why = found.failure.kind.value if found.failure is not None else stopped
        raise UsageError(
            f"Trial {trial} has no measurement: {why}. 'autotune show {study.name} --all' lists all."
        )
    return study.recipe(found)


def recipe_text(recipe: "Recipe", study: "Study", form: Format, *, name: str) -> str:
    """Return a recipe as the text of a file.

    Args:
        recipe: What to write.
        study: Where it comes from.
        form: How to write it.
        name: The file's name.
    """
    if form is Format.JSON:
        return recipe.to_json_text()
    if form is Format.YAML:
        return recipe.to_yaml_text()
    from autotune.demo import demo_model_path
    from autotune.knobs import all_knobs
    from autotune.script import script_text

    model_path = str(demo_model_path()) if recipe.model == "demo" else recipe.model
    if Path(model_path).expanduser().is_dir():
        model_path = str(Path(model_path).expanduser().resolve())
    return script_text(recipe, all_knobs(), study.situation, model_path=model_path, name=name)
