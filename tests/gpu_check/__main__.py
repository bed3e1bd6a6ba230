"""Runs the GPU check: `make gpu-check`, or `python -m tests.gpu_check --device cpu --minutes 5`.

A bare machine needs a Python with torch and no network: what else is missing is installed from a folder of
wheels that were carried there (`--wheels`, filled by `make gpu-wheels`), before anything of it is imported.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tests.gpu_check.machine import ROOT, look_at_card

_LEAST_DISK_BYTES = 2 * 2**30
_LAST_S = 5.0  # for what comes after the stages: the README, and to end
_FRESH = "also look into stages that are done, for what they lack; another --name measures all of it anew"
_ROOTS = {"work": Path("build/gpu"), "results": Path("studies/gpu")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check.

    Returns:
        0 where all is done or goes on with the same command, 1 where a stage failed, 2 where nothing could be
        run, 130 where it was interrupted.
    """
    began = time.monotonic()
    asked = _parser().parse_args(arguments)
    say = _teller()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs would not hear the first
        signal.signal(number, _interrupt)
    try:
        if not asked.list:
            say(f"about to look at this machine: {asked.device}, {asked.minutes:g} minutes")
        problem = _why_not(asked, say)
        if problem:
            sys.stderr.write(f"{problem}\n")
            return 2
        _prepare(asked, say)
        return _run(asked, began + 60 * asked.minutes - _LAST_S)
    except SystemExit as error:  # a sentence says why nothing could be run
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        say("interrupted: what was found is kept, and the same command goes on")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu proves every stage")
    parser.add_argument("--stages", default="", help="names with commas between; all if left out")
    parser.add_argument("--minutes", type=float, default=9.5, help="all of it ends in so many (default: 9.5)")
    parser.add_argument("--name", help="folder of the results; the machine's name if left out")
    parser.add_argument("--results", type=Path, default=_ROOTS["results"], help="where NAME is made")
    parser.add_argument("--work", type=Path, default=_ROOTS["work"], help="what a further run goes on from")
    parser.add_argument("--fresh", action="store_true", help=_FRESH)
    parser.add_argument("--list", action="store_true", help="list the stages and end")
    parser.add_argument("--wheels", type=Path, help="install from these what is missing; nothing if left out")
    site = Path(f"build/site-{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--site", type=Path, default=site, help="where it is installed")
    parser.add_argument("--state", type=Path, help="unpack this first: what another machine packed")
    parser.add_argument(
        "--pack", type=Path, help="pack state and results into this .tar.gz after every stage"
    )
    return parser


def _why_not(asked: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Why nothing can be run; nothing is installed or written before this is known."""
    if asked.list:
        return ""
    if asked.device == "cuda":
        card = look_at_card()
        if card.problem:
            return f"There is no card to check: {card.problem}. DEVICE=cpu (--device cpu) proves every stage."
        say(card.facts)
    for given in (asked.wheels, asked.state):
        if given is not None and not given.exists():
            return f"There is no '{given}'."
    free = shutil.disk_usage(ROOT).free
    if free < _LEAST_DISK_BYTES:
        least = f"{_LEAST_DISK_BYTES / 2**30:.0f} GiB"
        return f"Only {free / 2**30:.1f} GiB are free under {ROOT}: a check needs {least} for compiled code."
    return ""


def _prepare(asked: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Unpack what was carried, install what is missing, and close the network: no look-up may hang."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every trial compiles torch again
    if asked.state and not asked.list:
        from tests.gpu_check.pack import unpack

        files = unpack(asked.state, {"work": asked.work, "results": asked.results})
        say(f"{asked.state}: {len(files)} files go on")
    from tests.gpu_check import carry

    carry.use(asked.site if asked.wheels else Path("/nowhere"))
    if asked.wheels:
        choice = carry.choose(*carry.requirements(), carry.wheels_in(asked.wheels))
        if choice.lacking:
            raise SystemExit("This machine lacks, and nobody carried: " + "; ".join(choice.lacking))
        carry.install(choice, asked.site)
        carry.use(asked.site)
        names = ", ".join(f"{wheel.name} {wheel.version}" for wheel in choice.wheels)
        say(f"installed into {asked.site}: {names or 'nothing, all is there'}")
        if choice.without:
            say(f"done without: {'; '.join(choice.without)}")


def _run(asked: argparse.Namespace, until: float) -> int:
    """Run the stages; all that needs an installed package is imported from here on."""
    from tests.gpu_check.check import LOG, Order, run_check, status_in
    from tests.gpu_check.machine import facts_of_machine, machine_name
    from tests.gpu_check.stage import Status
    from tests.gpu_check.stages import STAGES

    names = [stage.name for stage in STAGES]
    if asked.list:
        width = max(map(len, names), default=0)
        sys.stdout.writelines(f"{stage.name:<{width}}  {stage.title}\n" for stage in STAGES)
        return 0
    chosen = [name for name in asked.stages.replace(",", " ").split() if name] or names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        sys.stderr.write(f"There is no stage '{unknown[0]}'; there are: {', '.join(names)}.\n")
        return 2
    machine = facts_of_machine(asked.device)
    name = asked.name or machine_name(machine["device"])
    work: Path = asked.work / name
    work.mkdir(parents=True, exist_ok=True)
    say = _teller(work / LOG)
    order = Order(
        device=asked.device,
        stages=tuple(stage for stage in STAGES if stage.name in chosen),
        results=asked.results / name,
        work=work,
        until=until,
        machine=machine,
        is_fresh=asked.fresh,
        pack=asked.pack,
        say=say,
    )
    try:
        check = run_check(order)
    finally:
        _write_readme(asked, say)
    known = {stage.name: status_in(check, stage) for stage in STAGES}
    say(f"{order.results}: " + ", ".join(f"{name} {status}" for name, status in known.items()))
    return 1 if Status.FAILED in known.values() else 0


def _write_readme(asked: argparse.Namespace, say: Callable[[str], None]) -> None:
    """The README shows what is kept in the repository, and nothing else."""
    if asked.results.resolve() == (ROOT / _ROOTS["results"]).resolve():
        from tests.gpu_check import readme

        readme.write(ROOT / "README.md", asked.results)
        say("README.md shows it")


def _teller(log: Path | None = None) -> Callable[[str], None]:
    """Return what prints a line with the time, and keeps it in a log too."""

    def say(line: str) -> None:
        text = f"{datetime.now(UTC):%H:%M:%S} {line}\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        if log is not None:
            try:
                with log.open("a", encoding="utf-8") as file:
                    file.write(text)
            except OSError:  # a full disk: it is on the screen
                pass

    return say


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
