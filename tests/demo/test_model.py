"""The demo model as it ships: loads offline, obeys prompts, stays small."""

import logging
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline

from autotune import demo
from autotune.demo import DEMO_PROMPTS, demo_model_path
from autotune.demo.judge import Images, load_judge, obedience, read_pictures
from autotune.demo.postcards import Scene, Thing, draw_scene, full_caption, render

MOST_BYTES = 10_000_000
JUDGE_MOST_BYTES = 1_000_000
TINY_FLOOR_DB = 22.0
OBEDIENCE_FLOOR = 0.85

ASKED = (
    Scene("meadow", "day", "rainbow", (Thing("house", "red", "middle"),), "none", 0),
    Scene("snow", "night", "stars", (Thing("pine", "green", "left"),), "none", 0),
    Scene("desert", "day", "mountains", (Thing("car", "orange", "right"),), "none", 0),
    Scene("sea", "night", "moon", (Thing("boat", "blue", "middle"),), "none", 0),
)


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    """Return the shipped pipeline in fp32."""
    found = StableDiffusionPipeline.from_pretrained(demo_model_path(), dtype=torch.float32)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="module")
def latents(pipe: StableDiffusionPipeline) -> torch.Tensor:
    """Return the final latents of the four scenes, 20 steps at guidance 3."""
    first = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    found = pipe(
        [full_caption(scene) for scene in ASKED],
        num_inference_steps=20,
        guidance_scale=3.0,
        latents=first,
        output_type="latent",
    )
    return found.images


@pytest.fixture(scope="module")
def images(pipe: StableDiffusionPipeline, latents: torch.Tensor) -> Images:
    """Return the four decoded pictures."""
    return _decoded(pipe.vae, latents)


def test_folder_is_small_and_holds_no_pickle() -> None:
    """The folder stays under 10 MB and holds only weights, configs and text."""
    files = [path for path in demo_model_path().rglob("*") if path.is_file()]

    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt"}
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert (demo_model_path() / "judge.safetensors").stat().st_size <= JUDGE_MOST_BYTES


def test_loads_without_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """Loading from the folder neither warns nor logs anything."""
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", FutureWarning)
        StableDiffusionPipeline.from_pretrained(demo_model_path(), dtype=torch.float32, local_files_only=True)

    assert [] == [r.message for r in caplog.records if r.name.startswith("diffusers")]


def test_missing_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing folder is reported as such, not as an unknown model of the hub."""
    monkeypatch.setattr(demo, "_MODEL_FOLDER", tmp_path)

    with pytest.raises(FileNotFoundError, match="the demo model is missing"):
        demo_model_path()


def test_pictures_have_the_default_size(images: Images) -> None:
    """Pictures are 128 pixels high and wide."""
    assert (4, 128, 128, 3) == images.shape


def test_pictures_obey_their_prompts(images: Images) -> None:
    """Four pictures show nearly everything their prompts ask for."""
    assert obedience(images, ASKED)["mean"] >= OBEDIENCE_FLOOR


def test_wrong_prompts_score_lower(images: Images) -> None:
    """Judged against each other's prompts, the same pictures score far lower."""
    right = obedience(images, ASKED)["mean"]
    wrong = obedience(images, (*ASKED[1:], ASKED[0]))["mean"]

    assert wrong < right - 0.4


def test_judge_reads_drawn_pictures() -> None:
    """On pictures drawn from scenes the judge is nearly always right."""
    rng = random.Random(11)
    scenes = [draw_scene(rng) for _ in range(32)]
    drawn = np.stack([render(scene) for scene in scenes]).astype(np.float32) / np.float32(255)

    assert obedience(drawn, scenes)["mean"] >= 0.97


def test_judge_answers_in_words(images: Images) -> None:
    """The judge names what it sees, here the place of each picture."""
    seen = read_pictures(load_judge(), images)

    assert ["meadow", "snow", "desert", "sea"] == [picture["place"] for picture in seen]


def test_tiny_decoder_is_close_to_the_full_one(images: Images, latents: torch.Tensor) -> None:
    """The tiny autoencoder decodes the same latents to nearly the same pictures."""
    tiny = AutoencoderTiny.from_pretrained(demo_model_path() / "vae_tiny", dtype=torch.float32)
    error = np.square(_decoded(tiny, latents) - images).mean(axis=(1, 2, 3))

    assert float((-10 * np.log10(error)).mean()) >= TINY_FLOOR_DB


def test_demo_prompts_cover_the_grammar() -> None:
    """The demo prompts between them name every place, time and kind of object."""
    words = " ".join(DEMO_PROMPTS).split()
    named = {"meadow", "desert", "snow", "sea", "day", "sunset", "night", "house", "tree"}
    named |= {"pine", "car", "mushroom", "tent", "flower", "tower", "boat", "balloon"}

    assert named <= set(words)
    assert 8 == len(set(DEMO_PROMPTS))


@torch.no_grad()
def _decoded(model: torch.nn.Module, latents: torch.Tensor) -> Images:
    pictures = model.decode(latents / model.config.scaling_factor).sample
    found: Images = pictures.div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return found
