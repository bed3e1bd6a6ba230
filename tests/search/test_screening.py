"""What a trial is held against while it runs: the front, the limits and the study's experience so far."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from autotune.budget import Budget
from autotune.job import Job
from autotune.knob import Settings
from autotune.knobs import all_knobs
from autotune.measurement import Measurement, Outcome, Pruned
from autotune.objective import violations
from autotune.screen import AS_TRUE, SAME_MEMORY, Known, Screen, beaten
from autotune.search.screening import is_denoisers_own
from autotune.search.study import Study

from . import synthetic

Tuner = Callable[..., Study]
NARROW = {
    **{name: values[:1] for name, values in synthetic.VALUES.items()},
    "dtype": ("float32", "float16"),
    "channels_last": (False, True),
    "attention_slicing": ("none", "max"),
    "vae_tiling": (0, 256),
}


def screening_runner(jobs: list[Job]) -> Callable[[Job], Outcome]:
    """Return a runner that leaves each trial as soon as its latency and its memory are known, if it can."""
    run = synthetic.runner()

    def screened(job: Job) -> Outcome:
        jobs.append(job)
        outcome = run(job)
        if not isinstance(outcome, Measurement):
            return outcome
        figures = {name: outcome.figures[name] for name in ("latency_s", "memory_bytes")}
        found = beaten(job.screen, Known(figures=figures, margin=1.0))
        if found is None:
            return outcome
        return Pruned(
            latency_at_least_s=outcome.latency_s,
            memory_at_least_bytes=outcome.memory_bytes,
            rival=found.rival,
            message=found.why,
            figures=figures,
        )

    return screened


@pytest.mark.slow
def test_a_screened_study_finds_the_front_and_measures_less(tune: Tuner) -> None:
    """Every recipe is tried; those that are stopped were beaten, but for what is no difference."""
    jobs: list[Job] = []
    plan = synthetic.plan(knobs=NARROW, sampler="exhaustive", budget=Budget(trials=99, gain=None))
    study = tune(plan, runner=screening_runner(jobs))
    stopped = [trial for trial in study.trials if trial.pruned is not None]

    assert len(study.trials) == 16
    assert stopped
    found = [one.measurement for one in study.front() if one.measurement is not None]
    for trial in stopped:
        truth = synthetic.measurement(trial.settings)
        is_fit = all(excess <= 0 for excess in violations(study.limits, truth).values())
        assert not is_fit or any(_is_as_good(one, truth) for one in found), trial.describe()
    _check_screens(study, {job.recipe.digest: job.screen for job in jobs if job.role == "trial"})


def _check_screens(study: Study, screens: dict[str, Screen]) -> None:
    """The baseline is held against nothing, others against all that is on the front by then."""
    for number, trial in enumerate(study.trials):
        screen, known = screens[trial.digest], replace(study, trials=study.trials[:number])
        assert (screen == Screen()) is trial.is_baseline
        assert {rival.digest for rival in screen.rivals} == {one.digest for one in known.front()}
        assert trial.is_baseline or screen.objectives == study.plan.measured_objectives()
        assert trial.is_baseline or screen.limits == study.limits


@pytest.mark.parametrize(
    ("changed", "is_own"),
    [
        ({}, True),
        ({"quantization": "int8_dynamic", "channels_last": True}, True),
        ({"dtype": "bfloat16"}, True),
        ({"vae_tiling": 256, "dtype": "bfloat16"}, False),
        ({"quantization_text_encoder": "int8_weight_only"}, False),
    ],
)
def test_a_step_error_tells_of_recipes_whose_likeness_is_the_denoisers_own(
    changed: Settings,
    *,
    is_own: bool,
) -> None:
    """Tiles and another text encoder change pictures that no denoiser changed."""
    assert is_denoisers_own(changed, all_knobs()) is is_own


def _is_as_good(one: Measurement, other: Measurement) -> bool:
    return (
        one.latency_s <= other.latency_s
        and one.memory_bytes <= other.memory_bytes * SAME_MEMORY
        and one.similarity >= min(other.similarity, AS_TRUE)
    )
