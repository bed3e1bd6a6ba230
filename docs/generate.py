"""Write the reference from the code: `make docs`; with `--check`, only say what is stale.

It writes `reference/knobs.md` from the knobs' own sentences and `reference/cli.md` from the commands' help.
"""

import os
import subprocess
import sys
from pathlib import Path

from autotune.knob import Knob
from autotune.knobs import all_knobs

REFERENCE = Path(__file__).parent / "reference"
COMMANDS = (
    "tune",
    "show",
    "explain",
    "export",
    "bench-guides",
    "report",
    "generate",
    "knobs",
    "doctor",
    "dashboard",
)


def knobs_page() -> str:
    """Return the reference of all knobs, in the order in which they are turned."""
    head = [
        "# Knobs",
        "",
        "Written by `make docs` from `autotune/knobs/`; edit the knobs, not this page.",
        "They are turned in this order.",
        "What one offers for a model on a device: `autotune knobs NAME --model MODEL`.",
        "",
    ]
    return "\n".join([*head, *(line for knob in all_knobs() for line in knob_section(knob))])


def knob_section(knob: Knob) -> list[str]:
    """Return the lines about one knob."""
    touches = ", ".join(sorted(touch.value.replace("_", " ") for touch in knob.touches))
    lines = [
        f"## {knob.name}",
        "",
        knob.summary,
        "",
        f"- Stage: {knob.stage.name.lower()}",
        f"- Touches: {touches}",
    ]
    if knob.changes_result:
        lines.append("- Changes what is computed: searched only with `--allow-approximate`")
    if knob.effect:
        lines.append(f"- Published effect: {knob.effect}")
    return [*lines, ""]


def cli_page() -> str:
    """Return the help of every command."""
    head = ["# Command line", "", "Written by `make docs` from the commands' own help.", ""]
    return "\n".join([*head, *(line for name in ("", *COMMANDS) for line in command_section(name))])


def command_section(name: str) -> list[str]:
    """Return the lines about one command; the empty name is `autotune` itself."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "autotune", *filter(None, [name]), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return [f"## autotune {name}".rstrip(), "", "```text", text, "```", ""]


def main() -> int:
    """Write the pages, or with `--check` return 1 when one of them is stale."""
    pages = {REFERENCE / "knobs.md": knobs_page(), REFERENCE / "cli.md": cli_page()}
    stale = [
        file for file, text in pages.items() if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for file in stale:
            print(f"{file} is stale: run 'make docs'.", file=sys.stderr)
        return 1 if stale else 0
    REFERENCE.mkdir(exist_ok=True)
    for file in stale:
        file.write_text(pages[file], encoding="utf-8")
        print(f"wrote {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
