"""`autotune plan`: what a model needs, how many recipes fit a card, and the cheapest way to fit, unrun."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import AsJson

if TYPE_CHECKING:
    from autotune.cli.outlook import Outlook
    from autotune.knob import Value
    from autotune.target import Target
    from autotune.workload import Workload

_Text = str | None
_Count = int | None

EXAMPLES = (
    "autotune plan demo --device cpu",
    "autotune plan arch:sdxl --vram 8GiB",
    "autotune plan arch:flux-dev --target rtx-4090 --host-memory 32GiB",
    "autotune plan arch:sdxl --vram 8GiB --set dtype=float16 --set offload=model",
    "autotune plan models/sdxl --target rtx-4060 --size 768x768 --batch 2 --recipe recipe.json",
)


def plan(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="demo, an architecture (arch:sdxl), a folder or a hub id.")
    ],
    vram: Annotated[
        _Text, typer.Option(metavar="AMOUNT", help="Memory limit, such as 8GiB; by default the target's.")
    ] = None,
    host_memory: Annotated[
        _Text, typer.Option(metavar="AMOUNT", help="Limit on the memory of the machine beside a GPU.")
    ] = None,
    target: Annotated[
        _Text, typer.Option(metavar="GPU", help="A card, which need not be at hand, such as rtx-4060.")
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="cpu, or cuda: a GPU of compute capability 8.6.")
    ] = "cuda",
    size: Annotated[_Text, typer.Option(metavar="WxH", help="Size of a picture, such as 512x512.")] = None,
    batch: Annotated[_Count, typer.Option(metavar="N", help="Pictures, or clips, a call.")] = None,
    frames: Annotated[
        _Count, typer.Option(metavar="N", help="Frames of a clip, of a model of video.")
    ] = None,
    steps: Annotated[_Count, typer.Option(metavar="N", help="Steps of the untuned baseline.")] = None,
    guidance: Annotated[float | None, typer.Option(metavar="X", help="Guidance scale.")] = None,
    allow_approximate: Annotated[
        bool, typer.Option("--allow-approximate", help="Count knobs that change what is computed too.")
    ] = False,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="Forecast this recipe too.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KNOB=VALUE", help="Forecast it so; repeatable."),
    ] = None,
    is_json: AsJson = False,
) -> None:
    """Forecast what a model needs, before anything is downloaded or run.

    Says how many recipes there are, how many are valid and how many fit; the peak memory of each stage; and
    the cheapest way to fit. Needs neither a GPU nor weights: configuration files are enough.

    Exit code 1 when nothing fits; then the smallest recipe is shown.
    """
    from autotune.cli.console import remark, say_json
    from autotune.cli.outlook import look, say_outlook
    from autotune.runners.local import LocalRunner

    work = _workload(model, size=size, batch=batch, frames=frames, steps=steps)
    work = work if guidance is None else replace(work, guidance=guidance)
    asked = _asked(recipe, settings or [])
    limits = (_bytes(vram), _bytes(host_memory))
    _check_target(target or "", device, limits[0])
    if not is_json:
        remark("reading the model's configuration; the first time takes half a minute for a large one …")
    with LocalRunner() as runner:
        footprint, situation = runner.footprint(work)
    situation = replace(situation, target=_target(situation.target, target or "", device, limits[0]))
    outlook = look(footprint, situation, limits=limits, asked=asked, allow_approximate=allow_approximate)
    say_json(outlook.to_json()) if is_json else say_outlook(outlook)
    _leave(outlook)


def _leave(outlook: "Outlook") -> None:
    if outlook.cheapest is None:
        raise typer.Exit(1)


def _workload(
    model: str, *, size: str | None, batch: int | None, frames: int | None, steps: int | None
) -> "Workload":
    from importlib.resources import files

    from autotune.cli.plan_from_flags import Flags, plan_from_flags
    from autotune.plan_file import parse_plan

    flags = Flags(model=model, size=size, batch=batch, frames=frames, steps=steps)
    base = None
    if model == "demo":
        base = parse_plan((files("autotune.demo") / "plan.toml").read_text(encoding="utf-8"), source="demo")
    return plan_from_flags(flags, base).workload


def _bytes(amount: str | None) -> int | None:
    from autotune.units import parse_bytes

    return None if amount is None or amount.lower() in ("none", "off") else parse_bytes(amount)


def _asked(recipe: Path | None, pairs: list[str]) -> "dict[str, Value] | None":
    """The settings of a recipe that the user wants forecast; None where none was named.

    Raises:
        UsageError: A setting has not exactly one value, or the file cannot be read.
        RecipeError: The file is no recipe.
    """
    from autotune.cli.plan_from_flags import parse_knobs
    from autotune.errors import UsageError
    from autotune.recipe import parse_recipe

    if recipe is None and not pairs:
        return None
    asked: dict[str, Value] = {}
    if recipe is not None:
        try:
            text = recipe.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Recipe '{recipe}' cannot be read: {error}.") from error
        asked |= parse_recipe(text, source=str(recipe)).settings
    for name, values in parse_knobs(pairs).items():
        if len(values) != 1:
            raise UsageError(
                f"'--set {name}' names {len(values)} values. A recipe has one: --set {name}=VALUE."
            )
        asked[name] = values[0]
    return asked


def _check_target(name: str, device: str, limit_bytes: int | None) -> None:
    """Refuse a target that is none, before anything is started.

    Raises:
        UnknownName: There is no such card.
        UsageError: The device is neither cpu nor cuda, a card was named beside a CPU, or there is no limit.
    """
    from autotune.errors import UsageError
    from autotune.gpus import known_gpu

    if name:
        known_gpu(name)
    if device == "cpu" and name:
        raise UsageError("'--target' names a GPU, and '--device' is cpu. Leave one of them out.")
    if device != "cpu" and not device.startswith("cuda"):
        raise UsageError(f"'--device {device}' cannot be planned for. Name cpu or cuda.")
    if device != "cpu" and not name and limit_bytes is None:
        raise UsageError(
            "There is nothing to fit into. Say how much memory there is with --vram 8GiB, name a card with "
            "--target rtx-4060, or plan for this machine with --device cpu."
        )


def _target(here: "Target", name: str, device: str, limit_bytes: int | None) -> "Target":
    """The machine that is planned for: a card by name, any CUDA GPU, or this machine's CPU."""
    from autotune.gpus import Gpu, as_target, known_gpu

    if device == "cpu":
        return here
    if name:
        return as_target(known_gpu(name), here)
    generic = Gpu(
        name="cuda",
        title="any CUDA GPU",
        memory_bytes=limit_bytes or 0,
        compute_capability=(8, 6),
        bandwidth_gb_s=0,
    )
    return as_target(generic, here)
