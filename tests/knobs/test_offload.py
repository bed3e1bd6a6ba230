"""Offloading, as dry runs from the CPU to the CPU: the hooks, groups and files are those of a GPU's pipeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.knob import Setup, Situation, Value
from autotune.knobs import all_knobs, knob_named
from autotune.pipeline.load import TurnError, why_not_applied
from autotune.space import build_space
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import CPU, FLUX, HOPPER, LIBRARIES, NOTHING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
THERE = Situation(target=HOPPER, blueprint=UNET, workload=WORKLOAD)
KNOBS = ("offload", "offload_blocks", "offload_stream", "offload_low_cpu_mem", "offload_disk")
BLOCKY = replace(FLUX, abilities=FLUX.abilities | {"group_offload", "block_lists"})
DRY: tuple[dict[str, Value], ...] = (
    {"offload": "model"},
    {"offload": "group_leaf"},
    {"offload": "group_block"},
    {"offload": "group_block", "offload_blocks": 2},
    {"offload": "group_leaf", "offload_disk": True},
    {"offload": "group_block", "offload_disk": True},
)


@pytest.mark.parametrize("settings", DRY, ids=lambda s: " ".join(map(str, s.values())))
@pytest.mark.parametrize("model", FAMILIES)
def test_offloaded_weights_draw_the_same_pictures(
    model: str,
    settings: dict[str, Value],
    folder_of: Folders,
    situated: Situations,
    untuned: Baselines,
) -> None:
    """On every family, to the last bit where weights stay in memory; the next call draws the same again."""
    plain, reference = untuned(model)
    setup = turned(folder_of(model), situated(model), settings)
    pictures = pictures_of(setup)

    assert setup.is_placed
    assert why_not_applied(setup, settings) is None
    assert all(knob_named(name).applied(plain, value) for name, value in settings.items())
    if "offload_disk" in settings:
        # A file puts weights at other addresses, where a CPU's kernels add in another order.
        assert difference(reference, pictures) < 1e-5
    else:
        assert torch.equal(reference, pictures)
    assert torch.equal(pictures, pictures_of(setup))
