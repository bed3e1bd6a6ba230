"""Summary: the results of a machine as one page of Markdown, and what of it was not measured."""

from collections.abc import Sequence
from pathlib import Path

from tests.gpu_check.stage import Stage, kept


def summary(results: Path, stages: Sequence[Stage] | None = None) -> str:
    """Return the page of a folder of results: the machine, each stage's findings, and what is missing.

    Args:
        results: Of one machine.
        stages: In their order; all there are if left out.
    """
    check = kept(results, "check.json") or {"stages": {}, "machine": {}}
    machine = check.get("machine", {})
    lines = [f"# {machine.get('device', results.name)}", ""]
    if check.get("device") == "cpu":
        lines += [
            "A proof of the check's own code on a CPU, with small models: it says nothing of a card.",
            "",
        ]
    lines += [f"{name} {found}  " for name, found in machine.items() if name != "device"]
    for stage in _registered() if stages is None else stages:
        known = check["stages"].get(stage.name)
        lines += ["", f"## {stage.title}", ""]
        if known is None:
            lines.append("Not measured.")
            continue
        at = f"{known['status'].capitalize()} ({known['at']}, {known['commit']})"
        lines += [f"{at}. {known['message']}", "", *lines_of(stage, results)]
    return "\n".join(lines).rstrip() + "\n"


def lines_of(stage: Stage, results: Path) -> list[str]:
    """Return what a stage has to show, or that it cannot be shown: a slip there must not lose the page."""
    try:
        return stage.lines(results)
    except Exception as error:  # noqa: BLE001 - see above
        return [
            f"What was found cannot be shown here ({type(error).__name__}: {error}); it is in the JSON files."
        ]


def _registered() -> tuple[Stage, ...]:
    from tests.gpu_check.stages import STAGES

    return STAGES
