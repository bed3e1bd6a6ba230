"""Objectives beyond the usual three, and limits relative to the untuned baseline, through a whole study."""

from dataclasses import replace

import optuna
import pytest

from autotune.budget import Budget
from autotune.errors import AutotuneError, BudgetError, PlanError, UnknownName
from autotune.job import Job
from autotune.measurement import Failure, FailureKind, Outcome
from autotune.report.as_json import study_json
from autotune.report.figures import answer, rows
from autotune.report.page import page
from autotune.search.notes import study_note
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic
from tests.search.conftest import Tuner

GOALS = synthetic.plan(
    budget=Budget(trials=10, gain=None),
    objectives=("cost", "memory_bytes", "similarity"),
    price="3.60 USD/h",
    min_similarity=None,
    memory_limit_bytes=None,
    goals={"latency_s": 0.6, "similarity": 0.96},
    bounds={"first_picture_s": 60.0},
)


@pytest.fixture(scope="module")
def goals_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the database of `study`."""
    return f"sqlite:///{tmp_path_factory.mktemp('goals') / 'x.db'}"


@pytest.fixture(scope="module")
def study(goals_url: str) -> Study:
    """A study for cost, memory and similarity, of recipes at least 1.67 times as fast as untuned."""
    return run_study(
        GOALS,
        url=goals_url,
        runner=synthetic.runner(),
        situation=synthetic.SITUATION,
        knobs=synthetic.knobs(),
    )


def test_limits_relative_to_the_baseline_are_kept(study: Study) -> None:
    """What is fit is as much faster, and as like, as was asked for; the baseline itself is not."""
    baseline = study.baseline()
    assert baseline is not None
    assert baseline not in study.fit()
    assert study.fit()
    for trial in study.fit():
        measured = study.settled(trial)
        assert measured is not None
        assert (study.speedup(trial) or 0) >= 1 / 0.6
        assert measured.similarity >= 0.96


def test_optuna_learns_the_limits_as_they_were_resolved(study: Study, goals_url: str) -> None:
    """As constraints of every measured trial, the baseline's too; costs are named with their currency."""
    told = optuna.load_study(study_name=study.name, storage=goals_url)
    fit = {trial.number for trial in study.fit()}

    assert ["cost_usd", "memory_gib", "similarity"] == told.metric_names
    for trial in study.measured():
        constraints = told.trials[trial.number].constraints
        assert {"latency_s", "similarity", "first_picture_s", "failed"} <= constraints.keys()
        assert (trial.number in fit) == all(value <= 0 for value in constraints.values())


def test_the_cheapest_is_a_pick(study: Study) -> None:
    """An objective that no usual pick is about has one of its own name."""
    objective = study.plan.objective("cost")
    values = {t.number: objective.value(m) for t in study.front() if (m := study.settled(t)) is not None}

    assert min(values, key=lambda number: values[number]) == study.best_trial("cost").number
    with pytest.raises(UnknownName, match="There is no pick 'energy'"):
        study.best_trial("energy")


def test_figures_that_the_plan_asks_for_are_shown_with_units(study: Study) -> None:
    """In the rows of tables, as JSON, on the page and on the dashboard."""
    row = next(row for row in rows(study) if "cost" in row.picks)
    cost = study.plan.objective("cost").show({o.name: v or 0 for o, v in row.further}["cost"])
    document = study_json(study)

    assert cost.endswith(" USD")
    assert cost in row.further_figures
    assert f"cost {cost}" in answer(rows(study), "cost")
    assert document["picks"]["cost"] == row.trial.number
    assert document["limits"]["latency_s"] == pytest.approx(0.6 * document["baseline"]["latency_s"])
    assert all(found["cost"] > 0 for found in document["front"])
    for text in (page(study), study_note(study)):
        assert cost in text
        assert "(0.6× the baseline" in text


def test_a_goal_that_nothing_meets_says_what_came_nearest(tune: Tuner) -> None:
    """And how to ask for less."""
    plan = replace(GOALS, goals={"latency_s": 0.01}, budget=Budget(trials=3))

    with pytest.raises(BudgetError) as refusal:
        tune(plan).best()
    said = str(refusal.value)
    assert "latency <= 20.4 ms (0.01× the baseline's)" in said
    assert "the best latency measured is" in said
    assert "Ask for less with --limit 'latency<=…'" in said


def test_a_goal_needs_a_baseline(tune: Tuner) -> None:
    """Where it cannot be measured, the study says so at once; later it can go on."""

    def broken(job: Job) -> Outcome:
        if job.recipe.settings or job.role != "trial":
            return synthetic.runner()(job)
        return Failure(kind=FailureKind.CRASH, message="It died.")

    with pytest.raises(
        AutotuneError, match=r"relative to the untuned baseline.*crash: It died\. Give limits"
    ):
        tune(GOALS, runner=broken)
    assert tune(replace(GOALS, budget=Budget(trials=2))).baseline() is not None


@pytest.mark.parametrize(("objective", "is_shared"), [("latency_s", True), ("first_picture_s", False)])
def test_where_starts_count_each_trial_compiles_for_itself(
    tune: Tuner, objective: str, *, is_shared: bool
) -> None:
    """Else it would be charged only with what those before it had not compiled."""
    caches: list[str] = []

    def noted(job: Job) -> Outcome:
        if job.role == "trial" and job.recipe.settings:
            caches.append(job.cache)
        return synthetic.runner()(job)

    tune(synthetic.plan(objectives=(objective, "similarity"), budget=Budget(trials=3)), runner=noted)

    assert (len(set(caches)) == 1) is is_shared


def test_energy_without_a_counter_is_refused_before_anything_is_measured() -> None:
    """A limit on it too."""
    target = replace(synthetic.SITUATION.target, has_energy_counter=False)
    events: list[str] = []

    for plan in (synthetic.plan(objectives=("energy_j",)), synthetic.plan(bounds={"energy_j": 50.0})):
        with pytest.raises(PlanError, match=r"Abacus .* has no counter that can be read"):
            run_study(
                plan,
                url="sqlite://",
                runner=synthetic.runner(events),
                situation=replace(synthetic.SITUATION, target=target),
                knobs=synthetic.knobs(),
            )
    assert [] == events
