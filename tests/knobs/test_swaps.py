"""Parts named by the user: loaded from wherever they lie, or refused with what does not fit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from autotune.errors import PlanError
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs, knob_named
from autotune.pipeline.architectures import MARK
from autotune.pipeline.load import TurnError, why_not_applied
from autotune.pipeline.probe import situate
from autotune.space import build_space
from tests.knobs import tiny
from tests.knobs.conftest import FAMILIES
from tests.knobs.workbench import difference, pictures_of, turned

DENOISER, VAE = knob_named("swap_denoiser"), knob_named("swap_vae")
pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parts: a distilled UNet, as a part and in a pipeline, and some that do not fit."""
    folder = tmp_path_factory.mktemp("shelf")
    tiny.distilled_unet().save_pretrained(folder / "distilled")
    tiny.distilled_unet().save_pretrained(folder / "pipeline" / "unet")
    tiny.distilled_unet(cross_attention_dim=64, in_channels=9).save_pretrained(folder / "inpainting")
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).save_pretrained(folder / "tiny")
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3}
    widths = {"latent_channels": 8, "block_out_channels": (16, 16, 16), "norm_num_groups": 8}
    AutoencoderKL(**kinds, **widths).save_pretrained(folder / "deep_vae")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize("place", ["distilled", "pipeline"])
def test_a_distilled_denoiser_takes_the_models_place(
    place: str, shelf: Path, folder_of: Folders, situated: Situations
) -> None:
    """In the pipeline's number format, and other knobs act on it as on the model's own."""
    name = "stable_diffusion"
    settings: dict[str, Value] = {
        "swap_denoiser": str(shelf / place),
        "dtype": "bfloat16",
        "fuse_qkv": True,
        "token_merging": 0.5,
    }
    setup = turned(folder_of(name), situated(name), settings)
    pictures = pictures_of(setup)

    assert bool(torch.isfinite(pictures).all())
    assert setup.pipeline.unet.mid_block is None
    assert setup.pipeline.unet.dtype == torch.bfloat16
    assert why_not_applied(setup, settings) is None


def test_another_part_than_the_one_loaded_is_found(
    shelf: Path, folder_of: Folders, situated: Situations
) -> None:
    """The proof looks at the very module."""
    name, where = "stable_diffusion", str(shelf / "distilled")
    setup = turned(folder_of(name), situated(name), {"swap_denoiser": where})
    assert DENOISER.applied(setup, where) is None
    assert "not the one that was loaded" in str(DENOISER.applied(setup, "other"))

    setup.pipeline.unet = turned(folder_of(name), situated(name), {}).pipeline.unet
    assert "not the one that was loaded" in str(DENOISER.applied(setup, where))


def test_an_architecture_offers_the_denoisers_that_its_folder_holds(
    tmp_path: Path, folder_of: Folders, situated: Situations
) -> None:
    """They are drawn at random like the rest, and the knob says them by name."""
    here, folder, value = situated("stable_diffusion"), tmp_path / "model", "arch:small"
    shutil.copytree(folder_of("stable_diffusion"), folder)
    (folder / MARK).write_text("{}", encoding="utf-8")
    tiny.distilled_unet().save_config(folder / "denoisers" / "small")
    situation = situate(folder, here.workload, here.target)
    settings: dict[str, Value] = {"swap_denoiser": value, "dtype": "bfloat16"}
    space = build_space(all_knobs(), situation, narrowed={"swap_denoiser": ["own", value]})
    setup = turned(folder, situation, settings)

    assert DENOISER.domain(situation).on_request == (value,)
    assert space.why_not(settings) is None
    assert "goes with the architecture that it was made for" in str(DENOISER.conflict(settings, here))
    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert setup.pipeline.unet.mid_block is None
    assert setup.pipeline.unet.dtype == torch.bfloat16
    assert why_not_applied(setup, settings) is None


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_takes_parts_of_its_own_kind(
    model: str, folder_of: Folders, situated: Situations
) -> None:
    """The same weights from elsewhere draw the same pictures."""
    folder = folder_of(model)
    settings: dict[str, Value] = {"swap_denoiser": str(folder), "swap_vae": str(folder / "vae")}
    setup = turned(folder, situated(model), settings)
    plain = turned(folder, situated(model), {})

    assert difference(pictures_of(plain), pictures_of(setup)) == 0
    assert why_not_applied(setup, settings) is None
    assert "is its own" in str(VAE.applied(plain, str(folder)))


