"""compile_text_encoder: prompts encoded by generated kernels, where prompts keep changing."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._compiling import NO_COMPILER


def domain(situation: Situation) -> Choice:
    """Offer it where there are text encoders and `torch.compile` can build kernels."""
    why = "" if situation.target.has_compiler else NO_COMPILER
    if not why and not any(name.startswith("text_encoder") for name in situation.blueprint.parts):
        why = "this pipeline has no text encoder"
    return Choice.of(False, {True: why})  # noqa: FBT003 - a value


def turn(setup: Setup, value: bool) -> None:
    """Compile all text encoders of the pipeline in place."""
    import torch

    # Encoders of one class share a cache, and SD3 has three of them.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)  # noqa: SLF001
    how = {"fullgraph": True, **setup.notes.get("compile_arguments", {})}
    how["backend"] = setup.notes.get("compile_backend", "inductor")
    if "options" in how:
        # The hidden states that a pipeline keeps would be overwritten by the next encoder (diffusers #7420).
        how["options"] = {name: how["options"][name] for name in how["options"] if "cudagraphs" not in name}
    for name, part in setup.pipeline.components.items():
        if not name.startswith("text_encoder") or part is None:
            continue
        # transformers hooks into the layers at the first call that asks for hidden states, under a lock that
        # no graph can hold ("Unsupported context manager", transformers 5.23): that call is made here.
        with torch.inference_mode():
            tokens = torch.zeros(1, 8, dtype=torch.long, device=setup.device)
            part(tokens, output_hidden_states=True)
        part.compile(**how)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where no encoder is left, or where its layers come and go."""
    if not settings.get("compile_text_encoder", False):
        return None
    if settings.get("prompt_embeds", "live") != "live":
        return "compile_text_encoder is pointless with prompt_embeds = precomputed: the encoders are dropped."
    offload = str(settings.get("offload", "none"))
    if offload == "sequential":
        return (
            "compile_text_encoder does not go with offload = sequential: a hook at each layer leaves graphs "
            "of single operations (accelerate #3885)."
        )
    if offload.startswith("group"):
        return (
            f"compile_text_encoder does not go with offload = {offload}, which makes each layer of a text "
            "encoder a group: their hooks leave graphs of single operations (seen with diffusers 0.42)."
        )
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Look at whether every text encoder is called compiled, and at whether graphs of them were made."""
    from autotune.knobs._compiling import compiled_calls, text_encoders

    encoders = text_encoders(setup.pipeline)
    plain = [type(part).__name__ for part in encoders if getattr(part, "_compiled_call_impl", None) is None]
    if plain or not encoders:
        return f"Not called compiled: {', '.join(plain) or 'any text encoder, as there is none'}."
    idle = sorted({name for name, versions, _ in compiled_calls(encoders) if not versions})
    return f"{', '.join(idle)} was to be compiled, but no graph of it was made." if idle else None


KNOB = Knob(
    name="compile_text_encoder",
    summary="Compiles the text encoders; pays where they are large and prompts keep changing.",
    stage=Stage.COMPILE,
    order=35,
    touches=frozenset({Touches.TEXT, Touches.TEXT_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
