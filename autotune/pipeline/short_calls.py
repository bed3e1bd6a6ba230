"""Short calls: few steps of a recipe, which tell how long many take, what they need and how far they err."""

from dataclasses import dataclass
from typing import Any

from autotune.job import Job
from autotune.knob import Knob, Setup
from autotune.measurement import Parts
from autotune.pipeline.calls import call_arguments, make_pictures, taken_arguments
from autotune.pipeline.denoiser_calls import denoisers
from autotune.pipeline.step_error import Seen, noted_inputs
from autotune.pipeline.stopwatch import seconds_of, time_parts
from autotune.screen import LEAST_STEPS, SHORT_STEPS, projected
from autotune.workload import Call

STEPS = "num_inference_steps"
_OWN_STEPS = ("timesteps", "sigmas")
_TOO_SHORT = (ValueError, IndexError, ZeroDivisionError)  # what a scheduler raises that needs more steps


@dataclass(frozen=True, kw_only=True)
class ShortCalls:
    """What two short calls came to.

    Attributes:
        first_s: Wall seconds of the first one, which holds compilation.
        second_s: Wall seconds of the second one.
        whole: What the second one says of a call of all steps.
        seen: What the denoiser was given in it.
    """

    first_s: float
    second_s: float
    whole: Parts
    seen: Seen


def tells_by_few_steps(job: Job, setup: Setup, knobs: tuple[Knob, ...]) -> bool:
    """Whether few steps of a recipe tell of many: they all compute the same, and there are enough of them.

    Args:
        job: Says the recipe.
        setup: Finished.
        knobs: All there are.
    """
    arguments = call_arguments(setup, setup.workload.calls()[0])
    differ = any(
        knob.changes_result and not knob.steps_alike and knob.name in job.recipe.settings for knob in knobs
    )
    return (
        not differ
        and STEPS in taken_arguments(setup.pipeline)
        and int(arguments.get(STEPS, 0)) >= LEAST_STEPS
        and not any(name in arguments for name in _OWN_STEPS)
        and len(denoisers(setup.pipeline)) == 1
    )


def make_short_calls(setup: Setup) -> ShortCalls | None:
    """Make two short calls; the first one compiles what is to be compiled, since all shapes are those of all.

    Returns:
        None where the scheduler refuses so few steps, or takes others than it was asked for.
    """
    call = setup.workload.calls()[0]
    steps = int(call_arguments(setup, call)[STEPS])
    try:
        first_s, _ = seconds_of(lambda: make_short(setup, call))
        with noted_inputs(setup) as seen:
            second_s, parts = seconds_of(lambda: time_parts(setup, call, make_short))
    except _TOO_SHORT:
        return None
    if len(parts.steps_s) != SHORT_STEPS:
        return None
    return ShortCalls(first_s=first_s, second_s=second_s, whole=projected(parts, steps), seen=seen)


def make_short(setup: Setup, call: Call) -> Any:
    """Make the pictures of one call in few steps; they are good for nothing."""
    return make_pictures(setup, call, extra={STEPS: SHORT_STEPS})
