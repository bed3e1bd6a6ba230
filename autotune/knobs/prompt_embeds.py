"""prompt_embeds: prompts encoded once and the text encoders dropped, for applications with known prompts."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where the pipeline encodes prompts in a step of its own."""
    if not situation.blueprint.can("encode_prompt"):
        return Choice(("live",), why="this pipeline does not encode prompts in a step of its own")
    return Choice(("live", "precomputed"))


def turn(setup: Setup, value: str) -> None:
    """Encode the workload's prompts, let `encode_prompt` look them up from now on, and drop the encoders."""
    import contextlib
    import inspect

    import torch

    pipeline, workload = setup.pipeline, setup.workload
    encode, signature = pipeline.encode_prompt, inspect.signature(pipeline.encode_prompt)
    free = (
        "prompt",
        "device",
        "num_images_per_prompt",
        "num_videos_per_prompt",
        "do_classifier_free_guidance",
    )
    rows: dict[str, list[torch.Tensor]] = {}
    asked: dict[str, object] = {}

    def manner(given: dict[str, object]) -> dict[str, object]:
        plain = {name: given[name] for name in given if isinstance(given[name], (str, list, int))}
        return {name: plain[name] for name in plain if name not in free and plain[name] != ""}

    def record(*args: object, **kwargs: object) -> None:
        given = signature.bind(*args, **kwargs)
        asked.update(manner(given.arguments))
        given.arguments["device"] = torch.device(setup.device)
        rows[given.arguments["prompt"][0]] = list(encode(*given.args, **given.kwargs))
        raise InterruptedError

    def look_up(*args: object, **kwargs: object) -> tuple[object, ...]:
        given = signature.bind(*args, **kwargs).arguments
        prompts = [given["prompt"]] if isinstance(given.get("prompt"), str) else given.get("prompt") or [None]
        if not set(prompts) <= set(rows) or manner(given) != asked:
            raise ValueError(
                f"{prompts}, encoded with {manner(given)}, was not encoded when this pipeline was made: "
                f"it knows {len(rows)} prompts, encoded with {asked}. Set prompt_embeds = live for others."
            )
        setup.notes["prompt_embeds_looked_up"] = setup.notes.get("prompt_embeds_looked_up", 0) + len(prompts)
        copies = given.get("num_images_per_prompt", given.get("num_videos_per_prompt", 1)) or 1
        # One row for each picture; what has another first dimension (Flux' text ids) is the same for all.
        return tuple(
            torch.cat([part[:1] for part in column]).repeat_interleave(copies, dim=0)
            if torch.is_tensor(column[0]) and len(column[0]) == workload.batch
            else column[0]
            for column in zip(*(rows[prompt] for prompt in prompts), strict=True)
        )

    text = [name for name in pipeline.components if name.startswith(("text_encoder", "tokenizer"))]
    for name in [name for name in text if hasattr(getattr(pipeline, name), "forward")]:
        getattr(pipeline, name).to(setup.device)
    size = {"height": workload.height_px, "width": workload.width_px}
    call = {**size, "guidance_scale": workload.guidance, **setup.call}
    accepted = set(call) & set(inspect.signature(pipeline.__call__).parameters)
    # The pipeline itself asks for each encoding, so that it is asked for exactly as in a later call.
    pipeline.encode_prompt = record
    for prompt in workload.prompts:
        with contextlib.suppress(InterruptedError):
            pipeline(prompt=[prompt] * workload.batch, **{name: call[name] for name in accepted})
    pipeline.encode_prompt = look_up
    pipeline.register_modules(**dict.fromkeys(text))


def applied(setup: Setup, value: str) -> str | None:
    """Look for text encoders that are still there, and at whether a prompt was looked up."""
    components = setup.pipeline.components
    kept = [name for name, part in components.items() if name.startswith("text_encoder") and part is not None]
    if kept:
        return f"The pipeline still holds its {', '.join(kept)}."
    return None if setup.notes.get("prompt_embeds_looked_up") else "No prompt has been looked up."


KNOB = Knob(
    name="prompt_embeds",
    summary="Encodes the workload's prompts once and drops the text encoders; other prompts are refused.",
    effect="Frees 8.9 GiB where the encoder is T5-XXL, 1.5 GiB with SDXL's two (16 bits, computed).",
    stage=Stage.EDIT,
    order=20,
    touches=frozenset({Touches.TEXT, Touches.TEXT_MEMORY, Touches.STEP_MEMORY, Touches.DECODE_MEMORY}),
    is_exact=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
