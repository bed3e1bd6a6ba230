"""Knob, Stage and Choice: the contract that a knob's file signs."""

import pytest

from autotune.blueprint import Blueprint
from autotune.errors import KnobError
from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches, Value, always_compatible
from autotune.target import Target
from autotune.workload import Workload

HERE = Situation(
    target=Target(device="cpu"),
    blueprint=Blueprint(pipeline_class="StableDiffusionPipeline"),
    workload=Workload(model="demo"),
)


def leave_alone(setup: Setup, value: object) -> None:
    """Turn nothing."""


def is_always_applied(pipeline: object, value: object) -> str | None:
    """Find nothing amiss."""


def knob_named(name: str, summary: str = "Does nothing.") -> Knob:
    """A knob that offers nothing."""
    return Knob(
        name=name,
        summary=summary,
        stage=Stage.EDIT,
        touches=frozenset({Touches.STEP}),
        domain=lambda _situation: Choice((False,)),
        turn=leave_alone,
        applied=is_always_applied,
    )


def test_stages_follow_the_order_in_which_knobs_are_turned() -> None:
    """Weights are loaded before modules are changed, placed, compiled and called."""
    expected = [Stage.LOAD, Stage.EDIT, Stage.PLACE, Stage.COMPILE, Stage.CALL]

    assert expected == sorted(Stage)


def test_the_first_value_of_a_choice_is_its_default() -> None:
    """It means: as diffusers ships it."""
    assert Choice(("float32", "bfloat16")).default == "float32"


@pytest.mark.parametrize(("values", "expected"), [((False,), True), ((False, True), False)])
def test_a_choice_of_one_value_is_fixed(values: tuple[Value, ...], *, expected: bool) -> None:
    """There is nothing to search."""
    assert expected == Choice(values).is_fixed


@pytest.mark.parametrize("values", [(), (1, 1), ("a", "b", "a"), (8, 8.0), (True, True)])
def test_an_empty_or_repeating_choice_is_refused(values: tuple[Value, ...]) -> None:
    """Equal numbers are one value, however they are spelt."""
    with pytest.raises(KnobError) as refusal:
        Choice(values)

    assert f"A choice needs at least one value and no repeats, not {values!r}." == str(refusal.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_choice_of_no_real_number_is_refused(number: float) -> None:
    """No JSON file could hold it."""
    with pytest.raises(KnobError, match="finite numbers only, not"):
        Choice((1.0, number))


def test_true_is_not_one() -> None:
    """A switch and a count are different values."""
    values: tuple[Value, ...] = (False, 0, True, 1, "1")

    assert values == Choice(values).values


@pytest.mark.parametrize(("name", "summary"), [("vae-tiling", "Text."), ("", "Text."), ("vae_tiling", "  ")])
def test_a_knob_without_an_identifier_or_a_summary_is_refused(name: str, summary: str) -> None:
    """The message names the knob."""
    with pytest.raises(KnobError) as refusal:
        knob_named(name, summary)

    assert f"Knob '{name}' needs an identifier as its name and a summary." == str(refusal.value)


def test_a_knob_knows_no_conflict_unless_it_says_so() -> None:
    """Most knobs go with all others."""
    assert knob_named("idle").conflict({"idle": False}, HERE) is None
    assert always_compatible({}, HERE) is None


def test_a_setup_starts_with_nothing_loaded_or_placed() -> None:
    """Two setups share no state."""
    one, other = (Setup(workload=Workload(model="demo"), settings={}, device="cpu") for _ in range(2))
    one.loading["torch_dtype"] = "bfloat16"

    assert one.pipeline is None
    assert not one.is_placed
    assert {} == other.loading
