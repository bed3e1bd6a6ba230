"""Attention: which kernels are offered where, the reason against each of the others, and their proofs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from autotune.blueprint import Blueprint
from autotune.errors import PlanError
from autotune.knob import Choice, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.knobs._kernels import KERNELS
from autotune.pipeline.load import TurnError
from autotune.script import foreign_names
from autotune.space import build_space
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import CPU, FLUX, HERE, HOPPER, LIBRARIES, TURING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ATTENTION = knob_named("attention")
PACKAGES = {
    "flash-attn": "2.8.3",
    "flash_attn_3": "3.0.0",
    "sageattention": "2.2.0",
    "xformers": "0.0.35",
    "kernels": "0.13.0",
}
FULL = replace(HOPPER, libraries=LIBRARIES | PACKAGES)
MASKED = replace(FLUX, abilities=FLUX.abilities | {"attention_mask"})
NATIVE = ("sdpa_math", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn")


def on(target: Any, blueprint: Blueprint, **facts: Any) -> Choice:
    """What is offered there, with facts about the denoiser's heads."""
    return choice("attention", target, replace(blueprint, facts={**blueprint.facts, **facts}))


def test_every_back_end_of_the_dispatcher_is_known() -> None:
    """One that a newer diffusers adds is missing here until somebody says what it needs."""
    own = {"native", "flex", "_native_math", "_native_flash", "_native_efficient", "_native_cudnn"}

    assert {name.value for name in AttentionBackendName} == {*KERNELS, *own}


def test_packages_bring_their_kernels() -> None:
    """A Hopper with every package is offered all that is written for it; the hub's only where a plan asks."""
    found = on(FULL, FLUX, head_dims=[128])
    names = ("flash", "flash_varlen", "_flash_3", "_flash_varlen_3", "sage", "sage_varlen")
    kinds = ("fp8_cuda", "fp8_cuda_sm90", "fp16_cuda", "fp16_triton")
    offered = (*names, *(f"_sage_qk_int8_pv_{kind}" for kind in kinds), "xformers")

    assert ("sdpa", *NATIVE, *(f"dispatch:{n}" for n in ("flex", *offered))) == found.values
    hub = {value for value in found.on_request if str(value).endswith("_hub")}
    assert {
        f"dispatch:{n}_hub"
        for n in ("flash", "flash_varlen", "_flash_3", "_flash_3_varlen", "flash_4", "sage")
    } == hub
    assert {f"dispatch:_native_{kernel}" for kernel in ("math", "flash", "efficient", "cudnn")} == (
        set(found.on_request) - hub
    )


