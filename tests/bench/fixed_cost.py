"""What a trial costs beyond loading, settling and timing, by phase; and what optimum-benchmark costs so."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.job import Job, Protocol
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload
from tests.bench.series import measured

REPEATS = 5
# The demo model's own size, one picture a call, five of them compared: what a study of it asks for.
WORKLOAD = Workload(
    model="demo", prompts=("a red house in the snow by day",), seeds=(0, 1, 2, 3, 4), steps=20, guidance=3.0
)
PROTOCOL = Protocol(calls_min=5, calls_max=5, interval=0.0, busy_s=0.0, race=False)
USEFUL = ("load", "first call", "settle", "timing")
"""The phases that a measurement cannot do without."""
EXTRA_CALLS = ("parts", "memory", "step error")
"""Phases that are calls of the pipeline again, made where a recipe is measured whole."""
HAND_OVER = "hand-over"
"""What lies between phases: ordering a trial, looking at the machine, writing and reading the answer."""
FOREIGN = Path(__file__).with_name("optimum_fixed.py")


def record(runner: LocalRunner, folder: Path, repeats: int = REPEATS) -> list[dict[str, Any]]:
    """Run trials of the untuned demo model, measured whole, and return the seconds of each one.

    Returns:
        For each trial "call_s", its median call, and "phases_s", phase to seconds, `HAND_OVER` among them.

    Raises:
        SystemExit: A trial failed.
    """
    workload = runner.probe(WORKLOAD, "cpu").workload
    reference = str(folder / "fixed-reference")
    common = {
        "recipe": Recipe(model=workload.model),
        "workload": workload,
        "device": "cpu",
        "protocol": PROTOCOL,
    }
    runner(Job(folder=reference, role="reference", **common))  # type: ignore[arg-type]
    found = []
    for number in range(repeats):
        start = time.perf_counter()
        outcome = runner(Job(folder=str(folder / f"fixed-{number}"), reference=reference, **common))  # type: ignore[arg-type]
        wall_s = time.perf_counter() - start
        trial = measured(outcome)
        phases = dict(trial.phases_s)
        wall_s -= phases.pop("waiting", 0.0)  # for other measurements on this machine
        phases[HAND_OVER] = wall_s - sum(phases.values())
        print(f"fixed cost: trial {number + 1} of {repeats}, {wall_s:.1f} s", file=sys.stderr)
        found.append({"call_s": trial.latency_s, "phases_s": phases})
    return found


def fixed_s(phases_s: Mapping[str, float]) -> dict[str, float]:
    """Return the phases that are neither useful nor extra calls, the largest first.

    >>> fixed_s({"fork": 0.01, "load": 0.2, "timing": 9.0, "parts": 0.5, "likeness": 0.02})
    {'likeness': 0.02, 'fork': 0.01}
    """
    rest = {name: s for name, s in phases_s.items() if name not in (*USEFUL, *EXTRA_CALLS)}
    return dict(sorted(rest.items(), key=lambda item: -item[1]))


def medians(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the median seconds of each phase over the trials.

    >>> medians([{"phases_s": {"fork": 1.0}}, {"phases_s": {"fork": 3.0}}, {"phases_s": {"fork": 2.0}}])
    {'fork': 2.0}
    """
    names = list(trials[0]["phases_s"])
    return {name: statistics.median(t["phases_s"].get(name, 0.0) for t in trials) for name in names}


def foreign(python: str, model: Path) -> dict[str, Any]:
    """Let optimum-benchmark measure the same pipeline, and return what it needed beside its calls.

    Args:
        python: An interpreter that has optimum-benchmark.
        model: Folder of the pipeline.

    Returns:
        "fixed_s", "call_s" and "versions"; or "why_not" alone, a sentence.
    """
    with tempfile.TemporaryDirectory() as name:
        # It works with transformers 4 only, whose slow tokenizer wants files that the model does not have.
        copy = Path(shutil.copytree(model, Path(name) / "model"))
        for file in (copy / "model_index.json", copy / "tokenizer" / "tokenizer_config.json"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace('"CLIPTokenizer"', '"CLIPTokenizerFast"'), encoding="utf-8")
        arguments = [python, str(FOREIGN), str(copy), str(WORKLOAD.steps), str(WORKLOAD.guidance)]
        try:
            # In a folder of its own: it writes a log.
            ended = subprocess.run(
                arguments, capture_output=True, text=True, timeout=300, check=True, cwd=name
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            return {"why_not": f"{python} could not run it: {said[-1] if said else error}"}
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def has_foreign(python: str) -> bool:
    """Whether an interpreter has optimum-benchmark."""
    looks = "import importlib.util as u, sys; sys.exit(u.find_spec('optimum_benchmark') is None)"
    return subprocess.run([python or sys.executable, "-c", looks], check=False).returncode == 0
