"""`autotune doctor`: whether this machine has what tuning needs, and what to do where it has not."""

from typing import TYPE_CHECKING

import typer

from autotune.cli.options import AsJson, Device

if TYPE_CHECKING:
    from autotune.cli.checks import Check

EXAMPLES = (
    "autotune doctor",
    "autotune doctor --device cuda",
)


def doctor(device: Device = "auto", is_json: AsJson = False) -> None:
    """Check what tuning needs on this machine, and how to mend it.

    Looks at Python, packages, devices, compiler, disk, network and the demo model.

    Exit code 1 when something is missing without which nothing can be tuned.
    """
    from autotune.cli.checks import all_checks
    from autotune.cli.console import say, say_json

    found: list[Check] = []
    for check in all_checks(device):
        found.append(check)
        if not is_json:
            say(_line(check))
    broken = [check for check in found if check.is_essential and check.state == "missing"]
    if is_json:
        say_json({"ok": not broken, "checks": [check.to_json() for check in found]})
    else:
        say()
        say("Something essential is missing." if broken else "Ready to tune: autotune tune demo")
    if broken:
        raise typer.Exit(1)


def _line(check: "Check") -> str:
    remedy = f"\n{'':27}-> {check.remedy}" if check.remedy and check.state != "ok" else ""
    return f"{check.state:<9}{check.name:<18}{check.found}{remedy}"
