"""compile_vae: decoding as generated kernels, for a faster decode at the price of a slow first call."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where there is a VAE and `torch.compile` can build kernels."""
    if not situation.target.has_compiler:
        return Choice(
            (False,), why="torch.compile cannot build kernels here: install g++, or Triton for a GPU"
        )
    if "vae" not in situation.blueprint.parts:
        return Choice((False,), why="this pipeline has no VAE")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Compile `decode`, which pipelines call; `vae.compile()` would compile `forward`, which they do not."""
    import torch

    vae = setup.pipeline.vae
    vae.decode = torch.compile(
        vae.decode, fullgraph=True, backend=setup.notes.get("compile_backend", "inductor")
    )


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it for weights that come and go."""
    if settings.get("compile_vae", False) and settings.get("offload", "none") != "none":
        return "compile_vae does not go with offload: its hook breaks the graph (accelerate #3885)."
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Look at whether the VAE's `decode` is compiled, and at whether a graph of it was made."""
    from autotune.knobs._evidence import compiled_versions

    plain = getattr(setup.pipeline.vae.decode, "_torchdynamo_orig_callable", None)
    if plain is None:
        return "The VAE's 'decode' is not compiled."
    return (
        None
        if compiled_versions(plain)
        else "The VAE's 'decode' was to be compiled, but no graph of it was made."
    )


KNOB = Knob(
    name="compile_vae",
    summary="Compiles picture decoding: a faster decode for a first call that takes a minute.",
    stage=Stage.COMPILE,
    order=30,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
