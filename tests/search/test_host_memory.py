"""Host memory: a limit of its own beside a GPU, and the same as the memory on a CPU."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.budget import Budget
from autotune.errors import BudgetError
from autotune.job import Job
from autotune.measurement import Measurement, Outcome
from autotune.plan import Plan
from autotune.plan_text import describe_limits
from autotune.report.as_json import row_json, study_json
from autotune.report.figures import rows
from autotune.report.page import page
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic

MIB = 2**20
CARD = replace(
    synthetic.SITUATION, target=replace(synthetic.SITUATION.target, device="cuda:0", name="A card")
)


def run_with_pinned_weights(job: Job) -> Outcome:
    """Run as the synthetic runner does; half precision is said to keep its weights on the host."""
    outcome = synthetic.runner()(job)
    if not isinstance(outcome, Measurement):
        return outcome
    host = 700 if job.recipe.settings.get("dtype") == "float16" else 100
    return replace(outcome, memory=replace(outcome.memory, detail={"host_bytes": host * MIB}))


def study_on(situation: Any, folder: Path, runner: Any, **limits: Any) -> Study:
    """Run sixteen trials under limits."""
    fields = {"min_similarity": None, "memory_limit_bytes": None, "budget": Budget(trials=16), **limits}
    return run_study(
        synthetic.plan(**fields),
        url=f"sqlite:///{folder / 'x.db'}",
        runner=runner,
        situation=situation,
        knobs=synthetic.knobs(),
    )


@pytest.mark.slow
def test_a_recipe_that_needs_too_much_of_the_host_is_unfit(tmp_path: Path) -> None:
    """It is measured and shown with its figure, but neither on the front nor a pick."""
    study = study_on(CARD, tmp_path, run_with_pinned_weights, host_memory_limit_bytes=512 * MIB)
    halves = [row for row in rows(study) if row.trial.settings["dtype"] == "float16"]
    measured = [row for row in halves if row.trial.measurement is not None]

    assert measured
    assert {("host memory",)} == {row.beyond for row in measured}
    assert {"unfit: host memory"} == {row.verdict for row in measured}
    assert {700 * MIB} == {row_json(row)["host_memory_bytes"] for row in measured}
    assert {"700 MiB"} == {row.host_memory for row in measured}
    assert "float16" not in {trial.settings["dtype"] for trial in study.front()}
    assert 512 * MIB == study_json(study)["limits"]["host_memory_bytes"]
    assert "host memory &lt;= 512 MiB" in page(study)
    assert "<dt>host memory</dt><dd>100 MiB" in page(study)


def test_a_limit_that_nothing_meets_says_what_to_do(tmp_path: Path) -> None:
    """The nearest recipe is named with its figure."""
    study = study_on(CARD, tmp_path, run_with_pinned_weights, host_memory_limit_bytes=50 * MIB)

    with pytest.raises(BudgetError, match=r"on the host needs 100 MiB.*Allow more with --host-memory"):
        study.best()


def test_on_a_cpu_the_smaller_of_two_limits_counts(tmp_path: Path) -> None:
    """There is one memory, the answer says so, and trials are told of the smaller limit."""
    told: list[Job] = []

    def run(job: Job) -> Outcome:
        told.append(job)
        return synthetic.runner()(job)

    limits = {"memory_limit_bytes": 1100 * MIB, "host_memory_limit_bytes": 600 * MIB}
    study = study_on(synthetic.SITUATION, tmp_path, run, **limits)
    largest = max(trial.measurement.memory_bytes for trial in study.fit() if trial.measurement)

    assert 600 * MIB >= largest
    assert {None, 600 * MIB} == {job.memory_limit_bytes for job in told}
    assert "memory <= 600 MiB (host memory is the memory of a CPU)" == describe_limits(study.plan, kind="cpu")
    assert 600 * MIB == study_json(study)["limits"]["memory_bytes"]
    assert not any(row.host_memory for row in rows(study))


def test_beside_a_gpu_the_two_limits_stand_apart() -> None:
    """Each bounds its own memory."""
    plan = synthetic.plan(memory_limit_bytes=2**33, host_memory_limit_bytes=2**34, min_similarity=None)

    assert (2**33, 2**33) == (plan.memory_cap_on("cuda"), plan.memory_cap_on("cpu"))
    assert "memory <= 8 GiB, host memory <= 16 GiB" == describe_limits(plan, kind="cuda")
    assert Plan.from_json(plan.to_json()) == plan
