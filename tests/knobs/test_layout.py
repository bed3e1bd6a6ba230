"""Layouts: channels last for denoiser and VAE apart, and 1 x 1 convolutions as matrix products."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.pipeline.load import why_not_applied
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import BARE, CPU, NOTHING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
UNETS = {"stable_diffusion", "stable_diffusion_2", "stable_diffusion_xl"}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_each_family_is_offered(name: str, situated: Situations) -> None:
    """Convolutions of pictures are in UNets, in Sana, and in every VAE but those of video."""
    convolved, video = UNETS | {"sana"}, {"ltx", "wan"}
    offered = {
        knob: not knob_named(knob).domain(situated(name)).is_fixed
        for knob in ("channels_last", "channels_last_vae", "conv1x1_to_linear")
    }

    assert offered == {
        "channels_last": name in convolved,
        "channels_last_vae": name not in video,
        "conv1x1_to_linear": name in convolved,
    }


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ("channels_last", "no denoiser"),
        ("channels_last_vae", "no VAE"),
        ("conv1x1_to_linear", "no 1 x 1 convolutions"),
    ],
)
def test_a_strange_pipeline_is_told_why(knob: str, words: str) -> None:
    """Nothing is offered without the part that it acts on."""
    assert words in choice(knob, CPU, NOTHING).why


def test_swapping_convolutions_needs_torchao() -> None:
    """The swap is torchao's."""
    able = replace(UNET, abilities=UNET.abilities | {"conv_1x1"})

    assert "package 'torchao'" in choice("conv1x1_to_linear", BARE, able).why
    assert (False, True) == choice("conv1x1_to_linear", CPU, able).values


@pytest.mark.parametrize(
    ("knob", "other"), [("channels_last", "channels_last_vae"), ("channels_last_vae", "channels_last")]
)
@pytest.mark.parametrize("name", ["stable_diffusion", "sana"])
def test_each_part_has_its_own_layout(
    name: str, knob: str, other: str, folder_of: Folders, situated: Situations
) -> None:
    """One knob lays out the denoiser, the other the VAE, and neither both."""
    setup = turned(folder_of(name), situated(name), {knob: True})

    assert knob_named(knob).applied(setup, ON) is None
    assert "strides are" in str(knob_named(other).applied(setup, ON))


def test_convolutions_of_one_pixel_answer_channels_last(folder_of: Folders, situated: Situations) -> None:
    """Sana's kernels have one order of values only, but their strides decide about what they compute."""
    laid = {}
    for value in (False, True):
        settings = {"channels_last": True} if value else {}
        part = turned(folder_of("sana"), situated("sana"), settings).pipeline.transformer
        convolution = part.transformer_blocks[0].ff.conv_inverted
        with torch.no_grad():
            answer = convolution(torch.zeros(1, convolution.in_channels, 4, 4))
        laid[value] = answer.is_contiguous(memory_format=torch.channels_last)

    assert laid == {False: False, True: True}


def test_the_layout_of_a_new_vae_is_its_own(folder_of: Folders, situated: Situations) -> None:
    """A VAE that comes later does not inherit the layout."""
    setup = turned(folder_of("flux"), situated("flux"), {"channels_last_vae": True})
    knob_named("tiny_vae").turn(setup, ON)

    assert "is not laid out channels last" in str(knob_named("channels_last_vae").applied(setup, ON))


def test_swapped_convolutions_are_counted(folder_of: Folders, situated: Situations) -> None:
    """One that is left is found; strided and grouped ones are not swapped."""
    knob = knob_named("conv1x1_to_linear")
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"conv1x1_to_linear": True})
    plain = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {})
    count = sum(
        isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1) for m in plain.pipeline.unet.modules()
    )

    assert knob.applied(setup, ON) is None
    assert f"0 of {count} 1 x 1 convolutions" in str(knob.applied(plain, ON))
    setup.pipeline.unet.conv_out = torch.nn.Conv2d(32, 4, 1)
    assert f"{count} of {count + 1} 1 x 1 convolutions" in str(knob.applied(setup, ON))


def test_only_products_are_swapped() -> None:
    """A stride skips pixels and a group skips channels: neither is one matrix product."""
    knob = knob_named("conv1x1_to_linear")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(4, 4, 1), torch.nn.Conv2d(4, 4, 1, stride=2), torch.nn.Conv2d(4, 4, 1, groups=4)
    )

    class Pipeline:
        unet = module

    setup = Setup(workload=WORKLOAD, settings={}, device="cpu", pipeline=Pipeline())
    picture = torch.arange(64.0).reshape(1, 4, 4, 4)
    with torch.no_grad():
        before = module(picture)
        knob.turn(setup, ON)
        after = module(picture)

    assert ["PermuteSandwich", "Conv2d", "Conv2d"] == [type(child).__name__ for child in module]
    assert difference(before, after) < 1e-4
    assert knob.applied(setup, ON) is None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("stable_diffusion_xl", {"fuse_qkv": True, "quantization": "int8_weight_only"}),
        ("stable_diffusion_xl", {"channels_last": True, "attention_slicing": "max"}),
        ("stable_diffusion", {"layerwise_casting": "float8_e4m3fn", "channels_last": True}),
        ("sana", {"quantization": "int8_weight_only", "channels_last": True}),
        pytest.param("stable_diffusion_xl", {"compile": "regional"}, marks=pytest.mark.slow),
        pytest.param("sana", {"compile": "full", "quantization": "int8_dynamic"}, marks=pytest.mark.slow),
    ],
)
def test_swapped_convolutions_go_with_what_comes_after(
    name: str, settings: Settings, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """They are linear layers from then on: fused, quantized, cast and compiled like others."""
    chosen = {**settings, "conv1x1_to_linear": True}
    setup = turned(folder_of(name), situated(name), chosen)
    pictures = pictures_of(setup)

    assert why_not_applied(setup, chosen) is None
    assert difference(untuned(name)[1], pictures) < 0.1


def test_quantization_reaches_the_swapped_convolutions(folder_of: Folders, situated: Situations) -> None:
    """Half of Sana's weights are in 1 x 1 convolutions, which quantization does not touch by itself."""
    bytes_of = {}
    for swapped in (False, True):
        settings: dict[str, Value] = {"quantization": "int8_weight_only"}
        settings |= {"conv1x1_to_linear": True} if swapped else {}
        part = turned(folder_of("sana"), situated("sana"), settings).pipeline.transformer
        weights = [weight for weight in part.parameters() if type(weight).__module__.startswith("torchao")]
        bytes_of[swapped] = sum(weight.numel() for weight in weights)

    assert bytes_of[True] > 1.3 * bytes_of[False]
