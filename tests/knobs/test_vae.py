"""Decoding: its number format, slices, tiles and the tiny decoder, for every family's VAE."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.knobs._evidence import pixels_per_latent, shape_seen_by_decoder
from autotune.pipeline.load import why_not_applied
from autotune.target import Target
from tests.knobs import tiny, tiny_parts
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import BARE, CPU, HERE, HOPPER, NOTHING, UNET, choice
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
SDXL = replace(UNET, abilities=UNET.abilities | {"vae_upcast"}, facts={**UNET.facts, "force_upcast": True})
MENDED = replace(SDXL, facts={**SDXL.facts, "vae_fp16_fix": "/models/fix"})
BFLOAT = replace(HOPPER, backends=frozenset({"bf16"}))


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose pipeline decodes in 32 bits when it is loaded in float16, with a mended VAE beside it."""
    folder = tiny.save(tiny.stable_diffusion_xl(), tmp_path_factory.mktemp("mended") / "sdxl")
    mended = tiny_parts.kl_vae(scaling_factor=0.13025)
    with torch.no_grad():
        mended.decoder.conv_in.weight.mul_(1.01)
    mended.save_pretrained(folder / "vae_fp16_fix")
    return folder


@pytest.mark.parametrize(
    ("target", "blueprint", "values", "asked"),
    [
        (HOPPER, MENDED, ("auto", "float32", "fp16_fix"), ("off",)),
        (HOPPER, SDXL, ("auto", "float32"), ("off",)),
        (HOPPER, UNET, ("auto", "float32"), ()),
        (BFLOAT, MENDED, ("auto", "float32"), ()),
        (BARE, MENDED, ("auto",), ()),
        (CPU, NOTHING, ("auto",), ()),
    ],
)
def test_who_may_decode_in_which_format(
    target: Target, blueprint: object, values: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """32 bits for any VAE on a device that computes in fewer; the others where diffusers would upcast."""
    found = choice("vae_upcast", target, blueprint)  # type: ignore[arg-type]

    assert (values, asked) == (found.values, found.on_request)
    assert found.is_fixed == bool(found.why)
    assert {"off", "fp16_fix"} - {*values, *asked} <= set(found.lacking) or found.is_fixed


def test_the_mended_vae_is_looked_for() -> None:
    """The reason names what to download."""
    assert "sdxl-vae-fp16-fix" in choice("vae_upcast", HOPPER, SDXL).lacking["fp16_fix"]


@pytest.mark.parametrize("name", FAMILIES)
def test_only_the_pipeline_of_sdxl_upcasts(name: str, situated: Situations) -> None:
    """AutoencoderKL says `force_upcast` wherever it is used, but few pipelines ask it."""
    assert situated(name).blueprint.can("vae_upcast") == (name == "stable_diffusion_xl")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vae_upcast": "float32", "dtype": "float32"}, "would do nothing"),
        ({"vae_upcast": "off", "dtype": "bfloat16"}, "only acts on a float16 VAE"),
        ({"vae_upcast": "fp16_fix"}, "only acts on a float16 VAE"),
        ({"vae_upcast": "float32", "dtype": "float16", "tiny_vae": True}, "replaces the VAE"),
    ],
)
def test_a_format_that_would_do_nothing_is_refused(settings: Settings, words: str) -> None:
    """The formats of denoiser and decode must differ, or have been meant to."""
    knob = knob_named("vae_upcast")

    assert words in str(knob.conflict(settings, HERE))
    assert knob.conflict({**settings, "vae_upcast": "auto"}, HERE) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_every_vae_decodes_unrounded(
    name: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """Loaded anew in 32 bits, in the middle of a pipeline of 16; its weights are those of the file."""
    settings: dict[str, Value] = {"dtype": "bfloat16", "vae_upcast": "float32"}
    setup = turned(folder_of(name), situated(name), settings)
    plain, reference = untuned(name)
    pictures = pictures_of(setup)
    exact = type(plain.pipeline.vae).from_pretrained(folder_of(name) / "vae")

    assert why_not_applied(setup, settings) is None
    assert difference(reference, pictures) < 0.1
    for ours, theirs in zip(setup.pipeline.vae.parameters(), exact.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert "no format that was noted" in str(knob_named("vae_upcast").applied(plain, "float32"))


@pytest.mark.slow
@pytest.mark.parametrize("value", ["off", "fp16_fix"])
def test_sdxl_stays_in_16_bits(value: str, sdxl: Path) -> None:
    """Diffusers would decode in 32; the mended VAE has weights of its own."""
    settings: dict[str, Value] = {"dtype": "float16", "vae_upcast": value}
    setup = turned(sdxl, situation_of(sdxl), settings)
    pictures_of(setup)
    other = {"off": "fp16_fix", "fp16_fix": "off"}[value]
    knob = knob_named("vae_upcast")

    assert why_not_applied(setup, settings) is None
    assert (knob.applied(setup, other) is None) == (other == "off")
    assert "not in torch.float32" in str(knob.applied(setup, "float32"))


@pytest.mark.slow
def test_an_upcast_that_came_back_is_found(sdxl: Path) -> None:
    """What is noted is the format of the weights at each decode, not the flag."""
    setup = turned(sdxl, situation_of(sdxl), {"dtype": "float16", "vae_upcast": "off"})
    setup.pipeline.vae.register_to_config(force_upcast=True)
    pictures_of(setup)

    assert "decoded in torch.float32" in str(knob_named("vae_upcast").applied(setup, "off"))


@pytest.mark.slow
@pytest.mark.parametrize("value", ["off", "float32"])
def test_formats_are_compiled_in(value: str, sdxl: Path) -> None:
    """The note is taken while the decode is traced, without breaking its graph."""
    settings: dict[str, Value] = {"dtype": "float16", "vae_upcast": value, "compile_vae": True}
    setup = turned(sdxl, situation_of(sdxl), settings)
    pictures_of(setup)

    assert why_not_applied(setup, settings) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_slices_and_tiles_of_every_vae(name: str, folder_of: Folders, situated: Situations) -> None:
    """The decoder is given one picture at a time, and a tile of it, whatever its kind and dimensions."""
    scale = situated(name).blueprint.number("vae_scale_factor")
    side = max(32, 16 * scale)
    situation = situation_of(folder_of(name), width_px=side, height_px=side)
    tiles = knob_named("vae_tiling").domain(situation).values
    settings: dict[str, Value] = {"vae_tiling": tiles[-1], "vae_slicing": True}
    setup = turned(folder_of(name), situation, settings)
    whole, piece = shape_seen_by_decoder(setup)

    assert len(tiles) > 1
    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert why_not_applied(setup, settings) is None
    assert scale == pixels_per_latent(setup.pipeline.vae)
    assert (2, side // scale) == (whole[0], whole[-1])
    assert (1, int(tiles[-1]) // scale) == (piece[0], piece[-1])
    assert (5 if name in ("ltx", "wan") else 4) == len(whole)


@pytest.mark.parametrize(("scale", "words"), [(8, "None"), (32, "8 px a latent"), (16, "8 px a latent")])
def test_the_tiny_decoder_lays_tiles_for_one_scale(scale: int, words: str) -> None:
    """Elsewhere its tiles land in the wrong places."""
    situation = replace(HERE, blueprint=replace(UNET, facts={"vae_scale_factor": scale}))

    assert words in str(knob_named("vae_tiling").conflict({"vae_tiling": 512, "tiny_vae": True}, situation))
    assert knob_named("vae_tiling").conflict({"vae_tiling": 512}, situation) is None


@pytest.mark.parametrize(("levels", "fits"), [(4, True), (2, False)])
def test_tiles_of_the_tiny_decoder(levels: int, fits: bool) -> None:  # noqa: FBT001 - a case
    """The conflict is a fact: with eight pixels a latent tiles make the picture, with two they cannot."""
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8,) * levels,
        decoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels,
    ).eval()
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        whole = vae.decode(latents).sample
        vae.enable_tiling()
        vae.tile_latent_min_size = 8
        try:
            tiled = vae.decode(latents).sample
        except RuntimeError:
            tiled = torch.zeros(0)

    assert (whole.shape == tiled.shape) == fits


@pytest.mark.parametrize(
    ("blueprint", "words"),
    [
        (replace(UNET, facts={"tiny_vae_hint": "madebyollin/taesdxl"}), "'madebyollin/taesdxl' is not in"),
        (NOTHING, "no Tiny AutoEncoder is known"),
    ],
)
def test_a_tiny_decoder_that_is_not_there_is_named(blueprint: object, words: str) -> None:
    """Known ones are only to be downloaded."""
    assert words in choice("tiny_vae", CPU, blueprint).why  # type: ignore[arg-type]


def test_whole_pictures_are_seen_as_such(folder_of: Folders, situated: Situations) -> None:
    """Without slices and tiles the decoder is given all at once."""
    setup: Setup = turned(folder_of("wan"), situated("wan"), {})
    whole, piece = shape_seen_by_decoder(setup)

    assert whole[0] == piece[0]
    assert whole[-2:] == piece[-2:]
    assert "whole picture" in str(knob_named("vae_tiling").applied(setup, 16))
    assert "(2,) of 2 pictures" in str(knob_named("vae_slicing").applied(setup, ON))


def test_pixels_of_a_latent_are_asked_of_the_vae() -> None:
    """Each kind of VAE says so in its own words."""
    assert 2 == pixels_per_latent(tiny_parts.kl_vae(scaling_factor=1.0))
    assert 2 == pixels_per_latent(tiny_parts.dc_vae())
    assert 8 == pixels_per_latent(AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, **BLOCKS))


BLOCKS = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
