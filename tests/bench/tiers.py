"""Which knobs are lossless on the demo model, and how far the others go: `make bench-tiers`.

Every value of every knob that is on offer here is set alone, and its pictures are compared with the untuned
reference: 20 pictures of five calls. Nothing is timed. Takes some minutes: compiling and engines are in it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from autotune.demo import DEMO_PROMPTS
from autotune.job import Job, Protocol
from autotune.knob import Settings
from autotune.knobs import all_knobs
from autotune.measurement import Failure, Measurement
from autotune.recipe import Recipe, describe_settings
from autotune.runners.local import LocalRunner
from autotune.samples import median
from autotune.search.floor import harmless
from autotune.space import SearchSpace, build_space
from autotune.tiers import has_visible_flaw, tier
from autotune.workload import Workload

WORKLOAD = Workload(model="demo", prompts=DEMO_PROMPTS[:20], steps=20, guidance=3.0, batch=4)
PROTOCOL = Protocol(settle_min=1, settle_max=1, calls_min=1, calls_max=1, retries=0, race=False)


def main() -> None:
    """Compare every value of every knob, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="keep the figures here")
    parser.add_argument("--knob", action="append", default=[], help="only this knob; repeatable")
    asked = parser.parse_args()
    with LocalRunner() as runner, tempfile.TemporaryDirectory() as name:
        situation = runner.probe(WORKLOAD, "cpu")
        space = build_space(all_knobs(), situation, allow_approximate=True)
        bench = _Bench(runner, space, Path(name))
        floor = median(
            [bench.similarity(settings) for settings in list(harmless(space))[1 : Protocol().floor]]
        )
        rows = [
            bench.row(name, {name: value}, floor)
            for name, choice in space.offered.items()
            for value in choice.values[1:]
            if (not asked.knob or name in asked.knob) and not space.why_not({name: value})
        ]
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{situation.target.describe()}; noise floor {floor:.4f} (median of harmless changes)")
    print(table(rows))


class _Bench:
    """A runner with the reference pictures of the workload."""

    def __init__(self, runner: LocalRunner, space: SearchSpace, folder: Path) -> None:
        """Make the reference."""
        self.runner, self.space, self.folder, self.count = runner, space, folder, 0
        made = self._run({}, role="reference", folder=str(folder / "reference"))
        if not isinstance(made, Measurement):
            raise SystemExit(f"The reference could not be made: {made}")

    def similarity(self, settings: Settings) -> float:
        """Return the similarity of settings that should change nothing."""
        made = self._run(settings)
        return made.similarity if isinstance(made, Measurement) else 1.0

    def row(self, name: str, settings: Settings, floor: float) -> dict[str, Any]:
        """Return the figures of a value."""
        said = describe_settings(settings)
        print(f"{said} …", file=sys.stderr)
        made = self._run(settings)
        if not isinstance(made, Measurement):
            why = f"{made.kind.value}: {made.message}" if isinstance(made, Failure) else made.message
            return {"knob": name, "value": said, "tier": why}
        likeness = made.likeness
        found = tier(made.similarity, floor=floor, has_flaws=has_visible_flaw(likeness.flaws))
        return {
            "knob": name,
            "value": said,
            "tier": found.value,
            "is_exact": likeness.is_exact,
            "similarity": made.similarity,
            "p10": likeness.p10,
            "minimum": likeness.minimum,
            "diverged": likeness.divergence_rate,
            "psnr_db": median(likeness.psnr_db),
            "step_error": median(likeness.step_error) if likeness.step_error else None,
            "flaws": list(likeness.flaws),
        }

    def _run(self, settings: Settings, **changes: Any) -> Any:
        self.count += 1
        fields: dict[str, Any] = {
            "recipe": Recipe(model="demo", settings=dict(settings)),
            "workload": self.space.situation.workload,
            "device": "cpu",
            "folder": str(self.folder / f"{self.count:03d}"),
            "reference": str(self.folder / "reference"),
            "cache": str(self.folder / "cache"),
            "protocol": PROTOCOL,
            "time_limit_s": 300.0,
        }
        return self.runner(Job(**fields | changes))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table, the most faithful values first."""
    lines = [("value", "tier", "exact", "similarity", "p10", "diverged", "PSNR dB", "step error", "flaws")]
    for row in sorted(rows, key=lambda row: -row.get("similarity", -1.0)):
        if "similarity" not in row:
            lines.append((row["value"], row["tier"][:60], *[""] * 7))
            continue
        error = f"{row['step_error']:.1e}" if row["step_error"] is not None else "-"
        flaws = ", ".join(flaw.partition(":")[0] for flaw in row["flaws"])
        figures = (f"{row['similarity']:.4f}", f"{row['p10']:.4f}", f"{100 * row['diverged']:.0f} %")
        exact = "yes" if row["is_exact"] else ""
        lines.append((row["value"], row["tier"], exact, *figures, f"{row['psnr_db']:.1f}", error, flaws))
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    main()
