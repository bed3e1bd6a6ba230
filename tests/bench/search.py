"""How good the search is: our sampler against those of Optuna on problems whose answers are known.

`make bench-search`. Each search is a process of its own; what it came to is kept under build/bench-search, so
that a bench that was ended goes on where it was. The table, its figures and a picture are written to
studies/search-bench.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from tests.bench import search_picture, search_readme
from tests.bench.problem import Problem
from tests.bench.problems.mild import mild
from tests.bench.problems.recorded import problem_from_table, recorded_recipes
from tests.bench.problems.rough import rough
from tests.bench.search_methods import OURS, methods
from tests.bench.search_play import Method, Run, tree_of
from tests.bench.search_readme import SEEDS
from tests.bench.search_runs import Task, kept, make, problem_mark, sources_mark
from tests.bench.search_speed import Speed, measure_speed
from tests.bench.search_table import Summary, best_run, summarise, table, verdicts

WORK = Path("build/bench-search")
OUT = Path("studies/search-bench")
TRIALS = 100
BEST_TRIALS = 200
"""Of the clairvoyant."""
TABLES = Path("studies/search-cpu")
RECORDED = Path("studies/gpu")
"""Where `make gpu-check` leaves a table in a folder for each machine."""
ENOUGH = 60
"""Recipes of a table that was not recorded to its end: with fewer, a search is over before it has begun."""
_SUFFIX = ".jsonl.gz"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was found on one problem: what methods come to, the clairvoyant first."""

    problem: Problem
    summaries: tuple[Summary, ...]


def main() -> None:
    """Run what was not run before, and write the table, its figures and the picture."""
    asked = _flags().parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes of runs end with this one
    if asked.readme:
        search_readme.write(Path("README.md"), OUT / "bench.json")
        return
    wanted = _named(asked.methods, {method.name: method for method in methods()}, "method")
    problems = [make_one() for make_one in _named(asked.problems, known_problems(), "problem")]
    tasks = [task for problem in problems for task in tasks_of(problem, wanted, asked)]
    # First seeds come first, so that a bench that is ended early has something of all; what is dear, last.
    todo = sorted(
        (task for task in tasks if kept(task) is None),
        key=lambda task: (task.method.trials is not None, task.seed),
    )
    for count, (task, run, seconds) in enumerate(make([] if asked.kept else todo, asked.jobs), start=1):
        _say(f"{count}/{len(todo)}", task, run, seconds)
    told = [_told(problem, wanted, tasks) for problem in problems]
    speed = next((_speed(method, Path(asked.work)) for method in wanted if method.name == OURS), None)
    text = report(told, speed)
    print(text)
    if asked.out:
        _write(told, speed, text, Path(asked.out))


def known_problems(tables: Path = TABLES, recorded: Path = RECORDED) -> dict[str, Callable[[], Problem]]:
    """Return what makes each problem: synthetic ones, and of each recorded table two.

    In the second of them only what is faster and smaller than the untuned recipe counts.

    Args:
        tables: Folder of tables of whole spaces.
        recorded: Folder of a folder for each machine, whose table is a problem of the machine's name where it
            has `ENOUGH` recipes.
    """
    found: dict[str, Callable[[], Problem]] = {"mild": mild, "rough": rough}
    files = {file.name.removesuffix(_SUFFIX): file for file in sorted(tables.glob(f"*{_SUFFIX}"))}
    for file in sorted(recorded.glob(f"*/table{_SUFFIX}")):
        if recorded_recipes(file) >= ENOUGH:
            files.setdefault(file.parent.name, file)
    for name, file in files.items():
        found[name] = partial(problem_from_table, file)
        found[f"{name}-1x"] = partial(problem_from_table, file, at_most=1.0)
    return found


def tasks_of(problem: Problem, wanted: Sequence[Method], asked: argparse.Namespace) -> list[Task]:
    """Return the searches of a problem: fewer seeds and trials for methods that cannot afford more."""
    marks = {False: f"{problem_mark(problem)} optuna {optuna.__version__}"}
    marks[True] = f"{marks[False]} ours {sources_mark()}"
    tree, found = tree_of(problem), []
    for method in wanted:
        trials = min(asked.trials, method.trials or asked.trials)
        for seed in range(min(asked.seeds, method.seeds or asked.seeds)):
            file = Path(asked.work) / problem.name / method.name / f"{seed}.json"
            mark = marks[method.is_ours]
            task = Task(
                problem=problem, method=method, seed=seed, trials=trials, file=file, mark=mark, tree=tree
            )
            found.append(task)
    return found


