"""Every solver on offer solves the very equation of its model, seen on one whose solution is known.

The denoiser is replaced by the exact one for data that are normally distributed: then the solver's path is
known too, and must end at mean + spread * first noise, whatever the family.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotune.knob import Settings, Setup, Situation
from autotune.knobs import knob_named
from autotune.pipeline.calls import call_arguments
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import HOPPER
from tests.knobs.workbench import pictures_of, situation_of, turned

MEAN, SPREAD = 0.3, 0.5
pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]


def distance_from_solution(setup: Setup) -> float:
    """Return how far the solver ends from the known solution, relative to the spread of the data."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    first: list[torch.Tensor] = []
    predict = _flow if _is_flow(setup) else _noise(setup)

    def exact(sample: torch.Tensor | None = None, timestep: Any = None, **given: Any) -> tuple[torch.Tensor]:
        state = given["hidden_states"] if sample is None else sample
        if not first:
            first.append(state.clone())
        level = float(torch.as_tensor(timestep).flatten()[0])
        if _is_flow(setup) and type(part).__name__ != "FluxTransformer2DModel":
            level /= 1000 * (getattr(part.config, "timestep_scale", None) or 1.0)
        made = predict(state.double(), level).to(state.dtype)
        is_paired = getattr(part.config, "out_channels", 0) == 2 * part.config.in_channels
        return (torch.cat([made, made], dim=1) if is_paired else made,)

    part.forward = exact
    arguments = call_arguments(setup, setup.workload.calls()[0]) | {"output_type": "latent"}
    with torch.inference_mode():
        output = setup.pipeline(**arguments)
    found = torch.as_tensor(output.frames if hasattr(output, "frames") else output.images).double()
    wanted = (MEAN + SPREAD * first[0]).double()
    if found.shape != wanted.shape:  # unpacked by the pipeline
        found, wanted = found.flatten().sort().values, wanted.flatten().sort().values
    return float((found - wanted).norm() / (wanted - MEAN).norm())


def _is_flow(setup: Setup) -> bool:
    return "Flow" in type(setup.pipeline.scheduler).__name__ or bool(
        setup.pipeline.scheduler.config.get("use_flow_sigmas")
    )


def _flow(state: torch.Tensor, level: float) -> torch.Tensor:
    """What a flow model predicts, noise minus data, at a share `level` of noise."""
    keep = 1 - level
    total = keep**2 * SPREAD**2 + level**2
    return (state - keep * MEAN) * (level - keep * SPREAD**2) / total - MEAN


def _noise(setup: Setup) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """What a model of noise predicts, or of velocity, by its own schedule of noise."""
    config = setup.pipeline.scheduler.config
    shipped = setup.pipeline.scheduler.alphas_cumprod.double().numpy()

    def predict(state: torch.Tensor, timestep: float) -> torch.Tensor:
        share = float(np.interp(timestep, np.arange(len(shipped)), shipped))
        keep, level = share**0.5, (1 - share) ** 0.5
        noise = level * (state - keep * MEAN) / (share * SPREAD**2 + 1 - share)
        data = (state - level * noise) / keep
        return keep * noise - level * data if config.prediction_type == "v_prediction" else noise

    return predict


@pytest.mark.parametrize("model", FAMILIES)
def test_every_solver_ends_at_the_known_solution(
    model: str, folder_of: Folders, situated: Situations
) -> None:
    """The shipped one, all that are offered and those on request, with steps enough to be near."""
    situation = situation_of(folder_of(model), steps=50, guidance=1.0, batch=1)
    choice = knob_named("scheduler").domain(situated(model))
    setup = turned(folder_of(model), situation, {})
    shipped = setup.pipeline.scheduler
    assert distance_from_solution(setup) < 0.07
    for value in (*choice.values[1:], *choice.on_request):
        setup.pipeline.scheduler = shipped
        assert knob_named("scheduler").applied(setup, value) is not None
        knob_named("scheduler").turn(setup, value)

        assert distance_from_solution(setup) < 0.07, value
        assert knob_named("scheduler").applied(setup, value) is None


