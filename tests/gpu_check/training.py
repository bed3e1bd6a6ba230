"""Stage "training": the demo model trained anew on the card by its own script, beside the one that ships.

A model that is better is kept among the results. It replaces nothing by itself: that is a person's decision.
"""

import csv
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.gpu_check.commands import run_module
from tests.gpu_check.machine import ROOT
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept

FOUND = "training.json"
MODEL = "model"
SHIPPED = ROOT / "autotune" / "demo" / "model"
PROOF_S, USUAL_S, MOST_S = 12.0, 360.0, 600.0
"""Of all networks together, on a CPU and on a card: in six minutes of a card each is expected to see about
ten times the pictures that the one that ships has seen, by an estimate that no card has confirmed."""
_BESIDE_S = 75.0  # to start, draw pictures, encode them, mark and package the model
_BUDGET = "budget.json"
_FEW = ("--scenes", "600", "--prompts", "2")  # of a proof, whose model nobody looks at
_LEAST_S = {"cpu": 60.0, "cuda": 90.0}
_KEEP_S = 5.0
# Never packed: pictures and checkpoints are too large to travel, so that another machine begins anew.
_FOLDER = Path("training") / "cache"
_JUDGED = "judge mean, of guidance 1, 3 and 5"
_FULL = "full autoencoder, PSNR in dB"
_TINY = "tiny decoder, PSNR in dB"
_WRONG = "held-out velocity error"
_DECIDE = (_JUDGED, _FULL, _TINY)


def run(where: Where) -> Ended:
    """Train until the time is over, from where the last run ended; then mark, compare, keep what is better.

    Returns:
        DONE where a model was trained to the end, better or not.
    """
    kind = "cpu" if where.is_proof else "cuda"
    work = where.work / _FOLDER
    card = work / MODEL / "card.json"
    if not card.is_file():
        if where.left_s < _LEAST_S[kind]:
            return Ended(status=Status.PARTIAL, message="Too little time was left to train anything.")
        work.mkdir(parents=True, exist_ok=True)
        seconds = _training_s(where, work)
        ran = run_module(
            "autotune.demo.training",
            [
                *("--stage", "all", "--device", where.device, "--threads", str(min(8, os.cpu_count() or 1))),
                *("--workdir", work, "--target", work / MODEL, "--docs", work / "docs"),
                *("--wall-minutes", f"{seconds / 60:g}"),
                *(_FEW if where.is_proof else ()),
            ],
            where.within(where.left_s - _KEEP_S),
        )
        where.keep(FOUND, {"training": progress(work), "training_s": seconds})
        if not card.is_file():
            if ran.was_stopped:
                message = (
                    "It goes on from its checkpoints, on this machine only: they are too large to travel."
                )
                return Ended(status=Status.PARTIAL, message=message)
            return Ended(status=Status.FAILED, message=f"The training ended early: {ran.last_words}")
    shipped, new = (json.loads((folder / "card.json").read_text()) for folder in (SHIPPED, work / MODEL))
    found = {
        "training": progress(work),
        "training_s": _training_s(where, work),
        **compared(shipped["metrics"], new["metrics"]),
    }
    if not found["why_not"]:
        _keep(where, work)
    where.keep(FOUND, found)
    why = " ".join(found["why_not"])
    message = f"Not kept: {why}" if why else "Better than the model that ships: kept beside these results."
    return Ended(status=Status.DONE, message=message)


def _training_s(where: Where, work: Path) -> float:
    """For how long all networks are trained: what is left, where that is enough; the same in later runs."""
    file = work / _BUDGET
    if not file.is_file():
        left = where.left_s - _BESIDE_S
        seconds = PROOF_S if where.is_proof else min(left, MOST_S) if left > 0.6 * USUAL_S else USUAL_S
        file.write_text(json.dumps(round(seconds)), encoding="utf-8")
    return float(json.loads(file.read_text(encoding="utf-8")))


