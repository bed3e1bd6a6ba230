"""The problems on which a search is judged: whole, reproducible, and scored without error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotune import pareto
from autotune.budget import Budget
from autotune.errors import AutotuneError, UsageError
from autotune.job import Job
from autotune.objective import LATENCY, MEMORY, SIMILARITY
from autotune.observation import PARTS
from autotune.runners.replay import ReplayRunner
from autotune.search.tune import run_study
from autotune.table import read_table, write_table
from tests.bench.problem import Problem, clairvoyant, share, volume
from tests.bench.problems.mild import mild
from tests.bench.problems.recorded import problem_from_table, recorded_recipes
from tests.bench.problems.rough import rough
from tests.bench.search import ENOUGH, TABLES, known_problems
from tests.bench.search_methods import OURS, methods
from tests.bench.search_play import play


@pytest.fixture(scope="module", params=[mild, rough])
def problem(request: pytest.FixtureRequest) -> Problem:
    """A synthetic problem."""
    made: Problem = request.param()
    return made


def test_the_whole_is_the_front(problem: Problem) -> None:
    """All rows come to 1, and so does the front alone; what does not fit adds nothing."""
    unfit = np.flatnonzero(np.isnan(problem.losses[:, 0]))[:50].tolist()

    assert 1.0 == pytest.approx(share(problem, problem.front))
    assert 1.0 == pytest.approx(share(problem, [*problem.front, *unfit]))
    assert 0.0 == share(problem, unfit) == share(problem, [])


def test_the_clairvoyant_is_never_behind(problem: Problem) -> None:
    """Knowing the front, each row adds less than the one before, and chance does worse."""
    chosen = clairvoyant(problem, 12)
    shares = [share(problem, chosen[: count + 1]) for count in range(len(chosen))]
    gains = np.diff([0.0, *shares])
    drawn = np.random.default_rng(0).choice(len(problem.rows), 12, replace=False)

    assert (np.diff(gains) < 1e-9).all()
    assert shares[-1] > 0.9 > share(problem, drawn.tolist())


def test_a_search_learns_what_a_trial_would_teach(problem: Problem) -> None:
    """Parts add up to the latency and stages to the memory, with noise as without it."""
    rng = np.random.default_rng(1)
    for row in problem.presets:
        for seen in (problem.seen[row], problem.observe(row, rng)):
            figures = seen.figures
            assert sum(figures[part] for part in PARTS) == pytest.approx(figures["latency_s"])
            stages = (figures["memory:load"], figures["memory:calls"])
            assert max(stages) == pytest.approx(figures["memory_bytes"])
    assert problem.row_of(problem.rows[7]) == 7
    assert set(problem.choices) == set(problem.touches) == set(problem.rows[0])


def test_a_quarter_fails_in_ways_that_no_rule_tells(problem: Problem) -> None:
    """Crashes of several kinds; what does not fit the card says how much it has."""
    kinds = [seen.failure for seen in problem.seen]
    too_large = next(seen for seen in problem.seen if seen.failure == "out of memory")

    assert 0.2 < sum(kind not in ("", "out of memory") for kind in kinds) / len(kinds) < 0.3
    assert too_large.at_least["memory_bytes"] > 2**33
    assert not too_large.figures


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_volume_is_exact(objectives: int) -> None:
    """As slicing has it."""
    rng = np.random.default_rng(objectives)
    for count in (1, 2, 30):
        points = rng.random((count, objectives)) * 1.2
        expected = pareto.hypervolume([tuple(point) for point in points.tolist()], [1.0] * objectives)
        assert volume(points) == pytest.approx(expected)


@pytest.mark.parametrize("file", sorted(TABLES.glob("*.jsonl.gz")), ids=lambda file: str(file.name))
def test_recorded_tables_are_problems(file: Path) -> None:
    """Each has its baseline first and a forecast of each row; a limit leaves part of it out."""
    found, tight = problem_from_table(file), problem_from_table(file, at_most=1.0)

    assert {name: values[0] for name, values in found.choices.items()} == found.rows[found.presets[0]]
    assert found.forecasts is not None
    assert 1.0 == pytest.approx(share(found, range(len(found.rows))))
    assert np.isnan(tight.losses[:, 0]).sum() > np.isnan(found.losses[:, 0]).sum()
    assert [SIMILARITY, LATENCY, MEMORY] == [limit.objective for limit in tight.limits]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of every third recipe of a recorded one, as a card's is that had no time for more."""
    whole = read_table(TABLES / "engines.jsonl.gz")
    kept = [row for row in whole.rows if row.role == "trial"]
    rows = (kept[0], *(row for row in kept[1::3] if row.changed.get("steps") != 15))
    file = tmp_path_factory.mktemp("recorded") / "card" / "table.jsonl.gz"
    write_table(replace(whole, name="card", rows=rows), file)
    return file


