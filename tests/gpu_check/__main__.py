"""Runs the GPU check: `make gpu-check`, or `python -m tests.gpu_check --device cpu --minutes 5`."""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.gpu_check.stage import Ended, Stage, Status, Where, kept
from tests.gpu_check.stages import STAGES
from tests.gpu_check.summary import summary

CHECK = "check.json"
"""What became of each stage, when, on what: in the folder of results."""
SUMMARY = "README.md"
_LEAST_S = 40.0  # of a stage: less is not worth a start


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the command line asks for.

    Attributes:
        device: "cuda" or "cpu".
        stages: Those to run, in their order.
        results, work: Folders of this machine's results and state.
        seconds: That all of it may take.
        is_fresh: Whether stages that are done run again.
    """

    device: str
    stages: tuple[Stage, ...]
    results: Path
    work: Path
    seconds: float
    is_fresh: bool


def run_check(order: Order) -> dict[str, Any]:
    """Run the stages that are not done, each with its share of the time; return what is known of all.

    What is known is written after every stage, so that a kill loses the running one's last step only.
    """
    until = time.monotonic() + order.seconds
    check = kept(order.results, CHECK) or {"stages": {}}
    check |= {"device": order.device, "machine": _machine(order.device)}
    waiting = [stage for stage in order.stages if order.is_fresh or not _is_done(check, stage)]
    for place, stage in enumerate(waiting):
        left = until - time.monotonic()
        part = left * stage.weight / sum(other.weight for other in waiting[place:])
        if left < _LEAST_S:
            _say(f"{stage.name}: no time was left; the same command goes on")
            continue
        _say(f"== {stage.name}: {stage.title} (up to {max(part, _LEAST_S):.0f} s)")
        began = time.monotonic()
        where = Where(
            device=order.device,
            results=order.results,
            work=order.work,
            until=began + min(max(part, _LEAST_S), left),
            say=_say,
        )
        ended = stage.run(where)
        took = time.monotonic() - began
        _note(check, stage, ended, took)
        where.keep(CHECK, check)
        (order.results / SUMMARY).write_text(summary(order.results), encoding="utf-8")
        _say(f"-- {stage.name}: {ended.status} after {took:.0f} s. {ended.message}")
    return check


def _is_done(check: dict[str, Any], stage: Stage) -> bool:
    return bool(check["stages"].get(stage.name, {}).get("status") == Status.DONE)


def _note(check: dict[str, Any], stage: Stage, ended: Ended, took: float) -> None:
    before = check["stages"].get(stage.name, {})
    check["stages"][stage.name] = {
        "status": ended.status.value,
        "message": ended.message,
        "seconds": round(before.get("seconds", 0.0) + took, 1),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _machine(device: str) -> dict[str, str]:
    """What the doctor says of this machine: the checks by name."""
    said = subprocess.run(
        [sys.executable, "-m", "autotune", "doctor", "demo", "--device", device, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        checks = json.loads(said.stdout)["checks"]
    except (ValueError, KeyError):
        raise SystemExit(f"autotune doctor cannot look at '{device}': {said.stderr.strip()}") from None
    wanted = ("python", "torch", "diffusers", "transformers", "torchao", "xformers", "optuna", "device")
    return {one["name"]: one["found"].partition(" at /")[0] for one in checks if one["name"] in wanted}


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()


def machine_name(device: str) -> str:
    """Return a folder's name for a machine.

    >>> machine_name("NVIDIA H200 (cuda, 139.8 GiB)"), machine_name("AMD EPYC (cpu, 23.5 GiB)")
    ('nvidia-h200', 'amd-epyc-cpu')
    """
    named, _, facts = device.partition(" (")
    words = f"{named} cpu" if facts.startswith("cpu") else named
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _say(line: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
    sys.stdout.flush()


def _order(arguments: Sequence[str] | None) -> Order:
    names = [stage.name for stage in STAGES]
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu proves every stage")
    parser.add_argument("--name", help="folder of the results; the machine's name if left out")
    parser.add_argument("--stages", default="", help=f"some of: {','.join(names)}; all if left out")
    parser.add_argument("--minutes", type=float, default=9.5, help="all of it ends in so many (default: 9.5)")
    parser.add_argument("--results", type=Path, default=Path("studies/gpu"), help="where NAME is made")
    parser.add_argument(
        "--work", type=Path, default=Path("build/gpu"), help="what a further run goes on from"
    )
    parser.add_argument("--fresh", action="store_true", help="run stages again that are done")
    asked = parser.parse_args(arguments)
    chosen = [name for name in asked.stages.replace(" ", "").split(",") if name] or names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        parser.error(f"there is no stage '{unknown[0]}'; there are: {', '.join(names)}")
    name = asked.name or machine_name(_machine(asked.device)["device"])
    return Order(
        device=asked.device,
        stages=tuple(stage for stage in STAGES if stage.name in chosen),
        results=asked.results / name,
        work=asked.work / name,
        seconds=60 * asked.minutes,
        is_fresh=asked.fresh,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; 1 where a stage failed, 0 where all is done or goes on with the same command."""
    order = _order(arguments)
    check = run_check(order)
    known = {stage.name: check["stages"].get(stage.name, {}).get("status", "waiting") for stage in STAGES}
    _say(f"{order.results}: " + ", ".join(f"{name} {status}" for name, status in known.items()))
    return 1 if Status.FAILED in known.values() else 0


if __name__ == "__main__":
    sys.exit(main())
