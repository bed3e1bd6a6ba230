"""README: what the GPU check found, written into the README from the committed results alone."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.recipe import describe_settings
from autotune.report.figures import format_factor
from autotune.units import format_bytes
from tests.gpu_check.goals import goal_lines, goals_of
from tests.gpu_check.machine import ROOT
from tests.gpu_check.stage import Stage, Status, kept

START, END = "<!-- gpu-check -->", "<!-- /gpu-check -->"
_FACTS = ("torch", "diffusers", "transformers", "nvidia driver")


def write(readme: Path, results: Path) -> None:
    """Put the section between the markers of the README.

    Args:
        readme: Has both markers, once each.
        results: Holds a folder for each machine.

    Raises:
        SystemExit: The README has no such markers.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(
            f"{readme} needs the lines {START} and {END} once each: the results go between them."
        )
    before, rest = text.split(START)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{START}\n{section(results)}\n{END}{after}", encoding="utf-8")


def section(results: Path, stages: Sequence[Stage] | None = None) -> str:
    """Return the section: each card with what was found and what was not measured, then the proofs.

    Args:
        results: Holds a folder for each machine.
        stages: In their order; all there are if left out.
    """
    if stages is None:
        from tests.gpu_check.stages import STAGES

        stages = STAGES
    checks = {file.parent: kept(file.parent, file.name) for file in sorted(results.glob("*/check.json"))}
    cards = {folder: check for folder, check in checks.items() if check.get("device") == "cuda"}
    blocks = [_card(folder, check, stages) for folder, check in cards.items()]
    if not cards:
        titles = "; ".join(stage.title[0].lower() + stage.title[1:] for stage in stages)
        blocks.append(
            "No GPU has been measured yet: `make gpu-check` is the button for a machine with CUDA. "
            f"So none of this is known of any card: {titles}."
        )
    proofs = [_proof(folder, check, results) for folder, check in checks.items() if folder not in cards]
    if proofs:
        blocks.append(
            "The check itself is proved on a CPU, with the demo model; that says nothing of a card: "
            f"{', '.join(proofs)}."
        )
    return "\n\n".join(blocks)


def _card(folder: Path, check: dict[str, Any], stages: Sequence[Stage]) -> str:
    """What was found on a card, what was not measured, and where all of it is."""
    machine = check.get("machine", {})
    facts = [f"{name} {machine[name]}" for name in _FACTS if name in machine]
    dates = sorted({known["at"][:10] for known in check["stages"].values()})
    lines = [f"### {machine.get('device', folder.name)}", ""]
    lines += [f"{', '.join([*facts, *dates])}. All of it: {_link(folder, folder.parent)}.", ""]
    studies = kept(folder, "studies.json")
    if studies:
        lines += [*goal_lines(goals_of(studies)), ""]
    guides = (kept(folder, "guides.json") or {"guides": []})["guides"]
    begun = [guide for guide in guides if any(row["speedup"] is not None for row in guide["rows"])]
    for guide in begun:
        lines += [*guide_lines(guide), ""]
    others = [f"[{guide['title']}]({guide['source']})" for guide in guides if guide not in begun]
    if others:
        lines += [f"Of these guides nothing was measured yet: {', '.join(others)}.", ""]
    if studies:
        lines += [*study_lines(studies["studies"]), ""]
    missing = [line for stage in stages if (line := _why_not_whole(stage, check))]
    lines += (
        ["Not measured, or not to its end:", "", *missing] if missing else ["All stages ran to their end."]
    )
    return "\n".join(lines)


def guide_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a guide's ladder as a small table: what was published, and what was measured here."""
    published, here = document["published"], document["here"] or {}
    random = "; random weights" if here.get("has_random_weights") else ""
    lines = [
        f"**[{document['title']}]({document['source']})**, published on {published['hardware']}{random}.",
        "",
        "| rung | speed-up, published | here | memory, published | here |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in document["rows"]:
        found = (
            _shown(row["published_speedup"], format_factor),
            _shown(row["speedup"], format_factor) or _why(row),
            _shown(row["published_memory_bytes"], format_bytes),
            _shown(row["memory_bytes"], format_bytes),
        )
        lines.append(_row(row["rung"], *found))
    return lines


def study_lines(studies: Mapping[str, Any]) -> list[str]:
    """Return the fastest recipe of each study as a row of a table."""
    lines = ["| study | trials | fastest recipe | times untuned | memory | likeness |"]
    lines.append("| --- | ---: | --- | ---: | ---: | --- |")
    for name, one in studies.items():
        tuned = [row for row in one.get("front", []) if not row["is_baseline"]]
        best = min(tuned, key=lambda row: float(row["latency_s"]), default=None)
        found = ("", "", "", "")
        if best is not None:
            found = (
                describe_settings(best["settings"]),
                _shown(best.get("speed_up"), format_factor),
                format_bytes(best["memory_bytes"]),
                f"{best['similarity']:.4f} {best['tier']}",
            )
        lines.append(_row(name, str(one.get("trials", 0)), *found))
    is_random = any(one.get("likeness", "real") != "real" for one in studies.values())
    note = "Likeness of models with random weights is numerical drift, and says nothing of pictures."
    return [*lines, *(("", note) if is_random else ())]


def _why(row: Mapping[str, Any]) -> str:
    """What became of a rung that has no speed-up here."""
    return str(row["status"]) if row["speedup"] is None else ""


def _shown(figure: float | None, show: Callable[[float], str]) -> str:
    return "" if figure is None else show(figure)


def _row(*cells: str) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |"


def _proof(folder: Path, check: dict[str, Any], results: Path) -> str:
    """Where a proof is, with what it was made, when, and how much of it ran to its end."""
    machine, stages = check.get("machine", {}), check["stages"]
    facts = [f"{name} {machine[name]}" for name in _FACTS[:2] if name in machine]
    facts += sorted({known["at"][:10] for known in stages.values()})
    done = sum(known["status"] == Status.DONE for known in stages.values())
    facts.append(f"{done} of {len(stages)} stages ran to their end")
    return f"{_link(folder, results)} ({', '.join(facts)})"


def _why_not_whole(stage: Stage, check: dict[str, Any]) -> str:
    known = check["stages"].get(stage.name)
    if known is None:
        return f"- {stage.title}: not measured."
    if known["status"] == Status.DONE:
        return ""
    return f"- {stage.title}: {known['status']}. {known['message']}"


def _link(folder: Path, results: Path) -> str:
    shown = "studies/gpu" if results.name == "gpu" else results.name
    return f"[{folder.name}]({shown}/{folder.name}/README.md)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the section, or say whether it is stale: 1 where it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where it is stale")
    asked = parser.parse_args(arguments)
    readme, results = ROOT / "README.md", ROOT / "studies" / "gpu"
    if not asked.check:
        write(readme, results)
        return 0
    if f"{START}\n{section(results)}\n{END}" in readme.read_text(encoding="utf-8"):
        return 0
    print(f"{readme} is stale: python -m tests.gpu_check.readme")
    return 1


if __name__ == "__main__":
    sys.exit(main())
