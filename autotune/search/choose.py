"""Choose: which recipe of a front is the answer, by the rule that the user names."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from autotune import pareto
from autotune.errors import UnknownName
from autotune.measurement import Measurement
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Objective, short_name

Pick: TypeAlias = Literal["knee", "fastest", "smallest", "closest"]
PICKS: tuple[str, ...] = get_args(Pick)
_OBJECTIVES = {"fastest": LATENCY, "smallest": MEMORY, "closest": SIMILARITY}
_HAVE_A_PICK = frozenset(objective.name for objective in _OBJECTIVES.values())


def picks_of(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the rules of a plan: `PICKS`, and the short name of each objective that none of them is about.

    >>> picks_of([LATENCY, MEMORY])
    ('knee', 'fastest', 'smallest', 'closest')
    """
    others = (short_name(objective.name) for objective in objectives if objective.name not in _HAVE_A_PICK)
    return (*PICKS, *others)


def losses(measurements: Sequence[Measurement], objectives: Sequence[Objective]) -> list[tuple[float, ...]]:
    """Return what each measurement loses in each objective, as (measurements, objectives), minimised."""
    return [tuple(objective.loss(m) for objective in objectives) for m in measurements]


def front(measurements: Sequence[Measurement], objectives: Sequence[Objective]) -> list[int]:
    """Return the indices of the measurements that no other beats in everything."""
    return pareto.front(losses(measurements, objectives))


def choose(measurements: Sequence[Measurement], objectives: Sequence[Objective], pick: str) -> int:
    """Return the index of the answer among measurements that all fit; there must be one.

    "fastest", "smallest" and "closest" take the best in latency, memory and similarity, the short name of
    another objective the best in that, and of equals the fastest; "knee" takes the one that gives up least of
    all objectives at once.

    Raises:
        UnknownName: There is no such rule.
    """
    if pick not in picks_of(objectives):
        raise UnknownName("pick", pick, picks_of(objectives))
    if pick == "knee":
        return pareto.knee(losses(measurements, objectives))
    named = {short_name(objective.name): objective for objective in objectives}
    objective = _OBJECTIVES.get(pick) or named[pick]
    return min(
        range(len(measurements)),
        key=lambda index: (objective.loss(measurements[index]), measurements[index].latency_s),
    )
