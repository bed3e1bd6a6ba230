"""What learning from earlier studies and screening save: `make bench-search` runs this after the table.

Each answer is kept under build/bench-search, so that a bench that was ended goes on where it was.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import optuna

from tests.bench import screening, search_ours, warm
from tests.bench.problem import Problem
from tests.bench.search import OUT, WORK, known_problems
from tests.bench.search_readme import SEEDS
from tests.bench.search_runs import problem_mark, sources_mark


def main() -> None:
    """Run what was not run before, print it and write it to files."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--problems", default="", help="names with commas between them; all by default")
    flags.add_argument("--seeds", type=int, default=SEEDS)
    flags.add_argument("--jobs", type=int, default=1, help="problems at a time")
    flags.add_argument("--out", default=str(OUT), help="folder for the tables")
    asked = flags.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = known_problems()
    names = asked.problems.split(",") if asked.problems else list(known)
    out = Path(asked.out)
    out.mkdir(parents=True, exist_ok=True)
    learning = "\n\n".join(learnt([known[name]() for name in names], seeds=asked.seeds, jobs=asked.jobs))
    screened = "\n".join(f"{what:48} {value:>7}  {compared}" for what, value, compared in screening.run())
    for name, text in (("warm.txt", learning), ("screening.txt", screened)):
        print(text, end="\n\n")
        (out / name).write_text(text + "\n", encoding="utf-8")


def learnt(problems: Sequence[Problem], *, seeds: int, jobs: int) -> list[str]:
    """Return the table of each problem: cold, learning from another machine, and misled."""
    if jobs == 1:
        return [_learnt(problem, seeds=seeds) for problem in problems]
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        return pool.map(partial(_learnt, seeds=seeds), problems, chunksize=1)


def _learnt(problem: Problem, *, seeds: int) -> str:
    file = WORK / problem.name / "warm.json"
    mark = f"{problem_mark(problem)} ours {sources_mark()} seeds {seeds}"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if known.get("mark") == mark:
        return str(known["text"])
    print(f"{problem.name}: learning …", file=sys.stderr, flush=True)
    text = warm.report(problem, warm.compare(problem, search_ours.sampler, seeds=seeds))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"mark": mark, "text": text}), encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
