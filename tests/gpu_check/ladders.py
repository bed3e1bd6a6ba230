"""The stage "guides": the ladders of published guides on this card, by `autotune bench-guides`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.guides import LADDERS
from autotune.report.figures import counted
from autotune.report.ladder import FAILED, IMPOSSIBLE, MEASURED, WAITING, guide_lines
from tests.gpu_check.commands import GRACE_S, autotune
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept

FOUND = "guides.json"
# The best known first; those that compile for minutes a rung last, so that they keep no other from its turn.
_ORDER = ("sdxl-simple", "sd15-memory-and-speed", "sd15-precision", "sd15-distilled", "sd15-speedster")
_LAST = ("sdxl-fast", "flux-torchao")
_TRIAL_TIME = "400s"  # compiling with max-autotune takes minutes
_PROOF = (*("--model", "demo", "--size", "64x64", "--steps", "1"), *("--batch", "1", "--trial-time", "60s"))
# What a card of enough memory and time would do: no fault of a recipe.
_NO_FAULT = ("timeout", "out of memory", "unsupported")


def guides_in_order() -> list[str]:
    """Return the names of all guides, in the order in which they are measured."""
    names = [ladder.name for ladder in LADDERS]
    known = [name for name in _ORDER if name in names]
    others = [name for name in names if name not in (*_ORDER, *_LAST)]
    return [*known, *others, *(name for name in _LAST if name in names)]


def run(where: Where) -> Ended:
    """Measure the ladders, or go on with them; all that is known is kept after every rung."""
    time_s = max(where.left_s - 2 * GRACE_S, 1.0)
    asked = ["bench-guides", *guides_in_order(), "--device", where.device, "--quick", "--json"]
    asked += _PROOF if where.is_proof else ("--trial-time", _TRIAL_TIME)
    asked += ["--time", f"{time_s:.0f}s", "--storage", str(where.work / "guides.db")]
    ran = autotune([*asked, "--out", where.results], where)
    documents = (where.kept(FOUND) or {"guides": []})["guides"]
    if not documents:
        status = Status.PARTIAL if ran.was_stopped else Status.FAILED
        return Ended(status=status, message=f"No ladder was begun: {ran.last_words}")
    is_over = ran.code in (0, 130) or ran.was_stopped
    if not is_over and not any(document["error"] for document in documents):
        return Ended(status=Status.FAILED, message=f"autotune bench-guides failed: {ran.last_words}")
    return ended(documents)


def ended(documents: Sequence[Mapping[str, Any]]) -> Ended:
    """Return how the stage ended, from what is known of the ladders."""
    rows = [(document, row) for document in documents for row in document["rows"]]
    count = {status: sum(row["status"] == status for _, row in rows) for status in _TOLD}
    told = [counted(count[status], "rung") + f" {word}" for status, word in _TOLD.items() if count[status]]
    faults = [f"{document['guide']}: {document['error']}" for document in documents if document["error"]]
    faults += [
        f"{document['guide']}, {row['rung']}: {row['why']}"
        for document, row in rows
        if row["status"] == FAILED and row["failure"] not in _NO_FAULT
    ]
    message = f"{counted(len(documents), 'ladder')}: {', '.join(told)}."
    if faults:
        return Ended(status=Status.FAILED, message=f"{message} {' '.join(faults)}")
    return Ended(status=Status.PARTIAL if count[WAITING] else Status.DONE, message=message)


_TOLD = {
    MEASURED: "measured",
    FAILED: "failed",
    IMPOSSIBLE: "not possible here",
    WAITING: "not measured yet",
}


def lines(results: Path) -> list[str]:
    """Return the ladders as Markdown, from what was kept."""
    documents = (kept(results, FOUND) or {"guides": []})["guides"]
    found = list[str]()
    for document in documents:
        found += [*guide_lines(document, level=3), ""]
    return found


STAGE = Stage(name="guides", title="Published guides, measured again", weight=3.0, run=run, lines=lines)
