"""Machines, blueprints and a workload, as facts: what the tests of domains and conflicts look at."""

from dataclasses import replace

from autotune.blueprint import Blueprint, Part
from autotune.knob import Choice, Situation
from autotune.knobs import knob_named
from autotune.target import Target
from autotune.workload import Workload

LIBRARIES = {"torch": "2.13.0", "torchao": "0.18.0", "accelerate": "1.15.0"}
CPU = Target(
    device="cpu",
    libraries=LIBRARIES,
    backends=frozenset({"bf16", "fp16", "math", "flash"}),
    has_compiler=True,
)
HOPPER = Target(
    device="cuda:0",
    compute_capability=(9, 0),
    libraries=LIBRARIES,
    backends=frozenset({"bf16", "fp16", "math", "flash", "efficient", "cudnn"}),
    has_compiler=True,
)
TURING = Target(
    device="cuda:0",
    compute_capability=(7, 5),
    libraries=LIBRARIES,
    backends=frozenset({"fp16", "math", "efficient"}),
)
BARE = Target(device="cpu")
UNET = Blueprint(
    pipeline_class="StableDiffusionXLPipeline",
    parts={
        "unet": Part(class_name="UNet2DConditionModel", linear_share=0.87, conv_share=0.12),
        "vae": Part(class_name="AutoencoderKL", linear_share=0.02, conv_share=0.97),
        "text_encoder": Part(class_name="CLIPTextModel"),
    },
    abilities=frozenset(
        {
            "attention_slicing",
            "attn_processor_2_0",
            "fuse_qkv",
            "repeated_blocks",
            "vae_slicing",
            "vae_tiling",
            "tiny_vae",
            "encode_prompt",
            "cfg",
            "step_callback",
            "model_offload",
        }
    ),
    scheduler="EulerDiscreteScheduler",
    facts={"vae_scale_factor": 8, "tiny_vae": "madebyollin/taesdxl"},
)
FLUX = Blueprint(
    pipeline_class="FluxPipeline",
    parts={
        "transformer": Part(class_name="FluxTransformer2DModel", linear_share=0.999),
        "vae": Part(class_name="AutoencoderKL", linear_share=0.02, conv_share=0.97),
    },
    abilities=frozenset(
        {"attention_dispatcher", "fuse_qkv", "vae_tiling", "vae_slicing", "encode_prompt", "model_offload"}
    ),
    scheduler="FlowMatchEulerDiscreteScheduler",
    prediction="flow",
    facts={"vae_scale_factor": 8},
)
NOTHING = Blueprint(pipeline_class="StrangePipeline", prediction="strange")
WORKLOAD = Workload(model="m", width_px=1024, height_px=1024, steps=20, guidance=5.0)

HERE = Situation(target=CPU, blueprint=UNET, workload=WORKLOAD)


def choice(name: str, target: Target, blueprint: Blueprint, **workload: object) -> Choice:
    """What a knob offers somewhere."""
    made = replace(WORKLOAD, **workload)  # type: ignore[arg-type]
    return knob_named(name).domain(Situation(target=target, blueprint=blueprint, workload=made))
