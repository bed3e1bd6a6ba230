"""Guides: the tables of published guides, as ladders to be measured again on the card at hand."""

from autotune.ladder import Ladder, Rung

GIB = 2**30

LADDERS: tuple[Ladder, ...] = (
    Ladder(
        name="sd15-memory-and-speed",
        title="Optimize inference for memory or speed",
        source="https://huggingface.co/docs/diffusers/v0.21.0/en/optimization/fp16",
        hardware="NVIDIA TITAN RTX",
        model="arch:sd15",
        width_px=512,
        height_px=512,
        steps=50,
        rungs=(
            Rung(name="original", settings={"attention": "vanilla"}, latency_s=9.50),
            Rung(name="fp16", settings={"attention": "vanilla", "dtype": "float16"}, latency_s=3.61),
        ),
    ),
)