def report(told: Sequence[Told], speed: Speed | None) -> str:
    """Return all tables, and what the aims come to, as text."""
    blocks = []
    for one in told:
        aims = (f"  {line}" for line in verdicts(one.summaries, OURS))
        ended = (
            f"  {summary.label}: {count} of {summary.seeds} runs ended early, {why}"
            for summary in one.summaries[1:]
            for why, count in summary.ended.items()
        )
        blocks.append("\n".join((table(one.problem, one.summaries), *aims, *ended)))
    said = [speed.describe()] if speed is not None else []
    return "\n\n".join((*blocks, *said, _LEGEND))


_LEGEND = """\
@N: mean share of the hypervolume of trying everything, after N trials that were executed.
to: median trials to a share, in brackets how many seeds got there where not all did.
x best: as a multiple of the clairvoyant's, who knows the front and takes of it what adds the most.
device: simulated seconds of trials until then.
invalid, known: proposals that were no valid recipe, or tried before, for each executed trial; they are free.
CPU s/ask: mean of all asks; last: of the last ten.
Every method begins with the untuned recipe. A stock sampler is asked for every knob; a value that means
nothing beside the others makes no proposal invalid. GPSampler has fewer trials and seeds: its asks take
seconds."""


def _told(problem: Problem, wanted: Sequence[Method], tasks: Sequence[Task]) -> Told:
    best = best_run(problem, BEST_TRIALS)
    summaries = []
    for method in wanted:
        mine = [task for task in tasks if task.problem is problem and task.method is method]
        runs = [run for task in mine if (run := kept(task)) is not None]
        if runs:
            summaries.append(summarise(method.name, method.label, runs, best, trials=mine[0].trials))
    known = summarise("clairvoyant", "clairvoyant", [best], best, trials=BEST_TRIALS)
    return Told(problem=problem, summaries=(known, *summaries))


def _speed(method: Method, work: Path) -> Speed:
    """Measure what an ask costs, or return what was measured of these sources before."""
    file, mark = work / "speed.json", sources_mark()
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if known.get("mark") == mark:
        return Speed(**known["speed"])
    speed = measure_speed(method)
    work.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"mark": mark, "speed": speed.to_json()}), encoding="utf-8")
    return speed


def _write(told: Sequence[Told], speed: Speed | None, text: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.txt").write_text(text + "\n", encoding="utf-8")
    figures: dict[str, Any] = {"problems": {one.problem.name: _figures(one) for one in told}}
    if speed is not None:
        figures["speed"] = speed.to_json()
    (out / "bench.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    curves = {one.problem.name: one.summaries for one in told}
    WORK.mkdir(parents=True, exist_ok=True)
    print(search_picture.draw(curves, WORK / "curves.html", out / "curves.png"), file=sys.stderr)


def _figures(one: Told) -> dict[str, Any]:
    problem = one.problem
    return {
        "recipes": len(problem.rows),
        "front": len(problem.front),
        "limits": [limit.describe() for limit in problem.limits],
        "methods": [summary.to_json() for summary in one.summaries],
    }


def _say(place: str, task: Task, run: Run, seconds: float) -> None:
    held = f"{run.shares[-1]:.1%} after {len(run.rows)} trials" if run.rows else "nothing"
    why = f", {run.why_ended}" if run.why_ended else ""
    what = f"{task.problem.name} {task.method.name} seed {task.seed}"
    print(f"{place} {what}: {held}{why}, {seconds:.0f} s", file=sys.stderr, flush=True)


def _named(wanted: str, known: Mapping[str, Any], what: str) -> list[Any]:
    names = wanted.split(",") if wanted else list(known)
    strange = [name for name in names if name not in known]
    if strange:
        raise SystemExit(f"No {what} '{strange[0]}'. There are {', '.join(known)}.")
    return [known[name] for name in names]


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--problems", default="", help="names with commas between them; all by default")
    flags.add_argument("--methods", default="", help="likewise")
    flags.add_argument("--seeds", type=int, default=SEEDS)
    flags.add_argument("--trials", type=int, default=TRIALS)
    flags.add_argument("--jobs", type=int, default=1, help="searches at a time")
    flags.add_argument("--work", default=str(WORK), help="folder of the runs")
    flags.add_argument("--out", default="", help="folder for the table, the figures and the picture")
    flags.add_argument("--kept", action="store_true", help="tell of the runs that there are, and run nothing")
    flags.add_argument("--readme", action="store_true", help="write the table into README.md and end")
    return flags


if __name__ == "__main__":
    main()
