"""The ledger: a pytest plugin that writes each test's result at once, and leaves out what is settled.

Loaded by `-p tests.gpu.ledger`. It writes to the folder that AUTOTUNE_CHECK_RESULTS names, and reads which
tests to leave out from the file that AUTOTUNE_CHECK_SETTLED names, a list of node ids in JSON. A line of the
ledger is JSON: what was collected, or what one test came to. A process that is killed loses no line but the
one that it did not begin.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_check.machine import commit

LEDGER, ROWS = "tests.jsonl", "knobs.jsonl"
"""Files to which lines are appended: what tests came to, and the rows of `test_knobs`."""
KEPT_ROWS = "knobs.json"
"""The rows of earlier runs, a list."""
PASSED, FAILED, NOT_HERE, WAITING = "passed", "failed", "not possible here", "waiting"
TIME_IS_OVER = "the time was over"
_MESSAGE = 2_000


def append(name: str, entry: Mapping[str, Any]) -> None:
    """Append a line of JSON to a file of the folder of results, at once; nothing where there is no folder.

    Several processes may do so at the same time.
    """
    folder = os.environ.get("AUTOTUNE_CHECK_RESULTS", "")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(dict(entry)) + "\n").encode())
    finally:
        os.close(descriptor)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Return the entries of such a file; a last line that a kill cut off is left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def known_rows() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the outcomes of trials of all runs so far, by model and settings; the last one counts."""
    folder = Path(os.environ.get("AUTOTUNE_CHECK_RESULTS", "") or "nowhere")
    kept = folder / KEPT_ROWS
    rows = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else []
    return {
        (row["model"], row["settings"]): row for row in (*rows, *lines_of(folder / ROWS)) if "settings" in row
    }


def plain_id(node_id: str) -> str:
    """Return a node id without the group that pytest-xdist writes behind it.

    >>> plain_id("tests/gpu/test_knobs.py::test_a[demo-tf32]@demo")
    'tests/gpu/test_knobs.py::test_a[demo-tf32]'
    """
    return node_id.partition("@")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note what there is, and leave out what is settled."""
    file = os.environ.get("AUTOTUNE_CHECK_SETTLED", "")
    settled = set(json.loads(Path(file).read_text(encoding="utf-8"))) if file else set()
    worker = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"]
    if worker == "gw0":
        append(LEDGER, {"collected": [plain_id(item.nodeid) for item in items]})
    left_out = [item for item in items if plain_id(item.nodeid) in settled]
    if left_out:
        items[:] = [item for item in items if plain_id(item.nodeid) not in settled]
        config.hook.pytest_deselected(items=left_out)


class Writer:
    """Writes reports: one of it in the process that hears of all tests."""

    def __init__(self) -> None:
        """Look up which state of the code is tested."""
        self.commit = commit()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what a test came to: its call, or what kept it from being called, or a fault after it."""
        if report.when != "call" and report.outcome == "passed":
            return
        message = _message(report)
        entry = {
            "test": plain_id(report.nodeid),
            "outcome": _outcome(report, message),
            "seconds": round(report.duration, 1),
            "message": message,
            "notes": dict(report.user_properties),
            "commit": self.commit,
        }
        append(LEDGER, entry)


def pytest_configure(config: pytest.Config) -> None:
    """Write from one process only: the workers of pytest-xdist tell theirs to the first."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(), "ledger writer")


def _outcome(report: pytest.TestReport, message: str) -> str:
    if report.outcome == "skipped":
        return WAITING if TIME_IS_OVER in message else NOT_HERE
    return PASSED if report.outcome == "passed" else FAILED


def _message(report: pytest.TestReport) -> str:
    """What a report says in words: the reason of a skip, or of a failure the error without its traceback."""
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else report.longreprtext
    where = f" ({Path(str(crash.path)).name}:{crash.lineno})" if crash is not None else ""
    return text[:_MESSAGE] + where
