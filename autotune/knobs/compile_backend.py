"""compile_backend: what the denoiser's graph is given to: a code generator, or nothing but a recorder."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._compiling import NO_COMPILER, why_no_cuda_graphs


def domain(situation: Situation) -> Choice:
    """Offer the recorder of CUDA graphs on CUDA, where it is ready in seconds and saves launching kernels."""
    why = "" if situation.target.kind == "cuda" else "there are no CUDA graphs on this device"
    if not why and not situation.target.has_compiler:
        why = NO_COMPILER
    return Choice.of("inductor", {"cudagraphs": why})


def turn(setup: Setup, value: str) -> None:
    """Leave the name where the knob 'compile', which is turned next, picks it up."""
    setup.notes.setdefault("compile_arguments", {})["backend"] = value


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a recorder with nothing to record, with options of inductor, or where recordings break."""
    value = settings.get("compile_backend", "inductor")
    if value == "inductor":
        return None
    if settings.get("compile", "none") == "none":
        return f"compile_backend = {value} needs compile = full."
    if settings.get("compile_mode", "default") != "default":
        return f"compile_backend = {value} does not go with compile_mode, which sets options of inductor."
    why = why_no_cuda_graphs(settings)
    return f"compile_backend = {value} {why}." if why else None


def applied(setup: Setup, value: str) -> str | None:
    """Look at what the denoiser's graphs were given to."""
    from autotune.knobs._compiling import compiled_calls, denoisers

    calls = list(compiled_calls(denoisers(setup.pipeline)))
    if not calls:
        return "No module of the denoiser is called compiled."
    for name, versions, compiler in calls:
        used = getattr(compiler, "compiler_name", type(compiler).__name__)
        if used != value or not versions:
            return f"{len(versions)} graphs of {name} were given to {used}."
    return None


KNOB = Knob(
    name="compile_backend",
    summary=(
        "'cudagraphs' records the denoiser's own kernels instead of generating others: ready in seconds, it "
        "saves the time between kernels."
    ),
    stage=Stage.COMPILE,
    order=12,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
