"""SearchSpace: every valid combination once, and a reason for each other one."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.blueprint import Blueprint
from autotune.errors import KnobError, PlanError, SpaceError, UnknownName
from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value, always_compatible
from autotune.space import SearchSpace, build_space, key
from autotune.target import Target
from autotune.workload import Workload

LAW = settings(max_examples=60, deadline=None)
HERE = Situation(
    target=Target(device="cpu"),
    blueprint=Blueprint(pipeline_class="StableDiffusionPipeline"),
    workload=Workload(model="demo", revision="main"),
)


def leave_alone(setup: Setup, value: object) -> None:
    """Turn nothing."""


def is_always_applied(pipeline: object, value: object) -> str | None:
    """Find nothing amiss."""


def make_knob(
    name: str,
    values: tuple[Value, ...],
    *,
    stage: Stage = Stage.EDIT,
    conflict: Callable[[Settings, Situation], str | None] = always_compatible,
    changes_result: bool = False,
) -> Knob:
    """A knob that offers these values everywhere."""
    return Knob(
        name=name,
        summary="Is there to be chosen.",
        stage=stage,
        touches=frozenset({Touches.STEP}),
        changes_result=changes_result,
        domain=lambda _situation: Choice(values, why="" if len(values) > 1 else "nothing to offer here"),
        turn=leave_alone,
        conflict=conflict,
        applied=is_always_applied,
    )


def quantized_needs_bfloat16(values: Settings, _situation: Situation) -> str | None:
    """The conflict that these tests know."""
    if values["quantize"] != "none" and values["dtype"] != "bfloat16":
        return f"'{values['quantize']}' needs bfloat16."
    return None


DTYPE = make_knob("dtype", ("float32", "bfloat16"), stage=Stage.LOAD)
QUANTIZE = make_knob("quantize", ("none", "int8", "float8"), conflict=quantized_needs_bfloat16)
TILING = make_knob("vae_tiling", (False, True), stage=Stage.PLACE)
CUTOFF = make_knob("guidance_cutoff", (1.0, 0.5), stage=Stage.CALL, changes_result=True)
TF32 = make_knob("tf32", (False,), stage=Stage.LOAD)
KNOBS = (CUTOFF, TILING, QUANTIZE, DTYPE, TF32)
WIDE = build_space(KNOBS, HERE, allow_approximate=True)


VALUES: st.SearchStrategy[Value] = st.sampled_from([0, 1, 2.5, "a", "b", True, False])
OFFERS = st.lists(
    VALUES, min_size=1, max_size=3, unique_by=lambda value: (isinstance(value, bool), value)
).map(tuple)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces of up to four knobs, some narrowed, with any combinations of values in conflict."""
    offered = draw(st.lists(OFFERS, min_size=1, max_size=4))
    names = [f"knob_{number}" for number in range(len(offered))]
    narrowed = {
        name: draw(st.lists(st.sampled_from(each), min_size=1, max_size=2))
        for name, each in zip(names, offered, strict=True)
        if draw(st.integers(0, 3)) == 0
    }
    refused = draw(
        st.sets(
            st.sampled_from(
                [key(dict(zip(names, each, strict=True))) for each in itertools.product(*offered)]
            )
        )
    )

    def conflict(full: Settings, _situation: Situation) -> str | None:
        return "They do not go together." if key(full) in refused else None

    knobs = [make_knob(name, each, conflict=conflict) for name, each in zip(names, offered, strict=True)]
    return build_space(knobs, HERE, narrowed=narrowed)


@LAW
@given(spaces())
def test_what_is_valid_is_enumerated_once_each_and_nothing_else(space: SearchSpace) -> None:
    """Exactly the combinations of the choices that `why_not` accepts, in the order of the choices."""
    combinations = [
        dict(zip(space.choices, each, strict=True)) for each in itertools.product(*space.choices.values())
    ]
    expected = [key(each) for each in combinations if space.why_not(each) is None]

    assert len(combinations) == space.combinations
    assert expected == [key(each) for each in space.valid()]
    assert len(set(expected)) == len(expected)


