"""What a trial must not be believed: faults planted in real trials, each caught and named."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from autotune.job import Protocol, Rival
from autotune.measurement import Failure, FailureKind, Measurement, Outcome, Pruned
from autotune.runners.local import LocalRunner
from autotune.tiers import Tier, tier

from .conftest import PROTOCOL, WORKLOAD, job

Measure = Callable[..., Outcome]
LONGER = replace(WORKLOAD, steps=20)


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


def test_a_hopeless_recipe_is_stopped_in_its_second_call(measure: Measure, tmp_path: Path) -> None:
    """A rival that is faster, no larger and as true: no time is spent on the rest of the trial."""
    rival = Rival(digest="0f3a", latency_s=1e-4, memory_bytes=2**20)
    outcome = measure({}, workload=LONGER, rivals=(rival,))

    assert isinstance(outcome, Pruned), outcome
    assert outcome.rival == "0f3a"
    assert outcome.latency_at_least_s > 1.25 * rival.latency_s
    assert outcome.memory_at_least_bytes > 2**20
    assert "projected after" in outcome.message
    assert "timing" not in outcome.phases_s


def test_a_slow_recipe_that_is_smaller_is_measured(measure: Measure) -> None:
    """Slow alone is no reason: the smallest recipe may be the one that somebody needs."""
    rival = Rival(digest="0f3a", latency_s=1e-4, memory_bytes=2**40)
    protocol = Protocol(settle_max=3, calls_min=3, retries=0)
    outcome = measure({}, rivals=(rival,), protocol=protocol, workload=replace(LONGER, steps=8))

    assert isinstance(outcome, Measurement | Failure), outcome
    assert isinstance(outcome, Failure) or len(outcome.calls_s) <= 5


def test_a_fast_recipe_wins_its_race(measure: Measure) -> None:
    """A rival that is slower, or as fast, stops nobody."""
    outcome = measure({}, rivals=(Rival(digest="0f3a", latency_s=60.0, memory_bytes=2**20),))

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
