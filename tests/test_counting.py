"""Counting: the number that enumeration finds, without enumerating; draws that favour nothing."""

import itertools
import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.combinations import Conflict, every_valid
from autotune.counting import Counter, TooLargeError
from autotune.knob import Settings, Situation, Value
from autotune.knobs import all_knobs
from autotune.space import SearchSpace, build_space
from tests.knobs.places import CPU, FLUX, HOPPER, UNET, WORKLOAD

LAW = settings(deadline=None, max_examples=60)
VALUES: tuple[tuple[Value, ...], ...] = ((0,), (False, True), ("none", "a", "b"), (1.0, 0.5, 0.0, 2))
EVERYTHING = dict.fromkeys(
    ("DeepCache", "tomesd", "xformers", "openvino", "onnxruntime", "onnxruntime-gpu", "torch-tensorrt"), "1"
)
ABLE = {"group_offload", "layerwise_casting", "block_lists", "step_cache", "current_timestep"}


def reads_in_its_own_order(names: list[str], refused: set[tuple[int, ...]]) -> Conflict:
    """A conflict that looks at knobs one by one, and no further than the first that it is content with."""

    def conflict(full: Settings) -> str | None:
        seen: tuple[int, ...] = ()
        for name in names:
            # The hash of a number is the same in every process; that of a text is not.
            seen = (*seen, len(repr(full.get(name, 0))) % 3)
            if seen in refused:
                return "No."
            if seen[-1] == 0 and len(seen) > 1:
                return None
        return None

    return conflict


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, tuple[Value, ...]], list[Conflict]]:
    """Up to six knobs, and up to eight conflicts between up to four of them, of which some do not exist."""
    choices = {f"k{number}": draw(st.sampled_from(VALUES)) for number in range(draw(st.integers(1, 6)))}
    names = st.lists(st.sampled_from([*choices, "absent"]), min_size=1, max_size=4, unique=True)
    prefixes = st.sets(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), max_size=8)
    conflicts = st.builds(reads_in_its_own_order, names, prefixes)
    return choices, draw(st.lists(conflicts, max_size=8))


@LAW
@given(problems())
def test_what_is_counted_is_what_enumeration_finds(
    problem: tuple[dict[str, tuple[Value, ...]], list[Conflict]],
) -> None:
    """By brute force, and by going down the tree of choices."""
    choices, conflicts = problem
    product = [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]
    expected = [each for each in product if not any(ask(each) for ask in conflicts)]
    counter = Counter(choices, conflicts)

    assert len(expected) == counter.count()
    assert expected == list(every_valid(choices, conflicts))
    drawn = counter.draw(random.Random(0))
    assert (drawn in expected) if expected else drawn is None
    assert drawn is None or list(drawn) == list(choices)


# Twenty chains of four knobs, each of which needs the one before it: 0000, 2000, 1000, 1100, 1110 and 1111.
CHAINS: dict[str, tuple[Value, ...]] = {f"c{c}_{k}": (0, 1, 2) for c in range(20) for k in range(4)}


def _needs_the_one_before(chain: int, link: int) -> Conflict:
    def conflict(full: Settings) -> str | None:
        own = full[f"c{chain}_{link}"]
        return None if own == 0 or own == full[f"c{chain}_{link - 1}"] == 1 else "It needs the one before."

    return conflict


LINKED = [_needs_the_one_before(chain, link) for chain in range(20) for link in range(1, 4)]


def test_a_number_beyond_enumeration_is_exact() -> None:
    """Of 81^20 combinations 6^20 are valid: more than a float can tell from its neighbours."""
    assert 6**20 == Counter(CHAINS, LINKED).count()


def test_what_is_rare_is_drawn_evenly() -> None:
    """One combination in 10^22 is valid; each of a chain's six states comes up as often as the others."""
    counter, rng = Counter(CHAINS, LINKED), random.Random(3)
    found: dict[tuple[Value, ...], int] = {}
    for _ in range(150):
        drawn = counter.draw(rng)
        assert drawn is not None
        for chain in range(20):
            state = tuple(drawn[f"c{chain}_{link}"] for link in range(4))
            found[state] = found.get(state, 0) + 1

    # Chi-squared with five degrees of freedom: beyond 20.5 in one of a thousand cases.
    assert 6 == len(found)
    assert sum((number - 500) ** 2 / 500 for number in found.values()) < 20.5


def test_a_conflict_that_looks_at_everything_is_too_much() -> None:
    """Its diagram would hold every combination: the space then estimates."""
    choices: dict[str, tuple[Value, ...]] = {f"k{number}": (0, 1, 2) for number in range(14)}

    def loops(full: Settings) -> str | None:
        return "Odd." if sum(map(int, full.values())) % 2 else None

    with pytest.raises(TooLargeError):
        Counter(choices, [loops])
    assert 41 == Counter({name: choices[name] for name in list(choices)[:4]}, [loops]).count()


def whole(situation: Situation) -> SearchSpace:
    """The space of every knob that there is."""
    return build_space(all_knobs(), situation, allow_approximate=True)


@pytest.mark.parametrize(("target", "blueprint"), [(HOPPER, UNET), (HOPPER, FLUX), (CPU, UNET)])
def test_every_knob_of_a_large_model_is_counted_while_one_waits(target: object, blueprint: object) -> None:
    """In seconds, whatever the number; draws are valid, and their shares are those of the counts."""
    assert isinstance(target, type(HOPPER))
    assert isinstance(blueprint, type(UNET))
    able = replace(blueprint, abilities=blueprint.abilities | ABLE)
    there = replace(target, libraries={**target.libraries, **EVERYTHING})
    space = whole(Situation(target=there, blueprint=able, workload=replace(WORKLOAD, batch=2)))
    begun = time.perf_counter()
    count = space.count()
    rng = random.Random(0)
    drawn = [space.draw(rng) for _ in range(200)]

    assert time.perf_counter() - begun < 20  # a second where nothing else runs
    assert count.is_exact
    assert 10**6 < count.value < space.combinations
    assert all(space.is_searched(each) for each in drawn)
    plain = build_space(
        all_knobs(), space.situation, allow_approximate=True, narrowed={"compile": ["none"]}
    ).count()
    share = sum(each["compile"] == "none" for each in drawn) / len(drawn)
    assert share == pytest.approx(plain.value / count.value, abs=0.12)


def test_a_forecast_leaves_an_estimate_with_bounds() -> None:
    """The number lies between them; where few are left, each of them is looked at."""
    situation = Situation(target=CPU, blueprint=UNET, workload=WORKLOAD)
    space = whole(situation)
    few = build_space(
        all_knobs(),
        situation,
        narrowed={
            name: [space.defaults[name]] for name in space.choices if name not in ("dtype", "fuse_qkv")
        },
    )

    def refuse(full: Settings) -> str | None:
        return "It does not fit." if full["dtype"] == "float32" else None

    halves = build_space(
        all_knobs(),
        situation,
        allow_approximate=True,
        narrowed={"dtype": [v for v in space.choices["dtype"] if v != "float32"]},
    )
    estimate, truth = replace(space, refuse=refuse).count(), halves.count()

    assert not estimate.is_exact
    assert estimate.low < estimate.value < estimate.high
    assert abs(truth.value - estimate.value) < estimate.high - estimate.low  # four standard errors
    assert replace(few, refuse=refuse).count().is_exact
    assert 4 == replace(few, refuse=refuse).count().value
