"""Real pictures for tests: what the demo model draws with some recipe."""

import torch

from autotune.demo import DEMO_PROMPTS, demo_model_path
from autotune.knob import Value
from autotune.pipeline.calls import make_pictures
from tests.knobs.workbench import situation_of, turned


def demo_pictures(**settings: Value) -> torch.Tensor:
    """Return the demo model's pictures of four prompts with these settings, shape (4, 3, 128, 128)."""
    situation = situation_of(demo_model_path(), prompts=DEMO_PROMPTS[:4], batch=4, steps=16)
    setup = turned(demo_model_path(), situation, settings)
    return make_pictures(setup, situation.workload.calls()[0])
