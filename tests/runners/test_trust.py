"""What a trial must not be believed: faults planted in real trials, each caught and named."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.job import Protocol
from autotune.measurement import Failure, FailureKind, Measurement, Outcome, Pruned
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from autotune.observation import PARTS, observe
from autotune.pipeline.memory import ONE_CALL
from autotune.runners.local import LocalRunner
from autotune.screen import Rival, Screen
from autotune.tiers import Tier, tier

from .conftest import PROTOCOL, WORKLOAD, job

Measure = Callable[..., Outcome]
LONGER = replace(WORKLOAD, steps=20)


def against(**figures: float) -> Screen:
    """Return the screen of a study whose front is one recipe, with the reference's own pictures."""
    rival = Rival(digest="0f3a", figures={"memory_bytes": 2.0**20, "similarity": 1.0, **figures})
    return Screen(objectives=(LATENCY, MEMORY, SIMILARITY), rivals=(rival,))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile, each from a session of its own, as other users' programs are.

    The kernel shares CPUs out by session: all of one session together would take half of them.
    """
    burn = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(burn, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_a_picture_with_a_seam_is_named(measure: Measure) -> None:
    """A step along a whole column keeps a high score; it is found all the same, and caps the tier."""
    outcome = measure({"fault": "seam"})

    assert isinstance(outcome, Measurement), outcome
    assert any(flaw.startswith("seam: ") for flaw in outcome.likeness.flaws)
    assert tier(outcome.similarity, has_flaws=True) in (Tier.CLOSE, Tier.SIMILAR)


def test_a_shifted_picture_is_named(measure: Measure) -> None:
    """The same picture a few pixels further on is told as such, and not only as unlike."""
    outcome = measure({"fault": "shifted"})

    assert isinstance(outcome, Measurement), outcome
    assert any(flaw.startswith("shifted: ") and "9 px" in flaw for flaw in outcome.likeness.flaws)


def test_a_leak_is_named(measure: Measure) -> None:
    """Memory that grows with every call would end an application that runs for a day."""
    outcome = measure({"fault": "leaks"}, protocol=replace(PROTOCOL, calls_min=5, calls_max=5))

    assert isinstance(outcome, Measurement), outcome
    assert any(warning.startswith("leaking: ") for warning in outcome.warnings)


def test_a_noisy_neighbour_is_named(runner: LocalRunner, tmp_path: Path) -> None:
    """What another program takes from a timed call is told, with how much it was."""
    reference = str(tmp_path / "reference")
    made = runner(job({}, tmp_path / "reference", role="reference", workload=LONGER))
    assert isinstance(made, Measurement), made
    with neighbours(4):
        outcome = runner(job({}, tmp_path / "trial", reference=reference, workload=LONGER))

    assert isinstance(outcome, Measurement), outcome
    told = [warning for warning in outcome.warnings if warning.startswith("disturbed: ")]
    assert told, outcome.conditions
    assert "other processes took" in told[0]


def test_an_honest_trial_has_no_flaws(measure: Measure) -> None:
    """Nothing is claimed of pictures in which nothing is wrong; the same recipe has no error in any step."""
    outcome = measure({})

    assert isinstance(outcome, Measurement), outcome
    assert outcome.likeness.flaws == ()
    assert outcome.likeness.is_exact
    assert outcome.likeness.step_error == (0.0,) * WORKLOAD.steps
    assert set(outcome.likeness.ratios.values()) == {1.0}
    assert len(outcome.likeness.sha256) == 2


def test_a_recipe_with_a_small_error_in_each_step_says_so(measure: Measure) -> None:
    """Sixteen bits err by a hundredth in each step, whatever becomes of the pictures."""
    outcome = measure({"dtype": "bfloat16"})

    assert isinstance(outcome, Measurement), outcome
    assert 1e-3 < max(outcome.likeness.step_error) < 1e-1
    assert not outcome.likeness.is_exact


def test_other_steps_have_no_error_that_could_be_compared(measure: Measure) -> None:
    """A recipe that takes other steps than the reference says why there is none."""
    outcome = measure({"steps": 2})

    assert isinstance(outcome, Measurement), outcome
    assert outcome.likeness.step_error == ()
    assert "other steps" in outcome.likeness.why_no_step_error


def test_a_hopeless_recipe_is_left_after_two_short_calls(measure: Measure) -> None:
    """A rival that is faster, no larger and as true: no whole call is made, and what was seen is kept."""
    outcome = measure({}, workload=LONGER, screen=against(latency_s=1e-4, memory_bytes=33.0 * 2**20))

    assert isinstance(outcome, Pruned), outcome
    assert outcome.rival == "0f3a"
    assert "(6 steps)" in outcome.message
    assert {"short calls"} == outcome.phases_s.keys() & {"short calls", "first call", "timing"}
    seen = observe(outcome, seconds=1.0)
    assert seen is not None
    figures = seen.figures
    assert figures["latency_s"] == pytest.approx(sum(figures[part] for part in PARTS))
    assert figures["memory_bytes"] == max(figures["memory:load"], figures["memory:calls"]) > 33 * 2**20
    assert {"latency_s", "memory_bytes"} == seen.noise.keys()
    assert not seen.at_least


def test_a_recipe_is_left_for_its_first_pictures(measure: Measure) -> None:
    """Where likeness decides, one whole call is made: the pictures of it are too unlike."""
    limits = (Limit(objective=SIMILARITY, bound=0.9999),)
    screen = replace(against(latency_s=60.0), limits=limits, headroom=0.0)
    outcome = measure({"steps": 10}, workload=LONGER, screen=screen)

    assert isinstance(outcome, Pruned), outcome
    assert "(its first pictures)" in outcome.message
    assert "similarity >= 0.9999" in outcome.message
    assert outcome.rival == ""
    assert 0.5 < outcome.figures["similarity"] < 0.9999
    assert "timing" not in outcome.phases_s


def test_a_recipe_is_left_for_the_error_of_its_steps(measure: Measure) -> None:
    """Others that err less were too unlike already: no whole call is made."""
    limits = (Limit(objective=SIMILARITY, bound=0.95),)
    screen = replace(against(latency_s=60.0), limits=limits, errors=((2e-3, 0.9),) * 3)
    outcome = measure({"dtype": "bfloat16"}, workload=LONGER, screen=screen)

    assert isinstance(outcome, Pruned), outcome
    assert "(6 steps and its error in single ones)" in outcome.message
    assert 1e-3 < outcome.figures["step_error"] < 1e-1
    assert "first call" not in outcome.phases_s


def test_a_recipe_of_which_few_steps_do_not_tell_is_left_in_its_second_call(measure: Measure) -> None:
    """Steps that are guided take longer than the others: no short call is made, and the race decides."""
    screen = against(latency_s=1e-4, memory_bytes=2.0**20)
    outcome = measure({"guidance_cutoff": 0.5}, workload=LONGER, screen=screen)

    assert isinstance(outcome, Pruned), outcome
    assert "5 of 20 steps of its second call" in outcome.message
    assert outcome.latency_at_least_s > 1e-4
    assert outcome.memory_at_least_bytes > 2**20
    assert "short calls" not in outcome.phases_s


def test_a_slow_recipe_that_is_smaller_is_measured_as_if_it_had_not_been_screened(measure: Measure) -> None:
    """Slow alone is no reason: the smallest recipe may be the one that somebody needs."""
    longer = {"workload": replace(LONGER, steps=8)}
    quick, full = replace(PROTOCOL, calls_min=1, calls_max=1), Protocol(settle_max=3, calls_min=3, retries=0)
    screen = against(latency_s=1e-4, memory_bytes=2.0**40)
    plain, found = measure({}, protocol=quick, **longer), measure({}, screen=screen, protocol=full, **longer)

    assert isinstance(plain, Measurement), plain
    assert isinstance(found, Measurement), found
    assert len(found.calls_s) <= 5
    assert found.likeness.sha256 == plain.likeness.sha256
    # Of equal calls of so small a model the peaks differ by a tenth: holes that a heap is left with.
    assert found.memory_bytes == found.memory.stages[ONE_CALL]
    assert found.memory_bytes == pytest.approx(plain.memory_bytes, rel=0.15)
    assert found.cold_s > found.phases_s["first call"] > 0
    assert found.phases_s["short calls"] > 0


def test_a_fast_recipe_wins_its_race(measure: Measure) -> None:
    """A rival that is slower, or as fast, stops nobody."""
    outcome = measure({}, screen=against(latency_s=60.0))

    assert isinstance(outcome, Measurement), outcome


def test_a_reference_of_another_size_is_told(measure: Measure, runner: LocalRunner, tmp_path: Path) -> None:
    """Pictures that cannot be compared end the trial with both sizes."""
    smaller = replace(WORKLOAD, width_px=64, height_px=64)
    made = runner(job({}, tmp_path / "small", role="reference", workload=smaller))
    assert isinstance(made, Measurement), made

    outcome = runner(job({}, tmp_path / "trial", reference=str(tmp_path / "small")))
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.CORRUPT_PICTURE
    assert "64" in outcome.message
    assert "128" in outcome.message
