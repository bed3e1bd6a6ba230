"""Recorded: the problem of a table of recipes that were really measured."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from autotune.errors import UsageError
from autotune.knob import Touches, Value
from autotune.knobs import all_knobs
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from autotune.observation import MEMORY_PREFIX, observe
from autotune.search import presets as guides
from autotune.space import SearchSpace, build_space
from autotune.table import Row, Table, read_table
from tests.bench.problem import Problem

MIN_SIMILARITY = 0.6
"""The floor of a replay: with the demo model fewer steps cost much likeness, and they are searched too."""
_DRAWN = "arch:"  # models of this name have random weights
NOISE = {"latency_s": 0.02, "memory_bytes": 0.005, "seconds": 0.05}
"""By what a trial differs that is made again: the spread of the calls of a process, by `make bench-measure`,
and that of memory, by `make bench`."""


def problem_from_table(
    path: Path, *, min_similarity: float = MIN_SIMILARITY, at_most: float | None = None
) -> Problem:
    """Return the problem of a table: its rows are the space, and what was measured is the truth.

    Knobs that have one value in all of it are left out, as they are in a search, and so are values that no
    row has: of a study that has not tried everything yet, what it has tried is the whole space. Where the
    weights are random, pictures mean nothing: latency and memory are all that counts.

    Args:
        path: A file that `table.write_table` made.
        min_similarity: Smallest similarity that is fit, where pictures mean something.
        at_most: Largest latency and memory that are fit, as a share of the untuned baseline's: what is asked
            for is then a gain in both at once. None for no limit on them.

    Raises:
        UsageError: The untuned baseline is not among what was measured.
    """
    table = read_table(path)
    trials = [row for row in table.rows if row.role == "trial"]
    observed = [(row, observe(row.outcome, seconds=row.seconds)) for row in trials]
    known = [(row, seen) for row, seen in observed if seen is not None]
    rows = [row for row, _ in known]
    choices = _seen_choices(table, rows)
    touches = {knob.name: knob.touches for knob in all_knobs()}
    presets = tuple(islice(_recorded_presets(table, rows), guides.COUNT))
    if not presets or rows[presets[0]].changed:
        raise UsageError(f"The table '{path}' has no measured baseline: what it has cannot be scaled.")
    is_drawn = table.situation.workload.model.startswith(_DRAWN)
    goals = (LATENCY, MEMORY) if is_drawn else (LATENCY, MEMORY, SIMILARITY)
    limits = [] if is_drawn else [Limit(objective=SIMILARITY, bound=min_similarity)]
    if at_most is not None:
        untuned = known[presets[0]][1].figures
        limits += [Limit(objective=goal, bound=at_most * goal.of(untuned)) for goal in (LATENCY, MEMORY)]
    return Problem(
        name=table.name if at_most is None else f"{table.name}-{at_most:g}x",
        choices=choices,
        touches={name: touches.get(name, frozenset(Touches)) for name in choices},
        rows=tuple(
            {name: row.changed.get(name, values[0]) for name, values in choices.items()} for row in rows
        ),
        seen=tuple(seen for _, seen in known),
        objectives=goals,
        limits=tuple(limits),
        presets=presets,
        forecasts=tuple(map(_forecast, rows)) if all(row.forecast for row in rows) else None,
        noise=NOISE,
    )


def recorded_recipes(path: Path) -> int:
    """Return how many recipes a table has that were tried, also those that failed.

    Raises:
        StoreError: It is no table.
    """
    return sum(row.role == "trial" for row in read_table(path).rows)


def space_of(table: Table) -> SearchSpace:
    """Return the space of all values that a table has: not all combinations of them need be recorded."""
    knobs = [knob for knob in all_knobs() if knob.name in table.choices]
    return build_space(knobs, table.situation, allow_approximate=True, narrowed=table.choices)


def _seen_choices(table: Table, rows: Sequence[Row]) -> dict[str, tuple[Value, ...]]:
    """The knobs that differ between the rows, with the values that they have there, the default first."""
    seen: dict[str, set[tuple[type, Value]]] = {}
    for name, values in table.choices.items():
        own = (row.changed.get(name, values[0]) for row in rows)
        seen[name] = {(type(value), value) for value in own}
    kept = {name: tuple(v for v in table.choices[name] if (type(v), v) in seen[name]) for name in seen}
    return {name: values for name, values in kept.items() if len(values) > 1}


def _recorded_presets(table: Table, rows: list[Row]) -> Iterator[int]:
    """Rows of what the guides recommend, the baseline first."""
    places = {table.recipe(row.changed).digest: index for index, row in enumerate(rows)}
    space = space_of(table)
    for preset in guides.presets(space, count=len(rows)):
        digest = space.recipe(preset.settings).digest
        if digest in places:
            yield places[digest]


def _forecast(row: Row) -> dict[str, float]:
    """What is expected of the two stages that a trial tells apart."""
    calls = max((amount for stage, amount in row.forecast.items() if stage != "load"))
    return {
        f"{MEMORY_PREFIX}load": float(row.forecast["load"]),
        f"{MEMORY_PREFIX}calls": float(calls),
    }