@LAW
@given(spaces())
def test_defaults_come_first_in_every_choice_that_has_them(space: SearchSpace) -> None:
    """So the untuned baseline is the first combination, where nothing was narrowed away."""
    for name, values in space.choices.items():
        is_kept = any(key({"": space.defaults[name]}) == key({"": value}) for value in values)

        assert not is_kept or key({"": values[0]}) == key({"": space.defaults[name]})


@LAW
@given(spaces(), st.integers(0, 100))
def test_what_is_drawn_is_valid(space: SearchSpace, seed: int) -> None:
    """Where there is anything to draw."""
    valid = [key(each) for each in space.valid()]
    if valid:
        drawn = space.draw(random.Random(seed))

        assert key(drawn) in valid
        assert space.is_searched(drawn)


@LAW
@given(spaces())
def test_neighbours_are_the_valid_combinations_one_knob_away(space: SearchSpace) -> None:
    """All of them, each once."""
    valid = list(space.valid())
    for each in valid[:5]:
        expected = {
            key(other)
            for other in valid
            if sum(key({"": a}) != key({"": b}) for a, b in pairs(each, other)) == 1
        }
        found = [key(other) for other in space.neighbours(each)]

        assert expected == set(found)
        assert len(expected) == len(found)


def pairs(one: Settings, other: Settings) -> list[tuple[Value, Value]]:
    """The values of two full settings, knob by knob."""
    return [(one[name], other[name]) for name in one]


def test_every_draw_is_equally_likely() -> None:
    """No valid combination is favoured: each of 16 comes up in 3,000 draws about as often."""
    rng = random.Random(0)
    counts = dict.fromkeys((key(each) for each in WIDE.valid()), 0)
    for _ in range(3000):
        counts[key(WIDE.draw(rng))] += 1

    assert len(counts) == 16
    assert min(counts.values()) > 120
    assert max(counts.values()) < 260


def test_a_space_without_a_valid_combination_cannot_be_drawn_from() -> None:
    """The message says where to look."""
    space = build_space([make_knob("stuck", (1, 2), conflict=lambda *_: "Never.")], HERE)
    with pytest.raises(SpaceError) as refusal:
        space.draw(random.Random(0))

    assert "Every combination is in conflict. Widen the plan's [knobs]." == str(refusal.value)
    assert list(space.valid()) == []


def test_knobs_stand_in_the_order_in_which_they_are_turned() -> None:
    """By stage, then order, then name."""
    expected = ["dtype", "tf32", "quantize", "vae_tiling", "guidance_cutoff"]

    assert expected == [knob.name for knob in WIDE.knobs] == list(WIDE.choices)


def test_knobs_that_change_the_result_stay_at_their_default_unless_allowed() -> None:
    """And the space says why."""
    space = build_space(KNOBS, HERE)

    assert space.choices["guidance_cutoff"] == (1.0,)
    assert space.why_fixed["guidance_cutoff"] == "changes what is computed: needs --allow-approximate"
    assert WIDE.choices["guidance_cutoff"] == (1.0, 0.5)


def test_a_knob_that_the_plan_names_may_change_the_result() -> None:
    """Naming it is allowing it."""
    space = build_space(KNOBS, HERE, narrowed={"guidance_cutoff": [0.5, 1]})

    assert space.choices["guidance_cutoff"] == (1.0, 0.5)


def test_fixed_knobs_say_why() -> None:
    """Those that are searched do not."""
    space = build_space(KNOBS, HERE, narrowed={"dtype": ["bfloat16"]}, allow_approximate=True)

    assert {"tf32": "nothing to offer here", "dtype": "narrowed by the plan"} == space.why_fixed


def test_a_narrowed_choice_keeps_the_knobs_order_and_spelling() -> None:
    """Whatever the order and spelling in the plan."""
    counts = make_knob("count", (8, 4, 2))
    space = build_space([counts], HERE, narrowed={"count": [2.0, 8, 8]})

    assert (8, 2) == space.choices["count"]
    assert [int, int] == [type(value) for value in space.choices["count"]]


