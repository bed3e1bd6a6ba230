"""`autotune explain`: what each setting does, what a recipe owes to each of its own, and why not another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import AsJson, Force, Storage, StudyName

if TYPE_CHECKING:
    from autotune.footprint import Footprint
    from autotune.search.study import Study

EXAMPLES = (
    "autotune explain demo",
    "autotune explain demo 12",
    "autotune explain demo 'dtype=bfloat16 compile=full'",
    "autotune explain demo --plot effects.html",
)

_Recipe = Annotated[
    str,
    typer.Argument(
        metavar="[RECIPE]", help="A pick, a trial's number, a digest, or settings: 'steps=8 compile=full'."
    ),
]


def explain(
    study: StudyName,
    recipe: _Recipe = "",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Write a page with plots as well.")
    ] = None,
    storage: Storage = "",
    is_json: AsJson = False,
    is_forced: Force = False,
) -> None:
    """Explain what each setting of a study does, and what a recipe owes to each of its own.

    With a RECIPE, says what became of it: in conflict, refused, failed, beaten by another, or not tried.
    """
    from autotune.cli.console import say_json
    from autotune.cli.explain_tables import say_explanation
    from autotune.cli.files import check_writable, write_whole
    from autotune.cli.studies import study_meant
    from autotune.knobs import all_knobs
    from autotune.search.explain import explain as explained

    if plot is not None:
        check_writable(plot, is_forced=is_forced)
    opened = study_meant(study, storage)
    found = explained(
        opened,
        all_knobs(),
        recipe=recipe,
        with_effects=not recipe or plot is not None,
        footprint=lambda: _footprint(opened),
    )
    if plot is not None:
        from autotune import __version__
        from autotune.report.effects import effects_page

        write_whole(plot, effects_page(found, version=__version__))
    if is_json:
        say_json(found.to_json())
    else:
        say_explanation(found)


def _footprint(study: "Study") -> "Footprint | None":
    """What the model weighs, for a study with a memory limit; None where there is none, or no model here."""
    from autotune.cli.console import remark
    from autotune.errors import AutotuneError
    from autotune.runners.local import LocalRunner

    plan = study.plan
    if plan.memory_cap_on(study.situation.target.kind) is None and plan.host_memory_limit_bytes is None:
        return None
    try:
        with LocalRunner() as runner:
            return runner.footprint(study.situation.workload)[0]
    except AutotuneError as error:
        remark(f"Memory is not forecast: {error}")
        return None
