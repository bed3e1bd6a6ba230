"""The workbench of these tests: tiny pipelines on which knobs are turned just as a trial turns them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from autotune.demo import DEMO_PROMPTS, demo_model_path
from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import all_knobs
from autotune.pipeline.calls import make_pictures
from autotune.pipeline.load import apply_stages, begin_setup, load_stage
from autotune.pipeline.machine import read_target
from autotune.pipeline.probe import read_blueprint
from autotune.workload import Call, Workload

WORKLOAD = Workload(
    model="tiny", prompts=("a red cat", "a dog"), seeds=(0,), width_px=32, height_px=32, steps=4, batch=2
)


def situation_of(folder: Path, **fields: Any) -> Situation:
    """Return the situation of a model folder on this CPU, with other fields of the workload where given.

    The demo model is asked for what it was trained on: elsewhere small differences grow without bound.
    """
    if folder == demo_model_path():
        fields = {"prompts": DEMO_PROMPTS[:2], "width_px": 128, "height_px": 128, **fields}
    return Situation(
        target=read_target("cpu"),
        blueprint=read_blueprint(folder, folder.name),
        workload=replace(WORKLOAD, **fields),
    )


def turned(folder: Path, situation: Situation, settings: Settings, *, backend: str = "eager") -> Setup:
    """Return a pipeline with these settings; what is compiled is only traced, by the backend "eager"."""
    setup = begin_setup(situation, settings, device="cpu", model_path=str(folder))
    setup.notes["compile_backend"] = backend
    if "PixArt" in situation.blueprint.pipeline_class:
        setup.call |= {"use_resolution_binning": False, "max_sequence_length": 32}
    load_stage(setup, settings)
    apply_stages(setup, settings)
    return setup


def pictures_of(setup: Setup, prompts: tuple[str, ...] = (), **call: Any) -> torch.Tensor:
    """Return the pictures of one call, of the workload's first prompts unless others are given."""
    drawn = setup.workload.calls()[0]
    chosen = Call(prompts=prompts, seeds=tuple(range(len(prompts)))) if prompts else drawn
    return make_pictures(setup, chosen, extra=call)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference between the values of two pictures, which range from 0 to 1."""
    return float((ours - theirs).abs().max())


def other_values(name: str, situation: Situation) -> tuple[Value, ...]:
    """Return what a knob offers in a situation besides its default."""
    return next(knob for knob in all_knobs() if knob.name == name).domain(situation).values[1:]


def companions(name: str, value: Value) -> dict[str, Value]:
    """Return the setting with the others that it needs."""
    needed: dict[tuple[str, Value], dict[str, Value]] = {
        ("attention", "dispatch:flex"): {"compile": "regional"},
        ("quantization", "int4_weight_only"): {"dtype": "bfloat16"},
        ("quantization_text_encoder", "int4_weight_only"): {"dtype": "bfloat16"},
    }
    return {**needed.get((name, value), {}), name: value}
