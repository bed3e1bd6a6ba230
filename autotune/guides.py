"""Guides: the tables of published guides, as ladders to be measured again on the card at hand.

Figures and settings are those of the sources, each read there. Where a guide's program was found beside its
text, it decides what a row comes to: some set more than the text says. Guides that give a plot or a claim and
no figures, such as flux-fast, have no ladder.
"""

from collections.abc import Mapping

from autotune.knob import Value
from autotune.ladder import Ladder, Rung

GIB = 2**30

_HALF: Mapping[str, Value] = {"dtype": "float16"}
_BRAIN: Mapping[str, Value] = {"dtype": "bfloat16"}
_COMPILED: Mapping[str, Value] = {**_BRAIN, "compile": "full", "compile_mode": "max-autotune"}


def _gib(amount: float) -> int:
    """Bytes of an amount that a guide calls GB and got by dividing by 1024 three times."""
    return round(amount * GIB)


# Its last version is of diffusers 0.24: from 0.25 on the page has the table of `_PRECISION`.
_MEMORY_AND_SPEED = Ladder(
    name="sd15-memory-and-speed",
    title="diffusers: Memory and speed",
    source="https://huggingface.co/docs/diffusers/v0.21.0/optimization/fp16",
    hardware="NVIDIA TITAN RTX",
    model="arch:sd15",
    width_px=512,
    height_px=512,
    steps=50,
    note="Made with DDIM, here with the model's own PNDM, which runs the UNet once more. The card has no "
    "TF32; newer ones use it for convolutions in float32 unless told otherwise, which helps the first row.",
    rungs=(
        Rung(name="original", settings={"attention": "vanilla"}, latency_s=9.50),
        Rung(name="fp16", settings={**_HALF, "attention": "vanilla"}, latency_s=3.61),
        Rung(
            name="channels last",
            settings={**_HALF, "attention": "vanilla", "channels_last": True},
            latency_s=3.30,
        ),
        Rung(
            name="traced UNet",
            settings={**_HALF, "attention": "vanilla", "channels_last": True, "trace": True},
            latency_s=3.21,
        ),
        Rung(
            name="memory-efficient attention",
            settings={**_HALF, "attention": "xformers", "channels_last": True},
            latency_s=2.63,
            note="The attention of xFormers. Not traced: a trace does not go with it here.",
        ),
        Rung(
            name="memory-efficient attention of PyTorch",
            settings={**_HALF, "attention": "sdpa_efficient", "channels_last": True},
            note="Not of the guide: the same algorithm as PyTorch ships it, where xFormers is not installed.",
        ),
    ),
)

_SDXL = Ladder(
    name="sdxl-simple",
    title="Exploring simple optimizations for SDXL",
    source="https://huggingface.co/blog/simple_sdxl_optimizations",
    hardware="NVIDIA A100 40 GB",
    model="arch:sdxl",
    width_px=1024,
    height_px=1024,
    steps=25,
    guidance=5.0,
    batch=4,
    note="25 steps by its notebook (exploring_simple optimizations_for_sdxl.ipynb), which divides by 1024 "
    "three times for its GB and prints the last of three calls. Memory is what PyTorch allocated at most.",
    rungs=(
        Rung(
            name="unoptimized",
            settings={"attention": "vanilla"},
            latency_s=72.2005,
            memory_bytes=_gib(28.09),
        ),
        Rung(
            name="fp16",
            settings={**_HALF, "attention": "vanilla"},
            latency_s=14.8009,
            memory_bytes=_gib(21.72),
        ),
        Rung(name="fp16 + SDPA (default)", settings=_HALF, latency_s=11.4130, memory_bytes=_gib(21.72)),
        Rung(
            name="default + torch.compile",
            settings={**_HALF, "compile": "full", "compile_mode": "reduce-overhead"},
            latency_s=10.2967,
            memory_bytes=_gib(21.73),
        ),
        Rung(
            name="default + model offload",
            settings={**_HALF, "offload": "model"},
            latency_s=16.0822,
            memory_bytes=_gib(20.21),
        ),
        Rung(
            name="default + sequential offload",
            settings={**_HALF, "offload": "sequential"},
            latency_s=67.0340,
            memory_bytes=_gib(19.91),
        ),
        Rung(
            name="default + VAE slicing",
            settings={**_HALF, "vae_slicing": True},
            latency_s=11.2322,
            memory_bytes=_gib(15.40),
        ),
        Rung(
            name="default + VAE slicing + sequential offload",
            settings={**_HALF, "vae_slicing": True, "offload": "sequential"},
            latency_s=66.8692,
            memory_bytes=_gib(11.47),
        ),
        Rung(
            name="default + precomputed text embeddings",
            settings={**_HALF, "prompt_embeds": "precomputed"},
            latency_s=11.9090,
            memory_bytes=_gib(21.85),
        ),
        Rung(
            name="default + Tiny AutoEncoder",
            settings={**_HALF, "tiny_vae": True},
            latency_s=10.4497,
            memory_bytes=_gib(15.48),
        ),
    ),
)

