"""The published guides: their figures as published, and every rung a recipe that a suitable card can run."""

from dataclasses import replace
from functools import cache

import pytest

from autotune.errors import PlanError
from autotune.gpus import as_target, known_gpu
from autotune.guides import GIB, LADDERS
from autotune.knob import Situation
from autotune.knobs import all_knobs
from autotune.ladder import Ladder, Rung, ladder_named
from autotune.pipeline.machine import read_target
from autotune.pipeline.models import model_folder
from autotune.pipeline.probe import situate
from autotune.plan import Plan
from autotune.search.sampling import own_presets
from autotune.space import build_space
from autotune.workload import Workload

IDS = [ladder.name for ladder in LADDERS]
# How many times as fast as its first row each row is, as the guide itself says or its seconds come to.
SPEEDUPS = {
    "sd15-memory-and-speed": (1, 2.63, 2.88, 2.96, 3.61, None),
    "sdxl-simple": (1, 4.88, 6.33, 7.01, 4.49, 1.08, 6.43, 1.08, 6.06, 6.91),
    "sdxl-fast": (1, 1.59, 2.22, 2.90, 2.92, 3.03),
    "sd15-precision": (1, 1.27, 1.50, 1.55),  # the guide: 1.54
    "sd15-distilled": (1, 1.52, 1.66),
    "sd15-speedster": (1, 2.24),
    "flux-torchao": (1, 1.56, 1.42, 1.50, 1.93, 2.16, 2.20, 2.22),
}
# What few machines have installed; the reason must say so.
PACKAGES = {"memory-efficient attention": "xformers", "TensorRT, fp16": "torch-tensorrt"}


def workload_of(ladder: Ladder) -> Workload:
    """Return what a ladder is measured with."""
    return Workload(
        model=ladder.model,
        width_px=ladder.width_px,
        height_px=ladder.height_px,
        steps=ladder.steps,
        guidance=ladder.guidance,
        batch=ladder.batch,
    )


def plan_of(ladder: Ladder) -> Plan:
    """Return a plan that lists a ladder's rungs."""
    recipes = {rung.name: rung.settings for rung in ladder.rungs}
    return Plan(study="guide", workload=workload_of(ladder), sampler="listed", recipes=recipes)


def situation_of(ladder: Ladder, card: str, **libraries: str) -> Situation:
    """Return a ladder's situation on a card that is not here, with the packages of this machine and more."""
    situation, workload = situation_here(ladder.model), workload_of(ladder)
    here = replace(situation.target, libraries={**situation.target.libraries, **libraries})
    return replace(situation, target=as_target(known_gpu(card), here), workload=workload)


@cache
def situation_here(model: str) -> Situation:
    """Return a model's situation on this CPU."""
    workload = Workload(model=model)
    return situate(model_folder(workload), workload, read_target("cpu"))


def why_not(rung: Rung, situation: Situation) -> str | None:
    """Return why a rung cannot run in a situation, None where it can."""
    try:
        wanted = {name: (value,) for name, value in rung.settings.items()}
        return build_space(all_knobs(), situation, narrowed=wanted).why_not(rung.settings)
    except PlanError as error:
        return str(error)


@pytest.mark.parametrize("ladder", LADDERS, ids=IDS)
def test_speedups_are_those_of_the_guide(ladder: Ladder) -> None:
    """Rounded as guides round them; None where no figure was published."""
    found = [ladder.published_speedup(rung) for rung in ladder.rungs]

    assert list(SPEEDUPS[ladder.name]) == [None if ratio is None else round(ratio, 2) for ratio in found]


@pytest.mark.parametrize("ladder", LADDERS, ids=IDS)
def test_a_ladder_begins_with_what_was_slowest(ladder: Ladder) -> None:
    """Its source can be opened, and no two rungs have one name."""
    seconds = [rung.latency_s for rung in ladder.rungs if rung.latency_s is not None]

    assert seconds[0] == max(seconds)
    assert ladder.source.startswith("https://")
    assert len({rung.name for rung in ladder.rungs}) == len(ladder.rungs)
    assert all(0 < (rung.memory_bytes or 1) < 40 * GIB for rung in ladder.rungs)
    assert ladder_named(ladder.name, LADDERS) is ladder


@pytest.mark.parametrize("ladder", LADDERS, ids=IDS)
def test_every_rung_is_valid_on_a_recent_card(ladder: Ladder) -> None:
    """But for those whose package is missing, and then the reason names it."""
    situation = situation_of(ladder, "h200")
    for rung in ladder.rungs:
        reason, package = why_not(rung, situation), PACKAGES.get(rung.name, "")
        if package and not situation.target.has(package):
            assert f"'{package}'" in str(reason)
        else:
            assert reason is None, f"{rung.name}: {reason}"


def test_a_ladder_is_a_plan_where_all_packages_are() -> None:
    """With them, no rung is left out, and each keeps its name."""
    for ladder in LADDERS:
        plan, more = plan_of(ladder), {"xformers": "0.0.35", "torch-tensorrt": "2.11.0"}
        space = build_space(all_knobs(), situation_of(ladder, "h100", **more), narrowed=plan.narrowed)

        assert [rung.name for rung in ladder.rungs] == [preset.name for preset in own_presets(plan, space)]


def test_rungs_need_no_more_than_the_card_of_their_guide() -> None:
    """Where that card is known here: the guide ran them on it."""
    cards = {"sdxl-simple": "a100-40gb", "sdxl-fast": "a100-80gb", "sd15-precision": "a100-40gb"}
    for name, card in cards.items():
        ladder = ladder_named(name, LADDERS)
        situation = situation_of(ladder, card)

        assert [None] * len(ladder.rungs) == [why_not(rung, situation) for rung in ladder.rungs]
