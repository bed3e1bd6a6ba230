"""`autotune knobs`: the settings that can be tuned, and what a model on a device offers of them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from autotune.cli.options import AsJson, Device, Target

if TYPE_CHECKING:
    from autotune.knob import Choice, Knob

_CHANGES = "changes result"

EXAMPLES = (
    "autotune knobs",
    "autotune knobs attention",
    "autotune knobs --model demo --device cpu",
    "autotune knobs --model arch:flux-dev --target rtx-4090",
)


def knobs(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One knob in detail.")] = "",
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="What this model offers.")] = "",
    device: Device = "auto",
    target: Target = "",
    is_json: AsJson = False,
) -> None:
    """List the settings that can be tuned, and what each does.

    With --model, lists what each offers for that model on this machine, or on another card with --target, and
    why not more.
    """
    from autotune.cli.console import say_json
    from autotune.knobs import all_knobs, knob_named

    listed = (knob_named(name),) if name else all_knobs()
    offered = _offered(listed, model, device, target) if model else {}
    if is_json:
        documents = [_document(knob, offered.get(knob.name)) for knob in listed]
        say_json(documents[0] if name else documents)
    elif name:
        _say_knob(listed[0], offered.get(name))
    else:
        _say_table(listed, offered)


def _offered(listed: "tuple[Knob, ...]", model: str, device: str, target: str) -> "dict[str, Choice]":
    """What each knob offers, after looking at the model and the machine."""
    from autotune.cli.offers import offers, situation_of
    from autotune.runners.local import LocalRunner

    with LocalRunner() as runner:
        return offers(listed, situation_of(runner, model, device=device, target=target))


def _say_table(listed: "tuple[Knob, ...]", offered: "dict[str, Choice]") -> None:
    from autotune.cli.console import plain_table, say, say_table
    from autotune.cli.offers import offer_table

    if offered:
        say_table(offer_table(offered))
    else:
        table = plain_table("knob", "stage", "", "summary")
        for knob in listed:
            changes = _CHANGES if knob.changes_result else ""
            table.add_row(knob.name, knob.stage.name.lower(), changes, knob.summary)
        say_table(table)
    say()
    say("One in detail: autotune knobs NAME." + ("" if offered else " What a model offers: --model MODEL."))


def _say_knob(knob: "Knob", choice: "Choice | None") -> None:
    from autotune.cli.console import say
    from autotune.cli.offers import said_reasons, said_values

    say(f"{knob.name}: {knob.summary}")
    say(f"  stage    {knob.stage.name.lower()}, place {knob.order}")
    say(f"  touches  {', '.join(sorted(part.value for part in knob.touches)) or 'nothing'}")
    if knob.changes_result:
        say("  changes what is computed: searched only with --allow-approximate")
    if knob.effect:
        say(f"  known    {knob.effect}")
    if choice is not None:
        say(f"  here     {said_values(choice)}")
        if reasons := said_reasons(choice):
            say(f"  not here {reasons}")


def _document(knob: "Knob", choice: "Choice | None") -> dict[str, Any]:
    from autotune.cli.offers import offer_document

    document: dict[str, Any] = {
        "name": knob.name,
        "summary": knob.summary,
        "effect": knob.effect,
        "stage": knob.stage.name.lower(),
        "order": knob.order,
        "touches": sorted(part.value for part in knob.touches),
        "changes_result": knob.changes_result,
    }
    if choice is not None:
        document |= offer_document(choice)
    return document