@pytest.mark.parametrize(
    ("target", "blueprint", "facts", "value", "words"),
    [
        (HOPPER, FLUX, {}, "dispatch:flash", "needs the package 'flash-attn'"),
        (HOPPER, FLUX, {}, "dispatch:_flash_3_hub", "needs the package 'kernels'"),
        (CPU, FLUX, {}, "dispatch:sage", "needs a CUDA GPU"),
        (CPU, FLUX, {}, "sdpa_flash", "what PyTorch chooses anyway"),
        (CPU, UNET, {}, "sdpa_cudnn", "needs a CUDA GPU"),
        (TURING, UNET, {}, "sdpa_flash", "does not run"),
        (FULL, FLUX, {}, "dispatch:aiter_fa2_hub", "an AMD GPU"),
        (FULL, FLUX, {}, "dispatch:_native_npu", "an Ascend NPU"),
        (FULL, FLUX, {}, "dispatch:sage_blackwell_hub", "compute capability 10.0"),
        (FULL, FLUX, {}, "xformers", "its processors are for UNets"),
        (HOPPER, UNET, {}, "xformers", "needs the package 'xformers'"),
        (FULL, UNET, {}, "dispatch:flash", "would ignore the request"),
        (FULL, UNET, {}, "dispatch:_flash_3_hub", "would ignore the request"),
        (FULL, FLUX, {}, "vanilla", "compute something else"),
        (FULL, MASKED, {}, "dispatch:flash_varlen", "carries a mask"),
        (FULL, MASKED, {}, "sdpa_flash", "carries a mask"),
        (FULL, FLUX, {"head_dims": [64, 160]}, "dispatch:sage", "heads of up to 128 numbers"),
        (replace(FULL, compute_capability=(8, 9)), FLUX, {}, "dispatch:_flash_3", "capability 9.x alone"),
        (replace(FULL, compute_capability=(8, 9)), UNET, {"head_dims": [40, 160]}, "sdpa_cudnn", "up to 128"),
        (
            replace(FULL, compute_capability=(10, 0)),
            FLUX,
            {"head_dims": [96]},
            "dispatch:sage_blackwell_hub",
            "heads of 64 or 128",
        ),
        (replace(FULL, compute_capability=(7, 5)), FLUX, {}, "dispatch:flash", "compute capability 8.0"),
        (replace(HOPPER, libraries={"sageattention": "1.0.6"}), FLUX, {}, "dispatch:sage", "2.1.1 or newer"),
        (
            replace(HOPPER, libraries={"kernels": "0.12.1"}),
            FLUX,
            {},
            "dispatch:flash_4_hub",
            "0.12.3 or newer",
        ),
    ],
)
def test_each_kernel_that_is_not_offered_has_its_reason(
    target: Any, blueprint: Blueprint, facts: dict[str, Any], value: str, words: str
) -> None:
    """Package, version, generation, family, mask and width of the heads are told apart."""
    found = on(target, blueprint, **facts)

    assert value not in (*found.values, *found.on_request)
    assert words in found.lacking[value]


def test_wide_heads_are_for_hopper() -> None:
    """SD 1.x has heads of 160 numbers, which cuDNN computes on compute capability 9.0 alone."""
    assert "sdpa_cudnn" in on(HOPPER, UNET, head_dims=[40, 80, 160]).values
    assert "sdpa_cudnn" in on(replace(HOPPER, compute_capability=(8, 0)), UNET, head_dims=[64]).values
    assert "sdpa_flash" in on(replace(HOPPER, compute_capability=(8, 0)), UNET, head_dims=[160]).values


def test_masks_leave_what_takes_them() -> None:
    """LTX's attention carries a mask: flex, xFormers and PyTorch's other kernels are left."""
    found = on(FULL, MASKED, head_dims=[64])

    assert ("sdpa", "sdpa_math", "sdpa_efficient", "sdpa_cudnn", "dispatch:flex", "dispatch:xformers") == (
        found.values
    )
    assert not [value for value in found.on_request if str(value).endswith("hub")]


def test_a_plan_has_to_name_what_is_fetched() -> None:
    """Then it is searched; where the package is missing, the plan is told so."""
    wanted: dict[str, list[Value]] = {"attention": ["sdpa", "dispatch:_flash_3_hub"]}
    there = Situation(target=FULL, blueprint=FLUX, workload=WORKLOAD)

    assert ("sdpa", "dispatch:_flash_3_hub") == build_space([ATTENTION], there, narrowed=wanted).choices[
        "attention"
    ]
    with pytest.raises(PlanError, match="it needs the package 'kernels'"):
        build_space([ATTENTION], replace(there, target=HOPPER), narrowed=wanted)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("stable_diffusion", ("sdpa", "vanilla", "sdpa_math")),
        ("stable_diffusion_2", ("sdpa", "vanilla", "sdpa_math")),
        ("stable_diffusion_xl", ("sdpa", "vanilla", "sdpa_math")),
        ("stable_diffusion_3", ("sdpa", "sdpa_math")),
        ("flux", ("sdpa", "sdpa_math", "dispatch:flex")),
        ("pixart", ("sdpa", "vanilla", "sdpa_math")),
        ("sana", ("sdpa", "sdpa_math")),
        ("ltx", ("sdpa", "sdpa_math", "dispatch:flex")),
        ("wan", ("sdpa", "sdpa_math", "dispatch:flex")),
    ],
)
def test_what_each_family_is_offered_on_a_cpu(
    model: str, expected: tuple[str, ...], situated: Situations
) -> None:
    """The dispatcher for Flux, LTX and Wan; plain processors for UNets and PixArt, never for Sana."""
    situation = replace(situated(model), target=CPU)
    found = ATTENTION.domain(situation)

    assert expected == found.values
    assert ("dispatch:_native_math" in found.on_request) == (model in ("flux", "ltx", "wan"))
    masked = replace(situation, target=FULL)
    assert ("sdpa_flash" in ATTENTION.domain(masked).values) == (model not in ("pixart", "sana", "ltx"))


