"""compile_vae: decoding as generated kernels, for a faster decode at the price of a slow first call."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._compiling import NO_COMPILER


def domain(situation: Situation) -> Choice:
    """Offer it where there is a VAE and `torch.compile` can build kernels."""
    why = "" if situation.target.has_compiler else NO_COMPILER
    if not why and "vae" not in situation.blueprint.parts:
        why = "this pipeline has no VAE"
    return Choice.of(False, {True: why})  # noqa: FBT003 - a value


def turn(setup: Setup, value: bool) -> None:
    """Compile `decode`, which pipelines call; `vae.compile()` would compile `forward`, which they do not."""
    import torch

    how = {"fullgraph": True, **setup.notes.get("compile_arguments", {})}
    how["backend"] = setup.notes.get("compile_backend", "inductor")
    if "options" in how:
        # CUDA graphs are for the denoiser: SDXL moves its VAE to 32 bits and back at each call.
        how["options"] = {name: how["options"][name] for name in how["options"] if "cudagraphs" not in name}
    setup.pipeline.vae.decode = torch.compile(setup.pipeline.vae.decode, **how)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where torch does not decode, or where layers come and go."""
    if not settings.get("compile_vae", False):
        return None
    if settings.get("offload", "none") == "sequential":
        return (
            "compile_vae does not go with offload = sequential: a hook at each layer leaves graphs of single "
            "operations (accelerate #3885)."
        )
    if settings.get("engine_vae", "torch") != "torch":
        return (
            f"compile_vae does not go with engine_vae = {settings['engine_vae']}: torch does not decode then."
        )
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Look at whether the VAE's `decode` is compiled, and at whether a graph of it was made."""
    from autotune.knobs._compiling import compiled_parts

    versions = next((versions for name, versions, _ in compiled_parts(setup.pipeline) if name == "VAE"), None)
    if versions is None:
        return "The VAE's 'decode' is not compiled."
    return None if versions else "The VAE's 'decode' was to be compiled, but no graph of it was made."


KNOB = Knob(
    name="compile_vae",
    summary="Compiles picture decoding: a faster decode for a first call that takes a minute.",
    effect="Part of PyTorch's 'diffusion-fast' recipe.",
    stage=Stage.COMPILE,
    order=30,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
