"""Stage: the GPU test suite. First what needs the device alone, then all knobs of all models, side by side.

Each test's result is on disk before the next one begins, see `tests.gpu.ledger`; a further run leaves out
what passed or cannot be on this machine, and tries again what failed.
"""

import importlib.util
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.units import format_bytes, format_duration
from tests.gpu.ledger import FAILED, KEPT_ROWS, LEDGER, NOT_HERE, PASSED, ROWS, WAITING, lines_of
from tests.gpu_check.commands import GRACE_S, Ran, run_module
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept

FOUND = "tests.json"
"""What each test came to, by its node id, and which tests there are."""
_KNOBS = "tests/gpu/test_knobs.py"
_PARTS = {"alone": ("tests/gpu", f"--ignore={_KNOBS}"), "knobs": (_KNOBS,)}
_OPTIONS = (
    *("-q", "-m", "gpu", "-p", "tests.gpu.ledger", "-p", "no:randomly", "-p", "no:cacheprovider"),
    # What the project asks of its own environment may be missing on a machine that is lent: plugins, versions
    # without warnings.
    *("-o", "addopts=", "-o", "minversion=7", "--import-mode=importlib", "-W", "default"),
)
_MOST_PROCESSES = 10  # each loads models of its own into the host's memory
_LEAST_S = 45.0  # less is not worth a start
_MARGIN_S = 30.0  # the last trial ends so long before the stage: a server may still have to start, or to end
_PATIENCE_S = 15.0  # of which pytest is given so many seconds to end by itself
_ORDERLY = (0, 1, 5)  # pytest's exit codes: all passed, some failed, none was left


def run(where: Where) -> Ended:
    """Run the tests that are not settled, until the time is over; all of them again where none is left."""
    fold(where.results)
    if not any(_is_open(where.results, part) for part in _PARTS):
        for name in (FOUND, KEPT_ROWS):  # it is done, and asked for all the same
            (where.results / name).unlink(missing_ok=True)
    faults = []
    for part in _PARTS:
        left = where.left_s
        is_first = part != list(_PARTS)[-1]
        if left < _LEAST_S or not _is_open(where.results, part):
            continue
        share = 0.5 if is_first and _is_open(where.results, "knobs") else 1.0
        ran = _pytest(part, where.within(share * left))
        fold(where.results)
        if ran.code not in _ORDERLY and not ran.was_stopped:
            faults.append(f"pytest ended with code {ran.code}: {_tail(ran)}")
    return _ended(where.results, faults)


def fold(results: Path) -> None:
    """Put what tests have appended, also in a run that was killed, to `tests.json` and `knobs.json`."""
    entries, rows = lines_of(results / LEDGER), lines_of(results / ROWS)
    found = kept(results, FOUND) or {"collected": [], "tests": {}}
    for entry in entries:
        if "collected" in entry:
            files = {_file(test) for test in entry["collected"]}
            others = [test for test in found["collected"] if _file(test) not in files]
            found["collected"] = sorted({*others, *entry["collected"]})
        elif entry["outcome"] != WAITING or entry["test"] not in found["tests"]:
            found["tests"][entry["test"]] = {key: entry[key] for key in entry if key != "test"}
    where = Where(device="", results=results, work=results, until=0.0, say=lambda _line: None)
    if entries:
        where.keep(FOUND, found)
    if rows:
        named = {_row_name(row): row for row in (*(kept(results, KEPT_ROWS) or ()), *rows)}
        where.keep(KEPT_ROWS, list(named.values()))
    for name in (LEDGER, ROWS):
        (results / name).unlink(missing_ok=True)


def lines(results: Path) -> list[str]:
    """Return what the tests came to: counts, failures, what cannot be here, and the knobs' figures."""
    found = kept(results, FOUND)
    if found is None:
        return []
    tests = _known(found)
    text = [_counted(found) + "."]
    failed = {test: entry for test, entry in tests.items() if entry["outcome"] == FAILED}
    if failed:
        text += ["", "Failed:", ""]
        text += [f"- `{_short(test)}`: {_one_line(entry['message'])}" for test, entry in failed.items()]
    reasons = Counter(entry["message"] for entry in tests.values() if entry["outcome"] == NOT_HERE)
    if reasons:
        text += ["", "Not possible here, so not shown:", ""]
        text += [f"- {_one_line(reason)} ({_tests(count)})" for reason, count in reasons.most_common()]
    return text + _table(kept(results, KEPT_ROWS) or [])