def test_every_family_has_a_case() -> None:
    """The table above is complete."""
    assert len(FAMILIES) == 9


@pytest.mark.parametrize("value", ["dispatch:_native_math", "dispatch:_native_flash"])
def test_the_dispatcher_is_set_for_the_denoiser_alone(
    value: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """The pictures stay, the proof passes, and other pipelines of the process keep their kernel."""
    before = _AttentionBackendRegistry._active_backend
    setup = turned(folder_of("flux"), situated("flux"), {"attention": value})

    assert difference(untuned("flux")[1], pictures_of(setup)) < 1e-4
    assert ATTENTION.applied(setup, value) is None
    assert "backends _native_" in str(ATTENTION.applied(setup, "dispatch:flex"))
    assert before is _AttentionBackendRegistry._active_backend


@pytest.mark.parametrize("model", ["stable_diffusion", "pixart"])
def test_a_dispatcher_that_nobody_asks_is_found(model: str, folder_of: Folders, situated: Situations) -> None:
    """Diffusers says nothing where the request is ignored."""
    setup = turned(folder_of(model), situated(model), {})
    ATTENTION.turn(setup, "dispatch:_native_math")

    assert "None" in str(ATTENTION.applied(setup, "dispatch:_native_math"))


def test_a_kernel_that_is_missing_ends_the_turning(folder_of: Folders, situated: Situations) -> None:
    """The knob is named, and the package."""
    with pytest.raises(TurnError, match=r"Knob 'attention'.*flash-attn>=2\.6\.3"):
        turned(folder_of("flux"), situated("flux"), {"attention": "dispatch:flash"})
    with pytest.raises(TurnError, match="Knob 'attention' could not be set to 'xformers'"):
        turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"attention": "xformers"})


def test_xformers_is_proved_by_its_processors(
    folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """All layers have them, or the proof names what is there instead."""
    from diffusers.models.attention_processor import XFormersAttnProcessor

    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {})
    setup.pipeline.unet.set_attn_processor(XFormersAttnProcessor())

    assert ATTENTION.applied(setup, "xformers") is None
    assert "by AttnProcessor2_0" in str(ATTENTION.applied(untuned("stable_diffusion")[0], "xformers"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attention": "xformers", "fuse_qkv": True}, "fuse_qkv"),
        ({"attention": "dispatch:_flash_3", "dtype": "float32"}, "16 bits only"),
        ({"attention": "dispatch:_native_cudnn"}, "16 bits only"),
        ({"attention": "dispatch:sage_hub"}, "16 bits only"),
    ],
)
def test_what_does_not_go_with_a_kernel(settings: dict[str, Value], words: str) -> None:
    """By the kernel's own needs."""
    assert words in str(ATTENTION.conflict(settings, HERE))


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "dispatch:xformers", "dtype": "float32"},
        {"attention": "xformers", "dtype": "float32"},
        {"attention": "dispatch:_native_math", "dtype": "float32"},
        {"attention": "dispatch:_flash_3", "dtype": "bfloat16"},
    ],
)
def test_what_goes_with_a_kernel(settings: dict[str, Value]) -> None:
    """The neighbours of what is refused."""
    assert ATTENTION.conflict(settings, HERE) is None


def test_its_source_stands_alone() -> None:
    """Whatever kernel it sets, a script needs nothing of this project."""
    assert foreign_names(ATTENTION.turn) == set()
