"""Ladders of guides here: what can run, one trial for equal recipes, rows that are read back, resuming."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from autotune.errors import PlanError
from autotune.job import Job, Runner
from autotune.ladder import Ladder, Rung
from autotune.measurement import Measurement, Outcome
from autotune.recipe import Recipe
from autotune.search.events import Event, Stop, TrialFinished
from autotune.search.ladder import (
    FULL,
    QUICK,
    Changes,
    LadderHere,
    is_complete,
    ladder_plan,
    look_at,
    own_ladder,
    remembered,
    rung_rows,
    scaled_latency,
    untuned_row,
    workload_of,
)
from autotune.search.study import Study
from autotune.store.engine import open_database
from autotune.workload import Workload
from tests.search import synthetic
from tests.search.conftest import Tuner

LADDER = Ladder(
    name="small",
    title="A small guide",
    source="https://example.org/guide",
    hardware="Abacus",
    model="demo",
    width_px=64,
    height_px=64,
    steps=40,
    rungs=(
        Rung(name="half", settings={"dtype": "float16"}, latency_s=8.0),
        Rung(name="half again", settings={"dtype": "float16", "fuse_qkv": False}, latency_s=7.5),
        Rung(name="half the steps", settings={"steps": 24}, latency_s=4.0),
        Rung(name="flash", settings={"dtype": "float8"}, latency_s=2.0),
        Rung(name="crashing", settings={"compile": "full", "vae_tiling": 512}, latency_s=1.0),
    ),
)


def here(ladder: Ladder = LADDER) -> LadderHere:
    """Return a ladder on the synthetic pipeline, which takes 20 steps where the guide takes 40."""
    return look_at(ladder, synthetic.SITUATION, synthetic.knobs())


def measure(tune: Tuner, ladder: LadderHere, **changes: Any) -> Study:
    """Run the study of a ladder."""
    return tune(ladder_plan(ladder, protocol=QUICK, trial_time_s=60.0), **changes)


def test_each_rung_comes_to_its_figures_or_to_why_not(tune: Tuner) -> None:
    """Measured, the same as another, failed or not possible here, and the untuned baseline beside them."""
    ladder = here()
    study = measure(tune, ladder)
    half, again, fewer, flash, crashing = rung_rows(ladder, study)
    untuned = untuned_row(ladder, study)

    assert ["untuned", "half", "half the steps", "crashing"] == [trial.preset for trial in study.trials]
    assert half.measured is not None
    assert (half.measured, half.same_as) == (again.measured, "")
    assert again.same_as == "half"
    assert fewer.recipe is not None
    assert dict(fewer.recipe.settings) == {"steps": 12}
    assert (flash.recipe, flash.trial) == (None, None)
    assert "does not offer 'float8' here" in flash.why_not
    assert crashing.trial is not None
    assert crashing.trial.failure is not None
    assert crashing.measured is None
    assert untuned.measured is not None
    assert half.measured.latency_s < untuned.measured.latency_s
    assert is_complete(ladder, study)


def test_a_ladder_goes_on_where_it_was_stopped(tune: Tuner, url: str) -> None:
    """Nothing is measured twice, and the study is found again by what it asks."""
    ladder, stop, ran = here(), Stop(), list[str]()

    def listen(event: Event) -> None:
        stop.requested = isinstance(event, TrialFinished) or stop.requested

    first = measure(tune, ladder, stop=stop, listen=listen)
    waiting = [row.rung.name for row in rung_rows(ladder, first) if row.trial is None and not row.why_not]
    measure(tune, ladder, runner=_noted(ran))
    with open_database(url) as database:
        found = remembered(
            database,
            LADDER,
            replace(synthetic.SITUATION.workload, width_px=0),
            synthetic.SITUATION.target,
            plan_of=lambda _: ladder_plan(ladder, protocol=QUICK, trial_time_s=60.0),
        )
        other = remembered(
            database,
            LADDER,
            replace(synthetic.SITUATION.workload, steps=21),
            synthetic.SITUATION.target,
            plan_of=lambda _: ladder_plan(ladder, protocol=QUICK, trial_time_s=60.0),
        )

    assert waiting == ["half", "half again", "half the steps", "crashing"]
    assert not is_complete(ladder, first)
    assert ran == ["dtype=float16", "steps=12", "compile=full vae_tiling=512"]
    assert found is not None
    assert is_complete(ladder, found[1])
    assert other is None


def _noted(ran: list[str]) -> Runner:
    compute = synthetic.runner()

    def run(job: Job) -> Outcome:
        if job.role == "trial":
            ran.append(job.recipe.describe())
        return compute(job)

    return run


def test_another_question_is_another_study() -> None:
    """Steps, the protocol and the rungs are part of its name; time is not."""
    ladder = here()
    steps = replace(synthetic.SITUATION, workload=replace(synthetic.SITUATION.workload, steps=10))
    names = [
        ladder_plan(ladder, protocol=QUICK, trial_time_s=60.0).study,
        ladder_plan(ladder, protocol=FULL, trial_time_s=60.0).study,
        ladder_plan(replace(ladder, situation=steps), protocol=QUICK, trial_time_s=60.0).study,
        ladder_plan(here(replace(LADDER, rungs=LADDER.rungs[:1])), protocol=QUICK, trial_time_s=60.0).study,
    ]

    assert len(set(names)) == 4
    assert ladder_plan(ladder, protocol=QUICK, trial_time_s=60.0, seconds=9.0).study == names[0]


def test_a_ladder_of_which_no_rung_can_run_is_the_untuned_baseline(tune: Tuner) -> None:
    """That is measured, and the study ends."""
    ladder = here(replace(LADDER, rungs=LADDER.rungs[3:4]))
    study = measure(tune, ladder)

    assert [trial.changed for trial in study.trials] == [{}]
    assert is_complete(ladder, study)


@pytest.mark.parametrize(("factor", "seconds"), [(1.0, 2.0), (2.0, 3.6), (0.5, 1.2)])
def test_seconds_are_scaled_by_the_share_of_the_steps(factor: float, seconds: float) -> None:
    """Eight tenths of the profiled call are steps; all else takes as long as before."""
    measured = _call(steps_s=(0.4,) * 4, total_s=2.0)

    assert scaled_latency(measured, factor) == pytest.approx(seconds)


def test_without_parts_nothing_is_scaled() -> None:
    """Seconds with other steps are unknown then; with the same steps they are those that were measured."""
    measured = replace(_call(steps_s=(), total_s=1.0), parts=None)

    assert (scaled_latency(measured, 2.0), scaled_latency(measured, 1.0)) == (None, 2.0)


def _call(*, steps_s: Sequence[float], total_s: float) -> Measurement:
    measured = synthetic.measurement({name: values[0] for name, values in synthetic.VALUES.items()})
    assert measured.parts is not None
    parts = replace(measured.parts, steps_s=tuple(steps_s), total_s=total_s)
    return replace(measured, calls_s=(2.0, 2.0, 2.0), parts=parts)


def test_what_a_guide_makes_can_be_changed() -> None:
    """Model, steps, batch and size; a model with prompts of its own draws at its own size."""
    plain = workload_of(LADDER, Changes())
    changed = workload_of(LADDER, Changes(model="m", steps=7, batch=3, size=(128, 256)))
    own = workload_of(LADDER, Changes(model="demo", batch=2), Workload(model="demo", prompts=("a", "b", "c")))

    assert (plain.model, plain.steps, plain.batch, plain.guidance) == ("demo", 40, 1, 7.5)
    assert (changed.model, changed.steps, changed.batch) == ("m", 7, 3)
    assert (changed.width_px, changed.height_px) == (128, 256)
    assert (own.prompts, own.seeds, own.width_px) == (("a", "b"), (0,), 0)
    assert all(len(work.calls()) == 1 for work in (plain, changed, own))


def test_a_recipe_of_ones_own_is_a_ladder_of_one_rung() -> None:
    """It takes its share of the steps; one of another model is refused."""
    work = synthetic.SITUATION.workload
    recipe = Recipe(model="demo", settings={"steps": 10, "dtype": "float16"}, call={"untuned_steps": 25})
    mine = here(own_ladder(LADDER, "mine.json", recipe, work))

    assert dict(mine.recipes["mine.json"].settings) == {"steps": 8, "dtype": "float16"}
    with pytest.raises(PlanError, match="a recipe for 'sd15'"):
        own_ladder(LADDER, "other.json", replace(recipe, model="sd15"), work)
