"""The pictures of a call made a few at a time: the same pictures, in the same order, whatever is given."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotune.knob import Situation, Value
from autotune.knobs import knob_named
from autotune.pipeline.calls import make_pictures
from autotune.pipeline.load import why_not_applied
from autotune.pipeline.stopwatch import time_parts
from tests.knobs.conftest import FAMILIES
from tests.knobs.workbench import difference, pictures_of, turned

KNOB = knob_named("images_per_call")
PROMPTS = ("a red cat", "a dog", "a blue house", "two cows")
pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]


def four(situation: Situation) -> Situation:
    """The same situation with four pictures a call."""
    return replace(situation, workload=replace(situation.workload, prompts=PROMPTS, batch=4))


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_makes_the_same_pictures(model: str, folder_of: Folders, situated: Situations) -> None:
    """Two at a time, each from its own noise and prompt; videos too."""
    situation = four(situated(model))
    plain = turned(folder_of(model), situation, {})
    setup = turned(folder_of(model), situation, {"images_per_call": 2})

    assert difference(pictures_of(plain), pictures_of(setup)) < 1e-4
    assert setup.notes["images_per_call_made"] == [2, 2]
    assert KNOB.applied(setup, 2) is None
    assert "2 pictures at a time" in str(KNOB.applied(setup, 1))


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_embeds": "precomputed"},
        {"guidance_cutoff": 0.4},
        {"scheduler": "euler"},
        {"timesteps_on_cpu": True},
    ],
    ids=str,
)
def test_it_goes_with_what_acts_on_a_call(
    more: dict[str, Value], folder_of: Folders, situated: Situations
) -> None:
    """Knobs that look prompts up, change the batch or solve in several steps act on each part of the call."""
    name = "stable_diffusion"
    plain = turned(folder_of(name), four(situated(name)), more)
    setup = turned(folder_of(name), four(situated(name)), {"images_per_call": 1, **more})

    assert difference(pictures_of(plain), pictures_of(setup)) < 1e-4
    assert why_not_applied(setup, {"images_per_call": 1, **more}) is None


@pytest.mark.parametrize(
    ("call", "made"),
    [
        ({"prompt": list(PROMPTS[:3])}, [2, 1]),
        ({"prompt": PROMPTS[0]}, [1]),
        ({"prompt": list(PROMPTS[:2]), "num_images_per_prompt": 2}, [2, 2]),
        ({"prompt": PROMPTS[0], "num_images_per_prompt": 3}, [2, 1]),
        ({"prompt": list(PROMPTS), "negative_prompt": ["dull", "dark", "old", "grey"]}, [2, 2]),
        ({"prompt_embeds": True, "negative_prompt_embeds": True}, [2, 2]),
    ],
    ids=str,
)
def test_users_call_the_pipeline_as_ever(
    call: dict[str, Any], made: list[int], folder_of: Folders, situated: Situations
) -> None:
    """Fewer prompts than the batch, one prompt, several pictures of each, negative prompts, embeddings."""
    name = "stable_diffusion"
    plain = turned(folder_of(name), four(situated(name)), {})
    setup = turned(folder_of(name), four(situated(name)), {"images_per_call": 2})
    if call.get("prompt_embeds"):
        draw = torch.Generator().manual_seed(0)
        call = {argument: torch.randn(4, 77, 32, generator=draw) for argument in call}
    count = sum(made)
    pictures = []
    for pipeline in (plain.pipeline, setup.pipeline):
        noise = [torch.Generator().manual_seed(seed) for seed in range(count)]
        size = {"num_inference_steps": 2, "height": 32, "width": 32, "output_type": "np"}
        pictures.append(pipeline(**call, **size, generator=noise).images)

    assert setup.notes["images_per_call_made"] == made
    assert pictures[0].shape == pictures[1].shape == (count, 32, 32, 3)
    assert np.abs(pictures[0] - pictures[1]).max() < 1e-4


def test_outputs_of_all_kinds_are_joined(folder_of: Folders, situated: Situations) -> None:
    """Pictures of PIL as a list, a plain tuple where one is asked for; the class keeps its name."""
    name = "stable_diffusion"
    setup = turned(folder_of(name), four(situated(name)), {"images_per_call": 2})
    size = {"num_inference_steps": 1, "height": 32, "width": 32}
    whole = setup.pipeline(list(PROMPTS), **size)
    pictures, flags = setup.pipeline(list(PROMPTS), **size, return_dict=False)

    assert len(whole.images) == len(pictures) == 4
    assert whole.nsfw_content_detected is flags is None
    assert type(setup.pipeline).__name__ == "StableDiffusionPipeline"
    assert type(setup.pipeline).__module__.startswith("diffusers.")


@pytest.mark.parametrize("model", ["stable_diffusion", "pixart"])
def test_the_parts_of_a_parted_call_add_up(model: str, folder_of: Folders, situated: Situations) -> None:
    """A step's seconds are those of all pictures, and no part is counted in another."""
    setup = turned(folder_of(model), four(situated(model)), {"images_per_call": 1})
    pictures_of(setup)
    parts = time_parts(setup, setup.workload.calls()[0], make_pictures)
    known = parts.text_s + sum(parts.steps_s) + parts.decode_s

    assert len(parts.steps_s) == setup.workload.steps
    assert min(parts.text_s, parts.decode_s, *parts.steps_s) > 0
    assert 0.5 * parts.total_s < known <= parts.total_s
    assert "step" not in vars(setup.pipeline.scheduler)  # the stopwatch is gone again


def test_numbers_that_part_a_batch_are_offered(situated: Situations) -> None:
    """Those that divide it; a single picture has no parts."""
    situation = four(situated("flux"))
    assert KNOB.domain(situation).values == (4, 2, 1)
    single = replace(situation, workload=replace(situation.workload, batch=1))
    assert KNOB.domain(single).values == (1,)
    assert "nothing to part" in KNOB.domain(single).why


def test_slices_of_a_single_picture_are_refused(situated: Situations) -> None:
    """Slicing has nothing left to do there."""
    situation = four(situated("flux"))
    assert "nothing to slice" in str(KNOB.conflict({"images_per_call": 1, "vae_slicing": True}, situation))
    assert KNOB.conflict({"images_per_call": 2, "vae_slicing": True}, situation) is None
    assert KNOB.conflict({"vae_slicing": True}, situation) is None
