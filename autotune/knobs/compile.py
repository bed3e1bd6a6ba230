"""compile: the denoiser as generated kernels, for speed at the price of a slow first call."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where `torch.compile` can build kernels."""
    if not situation.target.has_compiler:
        return Choice(
            ("none",), why="torch.compile cannot build kernels here: install g++, or Triton for a GPU"
        )
    if situation.blueprint.denoiser is None:
        return Choice(("none",), why="this pipeline has no denoiser that is known here")
    return Choice(("none", "regional", "full"))


def turn(setup: Setup, value: str) -> None:
    """Compile the denoiser's repeated blocks ("regional") or all of it ("full")."""
    import torch

    # Blocks of one class share a cache, and a UNet has them in several sizes: 8 entries can be too few.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)  # noqa: SLF001
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    how: dict[str, object] = {"fullgraph": True, "backend": setup.notes.get("compile_backend", "inductor")}
    if "compile_mode" in setup.notes:
        how["mode"] = setup.notes["compile_mode"]
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
    """Refuse offloading that puts hooks inside of what would be compiled."""
    value, offload = settings.get("compile", "none"), settings.get("offload", "none")
    if value == "none":
        return None
    if offload == "sequential":
        return "compile does not go with offload = sequential: its hooks break the graph (accelerate #3885)."
    if value == "full" and offload == "model":
        return "compile = full does not go with offload = model (accelerate #3885): 'regional' does."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at which modules are called compiled, and at whether any of their code was really compiled."""
    from autotune.knobs._evidence import compiled_modules, compiled_versions

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    modules = compiled_modules(part)
    if not modules:
        return "No module of the denoiser is called compiled."
    if (value == "full") != (modules[0] is part):
        return f"{len(modules)} modules are called compiled, the first one a {type(modules[0]).__name__}."
    idle = sorted({type(module).__name__ for module in modules if not compiled_versions(module.forward)})
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
