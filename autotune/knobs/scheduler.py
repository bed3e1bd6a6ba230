"""scheduler: another solver of the same equation, mostly to need fewer steps for the same picture."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the deterministic solvers that are right for what the model predicts.

    A wrong solver runs without an error and draws garbage, hence the closed list. Stochastic ones are left
    out: their pictures cannot be compared with the baseline's.
    """
    classes = {
        "dpmpp_2m": "DPMSolverMultistepScheduler",
        "unipc": "UniPCMultistepScheduler",
        "euler": "EulerDiscreteScheduler",
        "ddim": "DDIMScheduler",
    }
    blueprint = situation.blueprint
    if blueprint.prediction == "flow":
        offered = ["unipc"] if blueprint.scheduler == "FlowMatchEulerDiscreteScheduler" else []
    elif blueprint.prediction in ("epsilon", "v_prediction", "sample"):
        offered = list(classes)
    else:
        offered = []
    values = tuple(name for name in offered if classes[name] != blueprint.scheduler)
    why = (
        ""
        if values
        else f"no other solver is known to be right for {blueprint.scheduler or 'this scheduler'}"
    )
    return Choice(("default", *values), why=why)


def turn(setup: Setup, value: str) -> None:
    """Replace the scheduler, keeping the model's own noise schedule and spacing of steps."""
    import diffusers

    classes: dict[str, tuple[str, dict[str, object]]] = {
        "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
        "euler": ("EulerDiscreteScheduler", {}),
        # DDIM's own defaults clip latents to [-1, 1], which is only right for pixels.
        "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    }
    name, extra = classes[value]
    config = setup.pipeline.scheduler.config
    if value == "ddim" and config.get("timestep_spacing") == "linspace":
        # DDIM steps back by a fixed count of timesteps, which "linspace" does not keep: it misses the end.
        extra = {**extra, "timestep_spacing": "trailing"}
    if type(setup.pipeline.scheduler).__name__.startswith("FlowMatch"):
        extra = {
            "prediction_type": "flow_prediction",
            "use_flow_sigmas": True,
            "flow_shift": config.get("shift", 1.0),
        }
    setup.pipeline.scheduler = getattr(diffusers, name).from_config(config, **extra)


def applied(setup: Setup, value: str) -> str | None:
    """Look at the class that took the steps, and at whether it took any."""
    wanted = {"dpmpp_2m": "DPMSolver", "unipc": "UniPC", "euler": "EulerDiscrete", "ddim": "DDIM"}[value]
    scheduler = setup.pipeline.scheduler
    if not type(scheduler).__name__.startswith(wanted):
        return f"The scheduler is a {type(scheduler).__name__}."
    if not getattr(scheduler, "num_inference_steps", None):
        return f"The {type(scheduler).__name__} is in place but took no step."
    return None


KNOB = Knob(
    name="scheduler",
    summary="Another solver for the denoising steps; changes the picture, and may need fewer steps.",
    effect="DPM-Solver++ reaches in 15 to 20 steps what DDIM needs 50 for (arXiv 2211.01095).",
    stage=Stage.EDIT,
    order=10,
    touches=frozenset({Touches.STEP, Touches.LIKENESS}),
    changes_result=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
