"""The bench of the search counts and sums up as it says: on a problem that one can work out by hand."""

import json
import math
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from autotune.knob import Touches
from autotune.objective import LATENCY, MEMORY, Limit
from autotune.observation import Observation
from tests.bench import search_readme
from tests.bench.problem import Problem
from tests.bench.search_methods import OURS, methods, with_presets
from tests.bench.search_picture import figure_of
from tests.bench.search_play import FREE_IN_A_ROW, Method, Run, play, tree_of
from tests.bench.search_runs import Task, kept, make, problem_mark
from tests.bench.search_table import BLIND, DEFAULT, best_run, summarise, table, verdicts

CHANCE = Method(name="chance", label="Chance", sampler=lambda start: RandomSampler(seed=start.seed))


@pytest.fixture
def problem() -> Problem:
    """Five recipes: "stream" means something for one value of "offload"; the last recipe fails."""
    settings = [("none", False), ("model", False), ("group", False), ("group", True), ("disk", False)]
    figures = [(1.0, 8.0), (2.0, 4.0), (3.0, 3.0), (1.5, 3.0)]
    seen = [Observation(figures={"latency_s": s, "memory_bytes": b}, seconds=10 * s) for s, b in figures]
    return Problem(
        name="small",
        choices={"offload": ("none", "model", "group", "disk"), "stream": (False, True)},
        touches={"offload": frozenset(Touches), "stream": frozenset({Touches.STEP})},
        rows=tuple({"offload": offload, "stream": stream} for offload, stream in settings),
        seen=(*seen, Observation(failure="crash", seconds=5.0)),
        objectives=(LATENCY, MEMORY),
        limits=(Limit(objective=MEMORY, bound=10.0),),
        presets=(0, 3),
    )


def test_a_search_executes_each_recipe_once_and_ends_when_nothing_new_comes(problem: Problem) -> None:
    """Chance proposes all five in the end, and then what is known, until that is too much."""
    run = play(problem, CHANCE, seed=0, trials=9)
    assert sorted(run.rows) == [0, 1, 2, 3, 4]
    assert run.rows[0] == 0
    assert run.shares == tuple(sorted(run.shares))
    assert run.shares[-1] == pytest.approx(1.0)
    assert run.duplicates == len(run.ask_cpu_s) - 5 >= FREE_IN_A_ROW
    assert "in a row" in run.why_ended


def test_a_value_that_means_nothing_makes_no_proposal_invalid(problem: Problem) -> None:
    """Stream is taken as off where nothing is streamed."""
    assert play(problem, CHANCE, seed=0, trials=5).invalid == 0
    assert tree_of(problem) == {
        "none": {False: 0},
        "model": {False: 1},
        "group": {False: 2, True: 3},
        "disk": {False: 4},
    }


def test_a_method_with_presets_begins_with_them(problem: Problem) -> None:
    """The baseline alone comes first otherwise."""
    assert play(problem, with_presets(CHANCE), seed=1, trials=2).rows == (0, 3)


@pytest.mark.parametrize("name", ["random", "random-valid", "nsga2", "tpe+presets", "tpe-group"])
def test_every_stock_sampler_plays(problem: Problem, name: str) -> None:
    """Failures and limits are told in a way that each of them accepts."""
    method = next(method for method in methods() if method.name == name)
    assert sorted(play(problem, method, seed=0, trials=5).rows) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["ours", OURS, "ours-totals+presets", "ours-no-cost+presets"])
def test_autotune_plays_without_a_wasted_proposal(problem: Problem, name: str) -> None:
    """It begins with the untuned recipe, and ends when every recipe was tried."""
    method = next(method for method in methods() if method.name == name)
    run = play(problem, method, seed=0, trials=9)
    assert sorted(run.rows) == [0, 1, 2, 3, 4]
    assert run.rows[0] == 0
    assert (run.invalid, run.duplicates) == (0, 0)
    assert run.why_ended == "every valid recipe was tried"


def test_a_search_is_kept_and_not_run_again(problem: Problem, tmp_path: Path) -> None:
    """Unless the problem changed since."""
    task = Task(
        problem=problem,
        method=CHANCE,
        seed=0,
        trials=3,
        file=tmp_path / "small" / "0.json",
        mark=problem_mark(problem),
        tree=tree_of(problem),
    )
    assert kept(task) is None
    assert [run for _, run, _ in make([task], jobs=1)] == [kept(task)]
    changed = Task(**{**vars(task), "mark": "another"})
    assert kept(changed) is None


