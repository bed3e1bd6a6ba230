"""The fork server: a program that has imported torch and diffusers, and forks one process for every trial.

It never touches a GPU and never runs an operation of its own, so that a fork of it is as good as a fresh
interpreter, without its seconds of imports (`make bench`). It speaks with its parent in short JSON messages
over a socket that keeps message borders; jobs and answers travel as files. When the parent dies, so do the
server and the running trial.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from autotune.job import JOB_FILE, LOG_FILE, OUTCOME_FILE

_MESSAGE_BYTES = 65_536
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(socket_fd: int, life_fd: int) -> None:
    """Serve until the parent goes.

    Args:
        socket_fd: A SOCK_SEQPACKET socket to the parent.
        life_fd: The reading end of a pipe that closes when the parent dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Let torch ask the driver about GPUs without opening one.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    # What is imported is no garbage: looking for some takes a quarter of the time, and each fork looks again.
    gc.disable()
    _import_everything()
    gc.freeze()
    gc.enable()
    channel = socket.socket(fileno=socket_fd)
    _send(channel, {"ready": True})
    while True:
        message = channel.recv(_MESSAGE_BYTES)
        if not message:
            return
        _serve(json.loads(message), channel, life_fd)


def _serve(order: dict[str, Any], channel: socket.socket, life_fd: int) -> None:
    """Fork a process for one order, wait for it and report how it ended."""
    asked = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            _become_trial(order, life_fd)
            code = _work(order, channel, time.perf_counter() - asked)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)  # on both sides, so that the group exists before anybody may want to kill it
    _send(channel, {"pid": pid})
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # helpers that the trial left behind
    _send(channel, {"exit": code})


def _become_trial(order: dict[str, Any], life_fd: int) -> None:
    """Take a process group of its own, write into the log, and die with the parent."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    with contextlib.suppress(OSError):  # when memory runs out, the kernel takes the trial and not the study
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if order["scratch"]:
        tempfile.tempdir = os.environ["TMPDIR"] = order["scratch"]
    log = os.open(Path(order["folder"]) / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    threading.Thread(target=_die_with_parent, args=(life_fd,), daemon=True).start()


def _die_with_parent(life_fd: int) -> None:
    os.read(life_fd, 1)  # blocks until the parent's end of the pipe is closed
    os.killpg(0, signal.SIGKILL)


def _work(order: dict[str, Any], channel: socket.socket, fork_s: float) -> int:
    """Do what the order says and write the answer beside it."""
    folder = Path(order["folder"])
    answer = _answer(order, folder, channel, fork_s)
    partial = folder / (OUTCOME_FILE + ".partial")
    partial.write_text(json.dumps(answer), encoding="utf-8")
    partial.replace(folder / OUTCOME_FILE)
    return 0


def _answer(order: dict[str, Any], folder: Path, channel: socket.socket, fork_s: float) -> dict[str, Any]:
    from autotune.errors import AutotuneError
    from autotune.pipeline import orders

    def tell(phase: str) -> None:
        _send(channel, {"phase": phase})

    content = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    try:
        return orders.ORDERS[order["do"]](content, tell, fork_s)
    except AutotuneError as error:
        return {"error": str(error), "type": type(error).__name__}


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.send(json.dumps(message).encode())


def _import_everything() -> None:
    """Import what every trial needs, but nothing that starts threads or opens a device.

    Raises:
        SystemExit: A package has opened a GPU while it was imported: no trial could use it.
    """
    import torch._dynamo  # its counters are read by every trial

    from autotune.pipeline.unopened import answered_by_nvml

    with answered_by_nvml():
        import diffusers
        import transformers  # noqa: F401

        import autotune.pipeline.orders  # noqa: F401

        for name in ("DiffusionPipeline", "StableDiffusionPipeline", "AutoencoderTiny"):
            getattr(diffusers, name)  # diffusers imports its classes when they are first named
        _ = diffusers.UNet2DConditionModel
    if torch.cuda.is_initialized():
        raise SystemExit(
            "An installed package opens the GPU while it is imported, so that no trial could use it. "
            "Find it by importing diffusers with each optional package uninstalled in turn."
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