_FAST_COMPILED: Mapping[str, Value] = {
    **_COMPILED,
    "channels_last": True,
    "channels_last_vae": True,
    "compile_flags": "diffusion_fast",
    "compile_vae": True,
}

_DIFFUSION_FAST = Ladder(
    name="sdxl-fast",
    title="diffusers: Accelerate inference of text-to-image diffusion models (diffusion-fast)",
    source="https://huggingface.co/docs/diffusers/v0.25.0/tutorials/fast_diffusion",
    hardware="NVIDIA A100 80 GB, 400 W, clocks at their highest",
    model="arch:sdxl",
    width_px=1024,
    height_px=1024,
    steps=30,
    guidance=5.0,
    note="Its program (huggingface/diffusion-fast) also sets TF32, decodes with the VAE that bears 16 bits, "
    "and gives the VAE's attention the same processors as the UNet's. Memory is of the table of its author "
    "(sayakpaul/sample-datasets, collated_results_sdxl.csv).",
    rungs=(
        Rung(
            name="baseline",
            settings={"attention": "vanilla", "tf32": True},
            latency_s=7.36,
            memory_bytes=_gib(16.827),
        ),
        Rung(
            name="bfloat16",
            settings={**_BRAIN, "attention": "vanilla"},
            latency_s=4.63,
            memory_bytes=_gib(8.961),
        ),
        Rung(name="SDPA", settings=_BRAIN, latency_s=3.31, memory_bytes=_gib(8.958)),
        Rung(
            name="torch.compile",
            settings=_FAST_COMPILED,
            latency_s=2.54,
            memory_bytes=_gib(8.817),
            note="CUDA graphs for the UNet alone.",
        ),
        Rung(
            name="fused projections",
            settings={**_FAST_COMPILED, "fuse_qkv": True},
            latency_s=2.52,
            memory_bytes=_gib(9.782),
            note="Of the UNet alone.",
        ),
        Rung(
            name="dynamic int8 quantization",
            settings={**_FAST_COMPILED, "fuse_qkv": True, "quantization": "int8_dynamic"},
            latency_s=2.43,
            memory_bytes=_gib(7.866),
            note="Of the UNet alone, of which the guide spares layers by a list of sizes and autotune by "
            "their place. The guide swaps 1 x 1 convolutions of 128 channels, which only the VAE has.",
        ),
    ),
)

_PRECISION = Ladder(
    name="sd15-precision",
    title="diffusers: Speed up inference",
    source="https://huggingface.co/docs/diffusers/v0.30.0/optimization/fp16",
    hardware="NVIDIA A100",
    model="arch:sd15",
    width_px=512,
    height_px=512,
    steps=50,
    note="Made with DDIM, here with the model's own PNDM, which runs the UNet once more.",
    rungs=(
        Rung(name="baseline", latency_s=5.27),
        Rung(name="tf32", settings={"tf32": True}, latency_s=4.14),
        Rung(name="fp16", settings=_HALF, latency_s=3.51),
        Rung(
            name="combined",
            settings=_HALF,
            latency_s=3.41,
            note="The guide sets TF32 beside float16: in float16 no product is left on which it acts.",
        ),
    ),
)