def compared(shipped: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of two models, and why the new one is not better: nothing where it is.

    It is better where no figure of those that decide is worse and one is better, marked on the same prompts.
    Both are marked by the judge that ships.

    Args:
        shipped: The metrics of the model that ships, from its card.
        new: Those of the other.

    >>> marks = {f"guidance {g}": {"mean": 0.75} for g in (1, 3, 5)}
    >>> decibels = {"full autoencoder": 30.0, "tiny decoder": 26.0}
    >>> error = {"right caption": 0.15}
    >>> old = {"prompts": 64, "obedience": marks, "PSNR in dB on 64 held-out pictures": decibels,
    ...        "held-out velocity error": error}
    >>> compared(old, old)["why_not"]
    ['No figure is better.']
    >>> finer = old | {"PSNR in dB on 64 held-out pictures": decibels | {"tiny decoder": 27.0}}
    >>> compared(old, finer)["why_not"], compared(old, finer | {"prompts": 2})["why_not"]
    ([], ['It was marked on 2 prompts, the other on 64.'])
    """
    first, second = _figures(shipped), _figures(new)
    why = [
        f"{name}: {second[name]:.3f}, against {first[name]:.3f}."
        for name in _DECIDE
        if second[name] < first[name]
    ]
    if new["prompts"] != shipped["prompts"]:
        why.append(f"It was marked on {new['prompts']} prompts, the other on {shipped['prompts']}.")
    if not why and all(second[name] == first[name] for name in _DECIDE):
        why.append("No figure is better.")
    return {"shipped": first, "new": second, "why_not": why}


def progress(work: Path) -> dict[str, dict[str, float]]:
    """Return the steps and the wall seconds that each network has been trained for, from the logs."""
    found = {}
    for log in sorted(work.glob("*.csv")):
        with log.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        if rows:
            found[log.stem] = {"steps": int(rows[-1]["step"]), "wall_s": float(rows[-1]["wall_s"])}
    return found


def lines(results: Path) -> list[str]:
    """Return how far the training is, both models' figures, and what to do with a better one."""
    found = kept(results, FOUND)
    if found is None:
        return []
    said = [
        f"- `{name}`: {one['wall_s']:.0f} s, steps: {one['steps']:,}"
        for name, one in found["training"].items()
    ]
    if "new" not in found:
        return said
    said += ["", "| figure | ships | trained here |", "| --- | ---: | ---: |"]
    said += [
        f"| {name} | {value:.3f} | {found['new'][name]:.3f} |" for name, value in found["shipped"].items()
    ]
    if found["why_not"]:  # the stage's message says why
        return said
    said.append("")
    source, target = results / MODEL, SHIPPED.relative_to(ROOT)
    return [
        *said,
        f"Better, and kept in `{source}`. To ship it, look at `training-samples.png` and then:",
        "",
        "```console",
        f"$ rm -r {target} && cp -r {source} {target}",
        "$ make golden docs",
        "```",
    ]


def _figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    marks = metrics.get("obedience by the judge that ships", metrics["obedience"])
    decibels = metrics["PSNR in dB on 64 held-out pictures"]
    return {
        _JUDGED: round(sum(one["mean"] for one in marks.values()) / len(marks), 4),
        _FULL: decibels["full autoencoder"],
        _TINY: decibels["tiny decoder"],
        _WRONG: metrics["held-out velocity error"]["right caption"],
    }


def _keep(where: Where, work: Path) -> None:
    """Copy the model, and the evidence beside it, into the results."""
    target = where.results / MODEL
    fresh = where.results / f".{MODEL}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(work / MODEL, fresh)
    for name in ("score.json", "samples.png"):
        shutil.copyfile(work / "docs" / name, where.results / f"training-{name}")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


STAGE = Stage(
    name="training",
    title="A better demo model, by its own training script",
    weight=1.0,
    run=run,
    lines=lines,
)
