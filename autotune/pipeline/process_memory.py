"""What the kernel tells of a process's memory and of that of the processes it started."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_OWN_STEP_S = 0.01
_TREE_STEP_S = 0.1
_TREE_PAUSE = 19  # pauses after reading the children, in times of what reading took


def host_status() -> dict[str, int]:
    """Return the process's memory counters in bytes, such as "VmHWM" and "RssAnon"; empty without /proc."""
    try:
        lines = (_PROC / "self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if line.startswith(("Vm", "Rss")))
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def anonymous_bytes(status: dict[str, int]) -> int:
    """Return the memory that no file backs, so that the kernel cannot drop it.

    Args:
        status: As `host_status` returns it.
    """
    return status.get("RssAnon", 0) + status.get("RssShmem", 0)


def mapped_data() -> dict[str, int]:
    """Return the resident bytes of each file that this process has mapped as data, not as a library.

    diffusers and transformers use weights where they are mapped when the file has them in the right format.
    Nothing is known where the kernel does not tell, as in some sandboxes.
    """
    found: dict[str, int] = {}
    libraries, file = set(), ""
    try:
        text = (_PROC / "self/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    for line in text.splitlines():
        head, *rest = line.split(None, 5)
        if not head.endswith(":"):  # a new mapping: addresses, rights, offset, device, inode, file
            file = rest[4] if len(rest) == 5 and rest[4].startswith("/") else ""
            if "x" in rest[0] or ".so" in file:
                libraries.add(file)
        elif file and head in ("Rss:", "Anonymous:"):
            size = int(rest[0]) * 1024
            found[file] = found.get(file, 0) + (size if head == "Rss:" else -size)
    return {file: size for file, size in found.items() if file not in libraries}


def descendants() -> list[int]:
    """Return the numbers of all processes that this one started, directly or not, and that still run.

    A process whose parent has ended is missed: nothing says whose it was.
    """
    found: list[int] = []
    waiting = _children("self")
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += _children(str(pid))
    return found


def children_bytes() -> int:
    """Return the memory of all descendants that no file backs; what they share is counted once.

    It is the sum of their proportional shares: half a page for each of the two that have it.
    """
    return sum(map(_share_bytes, descendants()))


class AnonymousSampler:
    """Samples anonymous memory while nothing is being timed: for the stages that map files or start helpers.

    That of this process is read every 10 ms, that of its children, where it has any, ten times a second, or
    less often where that would take more than a twentieth of the time.

    Attributes:
        peak_bytes: The largest anonymous memory of this process.
        children_bytes: The largest of all its children together; 0 where it had none.
        tree_bytes: The largest of it and its children together, at one moment; 0 where it had none.
    """

    def __init__(self, step_s: float = _OWN_STEP_S) -> None:
        """Prepare; sampling starts on entering the context.

        Args:
            step_s: Seconds between two samples. 0.1 disturbs so little that it may go on beside what is
                timed once, such as the first call.
        """
        self.peak_bytes = self.children_bytes = self.tree_bytes = 0
        self._step_s = step_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        next_s = 0.0
        while not self._stop.wait(self._step_s):
            own = anonymous_bytes(host_status())
            self.peak_bytes = max(self.peak_bytes, own)
            begun_s = time.monotonic()
            if begun_s < next_s:
                continue
            others = children_bytes()
            took_s = time.monotonic() - begun_s
            next_s = begun_s + max(_TREE_STEP_S, took_s * (1 + _TREE_PAUSE))
            if others:
                self.children_bytes = max(self.children_bytes, others)
                self.tree_bytes = max(self.tree_bytes, own + others)


def _children(process: str) -> list[int]:
    """The processes that a process started; none where it has ended or the kernel does not tell."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for task in (_PROC / process / "task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has ended meanwhile
                found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _share_bytes(pid: int) -> int:
    """A process's share of the memory that no file backs; 0 where it has ended."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    rows = (line.split() for line in text.splitlines() if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return sum(int(row[1]) * 1024 for row in rows)
