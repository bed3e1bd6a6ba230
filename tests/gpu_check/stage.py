"""Stage: one part of the GPU check, and where and how long it may run."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Status(StrEnum):
    """What became of a stage."""

    DONE = "done"
    """All of it was measured, or found impossible here for a reason that its results give."""
    PARTIAL = "partial"
    """Time ran out: the same command goes on."""
    FAILED = "failed"
    """Something that should work did not; what was measured before is kept."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a stage ended.

    Attributes:
        status: What became of it.
        message: What was done and what is missing, a sentence or two.
    """

    status: Status
    message: str


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a stage runs, where it keeps what it finds, and until when.

    Attributes:
        device: "cuda" or "cpu".
        results: Folder of what is kept in the repository: small files, JSON and text.
        work: Folder of what a further run goes on from: databases, pictures, logs.
        until: On the clock `time.monotonic`, when the stage must have ended.
        say: Is told what happens, a line each.
    """

    device: str
    results: Path
    work: Path
    until: float
    say: Callable[[str], None]

    @property
    def is_proof(self) -> bool:
        """Whether this only proves the code path: on a CPU, with the demo model in place of large ones."""
        return self.device == "cpu"

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0 or more."""
        return max(self.until - time.monotonic(), 0.0)

    def within(self, seconds: float) -> Self:
        """Return the same place with at most so many seconds."""
        return replace(self, until=min(self.until, time.monotonic() + seconds))

    def keep(self, name: str, found: Mapping[str, Any] | list[Any]) -> None:
        """Write what was found as JSON into the folder of results, whole or not at all."""
        self.results.mkdir(parents=True, exist_ok=True)
        file = self.results / name
        fresh = file.with_name(f".{name}.new")
        fresh.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        fresh.replace(file)

    def kept(self, name: str) -> Any:
        """Return what `keep` wrote, None where there is nothing."""
        return kept(self.results, name)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of the check.

    Attributes:
        name: As it is chosen with `STAGES=`.
        title: What it shows, a heading.
        weight: Its share of a run's time, beside the other stages that are not done.
        run: Does it, or goes on with it. Raises nothing but KeyboardInterrupt and real faults.
        lines: From the folder of results, what is to be read of it, as lines of Markdown without a heading;
            none where nothing was measured. Pure but for reading.
    """

    name: str
    title: str
    weight: float
    run: Callable[[Where], Ended]
    lines: Callable[[Path], list[str]]


def kept(results: Path, name: str) -> Any:
    """Return what a stage kept as JSON in a folder of results, None where there is nothing."""
    file = results / name
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
