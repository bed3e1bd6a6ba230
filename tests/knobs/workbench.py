"""The workbench of these tests: tiny pipelines on which knobs are turned just as a trial turns them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from autotune.demo import DEMO_PROMPTS, demo_model_path
from autotune.knob import Settings, Setup, Situation
from autotune.pipeline.calls import make_pictures, taken_arguments
from autotune.pipeline.load import apply_stages, begin_setup, load_stage
from autotune.pipeline.machine import read_target
from autotune.pipeline.probe import read_blueprint
from autotune.pipeline.sizes import resolve_size
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
    blueprint = read_blueprint(folder, folder.name)
    if blueprint.number("default_frames"):
        fields = {"frames": 1 + blueprint.number("vae_frame_factor"), **fields}
    workload = resolve_size(replace(WORKLOAD, **fields), blueprint)
    return Situation(target=read_target("cpu"), blueprint=blueprint, workload=workload)


def turned(folder: Path, situation: Situation, settings: Settings, *, backend: str = "eager") -> Setup:
    """Return a pipeline with these settings; what is compiled is only traced, by the backend "eager"."""
    setup = begin_setup(situation, settings, device="cpu", model_path=str(folder))
    setup.notes["compile_backend"] = backend
    load_stage(setup, settings)
    # Texts as short as the prompts: hundreds of tokens would cost more than all else.
    short = {"max_sequence_length": 32, "complex_human_instruction": None}
    setup.call |= {name: short[name] for name in short if name in taken_arguments(setup.pipeline)}
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
