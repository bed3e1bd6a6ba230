"""What each knob offers, by machine, model and workload: the default first, a reason where there is none."""

from dataclasses import replace

import pytest

from autotune.blueprint import Blueprint, Part
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.target import Target
from tests.knobs.places import BARE, CPU, FLUX, HOPPER, NOTHING, TURING, UNET, WORKLOAD, choice


def offered(name: str, target: Target, blueprint: Blueprint, **workload: object) -> tuple[Value, ...]:
    """The values that a knob offers."""
    return choice(name, target, blueprint, **workload).values


@pytest.mark.parametrize(
    ("name", "target", "blueprint", "expected"),
    [
        ("dtype", CPU, UNET, ("float32", "bfloat16", "float16")),
        ("dtype", TURING, UNET, ("float32", "float16")),
        ("dtype", BARE, UNET, ("float32",)),
        ("tf32", HOPPER, UNET, (False, True)),
        ("tf32", TURING, UNET, (False,)),
        ("tf32", CPU, UNET, (False,)),
        ("scheduler", CPU, UNET, ("default", "dpmpp_2m", "unipc", "ddim")),
        ("scheduler", CPU, FLUX, ("default", "unipc")),
        ("scheduler", CPU, NOTHING, ("default",)),
        ("tiny_vae", CPU, UNET, (False, True)),
        ("tiny_vae", CPU, FLUX, (False,)),
        ("prompt_embeds", CPU, UNET, ("live", "precomputed")),
        ("prompt_embeds", CPU, NOTHING, ("live",)),
        ("fuse_qkv", CPU, UNET, (False, True)),
        ("fuse_qkv", CPU, NOTHING, (False,)),
        ("quantization", CPU, UNET, ("none", "int8_weight_only", "int8_dynamic", "int4_weight_only")),
        ("quantization", TURING, UNET, ("none", "int8_weight_only", "float8_weight_only")),
        ("quantization", BARE, UNET, ("none",)),
        ("quantization", CPU, NOTHING, ("none",)),
        ("channels_last", CPU, UNET, (False, True)),
        ("channels_last", CPU, NOTHING, (False,)),
        ("channels_last_vae", CPU, UNET, (False, True)),
        ("channels_last_vae", CPU, NOTHING, (False,)),
        ("attention", CPU, UNET, ("sdpa", "vanilla", "sdpa_math")),
        ("attention", CPU, FLUX, ("sdpa", "sdpa_math", "dispatch:flex")),
        (
            "attention",
            HOPPER,
            UNET,
            ("sdpa", "vanilla", "sdpa_math", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn"),
        ),
        ("attention", TURING, UNET, ("sdpa", "vanilla", "sdpa_math", "sdpa_efficient")),
        ("attention", BARE, FLUX, ("sdpa",)),
        ("attention", CPU, NOTHING, ("sdpa",)),
        ("attention_slicing", CPU, UNET, ("none", "auto", "max")),
        ("attention_slicing", CPU, FLUX, ("none",)),
        ("offload", HOPPER, UNET, ("none", "model", "sequential")),
        ("offload", HOPPER, NOTHING, ("none", "sequential")),
        ("offload", replace(HOPPER, libraries={}), UNET, ("none",)),
        ("offload", CPU, UNET, ("none",)),
        ("guidance_cutoff", CPU, UNET, (1.0, 0.8, 0.6, 0.4, 0.0)),
        ("guidance_cutoff", CPU, replace(UNET, pipeline_class="SanaPipeline"), (1.0, 0.0)),
        ("guidance_cutoff", CPU, FLUX, (1.0,)),
    ],
)
def test_what_a_machine_and_a_model_are_offered(
    name: str, target: Target, blueprint: Blueprint, expected: tuple[Value, ...]
) -> None:
    """The default comes first, then what this machine can do with this model."""
    assert expected == offered(name, target, blueprint)


@pytest.mark.parametrize(
    ("name", "workload", "expected"),
    [
        ("steps", {"steps": 20}, (20, 15, 12, 10, 8, 6, 4)),
        ("steps", {"steps": 4}, (4, 3, 2)),
        ("steps", {"steps": 2}, (2,)),
        ("vae_slicing", {"batch": 2}, (False, True)),
        ("vae_slicing", {"batch": 1}, (False,)),
        ("vae_tiling", {"width_px": 2048, "height_px": 1024}, (0, 1024, 512)),
        ("vae_tiling", {"width_px": 1024, "height_px": 1024}, (0, 512)),
        ("vae_tiling", {"width_px": 512, "height_px": 512}, (0, 256)),
        ("vae_tiling", {"width_px": 1000, "height_px": 680}, (0, 512, 480)),
        ("vae_tiling", {"width_px": 64, "height_px": 64}, (0,)),
        ("guidance_cutoff", {"guidance": 1.0}, (1.0,)),
        ("guidance_cutoff", {"steps": 1}, (1.0, 0.0)),
    ],
)
def test_what_a_workload_is_offered(
    name: str, workload: dict[str, object], expected: tuple[Value, ...]
) -> None:
    """Values that could not act on these pictures are not offered."""
    assert expected == offered(name, CPU, UNET, **workload)


def test_video_models_keep_their_layout() -> None:
    """Convolutions over time reject the layout of pictures."""
    video = replace(UNET, parts={"vae": Part(class_name="AutoencoderKLWan", conv_share=0.9)})

    assert (False,) == offered("channels_last_vae", CPU, video)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("blueprint", [UNET, FLUX, NOTHING], ids=lambda b: b.pipeline_class)
@pytest.mark.parametrize("target", [CPU, HOPPER, TURING, BARE])
def test_no_choice_has_a_reason_and_values_are_of_one_kind(
    target: Target, blueprint: Blueprint, batch: int
) -> None:
    """A knob with one value says why, one with several does not, and all its values have the same type."""
    situation = Situation(target=target, blueprint=blueprint, workload=replace(WORKLOAD, batch=batch))
    for knob in all_knobs():
        choice = knob.domain(situation)

        assert choice.is_fixed == bool(choice.why), knob.name
        assert len({type(value) for value in choice.values}) == 1, knob.name
