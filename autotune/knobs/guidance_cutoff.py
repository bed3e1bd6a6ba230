"""guidance_cutoff: no classifier-free guidance in the last steps, each of which then costs half."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where guidance doubles the batch; mid-picture where pipelines ask for it at each step."""
    blueprint, workload = situation.blueprint, situation.workload
    if not blueprint.can("cfg"):
        return Choice((1.0,), why="this pipeline has no classifier-free guidance")
    if workload.guidance <= 1:
        return Choice((1.0,), why="guidance is 1 or less: the pipeline does not use it anyway")
    # These ask at each step whether to guide, Wan by a pass of its own; others decide once, before the first.
    asking = (
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
        "StableDiffusion3Pipeline",
        "WanPipeline",
    )
    once = ""
    if blueprint.pipeline_class not in asking or not blueprint.can("step_callback"):
        once = "this pipeline decides before the first step whether to guide"
    elif "transformer_2" in blueprint.parts:
        once = "two denoisers take turns here, each with a guidance of its own"
    elif workload.steps <= 1:
        once = "a single step is guided or not"
    return Choice.of(1.0, {0.8: once, 0.6: once, 0.4: once, 0.0: ""})


def turn(setup: Setup, value: float) -> None:
    """Drop guidance after this share of the steps; 0 drops it altogether."""
    import functools
    import inspect
    from typing import Any

    pipeline = setup.pipeline
    if value == 0:
        setup.call["guidance_scale"] = 1.0
        asked: list[bool] = setup.notes.setdefault("guidance_cutoff_asked", [])
        encode, signature = pipeline.encode_prompt, inspect.signature(type(pipeline).encode_prompt)

        @functools.wraps(encode)
        def note_guidance(*args: object, **kwargs: object) -> object:
            given = signature.bind(pipeline, *args, **kwargs).arguments
            asked[:] = [bool(given.get("do_classifier_free_guidance", True))]
            return encode(*args, **kwargs)

        pipeline.encode_prompt = note_guidance
        return
    doubled = ("prompt_embeds", "add_text_embeds", "add_time_ids", "pooled_prompt_embeds")
    rows: list[int] = setup.notes.setdefault("guidance_cutoff_rows", [])
    is_apart = type(pipeline).__name__.startswith("Wan")
    names = [name for name in pipeline._callback_tensor_inputs if name in doubled and not is_apart]  # noqa: SLF001

    def drop_guidance(pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
        if step == 0 and not is_apart:
            rows.clear()
        if not is_apart:
            rows.append(len(tensors["prompt_embeds"]))
        guided = min(max(round(pipeline.num_timesteps * value), 1), pipeline.num_timesteps - 1)
        if step + 1 == guided:
            # The second half is the guided one. diffusers' own callbacks keep the last row only, which draws
            # the last prompt for the whole batch (callbacks.py, 0.42).
            tensors.update({name: tensors[name].chunk(2)[1] for name in names})
            pipeline._guidance_scale = 1.0  # noqa: SLF001
        return tensors

    if is_apart:
        enter = pipeline.transformer.cache_context

        # Entered around each pass of the denoiser: one a step where it is not guided, two where it is.
        @functools.wraps(enter)
        def count_passes(name: str, **about: Any) -> Any:
            if name == "cond":
                rows[:] = [*(rows if about.get("step_index") else []), 0]
            rows[-1] += 1
            return enter(name, **about)

        pipeline.transformer.cache_context = count_passes
    setup.call["callback_on_step_end"] = drop_guidance
    setup.call["callback_on_step_end_tensor_inputs"] = ["latents", *names]


def applied(setup: Setup, value: float) -> str | None:
    """Look at how many rows the denoiser was given, step by step, or whether they were asked for at all."""
    if value == 0:
        asked = setup.notes.get("guidance_cutoff_asked", [])
        if not asked:
            return "No prompt was seen to be encoded without guidance."
        return "The last picture was drawn with classifier-free guidance." if asked[0] else None
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
