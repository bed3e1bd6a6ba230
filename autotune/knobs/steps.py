"""steps: fewer denoising steps, for time in proportion and a rougher picture."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer 75 to 20 % of the workload's steps, never fewer than 2."""
    full = situation.workload.steps
    fewer = sorted({round(full * percent / 100) for percent in (75, 60, 50, 40, 30, 20)}, reverse=True)
    values = tuple(steps for steps in fewer if 2 <= steps < full)
    return Choice((full, *values), why="" if values else "there are too few steps to leave any out")


def turn(setup: Setup, value: int) -> None:
    """Ask for this many steps."""
    setup.call["num_inference_steps"] = value


def applied(setup: Setup, value: int) -> str | None:
    """Count the steps that the scheduler was set up for and has taken."""
    scheduler = setup.pipeline.scheduler
    planned = getattr(scheduler, "num_inference_steps", None)
    if planned is None:
        planned = len(scheduler.timesteps)
    taken = getattr(scheduler, "_step_index", None)
    if planned != value:
        return f"The scheduler was set up for {planned} steps."
    if taken is not None and taken < value:
        return f"The scheduler took {taken} steps."
    return None


KNOB = Knob(
    name="steps",
    summary="Takes fewer denoising steps: time falls in proportion, the picture drifts from the baseline's.",
    stage=Stage.CALL,
    order=10,
    touches=frozenset({Touches.STEP, Touches.LIKENESS}),
    changes_result=True,
    steps_alike=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
