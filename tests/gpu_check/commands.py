"""Commands: autotune's own, run as a user runs them, and ended in time as a user ends them: by Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.gpu_check.stage import Where

GRACE_S = 20.0
"""After the first Ctrl-C a command finishes its trial; after so many seconds comes the second."""
_SECOND_S = 10.0
_HURRY_S = 3.0  # instead of GRACE_S, where the check itself was interrupted


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What became of a command.

    Attributes:
        code: Its exit code.
        out: What it printed on stdout.
        err: What it printed on stderr.
        was_stopped: Whether it was ended because the time was over.
    """

    code: int
    out: str
    err: str
    was_stopped: bool

    @property
    def last_words(self) -> str:
        """The last line of what it said, for messages."""
        lines = [line for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"it ended with code {self.code} and said nothing"


def autotune(arguments: Sequence[str | Path], where: Where) -> Ran:
    """Run `autotune ARGUMENTS` until it ends or the stage's time is over, and keep what it said.

    What it says on stderr, and on stdout, is also appended to `commands.log` in the work folder.

    Args:
        arguments: As a user types them.
        where: Says until when; a command is not begun without `GRACE_S` seconds left.
    """
    return run_module("autotune", arguments, where)


def run_module(
    module: str, arguments: Sequence[str | Path], where: Where, environ: Mapping[str, str] | None = None
) -> Ran:
    """Run `python -m MODULE ARGUMENTS`, with these environment variables too; see `autotune`."""
    words = [str(word) for word in arguments]
    where.work.mkdir(parents=True, exist_ok=True)
    if where.left_s < GRACE_S + _SECOND_S:
        return Ran(code=130, out="", err="no time was left to begin", was_stopped=True)
    where.say(f"$ {module} {' '.join(words)}")
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"} | dict(environ or {}),
    )
    was_stopped = False
    try:
        out, err = _wait(process, where.left_s - GRACE_S - _SECOND_S)
    except subprocess.TimeoutExpired:
        was_stopped = True
        out, err = _end(process, GRACE_S)
    except BaseException:  # Ctrl-C, or the check's own alarm: no command outlives it
        _end(process, _HURRY_S)
        raise
    code = process.returncode
    with (where.work / "commands.log").open("a", encoding="utf-8") as log:
        log.write(f"$ {module} {' '.join(words)}\n{err}{out}[code {code}]\n")
    return Ran(code=code, out=out, err=err, was_stopped=was_stopped)


def _wait(process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    out, err = process.communicate(timeout=max(seconds, 0.0))
    return out, err


def _end(process: subprocess.Popen[str], grace_s: float) -> tuple[str, str]:
    """Ctrl-C, a second one, and a kill of the whole session; the time between them is bounded."""
    try:
        for number, seconds in ((signal.SIGINT, grace_s), (signal.SIGINT, _SECOND_S)):
            process.send_signal(number)
            try:
                return _wait(process, seconds)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:  # also where the waiting itself was interrupted
            os.killpg(process.pid, signal.SIGKILL)
    return _wait(process, _SECOND_S)
