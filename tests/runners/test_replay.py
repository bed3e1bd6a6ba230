"""Replay: a study over measured recipes goes as it would on the machine, in no time."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.budget import Budget
from autotune.errors import AutotuneError
from autotune.job import Job, Protocol
from autotune.knob import Value
from autotune.measurement import Failure, FailureKind, Measurement
from autotune.observation import observe
from autotune.recipe import Recipe
from autotune.runners.replay import ReplayRunner
from autotune.search.tune import run_study
from autotune.space import build_space
from autotune.table import Row, Table
from tests.search import synthetic

VALUES: dict[str, tuple[Value, ...]] = {
    **{name: values[:1] for name, values in synthetic.VALUES.items()},
    "dtype": ("float32", "bfloat16"),
    "steps": (20, 12, 8),
}
SECONDS = 40.0
"""Of every trial."""


@pytest.fixture(scope="module")
def table() -> Table:
    """A table of all six recipes."""
    space = build_space(synthetic.knobs(VALUES), synthetic.SITUATION, allow_approximate=True)
    return Table(
        name="six",
        situation=synthetic.SITUATION,
        plans=(synthetic.plan(),),
        choices=VALUES,
        rows=tuple(
            Row(
                changed=space.recipe(settings).settings,
                outcome=synthetic.measurement(settings),
                seconds=SECONDS,
            )
            for settings in space.valid()
        ),
        machine_sd=0.05,
    )


def job(table: Table, folder: Path, **changes: object) -> Job:
    """Return the job of a recipe of the table."""
    recipe = Recipe(model="demo", settings=changes.pop("settings", {"steps": 8}))  # type: ignore[arg-type]
    made = Job(recipe=recipe, workload=table.situation.workload, device="cpu", folder=str(folder))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_whole_study_runs_on_a_table(table: Table, tmp_path: Path) -> None:
    """Reference, trials, noise floor and rounds are answered, and a trial's seconds are those it took."""
    protocol = Protocol(baseline_every=5, confirm_rounds=1, finalists=1)
    plan = synthetic.plan(
        sampler="exhaustive", budget=Budget(gain=None), allow_approximate=True, protocol=protocol
    )
    study = run_study(
        plan,
        url=f"sqlite:///{tmp_path}/study.db",
        runner=ReplayRunner(table),
        situation=table.situation,
        knobs=synthetic.knobs(VALUES),
    )

    assert len(table.rows) == len(study.trials) == len(study.measured())
    assert {SECONDS} == {trial.seconds for trial in study.trials}
    assert study.best("fastest").settings
    assert any(check.purpose == "confirm" for check in study.checks)


def test_the_answer_is_what_was_measured(table: Table, tmp_path: Path) -> None:
    """Without a seed, the same to the last digit; of a round only what a round measures."""
    whole = ReplayRunner(table)(job(table, tmp_path))
    part = ReplayRunner(table)(job(table, tmp_path, is_whole=False))
    row = table.row(Recipe(model="demo", settings={"steps": 8}))

    assert row is not None
    assert isinstance(whole, Measurement)
    assert isinstance(part, Measurement)
    assert observe(row.outcome, seconds=1.0) == observe(whole, seconds=1.0)
    assert whole.parts is not None
    assert part.parts is None


def test_the_reference_is_like_itself(table: Table, tmp_path: Path) -> None:
    """As many calls as are compared, all of them equal to the pictures that they make."""
    made = ReplayRunner(table)(job(table, tmp_path, settings={}, role="reference"))

    assert isinstance(made, Measurement)
    assert (1.0, Protocol().pairs) == (made.similarity, len(made.calls_s))


def test_noise_follows_from_the_seed(table: Table, tmp_path: Path) -> None:
    """Another process would have been faster or slower; asked again, it is as fast as it was."""
    seeded = ReplayRunner(table, seed=1)
    first, again = seeded(job(table, tmp_path / "a")), seeded(job(table, tmp_path / "a"))
    elsewhere, other = (
        seeded(job(table, tmp_path / "b")),
        ReplayRunner(table, seed=2)(job(table, tmp_path / "a")),
    )
    latencies = [m.latency_s for m in (first, elsewhere, other) if isinstance(m, Measurement)]

    assert first == again
    assert 3 == len(set(latencies))
    assert max(latencies) / min(latencies) < 1.5


def test_limits_end_a_trial_as_on_a_machine(table: Table, tmp_path: Path) -> None:
    """A trial that took longer than it may is killed; a GPU gives no more than it is allowed to."""
    late = ReplayRunner(table)(job(table, tmp_path, time_limit_s=SECONDS / 2))
    large = ReplayRunner(table)(job(table, tmp_path, device="cuda", memory_limit_bytes=1000))
    on_cpu = ReplayRunner(table)(job(table, tmp_path, memory_limit_bytes=1000))

    assert isinstance(late, Failure)
    assert FailureKind.TIMEOUT is late.kind
    assert isinstance(large, Failure)
    assert FailureKind.OUT_OF_MEMORY is large.kind
    assert isinstance(on_cpu, Measurement)


def test_what_nobody_measured_is_an_error(table: Table, tmp_path: Path) -> None:
    """No figure is made up: neither for another recipe nor for other pictures."""
    runner = ReplayRunner(table)

    with pytest.raises(AutotuneError, match="has no recipe 'steps=10'"):
        runner(job(table, tmp_path, settings={"steps": 10}))
    with pytest.raises(AutotuneError, match="other pictures"):
        runner(job(table, tmp_path, workload=replace(table.situation.workload, batch=2)))
