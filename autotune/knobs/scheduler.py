"""scheduler: another solver of the same equation, mostly to need fewer steps for the same picture."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches, Value

_SHIPPED = {
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "UniPCMultistepScheduler": "unipc",
    "EulerDiscreteScheduler": "euler",
    "FlowMatchEulerDiscreteScheduler": "euler",
    "DDIMScheduler": "ddim",
}


def domain(situation: Situation) -> Choice:
    """Offer the deterministic solvers that are right for what the model predicts.

    A wrong solver runs without an error and draws garbage, hence the closed list. Stochastic ones are left
    out: their pictures cannot be compared with the baseline's.
    """
    blueprint = situation.blueprint
    why: dict[Value, str] = dict.fromkeys(("dpmpp_2m", "unipc", "euler", "ddim"), "")
    if blueprint.prediction == "flow":
        why["ddim"] = "it solves for noise that is predicted, and this model predicts a flow"
        if blueprint.pipeline_class.startswith("LTX"):
            why["dpmpp_2m"] = "the pipeline gives noise levels of its own, which this solver does not take"
        elif blueprint.pipeline_class.startswith("Flux") and not blueprint.facts.get("dynamic_shifting"):
            why["dpmpp_2m"] = (
                "the pipeline gives a shift, which this solver takes from a dynamic schedule only"
            )
        elif not blueprint.pipeline_class.startswith(("StableDiffusion3", "Flux", "Sana", "Wan")):
            why["dpmpp_2m"] = "it was not seen to be right for this pipeline"
    is_noise = blueprint.prediction in ("epsilon", "v_prediction", "sample")
    if not is_noise and (blueprint.prediction != "flow" or blueprint.scheduler not in _SHIPPED):
        unknown = f"no other solver is known to be right for {blueprint.scheduler or 'this scheduler'}"
        why = dict.fromkeys(why, unknown)
    if blueprint.scheduler in _SHIPPED:
        why[_SHIPPED[blueprint.scheduler]] = "the model ships it: it is the default"
    choice = Choice.of("default", why)
    return replace(choice, on_request=("dpmpp_2m_karras", "deis")) if is_noise else choice


def turn(setup: Setup, value: str) -> None:
    """Replace the scheduler, keeping the model's own noise schedule and spacing of steps."""
    import diffusers

    config = setup.pipeline.scheduler.config
    is_flow = "shift" in config or bool(config.get("use_flow_sigmas"))
    classes: dict[str, tuple[str, dict[str, object]]] = {
        "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
        "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        "deis": ("DEISMultistepScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
        "euler": ("FlowMatchEulerDiscreteScheduler" if is_flow else "EulerDiscreteScheduler", {}),
        # DDIM's own defaults clip latents to [-1, 1], which is only right for pixels.
        "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    }
    name, extra = classes[value]
    if value == "ddim" and config.get("timestep_spacing") == "linspace":
        # DDIM steps back by a fixed count of timesteps, which "linspace" does not keep: it misses the end.
        extra = {**extra, "timestep_spacing": "trailing"}
    if is_flow:
        # One shift of the noise levels, under two names.
        shift = config.get("shift", config.get("flow_shift", 1.0))
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
        extra = {**extra, "shift": shift} if value == "euler" else {**extra, **flow}
    setup.pipeline.scheduler = getattr(diffusers, name).from_config(config, **extra)


def applied(setup: Setup, value: str) -> str | None:
    """Look at the class that took the steps, and at whether it took any."""
    wanted: dict[str, tuple[str, ...]] = {
        "dpmpp_2m": ("DPMSolver",),
        "dpmpp_2m_karras": ("DPMSolver",),
        "deis": ("DEIS",),
        "unipc": ("UniPC",),
        "euler": ("EulerDiscrete", "FlowMatchEuler"),
        "ddim": ("DDIM",),
    }
    scheduler = setup.pipeline.scheduler
    if not type(scheduler).__name__.startswith(wanted[value]):
        return f"The scheduler is a {type(scheduler).__name__}."
    if value.endswith("_karras") and not scheduler.config.get("use_karras_sigmas", False):
        return f"The {type(scheduler).__name__} does not space its steps as Karras does."
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
    steps_alike=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
