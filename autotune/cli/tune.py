"""`autotune tune`: search the settings of a model, and say what was found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import STORAGE_HELP, AsJson

if TYPE_CHECKING:
    from autotune.cli.plan_from_flags import Flags
    from autotune.plan import Plan

_Text = str | None
_Count = int | None
_OBJECTIVES = "latency, memory, similarity, first-picture, host-memory, energy, amortised, cost"

EXAMPLES = (
    "autotune tune demo",
    "autotune tune demo --trials 12 --min-similarity 0.95",
    "autotune tune stabilityai/stable-diffusion-xl-base-1.0 --vram 8GiB --time 1h",
    "autotune tune arch:sdxl --device cuda --target rtx-4060",
    "autotune tune demo --objective cost --objective similarity --price '2.50 USD/h' --limit 'latency<=0.5x'",
)


def tune(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|PLAN.toml", help="demo, a folder, a hub id, or a plan.")
    ],
    vram: Annotated[
        _Text, typer.Option(metavar="AMOUNT", help="Memory limit, such as 8GiB, or none.")
    ] = None,
    host_memory: Annotated[
        _Text,
        typer.Option(metavar="AMOUNT", help="Limit on the memory beside that of a GPU, or none."),
    ] = None,
    min_similarity: Annotated[_Text, typer.Option(metavar="0..1", help="Similarity floor, or none.")] = None,
    objective: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"What to be good at; repeatable: {_OBJECTIVES}.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT", help="'latency<=2s', 'memory<=0.7x' of the untuned baseline's; repeatable."
        ),
    ] = None,
    images: Annotated[
        _Count, typer.Option(metavar="N", help="Images made after one start, for amortised and cost.")
    ] = None,
    price: Annotated[_Text, typer.Option(metavar="PRICE", help="Of an hour, for cost: '2.50 USD/h'.")] = None,
    trials: Annotated[_Count, typer.Option(metavar="N", help="Stop after so many trials.")] = None,
    time: Annotated[_Text, typer.Option(metavar="DURATION", help="Stop after so long: 20m, 1h30m.")] = None,
    trial_time: Annotated[_Text, typer.Option(metavar="DURATION", help="Kill a trial after so long.")] = None,
    prompts: Annotated[Path | None, typer.Option(metavar="FILE", help="Prompts, one a line.")] = None,
    size: Annotated[_Text, typer.Option(metavar="WxH", help="Size of a picture, such as 512x512.")] = None,
    steps: Annotated[_Count, typer.Option(metavar="N", help="Steps of the untuned baseline.")] = None,
    guidance: Annotated[float | None, typer.Option(metavar="X", help="Guidance scale.")] = None,
    batch: Annotated[_Count, typer.Option(metavar="N", help="Pictures, or clips, a call.")] = None,
    frames: Annotated[
        _Count, typer.Option(metavar="N", help="Frames of a clip, of a model of video.")
    ] = None,
    device: Annotated[_Text, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, …")] = None,
    target: Annotated[
        _Text, typer.Option(metavar="GPU", help="Stand in for this card: its abilities, its memory as a cap.")
    ] = None,
    threads: Annotated[_Count, typer.Option(metavar="N", help="CPU threads of torch.")] = None,
    study: Annotated[_Text, typer.Option(metavar="NAME", help="Name of the study.")] = None,
    seed: Annotated[_Count, typer.Option(metavar="N", help="Seed of the search.")] = None,
    sampler: Annotated[
        _Text, typer.Option(metavar="NAME", help="surrogate, tpe, random or exhaustive.")
    ] = None,
    warm_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STUDY", help="Learn from an earlier study; repeatable; auto, or none for a cold start."
        ),
    ] = None,
    gain: Annotated[
        _Text,
        typer.Option(
            metavar="SHARE", help="Stop where 20 more trials are expected to gain less: 0.5%, none."
        ),
    ] = None,
    allow_approximate: Annotated[
        bool | None,
        typer.Option(
            "--allow-approximate/--no-allow-approximate",
            help="Search knobs that change what is computed, such as steps.",
            show_default=False,
        ),
    ] = None,
    confirm: Annotated[
        _Count,
        typer.Option(metavar="N", help="Rounds in which the best recipes are measured again; 0 for none."),
    ] = None,
    knob: Annotated[
        list[str] | None, typer.Option(metavar="NAME=V,V", help="Search only these values; repeatable.")
    ] = None,
    storage: Annotated[str, typer.Option(metavar="URL", envvar="AUTOTUNE_STORAGE", help=STORAGE_HELP)] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep database, recipe and report in this folder.")
    ] = None,
    write_plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the plan to a file and stop; '-' for stdout.")
    ] = None,
    is_json: AsJson = False,
    is_quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing until the end.")] = False,
) -> None:
    """Search the settings of a model for speed, memory and likeness.

    Flags override the fields of a plan, and the same command resumes. Ctrl-C finishes the running trial and
    stops; a second one stops at once. Either way every finished trial is kept.
    """
    from autotune.cli.plan_from_flags import Flags, parse_prompts
    from autotune.cli.run_study import Doors, run_study

    flags = Flags(
        model=model,
        vram=vram,
        host_memory=host_memory,
        min_similarity=min_similarity,
        trials=trials,
        time=time,
        trial_time=trial_time,
        prompts=parse_prompts(_contents(prompts), str(prompts)) if prompts is not None else None,
        size=size,
        steps=steps,
        guidance=guidance,
        batch=batch,
        frames=frames,
        device=device,
        target=target,
        threads=threads,
        study=study,
        seed=seed,
        sampler=sampler,
        warm_from=tuple(warm_from) if warm_from else None,
        gain=gain,
        allow_approximate=allow_approximate,
        confirm=confirm,
        knobs=tuple(knob or ()),
        objectives=tuple(objective or ()),
        limits=tuple(limit or ()),
        images=images,
        price=price,
    )
    plan = _plan(flags)
    if write_plan is not None:
        _write_plan(plan, write_plan)
        return
    run_study(plan, Doors(storage=storage, out=out, is_json=is_json, is_quiet=is_quiet))


def _plan(flags: "Flags") -> "Plan":
    """The plan of a file or of the demo, or a new one, with the flags on top.

    Raises:
        UsageError: A flag or the file is wrong, or a knob that it names does not exist.
    """
    from importlib.resources import files

    from autotune.cli.plan_from_flags import plan_from_flags
    from autotune.knobs import knob_named
    from autotune.plan_file import parse_plan

    base = None
    if flags.model == "demo":
        base = parse_plan((files("autotune.demo") / "plan.toml").read_text(encoding="utf-8"), source="demo")
    elif flags.model.endswith(".toml"):
        content = _contents(Path(flags.model))
        base = parse_plan(content.decode("utf-8", errors="replace"), source=flags.model)
    plan = plan_from_flags(flags, base)
    for name in plan.knobs:
        knob_named(name)
    return plan


def _contents(file: Path) -> bytes:
    """The bytes of a file that the user named.

    Raises:
        UsageError: It cannot be read.
    """
    from autotune.errors import UsageError

    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"'{file}' cannot be read: {error.strerror}. Check the name.") from error


def _write_plan(plan: "Plan", file: Path) -> None:
    from autotune.cli.console import say
    from autotune.cli.files import check_writable, write_whole
    from autotune.plan_file import format_plan

    text = format_plan(plan)
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    check_writable(file, is_forced=False)
    write_whole(file, text)
    say(f"{file}: run it with 'autotune tune {file}'")
