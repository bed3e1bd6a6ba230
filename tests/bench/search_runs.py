"""Runs: each search in a process of its own, kept as a file, so that a bench that was ended goes on."""

import hashlib
import json
import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import autotune
from tests.bench.problem import Problem
from tests.bench.search_play import Method, Run, Tree, play

_START, _BESIDE = "surrogate_sampler", ("objective.py", "observation.py", "pareto.py")
_NO_PART = ("presets", "tell")  # imported by the sampler for what says nothing about its choice
_IMPORT = re.compile(r"^from autotune\.search\.(\w+) import", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One search to run.

    Attributes:
        problem: What is searched.
        method: How.
        seed: Of its random numbers.
        trials: To execute.
        file: Where the run is kept.
        mark: Tells what the run depends on; one that was kept with another mark is made again.
        tree: The problem's valid recipes.
    """

    problem: Problem
    method: Method
    seed: int
    trials: int
    file: Path
    mark: str
    tree: Tree


def kept(task: Task) -> Run | None:
    """Return the run that was kept; None where there is none, one of something else, or too short a one."""
    try:
        found = json.loads(task.file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if found["mark"] != task.mark or found["trials"] < task.trials:
        return None
    return Run.from_json(found["run"]).first(task.trials)


def make(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Run, float]]:
    """Run searches, so many at a time, each in a process of its own that keeps what came of it.

    Yields:
        The task, its run, and the wall seconds that it took, as they end.

    Raises:
        SystemExit: A process ended without a run.
    """
    # A forked process has the problem already. torch, which does not stand forking, is imported after it.
    context = multiprocessing.get_context("fork")
    waiting = list(reversed(tasks))
    running: dict[Any, tuple[BaseProcess, Task, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop()
            process: BaseProcess = context.Process(target=_run, args=(task,), daemon=True)
            process.start()
            running[process.sentinel] = (process, task, time.perf_counter())
        for sentinel in wait(list(running)):
            ended, task, start = running.pop(sentinel)
            ended.join()
            run = kept(task)
            if run is None:
                raise SystemExit(f"{task.file} was not written: its process ended with {ended.exitcode}.")
            yield task, run, time.perf_counter() - start


def problem_mark(problem: Problem) -> str:
    """Return what tells a problem from others of its name."""
    digest = hashlib.sha256()
    for settings, seen in zip(problem.rows, problem.seen, strict=True):
        digest.update(repr((settings, seen)).encode())
    limits = [(limit.objective.name, limit.bound) for limit in problem.limits]
    digest.update(repr((limits, problem.presets, dict(problem.noise), problem.forecasts)).encode())
    return digest.hexdigest()[:12]


def sources_mark() -> str:
    """Return what changes with the files of the package that decide what our sampler proposes."""
    digest = hashlib.sha256()
    package = Path(autotune.__file__).parent
    for file in (*sources(package / "search"), *(package / name for name in _BESIDE)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def sources(folder: Path) -> list[Path]:
    """Return our sampler's module and those beside it that it is made of, as far as imports tell."""
    found, waiting = set[str](), [_START]
    while waiting:
        name = waiting.pop()
        if name in found or name in _NO_PART:
            continue
        found.add(name)
        waiting += _IMPORT.findall((folder / f"{name}.py").read_text(encoding="utf-8"))
    return [folder / f"{name}.py" for name in sorted(found)]


def _run(task: Task) -> None:
    run = play(task.problem, task.method, seed=task.seed, trials=task.trials, tree=task.tree)
    task.file.parent.mkdir(parents=True, exist_ok=True)
    partial = task.file.with_suffix(".part")
    partial.write_text(
        json.dumps({"mark": task.mark, "trials": task.trials, "run": run.to_json()}), encoding="utf-8"
    )
    partial.replace(task.file)
