"""Choose: which recipe of a front is the answer, by the rule that the user names."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from autotune import pareto
from autotune.errors import UnknownName
from autotune.measurement import Measurement
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Objective

Pick: TypeAlias = Literal["knee", "fastest", "smallest", "closest"]
PICKS: tuple[str, ...] = get_args(Pick)
_OBJECTIVES = {"fastest": LATENCY, "smallest": MEMORY, "closest": SIMILARITY}


def losses(measurements: Sequence[Measurement], objectives: Sequence[Objective]) -> list[tuple[float, ...]]:
    """Return what each measurement loses in each objective, as (measurements, objectives), minimised."""
    return [tuple(objective.loss(m) for objective in objectives) for m in measurements]


def front(measurements: Sequence[Measurement], objectives: Sequence[Objective]) -> list[int]:
    """Return the indices of the measurements that no other beats in everything."""
    return pareto.front(losses(measurements, objectives))


def choose(measurements: Sequence[Measurement], objectives: Sequence[Objective], pick: str) -> int:
    """Return the index of the answer among measurements that all fit; there must be one.

    "fastest", "smallest" and "closest" take the best in latency, memory and similarity, and of equals
    the fastest; "knee" takes the one that gives up least of all objectives at once.

    Raises:
        UnknownName: There is no such rule.
    """
    if pick not in PICKS:
        raise UnknownName("pick", pick, PICKS)
    if pick == "knee":
        return pareto.knee(losses(measurements, objectives))
    objective = _OBJECTIVES[pick]
    return min(
        range(len(measurements)),
        key=lambda index: (objective.loss(measurements[index]), measurements[index].latency_s),
    )
