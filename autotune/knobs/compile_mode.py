"""compile_mode: how hard the compiler tries, for the last tenth of speed on a GPU."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._compiling import GRAPH_MODES, NO_COMPILER, why_no_cuda_graphs

_TUNED = "max-autotune-no-cudagraphs"


def domain(situation: Situation) -> Choice:
    """Offer all modes on CUDA; on a CPU kernels are only timed for weights that are constants, on request."""
    is_cuda, has_compiler = situation.target.kind == "cuda", situation.target.has_compiler
    no_graphs = "" if is_cuda else "there are no CUDA graphs on this device"
    no_templates = (
        "" if is_cuda else "without compile_flags = freezing there are no kernels to choose from here"
    )
    modes = {_TUNED: no_templates, **dict.fromkeys(GRAPH_MODES, no_graphs)}
    others: dict[Value, str] = {mode: why if has_compiler else NO_COMPILER for mode, why in modes.items()}
    choice = Choice.of("default", others)
    if situation.target.kind != "cpu" or not has_compiler:
        return choice
    # Seen on two cores: ten seconds for each size of matrix product, and none was won.
    lacking = {mode: why for mode, why in choice.lacking.items() if mode != _TUNED}
    return replace(choice, on_request=(_TUNED,), lacking=lacking)


def turn(setup: Setup, value: str) -> None:
    """Leave the mode's options where the knobs that compile, which are turned next, pick them up."""
    from torch import _inductor

    # As options, because torch.compile takes a mode or options, and there may be more of them.
    arguments = setup.notes.setdefault("compile_arguments", {})
    arguments.setdefault("options", {}).update(_inductor.list_mode_options(value))


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a mode without a compilation, and CUDA graphs where they break or multiply."""
    value = settings.get("compile_mode", "default")
    if value == "default":
        return None
    if settings.get("compile", "none") == "none":
        return f"compile_mode = {value} needs compile = full or regional."
    if situation.target.kind == "cpu" and settings.get("compile_flags", "none") != "freezing":
        return (
            f"compile_mode = {value} needs compile_flags = freezing on a CPU: only products with constant "
            "weights have more than one kernel (seen with torch 2.13, cpp_gemm_template.py)."
        )
    why = why_no_cuda_graphs(settings) if value in GRAPH_MODES else ""
    return f"compile_mode = {value} {why}." if why else None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the options of what was compiled, and at whether CUDA graphs were given up."""
    from torch import _inductor
    from torch._dynamo.utils import counters

    from autotune.knobs._compiling import compiled_calls, denoisers, options_of

    calls = list(compiled_calls(denoisers(setup.pipeline)))
    if not calls:
        return "No module of the denoiser is called compiled."
    wanted = _inductor.list_mode_options(value)
    for name, _, compiler in calls:
        carried = options_of(compiler)
        lost = [option for option in wanted if carried.get(option) != wanted[option]]
        if lost:
            return f"The compiled {name} does not carry '{lost[0]}'."
    skips = counters["inductor"]["cudagraph_skips"]
    return f"CUDA graphs were given up {skips} times." if wanted.get("triton.cudagraphs") and skips else None


KNOB = Knob(
    name="compile_mode",
    summary=(
        "How hard the compiler tries: 'reduce-overhead' records the denoiser as CUDA graphs, 'max-autotune' "
        "also times kernels and takes the fastest."
    ),
    effect="SDXL, A100, 30 steps, max-autotune compile_vae: 3.31 to 2.54 s (diffusers, fast_diffusion).",
    stage=Stage.COMPILE,
    order=10,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.DECODE, Touches.DECODE_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
