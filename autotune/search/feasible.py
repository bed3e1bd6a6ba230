"""Feasible: a space without the recipes that cannot fit the memory limit, by forecast."""

from dataclasses import replace

from autotune.errors import BudgetError
from autotune.fitting import Budget, Fitter, Refusal
from autotune.footprint import Footprint
from autotune.plan import Plan
from autotune.recipe import describe_settings
from autotune.space import SearchSpace
from autotune.units import format_bytes


def without_what_cannot_fit(space: SearchSpace, plan: Plan, footprint: Footprint | None) -> SearchSpace:
    """Return the space, refusing what needs more than the plan's memory limit whatever the device adds.

    Only lower bounds refuse, so that nothing that fits is left out; `why_not` gives the figure. The untuned
    baseline is never refused: everything is compared to it.

    Args:
        space: With nothing refused.
        plan: Has the limit.
        footprint: Of the model; None where there is none, and nothing is refused.

    Raises:
        BudgetError: Even the smallest recipe is refused.
    """
    target = space.situation.target
    limit = plan.memory_cap_on(target.kind)
    host_limit = None if target.kind == "cpu" else plan.host_memory_limit_bytes
    if footprint is None or (limit is None and host_limit is None):
        return space
    budget = Budget(device_bytes=limit, host_bytes=host_limit)
    least = Fitter(space=space, footprint=footprint, budget=budget).least()
    # The smallest on the device may be large on the host, where its weights are offloaded to.
    if limit is not None and least.made.why_not(limit):
        needs = format_bytes(least.made.lower_bound_bytes)
        recipe = describe_settings(least.settings) or "untuned"
        raise BudgetError(
            f"No recipe of '{plan.workload.model}' fits {format_bytes(limit)}: the smallest, '{recipe}', "
            f"needs at least {needs} by forecast. Allow more with --vram, or smaller pictures with --size."
        )
    refusal = Refusal(footprint=footprint, target=target, budget=budget, untuned=space.defaults)
    return replace(space, refuse=refusal)
