"""What every command writes with: results on stdout, talk on stderr, and tables that a log can hold."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 400


def say(text: str = "") -> None:
    """Write a line of the result on stdout."""
    typer.echo(text)


def remark(text: str = "") -> None:
    """Write a line that is not part of the result, on stderr."""
    typer.echo(text, err=True)


def say_json(document: Mapping[str, object] | Sequence[object], *, is_line: bool = False) -> None:
    """Write a JSON document on stdout: indented, or in one line of a stream of several.

    Raises:
        ValueError: It holds NaN or an infinite number, which JSON cannot say.
    """
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=None if is_line else 2))


def console(*, is_for_results: bool = True) -> "Console":
    """Return a Rich console on stdout or stderr.

    On a terminal it takes the terminal's width and colours. Elsewhere nothing is wrapped or coloured, so that
    a table in a log or a pipe keeps one line a row.
    """
    from rich.console import Console

    stream = sys.stdout if is_for_results else sys.stderr
    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, width=_WIDE, no_color=True, highlight=False, force_terminal=False)


def plain_table(*headings: str) -> "Table":
    """Return an empty table in the style of every table here; a heading that ends in '>' is flush right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        is_right = heading.endswith(">")
        table.add_column(heading.removesuffix(">"), justify="right" if is_right else "left", overflow="fold")
    return table


def say_table(table: "Table") -> None:
    """Write a table on stdout; in a log or a pipe without the spaces that fill its lines up."""
    if is_terminal():
        console().print(table)
        return
    plain = console()
    with plain.capture() as captured:
        plain.print(table)
    say("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def is_terminal() -> bool:
    """Whether a person is looking at stdout."""
    return sys.stdout.isatty()
