"""Presets: eight useful recipes to try first, on every kind of machine."""

from dataclasses import replace

import pytest

from autotune.blueprint import Blueprint, Part
from autotune.knob import Situation
from autotune.knobs import all_knobs
from autotune.search.presets import presets
from autotune.space import SearchSpace, build_space, key
from autotune.target import Target
from autotune.workload import Workload
from tests.search import synthetic

LIBRARIES = {"torch": "2.13.0", "diffusers": "0.42.1", "accelerate": "1.15.0", "torchao": "0.18.0"}
ABILITIES = (
    "attention_slicing",
    "attention_processors",
    "fuse_qkv",
    "repeated_blocks",
    "vae_slicing",
    "vae_tiling",
    "tiny_vae",
    "cfg_cutoff",
    "model_offload",
)
CPU = Target(
    device="cpu",
    memory_bytes=2**34,
    libraries=LIBRARIES,
    backends=frozenset({"bf16", "flash", "efficient", "math"}),
    has_compiler=True,
)
CUDA = Target(
    device="cuda:0",
    memory_bytes=2**37,
    compute_capability=(9, 0),
    libraries=LIBRARIES,
    backends=frozenset({"bf16", "fp16", "flash", "efficient", "cudnn", "math"}),
    has_compiler=True,
)
STABLE_DIFFUSION = Blueprint(
    pipeline_class="StableDiffusionPipeline",
    parts={
        "unet": Part(
            class_name="UNet2DConditionModel",
            parameters=10**9,
            bytes_fp32=4 * 10**9,
            linear_share=0.5,
            conv_share=0.5,
        ),
        "vae": Part(
            class_name="AutoencoderKL",
            parameters=10**8,
            bytes_fp32=4 * 10**8,
            linear_share=0.1,
            conv_share=0.9,
        ),
        "text_encoder": Part(
            class_name="CLIPTextModel", parameters=10**8, bytes_fp32=4 * 10**8, linear_share=0.9
        ),
    },
    abilities=frozenset(ABILITIES),
    scheduler="PNDMScheduler",
    facts={
        "vae_scale_factor": 8,
        "vae_sample_size": 512,
        "latent_channels": 4,
        "tiny_vae": "madebyollin/taesd",
    },
)


def real_space(target: Target, *, batch: int = 1, allow_approximate: bool = False) -> SearchSpace:
    """Return the space of the real knobs for a Stable Diffusion pipeline."""
    workload = Workload(model="sd", width_px=512, height_px=512, batch=batch)
    situation = Situation(target=target, blueprint=STABLE_DIFFUSION, workload=workload)
    return build_space(all_knobs(), situation, allow_approximate=allow_approximate)


@pytest.mark.parametrize("allow_approximate", [False, True])
@pytest.mark.parametrize("target", [CPU, CUDA], ids=["cpu", "cuda"])
def test_eight_distinct_valid_presets_for_the_real_knobs(target: Target, *, allow_approximate: bool) -> None:
    """The untuned baseline and seven more, on a CPU as on a GPU."""
    space = real_space(target, batch=4, allow_approximate=allow_approximate)
    found = presets(space)

    assert ("untuned", space.defaults) == (found[0].name, found[0].settings)
    assert 8 == len(found) == len({key(preset.settings) for preset in found})
    assert all(space.is_searched(preset.settings) for preset in found)


def test_a_preset_is_only_named_for_what_it_holds() -> None:
    """TF32 on a CPU would be nothing but its name."""
    named = {preset.name: preset.settings for preset in presets(real_space(CPU), 99)}

    assert "TF32" not in named
    assert "offloaded" not in named
    assert "regional" == named["regional compile"]["compile"]


def test_half_precision_is_the_half_that_the_device_computes() -> None:
    """A CPU emulates float16; a GPU is at its best with it."""
    halves = {"dtype": ("float32", "float16", "bfloat16")}
    knobs = synthetic.knobs({**synthetic.VALUES, **halves})
    gpu = replace(synthetic.SITUATION, target=CUDA)
    chosen = [
        presets(build_space(knobs, situation))[1].settings["dtype"]
        for situation in (synthetic.SITUATION, gpu)
    ]

    assert ["bfloat16", "float16"] == chosen


def test_approximate_presets_need_permission() -> None:
    """Fewer steps are a preset only where they may be searched."""
    plain = {preset.name for preset in presets(real_space(CUDA), 99)}
    allowed = {
        preset.name: preset.settings for preset in presets(real_space(CUDA, allow_approximate=True), 99)
    }

    assert "fewer steps" not in plain
    assert 10 == allowed["fewer steps"]["steps"]


def test_a_narrowed_plan_narrows_the_presets_but_not_the_baseline() -> None:
    """Each preset but the first holds only values that the plan wants."""
    narrowed = {"dtype": ("bfloat16",), "compile": ("none", "regional")}
    space = build_space(synthetic.knobs(), synthetic.SITUATION, narrowed=narrowed)
    first, *others = presets(space)

    assert "float32" == first.settings["dtype"]
    assert {"bfloat16"} == {preset.settings["dtype"] for preset in others}
    assert {"none", "regional"} >= {preset.settings["compile"] for preset in others}


def test_without_anything_to_choose_there_is_the_baseline() -> None:
    """A pipeline without knobs has one recipe."""
    space = build_space((), synthetic.SITUATION)

    assert [{}] == [preset.settings for preset in presets(space)]
