"""Check: runs stages with a share of the time each, and keeps what is known after every one of them."""

import errno
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from tests.gpu_check.machine import commit
from tests.gpu_check.pack import pack, said_of
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept
from tests.gpu_check.summary import summary

CHECK = "check.json"
"""What became of each stage, when, on what: in the folder of results."""
SUMMARY = "README.md"
LOG = "check.log"
"""All that was said, and the traceback of what a stage raised: in the folder of work."""
LEAST_S = 40.0
"""Of a stage: less is not worth a start."""
_OVERDUE_S = 15.0  # after its end, a stage that does not end is interrupted
_AGAIN_S = 30.0  # and again, if it goes on nevertheless


class Overdue(Exception):  # noqa: N818 - what happened, not what is wrong
    """A stage went on long after its time."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be run.

    Attributes:
        device: "cuda" or "cpu".
        stages: Those to run, in their order.
        results, work: Folders of this machine's results and state.
        until: On the clock `time.monotonic`, when all of it must have ended.
        machine: Facts of it by name; "device" is one of them.
        is_fresh: Whether stages that are done run again: what they measured stays, what they lack is added.
        pack: File into which work and results are packed after every stage; None for none.
        least_s: What a stage is started for at least.
        say: Is told what happens, a line each.
    """

    device: str
    stages: tuple[Stage, ...]
    results: Path
    work: Path
    until: float
    machine: dict[str, str] = field(default_factory=dict)
    is_fresh: bool = False
    pack: Path | None = None
    least_s: float = LEAST_S
    say: Callable[[str], None] = print

    @property
    def left_s(self) -> float:
        """Seconds that are left for all of it, 0 or more."""
        return max(self.until - time.monotonic(), 0.0)


def run_check(order: Order) -> dict[str, Any]:
    """Run the stages that are not done, each with its share of the time; return what is known of all.

    What is known is written after every stage, so that a kill loses the running one's last step only.
    Time that stages left over goes to those that did not get to their end.

    Raises:
        KeyboardInterrupt: By Ctrl-C or a termination; what was known of the stage is kept, and packed.
    """
    check = kept(order.results, CHECK) or {"stages": {}}
    check |= {"device": order.device, "machine": order.machine}
    waiting = [stage for stage in order.stages if order.is_fresh or status_in(check, stage) != Status.DONE]
    _run_each(order, check, waiting)
    again = [stage for stage in waiting if status_in(check, stage) == Status.PARTIAL]
    if again and order.left_s >= 2 * order.least_s:
        order.say("time is left: what did not get to its end goes on")
        _run_each(order, check, again)
    return check


def status_in(check: dict[str, Any], stage: Stage) -> str:
    """Return what became of a stage, "waiting" where it never ran."""
    return str(check["stages"].get(stage.name, {}).get("status", "waiting"))


def _run_each(order: Order, check: dict[str, Any], waiting: Sequence[Stage]) -> None:
    for place, stage in enumerate(waiting):
        left = order.left_s
        if left < order.least_s:
            order.say(f"{stage.name}: no time was left; the same command goes on")
            continue
        part = left * stage.weight / sum(other.weight for other in waiting[place:])
        _run_one(order, check, stage, min(max(part, order.least_s), left))


def _run_one(order: Order, check: dict[str, Any], stage: Stage, seconds: float) -> None:
    """Run a stage and note how it ended, whatever it does."""
    order.say(f"== {stage.name}: {stage.title} (up to {seconds:.0f} s)")
    began = time.monotonic()
    where = Where(
        device=order.device,
        results=order.results,
        work=order.work,
        until=began + seconds,
        say=order.say,
    )
    ended = Ended(status=Status.PARTIAL, message="It was interrupted; the same command goes on.")
    try:
        with _interrupting(seconds + _OVERDUE_S):
            ended = stage.run(where)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stage raises, the others go on
        ended = Ended(status=Status.FAILED, message=f"{type(error).__name__}: {_first_line(error)}")
        order.say(traceback.format_exc().rstrip())
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            order.say(f"the disk is full: make room for {order.work} and {order.results}")
    finally:
        took = time.monotonic() - began
        _note(check, stage, ended, took)
        _keep(order, where, check)
        order.say(f"-- {stage.name}: {ended.status} after {took:.0f} s. {ended.message}")


@contextmanager
def _interrupting(seconds: float) -> Iterator[None]:
    """Raise `Overdue` in what runs for longer, and again every so often in what goes on nevertheless."""
    is_over = False

    def ring(number: int, frame: FrameType | None) -> None:
        if not is_over:
            raise Overdue(f"it went on {_OVERDUE_S:.0f} s after its time")

    before = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def _keep(order: Order, where: Where, check: dict[str, Any]) -> None:
    """Write what is known, the page and the packed state; a full disk is said and does not end the others."""
    try:
        where.keep(CHECK, check)
        (order.results / SUMMARY).write_text(summary(order.results), encoding="utf-8")
        if order.pack:
            folders = {f"work/{order.work.name}": order.work, f"results/{order.results.name}": order.results}
            order.say(said_of(pack(folders, order.pack), order.pack))
    except OSError as error:
        order.say(f"what is known could not be written: {error}")


def _note(check: dict[str, Any], stage: Stage, ended: Ended, took: float) -> None:
    before = check["stages"].get(stage.name, {})
    check["stages"][stage.name] = {
        "status": ended.status.value,
        "message": ended.message,
        "seconds": round(before.get("seconds", 0.0) + took, 1),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "it gave no message"
