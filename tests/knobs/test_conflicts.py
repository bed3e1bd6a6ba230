"""Combinations that cannot go together are refused, each with a sentence that says why."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autotune.knob import Settings, Situation, Value
from autotune.knobs import all_knobs, knob_named
from autotune.pipeline.load import why_not_applied
from autotune.space import build_space
from tests.knobs.places import HERE
from tests.knobs.workbench import difference, pictures_of, turned

REFUSED: list[tuple[str, dict[str, bool | int | float | str], str]] = [
    ("tf32", {"tf32": True, "dtype": "bfloat16"}, "only acts on float32"),
    ("attention", {"attention": "vanilla", "fuse_qkv": True}, "fuse_qkv"),
    ("attention", {"attention": "sdpa_flash", "dtype": "float32"}, "16 bits only"),
    ("attention", {"attention": "sdpa_cudnn"}, "16 bits only"),
    ("attention", {"attention": "dispatch:sage", "dtype": "float32"}, "16 bits only"),
    ("attention", {"attention": "dispatch:flex", "compile": "none"}, "needs compile"),
    ("attention_slicing", {"attention_slicing": "max", "fuse_qkv": True}, "fuse_qkv"),
    ("attention_slicing", {"attention_slicing": "auto", "attention": "sdpa_math"}, "attention = sdpa_math"),
    ("quantization", {"quantization": "int8_dynamic", "dtype": "float16"}, "overflows"),
    ("deep_cache", {"deep_cache": 3, "guidance_cutoff": 0.6}, "guidance_cutoff midway"),
]
ALLOWED: list[tuple[str, dict[str, bool | int | float | str]]] = [
    ("tf32", {"tf32": True, "dtype": "float32"}),
    ("attention", {"attention": "vanilla"}),
    ("attention", {"attention": "sdpa_flash", "dtype": "bfloat16"}),
    ("attention", {"attention": "sdpa_efficient", "dtype": "float32"}),
    ("attention", {"attention": "dispatch:flex", "compile": "full"}),
    ("attention_slicing", {"attention_slicing": "max", "attention": "sdpa"}),
    ("vae_tiling", {"vae_tiling": 64, "tiny_vae": False}),
    ("vae_tiling", {"vae_tiling": 64, "tiny_vae": True}),  # eight pixels a latent, as AutoencoderTiny tiles
    ("quantization", {"quantization": "int8_dynamic", "dtype": "bfloat16"}),
    ("deep_cache", {"deep_cache": 3, "guidance_cutoff": 0.0}),
]


@pytest.mark.parametrize(("name", "settings", "words"), REFUSED)
def test_a_conflict_is_said_by_the_knob_that_knows(name: str, settings: Settings, words: str) -> None:
    """The sentence names the knob and the reason, and no other knob needs to know."""
    sentence = knob_named(name).conflict(settings, HERE)

    assert sentence is not None
    assert words in sentence
    assert name in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(("name", "settings"), ALLOWED)
def test_what_goes_together_is_allowed(name: str, settings: Settings) -> None:
    """The neighbours of each refused combination are not refused with it."""
    assert knob_named(name).conflict(settings, HERE) is None


def test_no_knob_refuses_when_nothing_is_set() -> None:
    """A third party's space may lack some knobs: a setting that is not there counts as its default."""
    assert [None] * len(all_knobs()) == [knob.conflict({}, HERE) for knob in all_knobs()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "draws", "is_compiled"),
    [
        ("stable_diffusion", 5, False),
        ("flux", 3, False),
        pytest.param("stable_diffusion", 2, True, marks=pytest.mark.slow),
        pytest.param("pixart", 4, True, marks=pytest.mark.slow),
    ],
)
def test_what_is_not_refused_runs(
    model: str,
    draws: int,
    is_compiled: bool,  # noqa: FBT001 - a case of the table above
    folder_of: Callable[[str], Path],
    situated: Callable[[str], Situation],
) -> None:
    """Combinations drawn at random generate, repeat themselves, and every setting provably takes effect."""
    narrowed: dict[str, list[Value]] = {} if is_compiled else {"compile": ["none"], "compile_vae": [False]}
    space = build_space(all_knobs(), situated(model), allow_approximate=True, narrowed=narrowed)
    rng = random.Random(20)
    for _ in range(draws):
        full = space.draw(rng)
        settings = {name: value for name, value in full.items() if value != space.defaults[name]}
        setup = turned(folder_of(model), situated(model), settings)
        pictures = pictures_of(setup)

        assert bool(torch.isfinite(pictures).all()), settings
        assert why_not_applied(setup, settings) is None, settings
        assert difference(pictures, pictures_of(setup)) < 1e-4, settings
