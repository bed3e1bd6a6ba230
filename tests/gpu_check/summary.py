"""Summary: the results of a machine as one page of Markdown, and what of it was not measured."""

from pathlib import Path

from tests.gpu_check.stage import kept
from tests.gpu_check.stages import STAGES


def summary(results: Path) -> str:
    """Return the page of a folder of results: the machine, each stage's findings, and what is missing."""
    check = kept(results, "check.json") or {"stages": {}, "machine": {}}
    machine = check.get("machine", {})
    lines = [f"# {machine.get('device', results.name)}", ""]
    lines += [f"{name} {found}  " for name, found in machine.items() if name != "device"]
    for stage in STAGES:
        known = check["stages"].get(stage.name)
        lines += ["", f"## {stage.title}", ""]
        if known is None:
            lines.append("Not measured.")
            continue
        lines += [f"{known['status'].capitalize()} ({known['at']}). {known['message']}", ""]
        lines += stage.lines(results)
    return "\n".join(lines).rstrip() + "\n"
