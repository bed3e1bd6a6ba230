"""tiny_vae: a small approximate picture decoder, for a decode that costs next to nothing."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where a Tiny AutoEncoder for this model's latents is known."""
    facts = situation.blueprint.facts
    if facts.get("tiny_vae"):
        return Choice((False, True))
    if facts.get("tiny_vae_hint"):
        return Choice(
            (False,), why=f"its Tiny AutoEncoder '{facts['tiny_vae_hint']}' is not in the hub cache"
        )
    return Choice((False,), why="no Tiny AutoEncoder is known for this model's latents")


def turn(setup: Setup, value: bool) -> None:
    """Replace the VAE by the tiny one, in the same number format."""
    import pathlib

    from diffusers import AutoencoderTiny

    where = str(setup.facts["tiny_vae"])
    beside = pathlib.Path(setup.model_path) / where
    source = str(beside) if beside.is_dir() else where
    setup.pipeline.vae = AutoencoderTiny.from_pretrained(source, dtype=setup.pipeline.vae.dtype).eval()


def applied(setup: Setup, value: bool) -> str | None:
    """Look at the decoder's class and its number format."""
    vae = setup.pipeline.vae
    if type(vae).__name__ != "AutoencoderTiny":
        return f"The VAE is a {type(vae).__name__}."
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    if vae.dtype != part.dtype:
        return f"The tiny VAE is {vae.dtype} and the denoiser {part.dtype}."
    return None


KNOB = Knob(
    name="tiny_vae",
    summary="Decodes with a Tiny AutoEncoder: far less time and memory, slightly softer pictures.",
    effect="1024 px in float16: 0.38 instead of 1.5 GiB of decode activations (computed).",
    stage=Stage.EDIT,
    order=15,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    steps_alike=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
