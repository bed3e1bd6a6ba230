"""The list of commands, and the rim: what an error becomes on its way out of the process."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from autotune import __version__
from autotune.cli import (
    bench_guides,
    compare,
    dashboard,
    doctor,
    explain,
    export,
    generate,
    knobs,
    plan,
    report,
    show,
    tune,
    verify,
)
from autotune.errors import AutotuneError

INTERRUPTED = 130
_COMMANDS = (
    *(plan, tune, show, explain, export, verify, compare, bench_guides),
    *(report, generate, knobs, doctor, dashboard),
)
_BUG = (
    "This is a fault of autotune. Please report it with the lines above and the output of 'autotune doctor'."
)

EXAMPLES = (
    "autotune tune demo",
    "autotune show demo",
    "autotune export demo -o recipe.json",
    'autotune generate recipe.json "a red house in the snow at night" -o house.png',
)


def command_line() -> typer.Typer:
    """Return the command line.

    Markup is off, so that neither help nor a usage error imports Rich: `autotune --help` answers in 0.3 s.
    """
    app = typer.Typer(
        name="autotune",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(epilog=_examples(EXAMPLES))(_common)
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2]
        app.command(name.replace("_", "-"), epilog=_examples(module.EXAMPLES))(getattr(module, name))
    return app


def run() -> int:
    """Run the command line on `sys.argv` and return the exit code.

    An `AutotuneError` is its message on stderr and its own code: 2 for a command that cannot be understood, 1
    for what went wrong. Any other exception keeps its traceback, with a line that asks for a report.
    """
    try:
        code = _exit_code(command_line())
        sys.stdout.flush()
    except AutotuneError as error:
        if _is_debugging():
            raise
        typer.echo(f"autotune: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone. Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        error.add_note(_BUG)
        raise
    return code


def _exit_code(app: typer.Typer) -> int:
    try:
        app(prog_name="autotune")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _say_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"autotune {__version__}")
        raise typer.Exit


def _common(
    is_debugging: Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    """Find the fastest inference settings of a diffusers pipeline on this machine."""
    if is_debugging:
        os.environ["AUTOTUNE_DEBUG"] = "1"


def _examples(commands: Iterable[str]) -> str:
    """Examples below the options; the first character keeps their lines from being joined."""
    return "\b\n" + "\n".join(("Examples:", *(f"  {command}" for command in commands)))


def _is_debugging() -> bool:
    return os.environ.get("AUTOTUNE_DEBUG", "") not in ("", "0")
