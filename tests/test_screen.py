"""The screen leaves no recipe that could be on the front within its margins, and every one that could not."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autotune.measurement import Parts
from autotune.objective import COST, ENERGY, LATENCY, MEMORY, SIMILARITY, Limit, cost
from autotune.screen import (
    AS_TRUE,
    PROJECTED_MARGIN,
    SAME_MEMORY,
    Known,
    Rival,
    Screen,
    beaten,
    hangs_on,
    projected,
    similarity_by_error,
    similarity_by_first,
)

LAW = settings(max_examples=100, deadline=None)
OBJECTIVES = (LATENCY, MEMORY, SIMILARITY)
LIMITS = (Limit(objective=SIMILARITY, bound=0.8), Limit(objective=MEMORY, bound=6.0))
FIGURES = st.fixed_dictionaries(
    {"latency_s": st.floats(0.1, 9.0), "memory_bytes": st.floats(1.0, 9.0), "similarity": st.floats(0.3, 1.0)}
)
NOISE = st.floats(1 / PROJECTED_MARGIN, PROJECTED_MARGIN * (1 - 1e-9))


def rivals(*figures: dict[str, float]) -> tuple[Rival, ...]:
    """The front of recipes with these figures."""
    return tuple(Rival(digest=f"{number:04x}", figures=one) for number, one in enumerate(figures))


def losses(figures: dict[str, float]) -> tuple[float, ...]:
    """What is minimised."""
    return tuple(objective.as_loss(objective.of(figures)) for objective in OBJECTIVES)


def is_as_good(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether one recipe is nowhere worse than another, but for what is no difference."""
    lenient = {
        **other,
        "memory_bytes": other["memory_bytes"] * SAME_MEMORY,
        "similarity": min(other["similarity"], AS_TRUE),
    }
    return all(a <= b for a, b in zip(losses(one), losses(lenient), strict=True))


@LAW
@given(st.lists(FIGURES, min_size=1, max_size=6), FIGURES, NOISE, st.sampled_from(((), LIMITS)))
def test_what_no_recipe_is_as_good_as_is_never_left(
    front: list[dict[str, float]], truth: dict[str, float], noise: float, limits: tuple[Limit, ...]
) -> None:
    """Whatever the error of the projection, as long as it is within its margin."""
    assume(not any(is_as_good(one, truth) for one in front))
    assume(not limits or (truth["similarity"] >= 0.8 and truth["memory_bytes"] <= 6.0))
    screen = Screen(objectives=OBJECTIVES, limits=limits, rivals=rivals(*front))

    assert beaten(screen, Known(figures={**truth, "latency_s": truth["latency_s"] * noise})) is None


@LAW
@given(
    st.lists(FIGURES, min_size=1, max_size=6),
    FIGURES,
    st.sets(st.sampled_from(sorted(("latency_s", "memory_bytes", "similarity")))),
)
def test_to_know_less_never_leaves_more(
    front: list[dict[str, float]], truth: dict[str, float], missing: set[str]
) -> None:
    """What is not known counts as perfect."""
    screen = Screen(objectives=OBJECTIVES, limits=LIMITS, rivals=rivals(*front))
    less = {name: value for name, value in truth.items() if name not in missing}

    if beaten(screen, Known(figures=less)) is not None:
        assert beaten(screen, Known(figures=truth)) is not None
    if beaten(screen, Known(figures=truth)) is not None:
        assert hangs_on(screen, Known(figures=less), *missing)


@LAW
@given(FIGURES, st.floats(1.01, 5.0))
def test_what_is_clearly_slower_and_else_the_same_is_left(truth: dict[str, float], factor: float) -> None:
    """By the recipe that it loses to, in words that name both."""
    slower = {**truth, "latency_s": truth["latency_s"] * PROJECTED_MARGIN * factor}
    found = beaten(Screen(objectives=OBJECTIVES, rivals=rivals(truth)), Known(figures=slower))

    assert found is not None
    assert found.rival == "0000"
    assert "recipe 0000 has latency" in found.why


def test_without_a_front_nothing_is_left() -> None:
    """Not even what is beyond a limit: the first trials show what there is."""
    screen = Screen(objectives=OBJECTIVES, limits=LIMITS)

    assert beaten(screen, Known(figures={"similarity": 0.1, "memory_bytes": 99.0})) is None


