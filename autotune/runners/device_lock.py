"""Device lock: one measurement at a time on a device, whoever measures.

A lock is a file named by the device, in a folder that all users of the machine share. The operating system
frees it when its holder ends, also after a kill. Who waits stands at the head of a queue, which is a lock of
its own: without it a study that asks again right after its trial would overtake everybody who polls.

The folder is the one that the environment variable AUTOTUNE_LOCKS names, else one below the system's folder
of temporary files. Containers that share a GPU must be given one folder to share.
"""

import contextlib
import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER_VARIABLE = "AUTOTUNE_LOCKS"
_POLL_S = 0.1
_PLAIN = os.O_NOFOLLOW | os.O_CLOEXEC


def lock_folder() -> Path:
    """Return the folder of the locks, which need not exist."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return Path(named) if named else Path(tempfile.gettempdir()) / "autotune-locks"


@contextmanager
def holding(
    device: str, *, purpose: str, tell: Callable[[str], None], is_cancelled: Callable[[], bool]
) -> Iterator[bool]:
    """Hold a device, after waiting until nobody else does.

    Args:
        device: What names the device on the whole machine: its UUID.
        purpose: What it is held for, for the messages of those who wait.
        tell: Is told what is waited for; and, where the folder cannot be used, that nothing is locked.
        is_cancelled: Is asked over and over whether to stop waiting.

    Yields:
        Whether to go on: False where the waiting was cancelled.
    """
    path = lock_folder() / _file_name(device)
    with contextlib.ExitStack() as held:
        go_on = True
        try:
            _share_folder(path.parent)
            go_on = _wait(held, path, tell=tell, is_cancelled=is_cancelled)
        except OSError as error:
            reason = f"'{path.parent}' cannot be used: {error.strerror}. {FOLDER_VARIABLE} names another."
            tell(f"not locked, another study could disturb it: {reason}")
        else:
            if go_on:
                _write_note(path, purpose)
                held.callback(_write_note, path, "")
        yield go_on


def holder(device: str) -> str:
    """Return who holds a device, for a message: "process 123 measures there …", as far as it is known.

    Args:
        device: As `holding` takes it.
    """
    return _describe(lock_folder() / _file_name(device))


def _wait(
    held: contextlib.ExitStack, path: Path, *, tell: Callable[[str], None], is_cancelled: Callable[[], bool]
) -> bool:
    """Take a lock, in turn; False where the waiting was cancelled."""
    said = ""
    with contextlib.ExitStack() as queued:
        for stack, file in ((queued, path.with_suffix(".next")), (held, path)):
            while not _take(stack, file):
                sentence = f"waiting for the device: {_describe(path)}"
                if sentence != said:
                    tell(sentence)
                said = sentence
                if is_cancelled():
                    return False
                time.sleep(_POLL_S)
    return True


def _take(stack: contextlib.ExitStack, file: Path) -> bool:
    """Take the lock of a file if nobody has it; it is freed when the stack is closed."""
    descriptor = _open(file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Programs that tidy up temporary files may have removed it: the next one would lock another.
        is_in_place = os.path.samestat(os.fstat(descriptor), file.stat())
    except (BlockingIOError, FileNotFoundError):
        is_in_place = False
    except OSError:
        os.close(descriptor)
        raise
    if is_in_place:
        stack.callback(os.close, descriptor)
    else:
        os.close(descriptor)
    return is_in_place


def _open(file: Path) -> int:
    """Open a lock's file, which is made for all users where there is none.

    In a folder like this one, Linux refuses to "open or create" the file of another user, but not to open it;
    and a lock needs no right to write.
    """
    while True:
        try:
            return os.open(file, os.O_RDONLY | _PLAIN)
        except FileNotFoundError:
            pass
        descriptor, draft = tempfile.mkstemp(dir=file.parent)
        try:
            os.fchmod(descriptor, 0o666)  # whatever the umask
            with contextlib.suppress(FileExistsError):  # somebody else was faster
                os.link(draft, file)  # it appears with its rights, not before them
        finally:
            os.close(descriptor)
            Path(draft).unlink()


def _share_folder(folder: Path) -> None:
    """Make the folder for all users where it is missing."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        draft.chmod(0o1777)  # whatever the umask; only the owner of a file can remove it
        draft.rename(folder)
    except OSError:
        draft.rmdir()
        if not folder.is_dir():  # else somebody else was faster
            raise


def _file_name(device: str) -> str:
    return re.sub(r"[^\w-]", "_", device) + ".lock"


def _write_note(file: Path, purpose: str) -> None:
    """Write who holds a lock into its file; "" wipes it. Another user's file may refuse."""
    note = {"pid": os.getpid(), "purpose": purpose, "since": time.time()} if purpose else {}
    with contextlib.suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | _PLAIN)
        try:
            os.write(descriptor, json.dumps(note).encode())
        finally:
            os.close(descriptor)


def _describe(file: Path) -> str:
    """Who holds a lock, in words; a note of somebody who has ended since is not believed."""
    try:
        note = json.loads(file.read_bytes())
        pid, purpose, since = int(note["pid"]), str(note["purpose"]), float(note["since"])
    except (OSError, ValueError, KeyError, TypeError):
        pid, purpose, since = 0, "", 0.0
    if not _is_running(pid):
        return "another process measures there"
    return (
        f"process {pid} measures there since {time.strftime('%H:%M', time.localtime(since))}, for {purpose}"
    )


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # a process of another user
    except (OSError, OverflowError):
        return False
    return pid > 0
