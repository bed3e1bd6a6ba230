"""vae_tiling: decode a picture in overlapping tiles, for less memory at large sizes."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer tiles, in pixels, smaller than the picture: larger ones would do nothing. 0 means none."""
    if not situation.blueprint.can("vae_tiling"):
        return Choice((0,), why="this VAE cannot decode in tiles")
    workload, scale = situation.workload, situation.blueprint.number("vae_scale_factor", 8)
    side = max(workload.width_px, workload.height_px)
    half = side // 2 // (4 * scale) * (4 * scale)  # whole latents, also in a quarter of a tile: the overlap
    tiles = sorted({size for size in (half, 512) if 8 * scale <= size < side}, reverse=True)
    return Choice(
        (0, *tiles), why="" if tiles else f"a picture of {side} px is too small to be cut into tiles"
    )


def turn(setup: Setup, value: int) -> None:
    """Tell the VAE to decode in tiles of this many pixels, with a quarter of overlap."""
    vae = setup.pipeline.vae
    vae.enable_tiling()
    if hasattr(vae, "tile_latent_min_size"):
        scale = getattr(vae, "spatial_scale_factor", None) or 2 ** (len(vae.config.block_out_channels) - 1)
        vae.tile_sample_min_size = value
        vae.tile_latent_min_size = value // scale
    else:
        stride = value * 3 // 4
        vae.enable_tiling(value, value, tile_sample_stride_height=stride, tile_sample_stride_width=stride)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse tiles that the tiny decoder would put in the wrong places."""
    if not (settings.get("vae_tiling", 0) and settings.get("tiny_vae", False)):
        return None
    if situation.blueprint.number("vae_scale_factor", 8) == 8:
        return None
    return (
        "vae_tiling does not go with tiny_vae here: AutoencoderTiny lays tiles out for 8 px a latent only "
        "(seen with diffusers 0.42)."
    )


def applied(setup: Setup, value: int) -> str | None:
    """Give the VAE latents of the workload's size and see whether its decoder gets a tile of them."""
    from autotune.knobs._evidence import shape_seen_by_decoder

    whole, piece = shape_seen_by_decoder(setup)
    scale = setup.workload.width_px // whole[-1]
    if piece[-2:] == whole[-2:]:
        return (
            f"The decoder is given the whole picture of {whole[-1] * scale} × {whole[-2] * scale} px at once."
        )
    if max(piece[-2:], default=0) * scale != value:
        return f"The decoder is given tiles of {piece[-1] * scale} × {piece[-2] * scale} px, not of {value}."
    return None


KNOB = Knob(
    name="vae_tiling",
    summary="Decodes in overlapping tiles of this many pixels: less memory, slower, faint seams.",
    effect="1024 px in float32: 0.76 instead of 3.0 GiB of decode activations with tiles of 512 (computed).",
    stage=Stage.EDIT,
    order=85,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
