"""`autotune doctor`: whether this machine has what tuning needs, and what to do where it has not."""

from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.offers import offer_document, offer_table, offers, situation_of
from autotune.cli.options import AsJson, Device, Target

if TYPE_CHECKING:
    from autotune.cli.checks import Check
    from autotune.knob import Choice
    from autotune.runners.local import LocalRunner

EXAMPLES = (
    "autotune doctor",
    "autotune doctor arch:sdxl --device cuda",
    "autotune doctor arch:flux-dev --target rtx-4090 --json",
)


def doctor(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Whose knobs to answer for.")] = "demo",
    device: Device = "auto",
    target: Target = "",
    is_json: AsJson = False,
) -> None:
    """Check what tuning needs on this machine, and say what it offers of every knob and why not the rest.

    Looks at Python, packages, devices, compiler, disk, network and the demo model; then at each knob for a
    model, here or on a card named with --target.

    Exit code 1 when something is missing without which nothing can be tuned.
    """
    from autotune.cli.checks import all_checks
    from autotune.cli.console import say, say_json
    from autotune.runners.local import LocalRunner

    found: list[Check] = []
    offered: dict[str, Choice] = {}
    with LocalRunner() as runner:
        for check in all_checks(runner, device):
            found.append(check)
            if not is_json:
                say(_line(check))
        broken = [check for check in found if check.is_essential and check.state == "missing"]
        if not broken:
            offered, where = _offered(runner, model, device, target)
            if not is_json:
                _say_offers(offered, f"{model} on {where}")
    if is_json:
        knobs = {name: offer_document(choice) for name, choice in offered.items()}
        say_json({"ok": not broken, "checks": [check.to_json() for check in found], "knobs": knobs})
    else:
        say()
        say("Something essential is missing." if broken else "Ready to tune: autotune tune demo")
    if broken:
        raise typer.Exit(1)


def _offered(runner: "LocalRunner", model: str, device: str, target: str) -> "tuple[dict[str, Choice], str]":
    """What each knob offers, and where."""
    from autotune.knobs import all_knobs

    situation = situation_of(runner, model, device=device, target=target)
    return offers(all_knobs(), situation), situation.target.describe()


def _say_offers(offered: "dict[str, Choice]", what: str) -> None:
    from autotune.cli.console import say, say_table

    say()
    say(f"Knobs for {what}:")
    say()
    say_table(offer_table(offered))


def _line(check: "Check") -> str:
    remedy = f"\n{'':27}-> {check.remedy}" if check.remedy and check.state != "ok" else ""
    return f"{check.state:<9}{check.name:<18}{check.found}{remedy}"
