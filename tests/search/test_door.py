"""The Python API: what a user says becomes the same plan that the command line builds."""

import pytest

from autotune.budget import Budget
from autotune.errors import PlanError, UsageError
from autotune.search.door import _plan, tune
from tests.search import synthetic

NOTHING = dict.fromkeys(
    (
        *("vram", "host_memory", "trials", "time", "prompts", "size", "steps", "batch", "study"),
        *("frames", "confirm", "objectives", "limits", "images", "price"),
    )
)


def test_the_model_alone_is_a_plan() -> None:
    """Everything else has a default; the study is named after the model."""
    plan = _plan("stabilityai/sd-turbo/", NOTHING, {})

    assert ("sd-turbo", Budget(trials=100), None) == (plan.study, plan.budget, plan.memory_limit_bytes)


def test_amounts_are_written_as_people_write_them() -> None:
    """Memory, time and size are strings or plain numbers."""
    asked = NOTHING | {
        "vram": "8 GiB",
        "host_memory": 2**34,
        "time": "20 min",
        "size": "64x32",
        "steps": 8,
        "prompts": ["a", "b"],
    }
    plan = _plan("demo", asked, {"seed": 3})

    assert (8 * 2**30, Budget(seconds=1200.0), 3) == (plan.memory_limit_bytes, plan.budget, plan.seed)
    assert 2**34 == plan.host_memory_limit_bytes
    assert (64, 32, 8, ("a", "b")) == (
        plan.workload.width_px,
        plan.workload.height_px,
        plan.workload.steps,
        plan.workload.prompts,
    )


def test_when_it_stops_and_what_it_learns_from_can_be_said() -> None:
    """As on the command line: no gain is too small, or a cold start is wanted."""
    plan = _plan("demo", NOTHING, {"gain": None, "warm_from": (), "sampler": "random"})

    assert (Budget(trials=100, gain=None), (), "random") == (plan.budget, plan.warm_from, plan.sampler)


def test_objectives_and_limits_are_written_as_on_the_command_line() -> None:
    """Short names, and bounds with their units or relative to the untuned baseline."""
    asked = NOTHING | {
        "objectives": ["cost", "similarity"],
        "limits": ["latency<=0.5x", "memory<=8GiB", "similarity>=0.99x"],
        "images": 500,
        "price": "2.50 USD/h",
    }
    plan = _plan("demo", asked, {})

    assert ("cost", "similarity") == plan.objectives
    assert ({"latency_s": 0.5, "similarity": 0.99}, 2**33) == (plan.goals, plan.memory_limit_bytes)
    assert (None, 500, "2.50 USD/h") == (plan.min_similarity, plan.images, plan.price)


def test_two_limits_on_one_objective_are_refused() -> None:
    """By whichever names they are given."""
    with pytest.raises(PlanError, match="There are two limits on memory"):
        _plan("demo", NOTHING | {"vram": "8 GiB", "limits": ["memory<=0.7x"]}, {})


def test_an_amount_of_the_wrong_form_is_refused() -> None:
    """Before any process is started."""
    with pytest.raises(UsageError, match="'plenty' is no amount of memory"):
        tune("demo", vram="plenty")


def test_a_whole_plan_and_something_besides_is_refused() -> None:
    """One thing is never asked for in two ways."""
    with pytest.raises(PlanError, match=r"besides it: trials, seed\. Say these in the plan"):
        tune(synthetic.plan(), trials=3, seed=1)
