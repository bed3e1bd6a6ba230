"""Full-size architectures: the published sizes, no weights on disk, the same weights at every load."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from autotune.blueprint import Blueprint
from autotune.errors import ModelError, UnknownName
from autotune.job import Job, Protocol
from autotune.knob import Situation
from autotune.measurement import Measurement
from autotune.pipeline import weightless
from autotune.pipeline.architectures import architecture_folder, architecture_names, other_denoisers
from autotune.pipeline.likeness import why_corrupt
from autotune.pipeline.machine import read_target
from autotune.pipeline.models import model_folder, weights_digest
from autotune.pipeline.probe import read_blueprint, situate
from autotune.pipeline.random_weights import draw_pipeline, draw_tiny_vae, draw_weights
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload

T5_XXL, CLIP_L, CLIP_BIGG = 4_762_310_656, 123_060_480, 694_659_840
VAE_4, VAE_16 = 83_653_863, 83_819_683
# Of the published weights: parameters of the safetensors files on the hub, by part.
PUBLISHED = {
    "arch:sd15": {"unet": 859_520_964, "text_encoder": CLIP_L, "vae": VAE_4},
    "arch:sdxl": {
        "unet": 2_567_463_684,
        "text_encoder": CLIP_L,
        "text_encoder_2": CLIP_BIGG,
        "vae": VAE_4,
    },
    "arch:sd3-medium": {
        "transformer": 2_028_328_000,
        "text_encoder": 123_650_304,
        "text_encoder_2": CLIP_BIGG,
        "text_encoder_3": T5_XXL,
        "vae": VAE_16,
    },
    "arch:flux-dev": {
        "transformer": 11_901_408_320,
        "text_encoder": CLIP_L,
        "text_encoder_2": T5_XXL,
        "vae": VAE_16,
    },
    "arch:pixart-sigma": {"transformer": 610_856_096, "text_encoder": T5_XXL, "vae": VAE_4},
}


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Write the folders where these tests end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("model", architecture_names())
def test_the_parameters_are_as_many_as_published(model: str) -> None:
    """Every part is built on the meta device, from a folder that holds no weights of it."""
    folder = architecture_folder(model)
    blueprint = read_blueprint(folder, model)

    assert PUBLISHED[model] == {name: part.parameters for name, part in blueprint.parts.items()}
    assert {"vae_tiny"} == {file.parent.name for file in folder.rglob("*.safetensors")}
    assert blueprint.facts["random_weights"] is True


def test_a_distilled_denoiser_is_as_large_as_published() -> None:
    """Of BK-SDM-Small its model card says 0.49 B of 0.86 B; the guide that measures it, nothing but 51 %."""
    folder = architecture_folder("arch:sd15")
    found = other_denoisers(folder)
    small = weightless.build_module(folder / found["arch:bk-sdm-small"], UNet2DConditionModel.__name__)

    assert found == read_blueprint(folder, "arch:sd15").facts["denoisers"]
    assert sum(weight.numel() for weight in small.parameters()) == 482_346_884
    assert small.mid_block is None
    assert {} == other_denoisers(architecture_folder("arch:sdxl"))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [4, 16])
def test_a_random_tiny_vae_makes_pictures_that_are_not_flat(channels: int) -> None:
    """Whatever the size of the latents: else each of its trials would be one of corrupt pictures."""
    tiny = draw_tiny_vae({"latent_channels": channels})
    noise = torch.randn(1, channels, 8, 8, generator=torch.Generator().manual_seed(1))
    for size in (0.5, 2.0, 15.0):
        with torch.inference_mode():
            picture = tiny.decode(size * noise).sample / 2 + 0.5
        assert why_corrupt(picture[0].clamp(0, 1)) is None


@pytest.mark.slow
def test_the_folder_is_made_once() -> None:
    """It is found again, its name says what it holds, and so does the digest of the weights it will have."""
    folder = architecture_folder("arch:sd15")

    assert folder == model_folder(Workload(model="arch:sd15"))
    assert weights_digest(folder) != weights_digest(architecture_folder("arch:sdxl"))


def test_an_unknown_architecture_names_those_there_are() -> None:
    """With a guess at what was meant."""
    with pytest.raises(UnknownName, match=r"arch:sdx.*arch:sdxl"):
        model_folder(Workload(model="arch:sdx"))


def test_nothing_can_be_quantized_while_loading() -> None:
    """There are no files that a quantizer could read."""
    with pytest.raises(ModelError, match="quantization_config"):
        draw_pipeline(architecture_folder("arch:sd15"), {"quantization_config": object()})


def _drawn(dtype: torch.dtype) -> torch.nn.Module:
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        module = torch.nn.Sequential(
            torch.nn.Linear(900, 1200), torch.nn.LayerNorm(1200), torch.nn.Linear(9, 2)
        )
    draw_weights(module, dtype)
    return module


def test_weights_are_the_same_at_every_load_and_rounded_for_other_dtypes() -> None:
    """So pictures of different trials can be compared."""
    one, other, half = _drawn(torch.float32), _drawn(torch.float32), _drawn(torch.bfloat16)
    for a, b, c in zip(one.parameters(), other.parameters(), half.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.to(torch.bfloat16), c)


def test_weights_have_the_spread_of_torchs_own() -> None:
    """Norms begin as identities, rows of a matrix do not repeat one another, biases are zero."""
    module = _drawn(torch.float32)
    matrix, norm = module[0], module[1]

    assert matrix.weight.std().item() == pytest.approx((3 * 900) ** -0.5, rel=0.02)
    assert torch.equal(norm.weight, torch.ones(1200))
    assert not matrix.bias.any()
    assert len(torch.unique(matrix.weight[:, 0])) > 1100


@pytest.mark.slow
def test_an_architecture_is_measured_like_any_model(tmp_path: Path) -> None:
    """Full-size SD 1.5, in a process of its own: seconds, bytes and sound pictures."""
    workload = Workload(model="arch:sd15", width_px=64, height_px=64, steps=1)
    protocol = Protocol(settle_min=1, settle_max=1, calls_min=1, calls_max=1)
    settings = {"dtype": "bfloat16"}
    job = Job(
        workload=workload,
        recipe=Recipe(model="arch:sd15", settings=settings),
        device="cpu",
        folder=str(tmp_path),
        protocol=protocol,
        role="reference",
        time_limit_s=240,
    )
    with LocalRunner() as runner:
        outcome = runner(job)

    assert isinstance(outcome, Measurement), outcome
    assert outcome.memory_bytes > 2 * 1_066_235_307  # every parameter, in 2 bytes


def test_a_situation_says_that_its_weights_are_random() -> None:
    """Whoever shows the likeness of its pictures must know."""
    workload = Workload(model="arch:sdxl")
    situation = situate(model_folder(workload), workload, read_target("cpu"))

    assert isinstance(situation, Situation)
    assert isinstance(situation.blueprint, Blueprint)
    assert (1024, 1024) == (situation.workload.width_px, situation.workload.height_px)
    assert situation.blueprint.facts["random_weights"] is True
