"""vae_slicing: decode a batch picture by picture, for the decode memory of a single one."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it for batches; with a single picture there is nothing to slice."""
    if situation.workload.batch == 1:
        return Choice((False,), why="there is one picture in a call: nothing to slice")
    if not situation.blueprint.can("vae_slicing"):
        return Choice((False,), why="this VAE cannot decode a batch in slices")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Tell the VAE to decode one picture at a time."""
    setup.pipeline.vae.enable_slicing()


def applied(setup: Setup, value: bool) -> str | None:
    """Give the VAE a batch of latents and see how many its decoder gets at once."""
    from autotune.knobs._evidence import shape_seen_by_decoder

    whole, piece = shape_seen_by_decoder(setup)
    if whole[0] == 1:
        return "A call makes a single picture: there was nothing to slice."
    return (
        None
        if piece[:1] == (1,)
        else f"The decoder is given {piece[:1] or 'none'} of {whole[0]} pictures at once."
    )


KNOB = Knob(
    name="vae_slicing",
    summary="Decodes a batch one picture at a time: the decode memory of a single picture, a little slower.",
    effect="Batch 4 of 1024 px in float32: 3.0 instead of 12.0 GiB of decode activations (computed).",
    stage=Stage.EDIT,
    order=80,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY}),
    domain=domain,
    turn=turn,
    applied=applied,
)
