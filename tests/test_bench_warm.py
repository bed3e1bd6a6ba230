"""The bench of learning from earlier studies: how another machine differs, and what is compared."""

from collections.abc import Sequence

import numpy as np
import pytest
from optuna.samplers import BaseSampler

from autotune.knob import Touches, Value
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from autotune.observation import PARTS, Observation
from autotune.search.known import Known
from tests.bench.problem import Floats, Problem
from tests.bench.problems.elsewhere import on_another_gpu, turned_round
from tests.bench.search_methods import methods
from tests.bench.search_play import Start
from tests.bench.warm import compare, report

CHOICES: dict[str, tuple[Value, ...]] = {"a": (0, 1, 2), "b": (False, True), "c": ("x", "y"), "d": (0, 1, 2)}


def small() -> Problem:
    """Return a problem of 36 recipes, one of which fails."""
    rows = tuple(
        {"a": a, "b": b, "c": c, "d": d}
        for a in CHOICES["a"]
        for b in CHOICES["b"]
        for c in CHOICES["c"]
        for d in CHOICES["d"]
    )
    return Problem(
        name="small",
        choices=CHOICES,
        touches={name: frozenset({Touches.STEP}) for name in CHOICES},
        rows=rows,
        seen=tuple(map(_seen, rows)),
        objectives=(LATENCY, MEMORY, SIMILARITY),
        limits=(Limit(objective=SIMILARITY, bound=0.6),),
        presets=(0, 1, 6, 12),
    )


def _seen(row: dict[str, Value]) -> Observation:
    a, d = int(row["a"]), int(row["d"])
    if a == 2 and d == 2 and row["b"] and row["c"] == "y":
        return Observation(failure="crash", seconds=5.0)
    text_s, steps_s, decode_s = 0.1, 2.0 * 0.8**a * (0.9 if row["b"] else 1.0), 0.3 * 0.7**d
    load, calls = 4e9 * 0.9**d, 5e9 * (0.85 if row["c"] == "y" else 1.0) * 1.05**a
    figures = {"text_s": text_s, "steps_s": steps_s, "decode_s": decode_s, "cold_s": 9.0}
    return Observation(
        figures={
            **figures,
            "latency_s": text_s + steps_s + decode_s,
            "memory:load": load,
            "memory:calls": calls,
            "memory_bytes": max(load, calls),
            "similarity": 1.0 - 0.05 * a - 0.03 * d,
        },
        seconds=20.0,
    )


def column(problem: Problem, figure: str) -> Floats:
    """Return a figure of every row that was measured."""
    return np.array([seen.figures[figure] for seen in problem.seen if seen.figures])


def test_another_gpu_has_other_effects_of_the_same_kind() -> None:
    """Parts add up, stages make the memory, what fails here fails there, and no two machines are alike."""
    here = small()
    there, other = on_another_gpu(here, 1), on_another_gpu(here, 2)

    assert [seen.failure for seen in here.seen] == [seen.failure for seen in there.seen]
    parts = np.sum([column(there, part) for part in PARTS], axis=0)
    assert parts == pytest.approx(column(there, "latency_s"))
    assert (column(there, "memory_bytes") >= column(there, "memory:calls")).all()
    assert 0.9 < np.corrcoef(column(here, "latency_s"), column(there, "latency_s"))[0, 1] < 1.0
    assert (column(there, "latency_s") != column(other, "latency_s")).all()


def test_without_a_change_of_effects_only_the_speed_of_parts_differs() -> None:
    """Ratios to the untuned recipe stay, part by part."""
    here = small()
    there = on_another_gpu(here, 1, change=0.0)

    for part in PARTS:
        ratios = column(there, part) / column(here, part)
        assert ratios == pytest.approx(np.full(len(ratios), ratios[0]))
    assert column(here, "similarity") == pytest.approx(column(there, "similarity"))


def test_turned_round_the_fast_are_slow() -> None:
    """The best of it is the worst here."""
    here = small()
    there = turned_round(here)

    assert np.corrcoef(np.log(column(here, "steps_s")), np.log(column(there, "steps_s")))[0, 1] < -0.99


def test_three_starts_are_compared_by_the_same_seeds() -> None:
    """Cold, warm and misled, with a word on whether learning is ever behind."""
    stock = next(method for method in methods() if method.name == "random")
    taught: list[int] = []

    def searcher(start: Start, known: Sequence[Known]) -> BaseSampler:
        taught.append(len(known))
        return stock.sampler(start)

    found = compare(small(), searcher, seeds=2, trials=12, earlier=10)

    assert [("cold", 2), ("warm", 2), ("misled", 2)] == [(one.method, one.seeds) for one in found]
    assert {0, 10} == set(taught)
    text = report(small(), found)
    assert "learning from another GPU: " in text.splitlines()[-2]
    assert "behind" in text.splitlines()[-1]
