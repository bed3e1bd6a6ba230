"""trace: the recorded denoiser draws the very pictures, and what acts in its Python code is refused."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.knob import Setup, Situation
from autotune.knobs import knob_named
from tests.knobs.places import CPU, FLUX, HERE, NOTHING, choice
from tests.knobs.workbench import pictures_of, turned


def test_the_recorded_denoiser_draws_the_same_pictures_without_a_warning(
    folder_of: Callable[[str], Path],
    situated: Callable[[str], Situation],
    untuned: Callable[[str], tuple[Setup, torch.Tensor]],
) -> None:
    """To the bit, on a CPU; that torch.jit.trace is deprecated is not the user's concern."""
    plain, reference = untuned("flux")
    setup = turned(folder_of("flux"), situated("flux"), {"trace": True})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pictures = pictures_of(setup)

    assert not [
        warning for warning in said if "jit" in str(warning.message) or "Tracer" in str(warning.category)
    ]
    assert torch.equal(reference, pictures)
    applied = knob_named("trace").applied
    assert applied(setup, setup.settings["trace"]) is None
    assert applied(plain, setup.settings["trace"]) == "No call was answered by an engine."


def test_another_batch_is_recorded_anew(
    folder_of: Callable[[str], Path], situated: Callable[[str], Situation]
) -> None:
    """Sizes are fixed in a recording: another one is made, and the first is kept."""
    setup = turned(folder_of("flux"), situated("flux"), {"trace": True})
    for prompts in (("a cat", "a dog"), ("a cat",), ("a cat", "a dog")):
        assert len(prompts) == len(pictures_of(setup, prompts))

    assert 2 == len(setup.notes["trace"]["engines"])
    assert 3 * setup.workload.steps == setup.notes["trace"]["answered"]


def test_it_is_offered_wherever_there_is_a_denoiser() -> None:
    """All that diffusers has can be traced."""
    assert (False, True) == choice("trace", CPU, FLUX).values
    assert "no denoiser" in choice("trace", CPU, NOTHING).why


@pytest.mark.parametrize(
    "other",
    [
        {"compile": "regional"},
        {"offload": "model"},
        {"layerwise_casting": "float8_e4m3fn"},
        {"attention": "sdpa_math"},
        {"step_cache": "first_block:0.1"},
        {"deep_cache": 3},
        {"token_merging": 0.5},
    ],
    ids=str,
)
def test_what_does_not_go_with_it(other: dict[str, Any]) -> None:
    """A sentence that names both."""
    said = knob_named("trace").conflict({"trace": True, **other}, HERE)

    assert said is not None
    assert said.startswith(f"trace does not go with {next(iter(other))}")
    assert said.endswith(".")
    assert knob_named("trace").conflict({"trace": False, **other}, HERE) is None
    assert knob_named("trace").conflict({"trace": True, "attention": "vanilla"}, HERE) is None
