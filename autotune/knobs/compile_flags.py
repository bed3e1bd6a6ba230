"""compile_flags: options of the code generator that the guides set together, for the last few per cent."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._compiling import NO_COMPILER, is_anything_compiled


def domain(situation: Situation) -> Choice:
    """Offer the guide's options where they act: most are about Triton's kernels, freezing about oneDNN's."""
    kind, why = situation.target.kind, "" if situation.target.has_compiler else NO_COMPILER
    not_here = "its options tune kernels of Triton, for a GPU"
    not_there = "inductor packs constant weights for oneDNN, on a CPU"
    return Choice.of(
        "none",
        {
            "diffusion_fast": why or ("" if kind == "cuda" else not_here),
            "freezing": why or ("" if kind == "cpu" else not_there),
        },
    )


def turn(setup: Setup, value: str) -> None:
    """Leave the options where the knobs that compile pick them up; freezing is for the whole process."""
    from torch._inductor import config

    options = {
        "conv_1x1_as_mm": True,
        "coordinate_descent_tuning": True,
        "coordinate_descent_check_all_directions": True,
        "epilogue_fusion": False,
    }
    if value == "freezing":
        # Dynamo itself looks at it, before any option is read; as an option it keeps what was compiled
        # without it from being used again.
        config.freezing = True
        options = {"freezing": True}
    elif str(setup.settings.get("quantization", "none")).startswith("int8_dynamic"):
        options["force_fuse_int_mm_with_mul"] = True
    setup.notes.setdefault("compile_arguments", {}).setdefault("options", {}).update(options)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse options of a code generator that is not used, and weights frozen block by block."""
    value = settings.get("compile_flags", "none")
    if value == "none":
        return None
    if not is_anything_compiled(settings):
        return f"compile_flags = {value} needs compile, compile_vae or compile_text_encoder."
    if settings.get("compile_backend", "inductor") != "inductor":
        return f"compile_flags = {value} sets options of inductor, and compile_backend is another."
    if value == "freezing" and settings.get("compile") == "regional":
        return (
            "compile_flags = freezing needs compile = full: constant weights make each block a graph of its "
            "own (seen with torch 2.13)."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the options that compiled parts were given, or at whether their weights became constants."""
    from autotune.knobs._compiling import compiled_parts, has_frozen_weights, options_of

    parts = compiled_parts(setup.pipeline)
    if not parts:
        return "Nothing is called compiled."
    for name, guards, compiler in parts:
        if not guards:
            return f"No graph of {name} was made."
        if value == "freezing" and not any(map(has_frozen_weights, guards)):
            return f"The weights of the compiled {name} are not constants."
        if value == "diffusion_fast" and options_of(compiler).get("conv_1x1_as_mm") is not True:
            return f"The compiled {name} does not carry 'conv_1x1_as_mm'."
    return None


KNOB = Knob(
    name="compile_flags",
    summary=(
        "Compiler options: 'diffusion_fast' as in PyTorch's guide (1×1 convolutions as products, "
        "thorough tuning); 'freezing' packs weights for the CPU, for twice the compile time."
    ),
    effect="SDXL, A100, 30 steps, compiled, int8: 3.12 to 3.04 s (sayakpaul/sample-datasets, collated).",
    stage=Stage.COMPILE,
    order=11,
    touches=frozenset(set(Touches) - {Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