def test_medians_count_searches_that_never_got_there(problem: Problem) -> None:
    """Of three seeds two reach 95 %, after 2 and 3 trials: the median is 3; the clairvoyant needs one."""
    best = Run(rows=(3,), seconds=(15.0,), shares=(1.0,))
    runs = [
        Run(rows=(0, 3), seconds=(10.0, 15.0), shares=(0.2, 1.0)),
        Run(rows=(0, 1, 3), seconds=(10.0, 20.0, 15.0), shares=(0.2, 0.5, 0.96), invalid=3),
        Run(rows=(0, 1, 2), seconds=(10.0, 20.0, 30.0), shares=(0.2, 0.5, 0.5)),
    ]
    told = summarise("chance", "Chance", runs, best, trials=3)
    reached = told.reached[0.95]
    assert (reached.trials, reached.seconds, reached.seeds, reached.times) == (3, 45.0, 2, 3.0)
    assert told.reached[0.99].trials == math.inf
    assert told.curve[1] == pytest.approx((1.0 + 0.5 + 0.5) / 3)
    assert told.invalid == pytest.approx(1 / 3)
    assert told.at == {25: None, 50: None, 100: None}
    text = table(problem, [told])
    assert "5 valid recipes of 2 knobs, 20% fail" in text
    assert "3 (2)" in text
    assert ">3 (1)" in text


def test_the_clairvoyant_takes_what_adds_the_most(problem: Problem) -> None:
    """The recipe that is fast and small comes first; the whole front is found by three."""
    best = best_run(problem, 9)
    assert best.rows[0] == 3
    assert best.shares[-1] == pytest.approx(1.0)


def test_aims_are_told_as_met_missed_or_open() -> None:
    """A search that needs twice the clairvoyant's trials, against two that get nowhere."""
    best = Run(rows=(0, 1), seconds=(1.0, 1.0), shares=(0.95, 1.0))
    mine = Run(
        rows=(0, 1, 2, 3, 4, 5, 6), seconds=(1.0,) * 7, shares=(0.1, 0.95, 0.96, 0.97, 0.98, 0.98, 1.0)
    )
    slow = Run(rows=(0, 1, 2), seconds=(5.0,) * 3, shares=(0.1, 0.1, 0.1))
    told = [
        summarise(OURS, "Ours", [mine], best, trials=7),
        summarise(DEFAULT, "TPE", [slow], best, trials=3),
        summarise(BLIND, "Chance", [slow], best, trials=3),
    ]
    assert verdicts(told, OURS) == [
        "95% within 2.5x the clairvoyant's trials: 2.0, met",
        "99% within 3x the clairvoyant's trials: 3.5, missed",
        "95 % in at least 5x fewer device seconds than Optuna's default: more than 7.5x, met",
        "worse than drawing valid recipes: never",
    ]


def test_the_readme_takes_the_table_between_its_markers(problem: Problem, tmp_path: Path) -> None:
    """What was there before goes, all else stays; without markers it is refused."""
    best = best_run(problem, 9)
    told = [summarise(name, name, [best], best, trials=150) for name in ("clairvoyant", OURS)]
    methods_json = [one.to_json() for one in told]
    figures = {"problems": {"small": {"recipes": 5, "front": 3, "limits": [], "methods": methods_json}}}
    readme, file = tmp_path / "README.md", tmp_path / "bench.json"
    file.write_text(json.dumps(figures))
    readme.write_text(f"before\n{search_readme.START}\nold\n{search_readme.END}\nafter\n")
    search_readme.write(readme, file)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert f"| {OURS} | 100.0% | 100.0% | 100.0% |" in text
    readme.write_text("nothing")
    with pytest.raises(SystemExit, match="once each"):
        search_readme.write(readme, file)


def test_the_picture_has_a_line_for_each_method_of_each_problem(problem: Problem) -> None:
    """Without presets it is dotted; the clairvoyant is drawn as far as the others."""
    best = best_run(problem, 9)
    told = [summarise(name, name, [best], best, trials=5) for name in ("clairvoyant", "tpe", "tpe+presets")]
    figure = figure_of({"small": told, "again": told})
    assert [(line.name, line.line.dash, len(line.x)) for line in figure.data] == [
        ("clairvoyant", "solid", 5),
        ("tpe", "dot", 5),
        ("tpe+presets", "solid", 5),
    ] * 2
