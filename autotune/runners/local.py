"""Runs trials on this machine: one process each, forked from a warm server, killed when it is late."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self

from autotune import errors
from autotune.blueprint import Blueprint
from autotune.errors import AutotuneError, DeviceError, WorkerError
from autotune.footprint import Footprint
from autotune.job import JOB_FILE, LOG_FILE, OUTCOME_FILE, Job
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind, Outcome, outcome_from_json
from autotune.runners.device_lock import holding
from autotune.target import Target
from autotune.workload import Workload

SERVER = "autotune.pipeline.server"
_MESSAGE_BYTES = 65_536
_START_S = 180.0
_PROBE_S = 1800.0  # a hub id is downloaded while probing
_LOG_BYTES = 4_000
_WAITED_S = 0.05  # less is no waiting
_CANCELLED = "The trial was stopped by the user."


class LocalRunner:
    """A runner for this machine: call it with a job, get the outcome.

    Use it as a context manager; the server is started when it is first needed. Not for use from several
    threads at once, but `cancel` may be called from a signal handler or another thread.
    """

    def __init__(self, listen_phase: Callable[[str], None] | None = None) -> None:
        """Prepare; nothing is started yet.

        Args:
            listen_phase: Is told the name of each phase of a trial as it begins.
        """
        self._listen = listen_phase or (lambda _phase: None)
        self._server: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._life_fd = -1
        self._log: IO[bytes] | None = None
        self._pid = 0
        self._is_cancelled = False
        self._uuids: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop the server and whatever runs."""
        self.close()

    def __call__(self, job: Job) -> Outcome:
        """Run one trial in its own process and return what it came to.

        While another process measures on the device it is waited for. That counts for no limit; the seconds
        are the outcome's phase "waiting".

        Args:
            job: All that the worker is told; its folder is created and receives log, pictures and outcome.

        Raises:
            WorkerError: The server itself cannot be started.
        """
        self._is_cancelled = False
        device, asked = self._name_device(job.device), time.monotonic()
        with holding(
            device, purpose=job.folder, tell=self._listen, is_cancelled=lambda: self._is_cancelled
        ) as go_on:
            waited_s = time.monotonic() - asked
            outcome: Outcome = self._run(job) if go_on else _cancelled("waiting")
        if waited_s < _WAITED_S:
            return outcome
        return replace(outcome, phases_s={"waiting": waited_s, **outcome.phases_s})

    def _run(self, job: Job) -> Outcome:
        """Run a trial on a device that nobody else measures on."""
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        if job.cache:
            Path(job.cache).mkdir(parents=True, exist_ok=True)
        # Removed here, since a trial that is killed cannot: offloaded weights may lie in it.
        with tempfile.TemporaryDirectory(prefix="autotune-trial-", ignore_cleanup_errors=True) as scratch:
            ended = self._order(
                "measure", job.to_json(), folder, time_limit_s=job.time_limit_s, scratch=scratch
            )
        answer = _read_answer(folder)
        if answer is not None and "outcome" in answer and ended.kind is None:
            return _with_log(outcome_from_json(answer), folder)
        return Failure(
            kind=ended.kind or FailureKind.CRASH,
            message=ended.message,
            phase=ended.phase,
            log=_log_tail(folder),
        )

    def probe(self, workload: Workload, device: str) -> Situation:
        """Return machine and model as facts, with the workload's sizes filled in.

        Raises:
            ModelError: The model cannot be found or read.
            DeviceError: The machine has no such device.
            PlanError: The workload's size does not suit the model.
            WorkerError: The probe died.
        """
        situation = _situation(self._ask("probe", {"workload": workload.to_json(), "device": device}))
        self._uuids[situation.target.device] = situation.target.uuid
        return situation

    def footprint(self, workload: Workload, device: str = "cpu") -> tuple[Footprint, Situation]:
        """Return what a model weighs and needs while it runs, and its situation, without its weights.

        Needs configuration files only, and no GPU. Takes seconds, once for each model, size and batch.

        Args:
            workload: Names the model, the size and the batch.
            device: Torch device string of the situation's target; the footprint is the same on every device.

        Raises:
            ModelError: The model cannot be found, or cannot be built from its configuration.
            PlanError: The workload's size does not suit the model.
            WorkerError: The process died.
        """
        data = self._ask("footprint", {"workload": workload.to_json(), "device": device})
        return Footprint.from_json(data["footprint"]), _situation(data)

    def probe_target(self, device: str) -> Target:
        """Return the facts of a device.

        Raises:
            DeviceError: The machine has no such device.
        """
        return Target.from_json(self._ask("device", {"device": device})["target"])

    def cancel(self) -> None:
        """Kill the running trial; it comes to a failure of kind "cancelled"."""
        self._is_cancelled = True
        self._kill_trial()

    def close(self) -> None:
        """Stop the server and whatever runs; it is started again when needed."""
        self._kill_trial()
        if self._channel is not None:
            self._channel.close()
        if self._life_fd >= 0:
            os.close(self._life_fd)
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        if self._log is not None:
            self._log.close()
        self._server, self._channel, self._life_fd, self._log = None, None, -1, None

    def _name_device(self, device: str) -> str:
        """Return what names a device on the whole machine; its own name where that is unknown."""
        if device not in self._uuids:
            try:
                self._uuids[device] = self.probe_target(device).uuid
            except DeviceError:
                self._uuids[device] = ""  # the trial will say so
        return self._uuids[device] or device

    def _ask(self, what: str, content: dict[str, Any]) -> dict[str, Any]:
        self._is_cancelled = False
        with tempfile.TemporaryDirectory(prefix="autotune-") as name:
            folder = Path(name)
            ended = self._order(what, content, folder, time_limit_s=_PROBE_S)
            answer = _read_answer(folder)
            if answer is None:
                said = f"{ended.message} {_log_tail(folder)}".strip()
                raise WorkerError(f"Looking at the machine and the model failed: {said}")
        if "error" in answer:
            kind = getattr(errors, answer["type"], AutotuneError)
            # Names that do not exist carry more than a message; the message is what counts here.
            raise (
                kind(answer["error"])
                if kind is not errors.UnknownName
                else errors.UsageError(answer["error"])
            )
        return answer

    def _order(
        self, what: str, content: dict[str, Any], folder: Path, *, time_limit_s: float, scratch: str = ""
    ) -> "_End":
        """Let the server fork a process for an order and sleep until it has ended.

        Args:
            what: The name of the order.
            content: What it is about.
            folder: Holds its question and its answer.
            time_limit_s: It is killed after this many seconds.
            scratch: Where it puts its temporary files; "" for where the system has them.
        """
        (folder / OUTCOME_FILE).unlink(missing_ok=True)
        (folder / JOB_FILE).write_text(json.dumps(content), encoding="utf-8")
        channel = self._running_server()
        channel.send(json.dumps({"do": what, "folder": str(folder), "scratch": scratch}).encode())
        deadline, end = time.monotonic() + time_limit_s, _End()
        while True:
            try:
                channel.settimeout(max(deadline - time.monotonic(), 0.01))
                message = json.loads(channel.recv(_MESSAGE_BYTES) or b'{"gone": true}')
            except TimeoutError:
                end.kind = FailureKind.TIMEOUT
                end.message = (
                    f"The trial took more than {time_limit_s:g} s and was killed in phase '{end.phase}'."
                )
                self._kill_trial()
                deadline = time.monotonic() + _START_S
                continue
            if "exit" in message:
                self._pid = 0
                return self._judge(end, int(message["exit"]))
            if "gone" in message:
                self.close()
                return end.die("The trial server died.")
            self._note(message, end)

    def _note(self, message: dict[str, Any], end: "_End") -> None:
        if "pid" in message:
            self._pid = int(message["pid"])
            if self._is_cancelled:
                self._kill_trial()
        elif "phase" in message:
            end.phase = str(message["phase"])
            self._listen(end.phase)

    def _judge(self, end: "_End", code: int) -> "_End":
        if self._is_cancelled:
            end.kind, end.message = FailureKind.CANCELLED, _CANCELLED
        elif end.kind is None and code != 0:
            end.kind, how = how_it_died(code)
            end.message = f"The trial {how} in phase '{end.phase}'."
        return end

    def _kill_trial(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def _running_server(self) -> socket.socket:
        if self._channel is not None and self._server is not None and self._server.poll() is None:
            return self._channel
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        life_read, self._life_fd = os.pipe()
        self._log = tempfile.TemporaryFile(prefix="autotune-server-")  # noqa: SIM115 - closed with the server
        command = [sys.executable, "-m", SERVER, str(theirs.fileno()), str(life_read)]
        # A session of its own: Ctrl-C in the terminal is for the parent alone, which decides what becomes of
        # the trial.
        self._server = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(), life_read),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        theirs.close()
        os.close(life_read)
        self._channel = ours
        ours.settimeout(_START_S)
        try:
            ready = bool(ours.recv(_MESSAGE_BYTES))
        except TimeoutError:
            ready = False
        if not ready:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip()
            self.close()
            advice = "'autotune doctor' may tell why. It said:"
            raise WorkerError(f"The trial server did not start. {advice}\n{said[-_LOG_BYTES:]}")
        return ours