def test_what_is_beyond_a_limit_is_left_with_the_limit() -> None:
    """There is no rival then."""
    screen = Screen(objectives=OBJECTIVES, limits=LIMITS, rivals=rivals({"latency_s": 9.0}))
    found = beaten(screen, Known(figures={"similarity": 0.79}))

    assert found is not None
    assert found.rival == ""
    assert found.why == "the limit is similarity >= 0.8000, and it has 0.7900 at best."


def test_an_objective_that_nothing_tells_of_leaves_nothing() -> None:
    """A slow recipe may take the least energy."""
    front = rivals({"latency_s": 1.0, "energy_j": 5.0})
    screen = Screen(objectives=(LATENCY, ENERGY), rivals=front)

    assert beaten(screen, Known(figures={"latency_s": 99.0})) is None
    assert hangs_on(screen, Known(figures={"latency_s": 99.0}), "energy_j")


def test_an_objective_made_of_several_figures_is_judged_by_those_that_are_known() -> None:
    """Cost counts the start too: while that is unknown it is free."""
    paid = cost(price=3.6, currency="USD", images=2, batch=1)
    screen = Screen(objectives=(paid,), rivals=rivals({"cold_s": 10.0, "latency_s": 1.0}))

    assert paid.name == COST
    assert beaten(screen, Known(figures={"latency_s": 9.0})) is None
    assert beaten(screen, Known(figures={"latency_s": 20.0})) is not None
    assert beaten(screen, Known(figures={"latency_s": 9.0, "cold_s": 10.0})) is not None


@LAW
@given(st.lists(FIGURES, max_size=3), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=3))
def test_a_screen_survives_json(front: list[dict[str, float]], errors: list[tuple[float, float]]) -> None:
    """A worker in another process is told exactly the same."""
    screen = Screen(
        objectives=OBJECTIVES, limits=LIMITS, rivals=rivals(*front), errors=tuple(errors), headroom=0.01
    )

    assert Screen.from_json(json.loads(json.dumps(screen.to_json()))) == screen
    assert Screen.from_json(json.loads(json.dumps(Screen().to_json()))) == Screen()


@LAW
@given(
    st.lists(st.floats(0.01, 5.0), min_size=3, max_size=3),
    st.floats(0, 3),
    st.floats(0, 3),
    st.integers(8, 60),
)
def test_a_projected_call_takes_its_steps_and_what_lies_around_them(
    steps_s: list[float], text_s: float, decode_s: float, steps: int
) -> None:
    """Never more than if all steps took as long as the three did."""
    total_s = text_s + sum(steps_s) + decode_s + 0.1
    short = Parts(text_s=text_s, steps_s=tuple(steps_s), decode_s=decode_s, total_s=total_s)
    whole = projected(short, steps)

    assert whole.total_s == pytest.approx(total_s - sum(steps_s) + steps * min(steps_s))
    assert len(whole.steps_s) == steps
    assert whole.total_s >= text_s + sum(whole.steps_s) + decode_s
    assert replace(whole, total_s=0.0, steps_s=()) == replace(short, total_s=0.0, steps_s=())


@pytest.mark.parametrize(
    ("errors", "error", "highest"),
    [
        ([], 0.1, 1.0),
        ([(0.01, 0.9)] * 2, 0.05, 1.0),
        ([(0.01, 0.9)] * 3, 0.05, 0.9),
        ([(0.01, 0.9), (0.012, 0.95), (0.02, 0.7)], 0.05, 0.95),
        ([(0.04, 0.9)] * 3, 0.05, 1.0),
        ([(0.001, 0.9)] * 3, 0.05, 1.0),
        ([(0.0, 0.9)] * 3, 0.0, 1.0),
    ],
)
def test_an_error_says_something_only_beside_clearly_smaller_ones(
    errors: list[tuple[float, float]], error: float, highest: float
) -> None:
    """Three recipes at least, neither nearly as far off nor nearly exact; the best of them is the bound."""
    assert similarity_by_error(errors, error) == highest


def test_first_pictures_say_something_only_once_the_study_knows_how_much() -> None:
    """The best of them and what was seen beyond that, at most perfect."""
    assert similarity_by_first([0.5, 0.6], None) == 1.0
    assert math.isclose(similarity_by_first([0.5, 0.6], 0.05), 0.65)
    assert similarity_by_first([0.99], 0.05) == 1.0
