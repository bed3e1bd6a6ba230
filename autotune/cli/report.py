"""`autotune report`: a study as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from autotune import __version__
from autotune.cli.options import Force, MaybeStudyName, Storage

EXAMPLES = ("autotune report demo -o report.html",)


def report(
    study: MaybeStudyName = "",
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page.")] = Path("report.html"),
    storage: Storage = "",
    is_forced: Force = False,
) -> None:
    """Write a study as one self-contained HTML page.

    It holds the answer, the plot, the pictures and every trial, and needs no network.
    """
    from autotune.cli.console import say
    from autotune.cli.files import check_writable, write_whole
    from autotune.cli.studies import storage_flag, study_meant
    from autotune.report.page import page
    from autotune.units import format_bytes

    check_writable(out, is_forced=is_forced)
    opened = study_meant(study, storage)
    text = page(opened, storage_flag=storage_flag(storage), version=__version__)
    write_whole(out, text)
    say(f"{out}: {format_bytes(len(text.encode()))}, opens in any browser, without a network")
