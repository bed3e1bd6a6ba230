"""Objectives and limits by flags: what each one sets, and what contradicts."""

import pytest

from autotune.cli.plan_from_flags import Flags, plan_from_flags
from autotune.errors import UsageError
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.workload import Workload

BASE = Plan(
    study="base",
    workload=Workload(model="demo"),
    memory_limit_bytes=2**30,
    min_similarity=None,
    bounds={"cost": 1.5},
    goals={"similarity": 0.99},
    price="2.50 USD/h",
)


def planned(**flags: object) -> Plan:
    """The base plan with these flags."""
    plan = plan_from_flags(Flags(model="demo", **flags), BASE)  # type: ignore[arg-type]
    assert plan == parse_plan(format_plan(plan))
    return plan


def test_objectives_are_named_shortly_each_once() -> None:
    """In the order in which they were typed, instead of the plan's."""
    plan = planned(objectives=("cost", "similarity", "first_picture", "cost"))

    assert ("cost", "similarity", "first_picture_s") == plan.objectives
    assert BASE.objectives == planned().objectives


def test_a_limit_replaces_the_plan_s_own_on_its_objective() -> None:
    """Relative or not; limits on others stay."""
    plan = planned(limits=("memory<=0.7x", "latency<=2s", "similarity>=0.9"))

    assert (None, 0.9) == (plan.memory_limit_bytes, plan.min_similarity)
    assert ({"cost": 1.5, "latency_s": 2.0}, {"memory_bytes": 0.7}) == (plan.bounds, plan.goals)
    assert {} == planned(min_similarity="none").goals
    assert {"memory_bytes": 0.5, "similarity": 0.99} == planned(vram="0.5x").goals


def test_images_and_price_are_set() -> None:
    """They change what objectives are made of."""
    plan = planned(images=500, price="3 USD/h")

    assert (500, "3 USD/h", {"cost": 1.5}) == (plan.images, plan.price, plan.bounds)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"vram": "6GiB", "limits": ("memory<=8GiB",)},
            "'--vram 6GiB' and '--limit memory<=8GiB' are two limits on memory. Give one.",
        ),
        (
            {"limits": ("latency<=2s", "latency<=3s")},
            "'--limit latency<=2s' and '--limit latency<=3s' are two limits on latency. Give one.",
        ),
        ({"limits": ("latency<=2s", "latency>=3s")}, "'--limit latency>=3s' keeps out the best"),
        ({"limits": ("similarity>=1.2",)}, "The similarity floor is 1.2. It must lie between 0 and 1."),
        ({"min_similarity": "1.2x"}, "The limit on similarity is 1.2× the baseline's. It must be at most 1x"),
        ({"limits": ("latency<=0x",)}, "The limit on latency is 0.0. It must be above 0."),
        ({"price": "3 EUR/h"}, "The plan's limit on cost is in the currency of its price, '2.50 USD/h'"),
        ({"objectives": ("amortised",)}, "'amortised' needs how many images"),
        ({"objectives": ("vram",)}, "There is no objective 'vram'."),
        ({"images": 0}, "'images' is 0. It must be 1 or more."),
    ],
)
def test_goals_that_contradict_are_refused(flags: dict[str, object], said: str) -> None:
    """With the flags that do, as they were typed."""
    with pytest.raises(UsageError) as refusal:
        planned(**flags)

    assert str(refusal.value).startswith(said)


def test_a_limit_on_cost_in_the_new_currency_is_taken() -> None:
    """Said together with its price."""
    assert {"cost": 1.2} == planned(price="3 EUR/h", limits=("cost<=1.20 EUR",)).bounds