def test_a_solver_of_another_equation_ends_elsewhere(folder_of: Folders) -> None:
    """It runs without an error, which is why the solvers on offer are a closed list."""
    from diffusers import DPMSolverMultistepScheduler

    folder = folder_of("stable_diffusion_3")
    setup = turned(folder, situation_of(folder, steps=50, guidance=1.0, batch=1), {})
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
    right = DPMSolverMultistepScheduler.from_config(setup.pipeline.scheduler.config, **flow)
    setup.pipeline.scheduler = right
    assert distance_from_solution(setup) < 0.07

    wrong = turned(folder, situation_of(folder, steps=50, guidance=1.0, batch=1), {})
    wrong.pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        wrong.pipeline.scheduler.config, prediction_type="epsilon", use_flow_sigmas=True
    )
    assert distance_from_solution(wrong) > 0.5


def test_a_schedule_that_depends_on_the_size_admits_one_more_solver(
    folder_of: Folders, tmp_path: Path
) -> None:
    """As Flux-dev ships it: the pipeline works out the shift, and DPM-Solver++ takes it."""
    folder = tmp_path / "flux"
    shutil.copytree(folder_of("flux"), folder)
    file = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, "use_dynamic_shifting": True, "shift": 3.0}), encoding="utf-8")
    situation = situation_of(folder, steps=50, guidance=1.0, batch=1)

    assert ("default", "dpmpp_2m", "unipc") == knob_named("scheduler").domain(situation).values
    for value in ("dpmpp_2m", "unipc"):
        assert distance_from_solution(turned(folder, situation, {"scheduler": value})) < 0.07, value


@pytest.mark.parametrize("name", ["DDIMScheduler", "PNDMScheduler", "LCMScheduler", "EulerDiscreteScheduler"])
def test_timesteps_from_the_cpu_are_the_same(name: str, folder_of: Folders, situated: Situations) -> None:
    """A dry run on a CPU: each step is handed the very timestep that the pipeline meant, to the last bit."""
    import diffusers

    knob, made = knob_named("timesteps_on_cpu"), []
    for is_turned in (False, True):
        setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {})
        config = setup.pipeline.scheduler.config
        setup.pipeline.scheduler = getattr(diffusers, name).from_config(config)
        if is_turned:
            knob.turn(setup, is_turned)
        torch.manual_seed(0)
        made.append(pictures_of(setup))
        assert (knob.applied(setup, True) is None) == is_turned  # noqa: FBT003 - a value

    assert torch.equal(*made)


def test_timesteps_of_ones_own_are_found(folder_of: Folders, situated: Situations) -> None:
    """Where a step is handed something else, it is passed on as it is, and the proof says so."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"timesteps_on_cpu": True})
    scheduler = setup.pipeline.scheduler
    scheduler.set_timesteps(4)
    last = scheduler.timesteps
    scheduler.step(torch.zeros(1), torch.tensor(int(last[0])), torch.zeros(1))

    assert "none of the scheduler's own" in str(knob_named("timesteps_on_cpu").applied(setup, True))  # noqa: FBT003
    assert scheduler.timesteps is last


@pytest.mark.parametrize(
    ("model", "chosen", "is_of_use"),
    [
        ("stable_diffusion", "default", True),
        ("stable_diffusion", "euler", False),
        ("stable_diffusion_xl", "default", False),
        ("stable_diffusion_xl", "ddim", True),
        ("flux", "default", False),
    ],
)
def test_only_solvers_that_look_timesteps_up_have_a_use_for_them(
    model: str, chosen: str, *, is_of_use: bool, situated: Situations
) -> None:
    """On a GPU, and with the solver of the recipe; on a CPU the timesteps are there anyway."""
    here, knob = situated(model), knob_named("timesteps_on_cpu")
    gpu = replace(here, target=HOPPER)
    settings: Settings = {"timesteps_on_cpu": True, "scheduler": chosen}

    assert knob.domain(here).is_fixed
    assert knob.domain(gpu).is_fixed == (model == "flux")
    assert (knob.conflict(settings, gpu) is None) == is_of_use
    assert knob.conflict({"scheduler": chosen}, gpu) is None
