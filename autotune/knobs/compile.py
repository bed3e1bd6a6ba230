"""compile: the denoiser as generated kernels, for speed at the price of a slow first call."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._compiling import NO_COMPILER


def domain(situation: Situation) -> Choice:
    """Offer it where `torch.compile` can build kernels, by blocks where it has lists of them."""
    blueprint = situation.blueprint
    why = "" if situation.target.has_compiler else NO_COMPILER
    if not why and blueprint.denoiser is None:
        why = "this pipeline has no denoiser that is known here"
    has_blocks = blueprint.can("repeated_blocks") or blueprint.can("block_lists")
    no_blocks = "" if has_blocks else "the denoiser has no list of blocks to compile one by one"
    return Choice.of("none", {"regional": why or no_blocks, "full": why})


def turn(setup: Setup, value: str) -> None:
    """Compile the denoiser's repeated blocks ("regional") or all of it ("full")."""
    import torch

    # Blocks of one class share a cache, and a UNet has them in several sizes: 8 entries can be too few.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)  # noqa: SLF001
    backend = setup.notes.get("compile_backend", "inductor")
    how = {"fullgraph": True, "backend": backend, **setup.notes.get("compile_arguments", {})}
    # Wan 2.2 has two, which take turns.
    for name in ("unet", "transformer", "transformer_2"):
        part = getattr(setup.pipeline, name, None)
        if part is None:
            continue
        if value == "full":
            part.compile(**how)
        elif getattr(part, "_repeated_blocks", None):
            part.compile_repeated_blocks(**how)
        else:
            lists = [child for child in part.children() if isinstance(child, torch.nn.ModuleList)]
            if not lists:
                raise ValueError(f"{type(part).__name__} has no list of blocks to compile one by one.")
            for block in (block for blocks in lists for block in blocks):
                block.compile(**how)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what keeps the denoiser's code from being compiled."""
    value = settings.get("compile", "none")
    if value == "none":
        return None
    if settings.get("offload", "none") == "sequential":
        return (
            "compile does not go with offload = sequential: a hook at each layer leaves graphs of single "
            "operations (accelerate #3885)."
        )
    if settings.get("engine", "torch") != "torch":
        return (
            f"compile does not go with engine = {settings['engine']}: torch does not run the denoiser then."
        )
    if value == "full" and settings.get("deep_cache", 0):
        return (
            "compile = full does not go with deep_cache, whose wrapper around each block breaks the graph "
            "there: 28 breaks in a UNet of four blocks (seen with DeepCache 0.1.1). 'regional' does."
        )
    if settings.get("trace", False):
        return "compile does not go with trace: the traced denoiser holds no Python code to compile."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at which modules are called compiled, and at whether any of their code was really compiled."""
    from autotune.knobs._compiling import compiled_calls, denoisers
    from autotune.knobs._evidence import compiled_modules

    for part in denoisers(setup.pipeline):
        modules = compiled_modules(part)
        if not modules:
            return "No module of the denoiser is called compiled."
        if (value == "full") != (modules[0] is part):
            return f"{len(modules)} modules are called compiled, the first one a {type(modules[0]).__name__}."
    calls = compiled_calls(denoisers(setup.pipeline))
    idle = sorted({name for name, versions, _ in calls if not versions})
    return f"{', '.join(idle)} was to be compiled, but no graph of it was made." if idle else None


KNOB = Knob(
    name="compile",
    summary="Compiles the denoiser: faster steps, a first call of minutes; 'regional' is ready sooner.",
    effect="Flux, H100: 6.7 to 4.5 s; compile time 67.4 s full, 9.6 s regional (PyTorch blog, 2026-05).",
    stage=Stage.COMPILE,
    order=20,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
