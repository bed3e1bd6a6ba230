"""Options that several commands share, each spelt and explained once."""

from typing import Annotated

import typer

STORAGE_HELP = "Database of the studies, as an SQLAlchemy URL or a file."

StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of a study, as 'autotune show' lists them.")
]
MaybeStudyName = Annotated[
    str, typer.Argument(metavar="[STUDY]", help="Name of a study; not needed where there is only one.")
]
Storage = Annotated[
    str,
    typer.Option(
        "--storage", metavar="URL", envvar="AUTOTUNE_STORAGE", help=STORAGE_HELP, show_default=False
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, …", show_default=False)
]
Target = Annotated[
    str,
    typer.Option(
        "--target", metavar="GPU", help="A card that need not be at hand: rtx-4060, …", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite the file if there is one.")]
