"""Plan text: what a plan asks for, in a line."""

from collections.abc import Mapping

from autotune.objective import COST, HOST_MEMORY, MEMORY, Limit, Objective, describe_share
from autotune.plan import Plan


def describe_limits(plan: Plan, *, kind: str = "", baseline: Mapping[str, float] | None = None) -> str:
    """Return the limits in one line.

    Args:
        plan: Has the limits.
        kind: Type of the device, where it is known: on a "cpu" two limits on memory are one.
        baseline: Figures of the untuned baseline; None while it was not measured.

    >>> from autotune.workload import Workload
    >>> describe_limits(Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**33))
    'memory <= 8 GiB, similarity >= 0.9000'
    >>> plan = Plan(study="s", workload=Workload(model="demo"), host_memory_limit_bytes=2**33)
    >>> describe_limits(plan, kind="cpu")
    'memory <= 8 GiB (host memory is the memory of a CPU), similarity >= 0.9000'
    >>> describe_limits(Plan(study="s", workload=Workload(model="demo"), goals={"latency_s": 0.5}))
    "similarity >= 0.9000, latency <= 0.5× the baseline's"
    """
    limits, cap = plan.limits(baseline), plan.memory_cap_on(kind)
    said = [limit.describe() for limit in limits]
    if kind == "cpu" and cap is not None and plan.host_memory_limit_bytes is not None:
        others = [limit for limit in limits if limit.objective not in (MEMORY, HOST_MEMORY)]
        memory = Limit(objective=MEMORY, bound=float(cap)).describe()
        said = [f"{memory} (host memory is the memory of a CPU)", *(limit.describe() for limit in others)]
    if baseline is None:
        said += [_describe_goal(plan.objective(name), share) for name, share in plan.goals.items()]
    return ", ".join(said) or "none"


def describe_objectives(plan: Plan) -> str:
    """Return the objectives in one line.

    >>> from autotune.workload import Workload
    >>> plan = Plan(study="s", workload=Workload(model="demo"), objectives=("cost",), price="2.5 USD/h")
    >>> describe_objectives(plan)
    'cost of 1,000 images (at 2.5 USD/h)'
    """
    listed = ((objective.name, objective.label) for objective in plan.measured_objectives())
    return ", ".join(f"{label} (at {plan.price})" if name == COST else label for name, label in listed)


def _describe_goal(objective: Objective, share: float) -> str:
    sign = ">=" if objective.higher_is_better else "<="
    return f"{objective.label} {sign} {describe_share(share)}"
