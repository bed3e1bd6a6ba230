"""`autotune bench-guides`: the tables of published guides, measured again on the card at hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import STORAGE_HELP, AsJson

if TYPE_CHECKING:
    from autotune.ladder import Ladder

_Text = str | None
_Count = int | None

EXAMPLES = (
    "autotune bench-guides --list",
    "autotune bench-guides sdxl-simple --device cuda --time 30m -o guides.md",
    "autotune bench-guides --model models/sdxl sdxl-simple --recipe recipe.json",
    "autotune bench-guides --model demo --device cpu --quick --steps 4",
)


def bench_guides(
    guides: Annotated[
        list[str] | None,
        typer.Argument(metavar="GUIDE", help="Names of guides; all where none is named."),
    ] = None,
    is_list: Annotated[bool, typer.Option("--list", help="List the guides and stop.")] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Run on this model: demo, a folder or a hub id.", show_default=False
        ),
    ] = "",
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, …", show_default=False)
    ] = "auto",
    steps: Annotated[_Count, typer.Option(min=1, metavar="N", help="Steps, where not the guide's.")] = None,
    batch: Annotated[_Count, typer.Option(min=1, metavar="N", help="Pictures a call.")] = None,
    size: Annotated[_Text, typer.Option(metavar="WxH", help="Size of a picture, such as 512x512.")] = None,
    is_quick: Annotated[
        bool, typer.Option("--quick", help="Fewer calls and steps: minutes a guide, less sure figures.")
    ] = False,
    time: Annotated[
        _Text, typer.Option(metavar="DURATION", help="Begin no further rung after so long: 20m, 1h30m.")
    ] = None,
    trial_time: Annotated[
        _Text, typer.Option(metavar="DURATION", help="Give a rung up after so long.")
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Your own recipe of the same model, as a further row; repeatable."),
    ] = None,
    storage: Annotated[str, typer.Option(metavar="URL", envvar="AUTOTUNE_STORAGE", help=STORAGE_HELP)] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Keep database, guides.md, guides.json and recipes in this folder."
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the recipe of each rung that was measured.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.md", help="Write the tables as Markdown.")
    ] = None,
    is_json: AsJson = False,
    is_quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing until the end.")] = False,
) -> None:
    """Measure the recipes of published guides here, beside the figures that they give.

    Each rung of a guide's table is a recipe, measured in a process of its own. Most guides take full-size
    models, for which the speed and the memory are real and the weights random; name your own with --model. On
    a CPU such models take hours a guide: there, --model demo shows what it does in minutes.

    The same command goes on where it was stopped. Ctrl-C finishes the running trial, then prints what is
    known; a second one stops at once.
    """
    from autotune.cli.guides_run import Asked, run_guides
    from autotune.guides import LADDERS
    from autotune.ladder import ladder_named
    from autotune.search.ladder import Changes
    from autotune.units import parse_duration, parse_size

    chosen = [ladder_named(name, LADDERS) for name in dict.fromkeys(guides or ())] or list(LADDERS)
    if is_list:
        _list(chosen, is_json=is_json)
        return
    changes = Changes(
        model=model,
        steps=steps,
        batch=batch,
        size=parse_size(size) if size is not None else None,
        is_quick=is_quick,
    )
    run_guides(
        chosen,
        Asked(
            changes=changes,
            device=device,
            seconds=parse_duration(time) if time is not None else None,
            trial_time_s=parse_duration(trial_time) if trial_time is not None else None,
            recipes=tuple(recipe or ()),
            storage=storage,
            out=out,
            export=export,
            page=output,
            is_json=is_json,
            is_quiet=is_quiet,
        ),
    )


def _list(ladders: "list[Ladder]", *, is_json: bool) -> None:
    from autotune.cli.console import plain_table, say_json, say_table
    from autotune.report.ladder import Told, guide_json

    if is_json:
        say_json([guide_json(Told(ladder=ladder)) for ladder in ladders])
        return
    table = plain_table(
        "guide", "rungs>", "model", "size", "steps>", "batch>", "published on", "title", "source"
    )
    for one in ladders:
        size, rungs = f"{one.width_px}x{one.height_px}", str(len(one.rungs))
        figures = (one.model, size, str(one.steps), str(one.batch), one.hardware)
        table.add_row(one.name, rungs, *figures, one.title, one.source)
    say_table(table)