@pytest.mark.parametrize(
    ("narrowed", "said"),
    [
        ({"dtype": ["float16"]}, "Knob 'dtype' does not offer 'float16' here. It offers: float32, bfloat16."),
        (
            {"tf32": [True]},
            "Knob 'tf32' does not offer 'True' here: nothing to offer here. It offers: False.",
        ),
        ({"vae_tiling": [1]}, "Knob 'vae_tiling' does not offer '1' here. It offers: False, True."),
        (
            {"dtype": []},
            "The plan's list for knob 'dtype' is empty. Name at least one value, or delete the line.",
        ),
    ],
)
def test_a_plan_that_asks_for_what_is_not_offered_is_refused(
    narrowed: Mapping[str, Sequence[Value]], said: str
) -> None:
    """The message lists what is."""
    with pytest.raises(PlanError) as refusal:
        build_space(KNOBS, HERE, narrowed=narrowed)

    assert said == str(refusal.value)


def test_a_name_that_is_no_knob_is_refused_everywhere() -> None:
    """With the nearest that is."""
    said = "There is no knob 'dtyp'. Did you mean 'dtype'? 'autotune knobs' lists them all."
    asks: list[Callable[[], object]] = [
        lambda: build_space(KNOBS, HERE, narrowed={"dtyp": ["float32"]}),
        lambda: WIDE.complete({"dtyp": "float32"}),
        lambda: WIDE.recipe({"dtyp": "float32"}),
        lambda: WIDE.why_not({"dtyp": "float32"}),
    ]
    for ask in asks:
        with pytest.raises(UnknownName) as refusal:
            ask()

        assert said == str(refusal.value)


def test_two_knobs_of_one_name_are_refused() -> None:
    """One of them would silently vanish."""
    with pytest.raises(KnobError) as refusal:
        build_space([*KNOBS, make_knob("dtype", ("float16",))], HERE)

    assert "There are two knobs named 'dtype'. Rename one of them." == str(refusal.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, None),
        ({"dtype": "bfloat16", "quantize": "int8"}, None),
        ({"quantize": "int8"}, "'int8' needs bfloat16."),
        ({"dtype": "float16"}, "Knob 'dtype' does not offer 'float16' here. It offers: float32, bfloat16."),
        ({"tf32": 0}, "Knob 'tf32' does not offer '0' here: nothing to offer here. It offers: False."),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(asked: Settings, said: str | None) -> None:
    """Knobs that are not named stand at their default."""
    assert said == WIDE.why_not(asked)


def test_what_the_plan_narrowed_away_can_run_but_is_not_searched() -> None:
    """The baseline is measured, too, where the plan leaves no knob at its default."""
    space = build_space(KNOBS, HERE, narrowed={"dtype": ["bfloat16"]})

    assert space.why_not(space.defaults) is None
    assert not space.is_searched(space.defaults)


def test_a_recipe_leaves_defaults_out_and_spells_values_as_offered() -> None:
    """So that one recipe has one digest."""
    counts = build_space([make_knob("count", (8, 4)), DTYPE], HERE)
    recipe = counts.recipe({"count": 4.0, "dtype": "float32"})

    assert counts.recipe({"count": 4}).digest == recipe.digest
    assert {"count": 4} == recipe.settings
    assert ("demo", "main") == (recipe.model, recipe.revision)
    assert {} == counts.recipe({"count": 8.0}).settings


@LAW
@given(spaces())
def test_every_valid_combination_is_a_recipe_of_its_own(space: SearchSpace) -> None:
    """Completing a recipe gives its combination back."""
    valid = list(space.valid())
    recipes = [space.recipe(each) for each in valid]

    assert len(valid) == len({recipe.digest for recipe in recipes})
    assert [key(each) for each in valid] == [key(space.complete(recipe.settings)) for recipe in recipes]


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (lambda _situation: ["a", "b"], "must offer a Choice here; its 'domain' returned"),
        (lambda situation: situation.colour, "its 'domain' raised AttributeError"),
    ],
)
def test_a_domain_that_breaks_the_contract_is_named(domain: Callable[..., Choice], words: str) -> None:
    """A third party's knob must not end a study with somebody else's error."""
    with pytest.raises(KnobError, match=f"Knob 'odd' .*{words}"):
        build_space([replace(make_knob("odd", (1, 2)), domain=domain)], HERE)
