"""guidance_cutoff: no classifier-free guidance in the last steps, each of which then costs half."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where guidance doubles the batch; mid-picture where pipelines ask for it at each step."""
    blueprint, workload = situation.blueprint, situation.workload
    if not blueprint.can("cfg"):
        return Choice((1.0,), why="this pipeline has no classifier-free guidance")
    if workload.guidance <= 1:
        return Choice((1.0,), why="guidance is 1 or less: the pipeline does not use it anyway")
    # These ask at each step whether to guide; others decide once, before the first.
    asking = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline")
    partly = blueprint.pipeline_class in asking and blueprint.can("step_callback") and workload.steps > 1
    return Choice((1.0, *((0.8, 0.6, 0.4) if partly else ()), 0.0))


def turn(setup: Setup, value: float) -> None:
    """Drop guidance after this share of the steps; 0 drops it altogether."""
    if value == 0:
        setup.call["guidance_scale"] = 1.0
        return
    doubled = ("prompt_embeds", "add_text_embeds", "add_time_ids", "pooled_prompt_embeds")
    names = [name for name in setup.pipeline._callback_tensor_inputs if name in doubled]  # noqa: SLF001
    rows = setup.notes.setdefault("guidance_cutoff_rows", [])

    def drop_guidance(pipeline, step, timestep, tensors):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if step == 0:
            rows.clear()
        rows.append(len(tensors["prompt_embeds"]))
        guided = min(max(round(pipeline.num_timesteps * value), 1), pipeline.num_timesteps - 1)
        if step + 1 == guided:
            # The second half is the guided one. diffusers' own callbacks keep the last row only, which draws
            # the last prompt for the whole batch (callbacks.py, 0.42).
            tensors.update({name: tensors[name].chunk(2)[1] for name in names})
            pipeline._guidance_scale = 1.0  # noqa: SLF001
        return tensors

    setup.call["callback_on_step_end"] = drop_guidance
    setup.call["callback_on_step_end_tensor_inputs"] = ["latents", *names]


def applied(setup: Setup, value: float) -> str | None:
    """Look at how many rows the denoiser was given, step by step."""
    if value == 0:
        guides = getattr(setup.pipeline, "do_classifier_free_guidance", True)
        return "The last picture was drawn with classifier-free guidance." if guides else None
    rows = setup.notes.get("guidance_cutoff_rows", [])
    if not rows:
        return "Guidance was never dropped: no step was reported."
    guided = sum(count == rows[0] for count in rows)
    if guided == len(rows) or rows[-1] * 2 != rows[0]:
        return f"All of the {len(rows)} steps were guided: {rows}."
    wanted = min(max(round(len(rows) * value), 1), len(rows) - 1)
    return None if guided == wanted else f"{guided} of {len(rows)} steps were guided, not {wanted}."


KNOB = Knob(
    name="guidance_cutoff",
    summary="Share of the steps with classifier-free guidance; an unguided step costs half.",
    effect="Half of the denoiser's work for each unguided step (diffusers, 'Pipeline callbacks').",
    stage=Stage.CALL,
    order=20,
    touches=frozenset({Touches.STEP, Touches.LIKENESS}),
    changes_result=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