def _pytest(part: str, where: Where) -> Ran:
    """Run a part until a little before the place's time is over; what outlives it is interrupted."""
    settled = where.work / "settled.json"
    where.work.mkdir(parents=True, exist_ok=True)
    tests = _known(kept(where.results, FOUND) or {"collected": [], "tests": {}})
    names = [test for test, entry in tests.items() if entry["outcome"] in (PASSED, NOT_HERE)]
    settled.write_text(json.dumps(names), encoding="utf-8")
    environ = {
        "AUTOTUNE_CHECK_DEVICE": where.device,
        "AUTOTUNE_CHECK_RESULTS": str(where.results.resolve()),
        "AUTOTUNE_CHECK_SETTLED": str(settled.resolve()),
        "AUTOTUNE_CHECK_UNTIL": str(time.time() + where.left_s - _MARGIN_S),
        "AUTOTUNE_REQUIRE": "gpu",
    }
    cores = os.cpu_count() or 1
    processes, options = 1, list(_OPTIONS)
    if part == "knobs" and importlib.util.find_spec("xdist") is not None:
        processes = max(min(_MOST_PROCESSES, cores - 2), 1) if not where.is_proof else min(2, cores)
        options += ["-n", str(processes), "--dist", "loadgroup"]
    if not where.is_proof:
        # Weights are drawn, and kernels compiled, in bursts: more threads than cores do no harm.
        threads = str(max(cores // min(processes, 4), 1))
        environ |= {"OMP_NUM_THREADS": threads, "TORCHINDUCTOR_COMPILE_THREADS": threads}
    # The tests keep the time themselves: the command is interrupted only where they do not.
    longer = replace(where, until=where.until - _MARGIN_S + _PATIENCE_S + 1.5 * GRACE_S)
    return run_module("pytest", [*options, *_PARTS[part]], longer, environ)


def _is_open(results: Path, part: str) -> bool:
    """Whether a part has tests that neither passed nor are impossible here, or was never collected."""
    found = kept(results, FOUND) or {"collected": [], "tests": {}}
    own = [test for test in found["collected"] if (_file(test) == _KNOBS) == (part == "knobs")]
    tests = found["tests"]
    return not own or any(
        test not in tests or tests[test]["outcome"] in (FAILED, WAITING)
        for test in own
        if Path(_file(test)).is_file()
    )


def _ended(results: Path, faults: list[str]) -> Ended:
    found = kept(results, FOUND)
    if found is None:
        return Ended(status=Status.FAILED if faults else Status.PARTIAL, message=" ".join(faults))
    message = " ".join([_counted(found) + ".", *faults])
    outcomes = Counter(entry["outcome"] for entry in _known(found).values())
    if faults or outcomes[FAILED]:
        return Ended(status=Status.FAILED, message=message)
    is_whole = not outcomes[WAITING] and all(_is_open(results, part) is False for part in _PARTS)
    return Ended(status=Status.DONE if is_whole else Status.PARTIAL, message=message)


def _known(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tests that there are, with what they came to; those that never ran are waiting."""
    waiting = {"outcome": WAITING, "message": ""}
    there = [test for test in found["collected"] if Path(_file(test)).is_file()]
    return {test: found["tests"].get(test, waiting) for test in there}


def _counted(found: Mapping[str, Any]) -> str:
    outcomes = Counter(entry["outcome"] for entry in _known(found).values())
    order = (PASSED, FAILED, NOT_HERE, WAITING)
    return f"{_tests(outcomes.total())}: " + ", ".join(f"{outcomes[name]} {name}" for name in order)


def _table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every value of every knob by model: seconds of a call and bytes; or why there are none."""
    tried = [row for row in rows if row["knob"] and "settings" in row]
    if not tried:
        return []
    models = list(dict.fromkeys(row["model"] for row in tried))
    cells: dict[str, dict[str, str]] = {}
    for row in tried:
        cells.setdefault(f"{row['knob']} = {row['value']}", {})[row["model"]] = _cell(row)
    most = max(row.get("processes", 1) for row in tried)
    about = (
        "Each value of each knob, with the settings that it cannot do without: seconds of a call, and memory "
        "that torch allocated on a card or that a CPU's process had. A failure is in bold, and an empty cell "
        f"was not offered or not tried. Up to {most} trials shared the device: the seconds compare nothing."
    )
    return [
        *("", about, ""),
        "| | " + " | ".join(_model(model) for model in models) + " |",
        "| --- |" + " --- |" * len(models),
        *(
            f"| {name} | " + " | ".join(by_model.get(model, "") for model in models) + " |"
            for name, by_model in sorted(cells.items())
        ),
    ]


def _cell(row: Mapping[str, Any]) -> str:
    if "failure" in row:
        return f"**{row['failure']}**"
    amount = row.get("allocated_bytes") or row["memory_bytes"]
    return f"{format_duration(row['latency_s'])}, {format_bytes(amount)}"


def _row_name(row: Mapping[str, Any]) -> str:
    return json.dumps([row["model"], row["knob"], row["value"]])


def _model(model: str) -> str:
    return model.removeprefix("arch:").replace("tiny:", "tiny ")


def _file(test: str) -> str:
    return test.partition("::")[0]


def _short(test: str) -> str:
    return test.removeprefix("tests/gpu/")


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]


def _tail(ran: Ran) -> str:
    said = [line for line in f"{ran.out}\n{ran.err}".splitlines() if line.strip()]
    return _one_line(" / ".join(said[-3:]))


STAGE = Stage(name="tests", title="The GPU test suite", weight=3.0, run=run, lines=lines)
