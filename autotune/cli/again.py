"""What `autotune verify` and `autotune compare` share: options, recipe files, a place to measure."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autotune.recipe import Recipe
    from autotune.search.verify import Bench
    from autotune.workload import Workload

INTERRUPTED = 130
_MOST_ROUNDS = 20

Rounds = Annotated[
    int, typer.Option("--rounds", min=1, max=_MOST_ROUNDS, metavar="N", help="Fresh processes of each.")
]
Pairs = Annotated[
    int | None,
    typer.Option("--pairs", min=1, metavar="N", help="Pictures to compare, with new seeds where needed."),
]
Prompts = Annotated[
    Path | None,
    typer.Option("--prompts", metavar="FILE", help="Prompts, one a line, instead of the recipe's."),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", min=1, metavar="N", help="Steps of untuned, where the recipe does not say."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads of torch.")]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options say.

    Attributes:
        device: Torch device string, or "auto".
        rounds: Fresh processes of each recipe.
        pairs: Pictures to compare; None for as many as a study compares.
        threads: CPU threads of torch, 0 for torch's own choice.
        memory_limit_bytes: Under which recipes run, None for none.
    """

    device: str = "auto"
    rounds: int = 3
    pairs: int | None = None
    threads: int = 0
    memory_limit_bytes: int | None = None


def read_recipe(file: Path) -> "Recipe":
    """Return the recipe in a file.

    Raises:
        RecipeError: It cannot be read, is no recipe, or was altered.
        UnknownName: It sets a knob that does not exist.
    """
    from autotune.errors import RecipeError
    from autotune.knobs import knob_named
    from autotune.recipe import parse_recipe

    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(
            f"There is no recipe '{file}'. Write one: autotune export STUDY -o {file}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe '{file}' cannot be read: {error}.") from error
    recipe = parse_recipe(text, source=str(file))
    for name in recipe.settings:
        knob_named(name)
    return recipe


def prompts_for(recipe: "Recipe", file: Path | None) -> tuple[str, ...] | None:
    """Return the prompts to use instead of the recipe's: those of a file, or of the demo; None for its own.

    Raises:
        UsageError: The file cannot be read or holds no prompt.
    """
    from importlib.resources import files

    from autotune.cli.plan_from_flags import parse_prompts
    from autotune.errors import UsageError
    from autotune.plan_file import parse_plan

    if file is not None:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UsageError(f"'{file}' cannot be read: {error.strerror}. Check the name.") from error
        return parse_prompts(content, str(file))
    if recipe.call.get("prompts") or recipe.model != "demo":
        return None
    plan = parse_plan((files("autotune.demo") / "plan.toml").read_text(encoding="utf-8"), source="demo")
    return plan.workload.prompts


@contextmanager
def open_bench(workload: "Workload", asked: Asked) -> Iterator["Bench"]:
    """Look at this machine and the model, and give a place where recipes are measured; Ctrl-C ends it.

    Args:
        workload: What is made.
        asked: What the options say.

    Raises:
        ModelError: The model cannot be found or read.
        DeviceError: The machine has no such device.
        Exit: The user stopped it, code 130.
    """
    from autotune.cli.console import remark
    from autotune.job import Protocol
    from autotune.runners.local import LocalRunner
    from autotune.search.rounds import round_protocol
    from autotune.search.verify import Bench, with_pairs

    protocol = round_protocol(Protocol())
    if asked.pairs is not None:
        workload, protocol = with_pairs(workload, asked.pairs, protocol)
    remark("looking at the model and the machine …")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="autotune-again-", ignore_cleanup_errors=True) as folder,
            LocalRunner(_say_waits) as runner,
        ):
            yield Bench(
                situation=runner.probe(workload, asked.device),
                runner=runner,
                folder=Path(folder),
                rounds=asked.rounds,
                memory_limit_bytes=asked.memory_limit_bytes,
                threads=asked.threads,
                protocol=protocol,
                say=remark,
            )
    except KeyboardInterrupt:
        remark("Interrupted: nothing is kept.")
        raise typer.Exit(INTERRUPTED) from None


def _say_waits(phase: str) -> None:
    """Say what is waited for; the phases of a trial are none of the user's business here."""
    from autotune.cli.console import remark

    if phase.startswith(("waiting", "not locked")):
        remark(phase)