def test_part_of_a_table_is_a_problem(part: Path) -> None:
    """What was tried is the space, without the values that were not; a search plays on it to its end."""
    found = problem_from_table(part)
    run = play(found, next(method for method in methods() if method.name == OURS), seed=0, trials=30)

    assert recorded_recipes(part) == len(found.rows) < 324 / 3
    assert (20, 10) == found.choices["steps"]
    assert {name: values[0] for name, values in found.choices.items()} == found.rows[found.presets[0]]
    assert 30 == len(set(run.rows))
    assert (run.invalid, run.duplicates) == (0, 0)
    assert run.shares[-1] > 0.9


def test_a_recipe_that_was_not_recorded_is_an_error_that_names_it(part: Path, tmp_path: Path) -> None:
    """A replay invents nothing."""
    table = read_table(part)
    job = Job(
        recipe=table.recipe({"steps": 15}),
        workload=table.situation.workload,
        device="cpu",
        folder=str(tmp_path),
    )

    with pytest.raises(AutotuneError, match=r"'card'.* has no recipe 'steps=15'"):
        ReplayRunner(table)(job)


def test_the_bench_takes_the_tables_of_cards_that_have_enough(part: Path) -> None:
    """By the name of their folder, twice like the others; a table with few recipes is left out."""
    file = part.parent.parent / "small" / "table.jsonl.gz"
    table = read_table(part)
    write_table(replace(table, rows=table.rows[: ENOUGH - 1]), file)
    found = known_problems(recorded=part.parent.parent)

    assert {"card", "card-1x"} == set(found) - set(known_problems(recorded=file))
    assert ["card", "card-1x"] == [found[name]().name for name in ("card", "card-1x")]


def test_pictures_of_random_weights_count_for_nothing(part: Path, tmp_path: Path) -> None:
    """Latency and memory are real there; a table without its baseline has nothing to be scaled by."""
    table = read_table(part)
    workload = replace(table.situation.workload, model="arch:sdxl")
    drawn, bare = tmp_path / "drawn.jsonl.gz", tmp_path / "bare.jsonl.gz"
    write_table(replace(table, situation=replace(table.situation, workload=workload)), drawn)
    write_table(replace(table, rows=table.rows[1:]), bare)
    found = problem_from_table(drawn)

    assert ((LATENCY, MEMORY), ()) == (found.objectives, found.limits)
    with pytest.raises(UsageError, match="has no measured baseline"):
        problem_from_table(bare)


def test_a_study_goes_through_a_recorded_table(tmp_path: Path) -> None:
    """The real knobs of the real model, the machine replaced by what it answered."""
    table = read_table(TABLES / "torch.jsonl.gz")
    plan = replace(
        table.plans[0],
        sampler="exhaustive",
        warm_from=(),
        budget=Budget(trials=3, gain=None),
        knobs={name: table.choices[name] for name in ("dtype", "steps")},
    )
    study = run_study(
        plan, url=f"sqlite:///{tmp_path}/s.db", runner=ReplayRunner(table), situation=table.situation
    )

    assert 3 == len(study.measured())
    assert all({"dtype", "steps"} >= trial.changed.keys() for trial in study.trials)
    assert sum(trial.seconds for trial in study.trials) > 3.0
