"""`autotune verify`: whether the figures in a recipe's file are true on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.again import Pairs, Prompts, Rounds, Steps, Threads
from autotune.cli.options import AsJson, Device

if TYPE_CHECKING:
    from autotune.recipe import Recipe
    from autotune.search.verify import Verification

EXAMPLES = (
    "autotune verify recipe.json",
    "autotune verify recipe.json --rounds 5 --pairs 32",
    "autotune verify recipe.json --vram 8GiB --json",
)


def verify(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="File that 'autotune export' wrote.")],
    rounds: Rounds = 3,
    pairs: Pairs = None,
    prompts: Prompts = None,
    steps: Steps = None,
    vram: Annotated[
        str | None, typer.Option("--vram", metavar="AMOUNT", help="Run under this limit, such as 8GiB.")
    ] = None,
    threads: Threads = None,
    device: Device = "auto",
    is_json: AsJson = False,
) -> None:
    """Measure a recipe again beside the untuned baseline, and judge the figures in its file.

    Fresh processes of both take turns. It must run, be as fast beside untuned as it says, need no more
    memory, and make pictures that are as near to the untuned ones.

    Exit code 0 when all of that holds and 1 when something does not. 2 when nothing can be said: this is
    another machine, something disturbed the measurement, or the file has no figures.
    """
    from autotune.cli.again import Asked, open_bench, prompts_for, read_recipe
    from autotune.cli.console import say_json
    from autotune.search.verify import recorded_pairs, recorded_threads, workload_of
    from autotune.search.verify import verify as measure_and_judge

    known = read_recipe(recipe)
    asked = Asked(
        device=device,
        rounds=rounds,
        pairs=pairs if pairs is not None else recorded_pairs(known),
        threads=threads or recorded_threads(known),
        memory_limit_bytes=_limit_bytes(known, vram),
    )
    work = workload_of(known, prompts=prompts_for(known, prompts), steps=steps, source=str(recipe))
    with open_bench(work, asked) as bench:
        found = measure_and_judge(known, bench)
    if is_json:
        say_json({"recipe": str(recipe), **found.to_json()})
    else:
        _say(found, str(recipe))
    raise typer.Exit(found.judgement.result.exit_code)


def _limit_bytes(recipe: "Recipe", vram: str | None) -> int | None:
    """The limit that was typed; else the memory of the card that the recorded machine stood in for."""
    from autotune.units import parse_bytes

    if vram is not None:
        return None if vram.lower() in ("none", "off") else parse_bytes(vram)
    memory = recipe.target.get("memory_bytes")
    return memory if recipe.target.get("stands_for") and isinstance(memory, int) and memory > 0 else None


def _say(found: "Verification", source: str) -> None:
    from autotune.cli.console import say

    say(f"{source}: {found.recipe.describe()}")
    for gate in found.judgement.gates:
        say(f"  {gate.name:<9} {gate.result.value:<13} {gate.message}")
    for note in found.judgement.notes:
        say(f"  note      {note}")
    say(found.judgement.result.value.upper())
