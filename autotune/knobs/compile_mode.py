"""compile_mode: how hard the compiler tries, for the last tenth of speed on a GPU."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the modes on CUDA; on a CPU they change nothing worth the time."""
    if not situation.target.has_compiler:
        return Choice(("default",), why="torch.compile cannot build kernels here")
    if situation.target.kind != "cuda":
        return Choice(("default",), why="the other modes tune GPU kernels")
    return Choice(("default", "max-autotune-no-cudagraphs", "reduce-overhead"))


def turn(setup: Setup, value: str) -> None:
    """Leave the mode where the knob 'compile', which is turned next, picks it up."""
    setup.notes["compile_mode"] = value


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a mode without a compilation, and CUDA graphs where they break or multiply."""
    value = settings.get("compile_mode", "default")
    if value == "default":
        return None
    if settings.get("compile", "none") == "none":
        return f"compile_mode = {value} needs compile = full or regional."
    return _against_cuda_graphs(settings) if value == "reduce-overhead" else None


def _against_cuda_graphs(settings: Settings) -> str | None:
    """Say what CUDA graphs do not go with."""
    if settings.get("compile") == "regional":
        return (
            "compile_mode = reduce-overhead needs compile = full: blocks overwrite outputs (pytorch #152887)."
        )
    if settings.get("offload", "none") != "none":
        return "compile_mode = reduce-overhead does not go with offload: weights must stay (diffusers #8879)."
    if 0 < float(settings.get("guidance_cutoff", 1.0)) < 1:
        return "compile_mode = reduce-overhead does not go with guidance_cutoff: the batch changes midway."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the options that the compiled denoiser carries, and at whether CUDA graphs were given up."""
    from torch._dynamo.utils import counters

    from autotune.knobs._evidence import compiled_modules, compiler_options

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    modules = compiled_modules(part)
    if not modules:
        return "No module of the denoiser is called compiled."
    flag = {"reduce-overhead": "triton.cudagraphs"}.get(value, "max_autotune")
    if not compiler_options(modules[0]).get(flag):
        return f"The compiled denoiser does not carry '{flag}'."
    skips = counters["inductor"]["cudagraph_skips"]
    return f"CUDA graphs were given up {skips} times." if value == "reduce-overhead" and skips else None


KNOB = Knob(
    name="compile_mode",
    summary="How hard the compiler tries: 'reduce-overhead' uses CUDA graphs, 'max-autotune' times kernels.",
    stage=Stage.COMPILE,
    order=10,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
