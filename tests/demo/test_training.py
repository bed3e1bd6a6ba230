"""The training that made the demo model: budgets, resumption, data."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autotune.demo.postcards import full_caption
from autotune.demo.training.__main__ import ON_GPU, Order
from autotune.demo.training.loop import Losses, Plan, fit
from autotune.demo.training.pictures import batch_of, captions_of, scenes, unseen_scenes

PLAN = Plan("line", cpu_s=0.3, wall_s=60.0, rate=0.05, average=0.9, log_every_s=0.1)


def _train(model: nn.Linear, folder: Path, plan: Plan) -> nn.Module:
    def losses_of_batch() -> Losses:
        x = torch.rand(16, 1)
        return {"loss": (model(x) - 2 * x).square().mean()}

    return fit(model, losses_of_batch, plan=plan, folder=folder)


def _steps(folder: Path) -> list[int]:
    lines = (folder / "line.csv").read_text().splitlines()[1:]
    return [int(line.split(",")[0]) for line in lines]


def test_training_learns_within_its_budget(tmp_path: Path) -> None:
    """A budget of CPU time ends the training, which has learnt by then."""
    kept = _train(nn.Linear(1, 1), tmp_path, PLAN)

    assert abs(kept(torch.ones(1, 1)).item() - 2) < 0.2


def test_training_resumes_where_it_ended(tmp_path: Path) -> None:
    """A second run with a larger budget starts from the step the first one reached."""
    _train(nn.Linear(1, 1), tmp_path, PLAN)
    before = _steps(tmp_path)
    _train(nn.Linear(1, 1), tmp_path, replace(PLAN, cpu_s=0.5))
    after = _steps(tmp_path)

    assert before == after[: len(before)]
    assert after[-1] > before[-1]
    assert sorted(after) == after


def test_training_heeds_the_wall_clock(tmp_path: Path) -> None:
    """A limit in wall time ends a training whose CPU budget is not spent."""
    _train(nn.Linear(1, 1), tmp_path, replace(PLAN, cpu_s=3600.0, wall_s=0.2))

    assert _steps(tmp_path)


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    """Ctrl-C keeps every step until then, also of weights that had no gradient yet."""
    model = nn.ModuleDict({"used": nn.Linear(1, 1), "unused": nn.Linear(1, 1)})
    calls = 0

    def losses_of_batch() -> Losses:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return {"loss": model["used"](torch.rand(4, 1)).square().mean()}

    with pytest.raises(KeyboardInterrupt):
        fit(model, losses_of_batch, plan=replace(PLAN, cpu_s=60.0), folder=tmp_path)
    kept = model["used"].weight.detach().clone()
    nn.init.zeros_(model["used"].weight)
    seen = []

    def look() -> Losses:
        seen.append(model["used"].weight.detach().clone())
        return losses_of_batch()

    fit(model, look, plan=replace(PLAN, wall_s=0.3), folder=tmp_path)

    assert torch.equal(kept, seen[0])
    assert _steps(tmp_path)[-1] > 5


def test_a_gpu_gets_the_same_pictures_in_larger_batches() -> None:
    """Pictures that were moved come out as those that are mapped do; a CPU's batches stay as they are."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3)).astype(np.uint8)
    moved = torch.from_numpy(pixels.copy())

    for chosen in (range(1, 3), np.array([4, 0, 4])):
        assert torch.equal(batch_of(pixels, chosen), batch_of(moved, chosen))
    assert 8 == PLAN.batch(8) < replace(PLAN, device="cuda").batch(8)


def test_the_budgets_of_all_stages_are_the_whole_one(tmp_path: Path) -> None:
    """On a GPU wall time alone counts, and five networks share it; on a CPU its own time does too."""
    order = Order(workdir=tmp_path, target=tmp_path, docs=tmp_path, budget_s=None, wall_s=100.0)
    for device, is_bounded in (("cpu", True), ("cuda", False)):
        parts = [replace(order, device=device).part_for(stage) for stage in ON_GPU]
        plans = [part.plan(stage, 1e-3) for part, stage in zip(parts, ON_GPU, strict=True)]

        assert 100.0 == pytest.approx(sum(plan.wall_s for plan in plans))
        assert all(math.isfinite(plan.cpu_s) == is_bounded for plan in plans)
        assert {device} == {plan.device for plan in plans}


def test_scenes_follow_from_their_numbers() -> None:
    """Scenes and captions are the same whichever part of the data is drawn."""
    several = scenes(range(5))

    assert several[3:] == scenes([3, 4])
    assert captions_of(several[3], 3) == captions_of(several[3], 3)


def test_unseen_scenes_are_not_in_the_training_data() -> None:
    """No unseen scene has the full caption of one of the first training scenes."""
    known = {full_caption(scene) for scene in scenes(range(2000))}

    assert not known & {full_caption(scene) for scene in unseen_scenes(4)}
