"""`autotune knobs`: the settings that can be tuned, and what a model on a device offers of them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from autotune.cli.options import AsJson, Device

if TYPE_CHECKING:
    from autotune.knob import Choice, Knob

_CHANGES = "changes result"

EXAMPLES = (
    "autotune knobs",
    "autotune knobs attention",
    "autotune knobs --model demo --device cpu",
)


def knobs(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One knob in detail.")] = "",
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="What this model offers.")] = "",
    device: Device = "auto",
    is_json: AsJson = False,
) -> None:
    """List the settings that can be tuned, and what each does.

    With --model, lists what each offers for that model on this machine, and why not more.
    """
    from autotune.cli.console import say_json
    from autotune.knobs import all_knobs, knob_named

    listed = (knob_named(name),) if name else all_knobs()
    offered = _offered(listed, model, device) if model else {}
    if is_json:
        documents = [_document(knob, offered.get(knob.name)) for knob in listed]
        say_json(documents[0] if name else documents)
    elif name:
        _say_knob(listed[0], offered.get(name))
    else:
        _say_table(listed, offered)


def _offered(listed: "tuple[Knob, ...]", model: str, device: str) -> "dict[str, Choice]":
    """What each knob offers, after looking at the model and the machine."""
    from autotune.runners.local import LocalRunner
    from autotune.workload import Workload

    with LocalRunner() as runner:
        situation = runner.probe(Workload(model=model), device)
    return {knob.name: knob.domain(situation) for knob in listed}


def _say_table(listed: "tuple[Knob, ...]", offered: "dict[str, Choice]") -> None:
    from autotune.cli.console import plain_table, say, say_table

    headings = ("knob", "stage", "", "values here" if offered else "summary")
    table = plain_table(*headings)
    for knob in listed:
        choice = offered.get(knob.name)
        last = _said(choice) if choice else knob.summary
        table.add_row(knob.name, knob.stage.name.lower(), _CHANGES if knob.changes_result else "", last)
    say_table(table)
    say()
    say("One in detail: autotune knobs NAME." + ("" if offered else " What a model offers: --model MODEL."))


def _say_knob(knob: "Knob", choice: "Choice | None") -> None:
    from autotune.cli.console import say

    say(f"{knob.name}: {knob.summary}")
    say(f"  stage    {knob.stage.name.lower()}, place {knob.order}")
    say(f"  touches  {', '.join(sorted(part.value for part in knob.touches)) or 'nothing'}")
    if knob.changes_result:
        say("  changes what is computed: searched only with --allow-approximate")
    if knob.effect:
        say(f"  known    {knob.effect}")
    if choice is not None:
        say(f"  here     {_said(choice)}")


def _said(choice: "Choice") -> str:
    """The values, the default first, and why there are no more of them."""
    values = ", ".join(map(str, choice.values))
    if choice.is_fixed:
        return f"only {values}" + (f": {choice.why}" if choice.why else "")
    return values


def _document(knob: "Knob", choice: "Choice | None") -> dict[str, Any]:
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
        document |= {"values": list(choice.values), "why": choice.why}
    return document