@pytest.mark.parametrize(
    ("swap", "words"),
    [
        (("swap_denoiser", "inpainting"), "in_channels is 9, not 4; cross_attention_dim is 64, not 32"),
        (
            ("swap_denoiser", "tiny"),
            "is of class AutoencoderTiny, this pipeline's unet of UNet2DConditionModel",
        ),
        (("swap_denoiser", "empty"), "holds no unet: neither a folder with config.json or unet/config.json"),
        (("swap_vae", "deep_vae"), "latent_channels is 8, not 4; the number of levels is 3, not 2"),
        (("swap_vae", "tiny"), "is of class AutoencoderTiny, this pipeline's vae of AutoencoderKL"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_loaded(
    swap: tuple[str, str], words: str, shelf: Path, folder_of: Folders, situated: Situations
) -> None:
    """The error names both sides."""
    name = "stable_diffusion"
    with pytest.raises(TurnError) as refused:
        turned(folder_of(name), situated(name), {swap[0]: str(shelf / swap[1])})
    assert words in str(refused.value)


def test_a_hub_id_that_nobody_has_is_refused(
    folder_of: Folders, situated: Situations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network only the cache is asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    name = "stable_diffusion"
    with pytest.raises(TurnError, match="nor a model that the hub or its cache has"):
        turned(folder_of(name), situated(name), {"swap_denoiser": "nobody/has-this"})


def test_deep_cache_needs_the_middle_block_that_a_distilled_unet_lacks(
    shelf: Path, folder_of: Folders, situated: Situations
) -> None:
    """DeepCache 0.1.1 itself would fail with an AttributeError."""
    name = "stable_diffusion"
    settings: dict[str, Value] = {"swap_denoiser": str(shelf / "distilled"), "deep_cache": 2}
    with pytest.raises(TurnError, match="needs a UNet with a middle block"):
        turned(folder_of(name), situated(name), settings)


def test_a_plan_may_name_any_folder_or_hub_id(shelf: Path, situated: Situations) -> None:
    """Only then is there something to search; a folder that does not exist is seen before a trial is run."""
    situation = situated("stable_diffusion")
    there, gone = str(shelf / "distilled"), "./no/such/folder"
    assert "--knob swap_denoiser=own" in DENOISER.domain(situation).why
    space = build_space(
        all_knobs(), situation, narrowed={"swap_denoiser": ["own", there, "nota-ai/bk-sdm-small", gone]}
    )

    assert len(space.choices["swap_denoiser"]) == 4
    assert space.why_not({"swap_denoiser": there}) is None
    assert space.why_not({"swap_denoiser": "nota-ai/bk-sdm-small"}) is None
    assert f"There is no folder '{gone}'" in str(space.why_not({"swap_denoiser": gone}))
    with pytest.raises(PlanError):
        build_space(all_knobs(), situation, narrowed={"swap_denoiser": [" "]})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tiny_vae": True}, "tiny_vae"),
        ({"vae_upcast": "float32"}, "vae_upcast = float32"),
        ({"vae_upcast": "fp16_fix"}, "vae_upcast = fp16_fix"),
        ({"vae_upcast": "off"}, None),
        ({"vae_slicing": True}, None),
    ],
)
def test_what_loads_a_vae_in_its_turn_is_refused(
    settings: dict[str, Value], words: str | None, situated: Situations
) -> None:
    """It would undo the swap without a word."""
    sentence = VAE.conflict({"swap_vae": "a/b", **settings}, situated("stable_diffusion_xl"))
    assert sentence is None if words is None else words in str(sentence)
