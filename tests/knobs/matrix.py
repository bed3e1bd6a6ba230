"""A table for the docs, as Markdown: what each knob offers to each family, or why nothing.

    python -m tests.knobs.matrix [hopper | turing | bare]

Without a word it is asked for this machine.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from autotune.knob import Situation
from autotune.knobs import all_knobs
from tests.knobs import tiny
from tests.knobs.conftest import BUILDERS
from tests.knobs.offers import ENLARGED
from tests.knobs.places import BARE, HOPPER, TURING
from tests.knobs.workbench import situation_of

TARGETS = {"hopper": HOPPER, "turing": TURING, "bare": BARE}
TITLES = {
    "stable_diffusion": "SD 1",
    "stable_diffusion_2": "SD 2",
    "stable_diffusion_xl": "SDXL",
    "stable_diffusion_3": "SD3",
    "flux": "Flux",
    "pixart": "PixArt-Σ",
    "sana": "Sana",
    "ltx": "LTX",
    "wan": "Wan",
}


def cell(name: str, situation: Situation) -> tuple[int, str]:
    """Return how many values a knob offers besides its default, and why none."""
    knob = next(knob for knob in all_knobs() if knob.name == name)
    choices = [knob.domain(enlarge(situation)) for enlarge in ENLARGED]
    most = max(choices, key=lambda choice: len(choice.values))
    return len(most.values) - 1, most.why


def table(situations: dict[str, Situation]) -> str:
    """Return the table of some families, with the reasons numbered below it."""
    reasons: dict[str, int] = {}
    lines = [
        f"| knob | {' | '.join(TITLES[family] for family in situations)} |",
        f"|---|{'---|' * len(situations)}",
    ]
    for knob in all_knobs():
        cells = []
        for situation in situations.values():
            count, why = cell(knob.name, situation)
            number = 0 if count else reasons.setdefault(why, len(reasons) + 1)
            cells.append(str(count) if count else f"– [{number}]")
        lines.append(f"| `{knob.name}` | {' | '.join(cells)} |")
    notes = [f"{number}. {why}" for why, number in reasons.items()]
    return "\n".join([*lines, "", *notes, ""])


def main() -> None:
    """Build a tiny pipeline of each family, ask every knob, and print."""
    with tempfile.TemporaryDirectory() as folder:
        situations = {
            name: situation_of(tiny.save(build(), Path(folder) / name)) for name, build in BUILDERS.items()
        }
    if len(sys.argv) > 1:
        there = TARGETS[sys.argv[1]]
        situations = {name: replace(here, target=there) for name, here in situations.items()}
    sys.stdout.write(table(situations))


if __name__ == "__main__":
    main()