def how_it_died(code: int) -> tuple[FailureKind, str]:
    """Return the kind of failure behind a process's exit code other than 0, and how it ended in words.

    Args:
        code: As `os.waitstatus_to_exitcode` gives it: minus the number of the signal.

    >>> how_it_died(-11)
    (<FailureKind.CRASH: 'crash'>, 'was ended by signal 11 (SIGSEGV)')
    >>> how_it_died(-9)[0].value
    'out of memory'
    """
    if code == -signal.SIGKILL:
        return FailureKind.OUT_OF_MEMORY, "was killed by signal 9, as the kernel does when memory runs out,"
    if code < 0:
        return FailureKind.CRASH, f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return FailureKind.CRASH, f"ended itself with exit code {code}"


class _End:
    """How a process ended: no kind means that it wrote its answer."""

    def __init__(self) -> None:
        self.kind: FailureKind | None = None
        self.message, self.phase = "The trial ended without an answer.", "start"

    def die(self, message: str) -> "_End":
        self.kind, self.message = FailureKind.CRASH, message
        return self


def _situation(data: dict[str, Any]) -> Situation:
    return Situation(
        target=Target.from_json(data["target"]),
        blueprint=Blueprint.from_json(data["blueprint"]),
        workload=Workload.from_json(data["workload"]),
    )


def _read_answer(folder: Path) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return answer


def _cancelled(phase: str) -> Failure:
    return Failure(kind=FailureKind.CANCELLED, message=_CANCELLED, phase=phase)


def _with_log(outcome: Outcome, folder: Path) -> Outcome:
    return replace(outcome, log=_log_tail(folder)) if isinstance(outcome, Failure) else outcome


def _log_tail(folder: Path) -> str:
    """The end of what the trial printed."""
    try:
        data = (folder / LOG_FILE).read_bytes()
    except OSError:
        return ""
    return data[-_LOG_BYTES:].decode(errors="replace")