_DISTILLED = Ladder(
    name="sd15-distilled",
    title="diffusers: Speed up inference, distilled model",
    source="https://huggingface.co/docs/diffusers/v0.30.0/optimization/fp16",
    hardware="NVIDIA A100",
    model="arch:sd15",
    width_px=512,
    height_px=512,
    steps=25,
    batch=4,
    note="Of SD 1.4, which has the architecture of 1.5. The distilled UNet draws other pictures: with random "
    "weights, pictures that have nothing in common with the first row's.",
    rungs=(
        Rung(name="baseline", settings=_HALF, latency_s=6.37),
        Rung(name="distilled", settings={**_HALF, "swap_denoiser": "arch:bk-sdm-small"}, latency_s=4.18),
        Rung(
            name="distilled + tiny autoencoder",
            settings={**_HALF, "swap_denoiser": "arch:bk-sdm-small", "tiny_vae": True},
            latency_s=3.83,
        ),
    ),
)

_SPEEDSTER = Ladder(
    name="sd15-speedster",
    title="Speedster: Accelerate Stable Diffusion",
    source="https://github.com/nebuly-ai/optimate/blob/main/optimization/speedster/notebooks/diffusers/"
    "Accelerate_Stable_Diffusion_with_Speedster.ipynb",
    hardware="NVIDIA GeForce RTX 3090 Ti",
    model="arch:sd15",
    width_px=512,
    height_px=512,
    steps=50,
    note="Of SD 1.4, which has the architecture of 1.5. The published seconds are of one pass of the UNet, "
    "not of a call, so that a call gains less; size and steps are the pipeline's own.",
    rungs=(
        Rung(name="PyTorch, fp16", settings=_HALF, latency_s=0.051557),
        Rung(name="TensorRT, fp16", settings={**_HALF, "engine": "tensorrt"}, latency_s=0.023055),
    ),
)

_FLUX_TORCHAO = Ladder(
    name="flux-torchao",
    title="diffusers-torchao: Flux.1 Dev",
    source="https://github.com/sayakpaul/diffusers-torchao",
    hardware="NVIDIA H100 80 GB",
    model="arch:flux-dev",
    width_px=1024,
    height_px=1024,
    steps=28,
    guidance=3.5,
    note="Rows of one picture a call out of its tables; float8 scaled by rows, as autotune scales it. Its "
    "memory is what PyTorch allocated at most since the start, loading and quantizing included.",
    rungs=(
        Rung(name="bfloat16", settings=_BRAIN, latency_s=6.573, memory_bytes=_gib(33.851)),
        Rung(name="compile", settings=_COMPILED, latency_s=4.209, memory_bytes=_gib(33.851)),
        Rung(
            name="int8wo + compile",
            settings={**_COMPILED, "quantization": "int8_weight_only"},
            latency_s=4.615,
            memory_bytes=_gib(31.606),
        ),
        Rung(
            name="fp8wo + compile",
            settings={**_COMPILED, "quantization": "float8_weight_only"},
            latency_s=4.395,
            memory_bytes=_gib(31.607),
        ),
        Rung(
            name="int8dq + compile",
            settings={**_COMPILED, "quantization": "int8_dynamic"},
            latency_s=3.406,
            memory_bytes=_gib(31.608),
        ),
        Rung(
            name="fp8dqrow + compile",
            settings={**_COMPILED, "quantization": "float8_dynamic"},
            latency_s=3.039,
            memory_bytes=_gib(31.82),
        ),
        Rung(
            name="fp8dqrow + compile + compile VAE",
            settings={
                **_COMPILED,
                "quantization": "float8_dynamic",
                "channels_last_vae": True,
                "compile_vae": True,
            },
            latency_s=2.981,
            memory_bytes=_gib(31.818),
            note="The guide quantizes the VAE too.",
        ),
        Rung(
            name="fp8dqrow + compile + compile VAE + fused projections",
            settings={
                **_COMPILED,
                "quantization": "float8_dynamic",
                "channels_last_vae": True,
                "compile_vae": True,
                "fuse_qkv": True,
            },
            latency_s=2.966,
            memory_bytes=_gib(35.831),
            note="The guide quantizes the VAE and fuses its projections too.",
        ),
    ),
)

LADDERS: tuple[Ladder, ...] = (
    _MEMORY_AND_SPEED,
    _SDXL,
    _DIFFUSION_FAST,
    _PRECISION,
    _DISTILLED,
    _SPEEDSTER,
    _FLUX_TORCHAO,
)
