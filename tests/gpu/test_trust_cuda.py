"""What must hold of every measurement on a GPU; what is merely found out is in `tests/gpu_check/trust.py`."""

import pytest

from autotune.knob import Settings
from autotune.measurement import Measurement, Pruned
from autotune.objective import LATENCY, MEMORY, SIMILARITY
from autotune.screen import Rival, Screen

from .card import Card, measured, only_a_card

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

MIB = 2**20


@only_a_card
def test_a_hopeless_recipe_is_stopped(card: Card) -> None:
    """On a GPU the memory is known after short calls, so that they decide."""
    figures = {"latency_s": 1e-4, "memory_bytes": float(MIB), "similarity": 1.0}
    screen = Screen(objectives=(LATENCY, MEMORY, SIMILARITY), rivals=(Rival(digest="0f3a", figures=figures),))
    outcome = card.measure({}, screen=screen)

    assert isinstance(outcome, Pruned), outcome
    assert "timing" not in outcome.phases_s


@only_a_card
@pytest.mark.parametrize(
    "settings",
    [{"offload": "model"}, {"compile": "full", "compile_mode": "reduce-overhead"}],
    ids=["offload", "graphs"],
)
def test_a_step_error_needs_no_other_shapes(card: Card, settings: Settings) -> None:
    """With weights offloaded or graphs captured, the denoiser answers the same inputs, or says why not."""
    reason = card.space.why_not(settings)
    if reason is not None:
        pytest.skip(f"not possible here: {reason}")
    outcome = card.measure(settings)

    assert isinstance(outcome, Measurement), outcome
    assert outcome.likeness.step_error or outcome.likeness.why_no_step_error


@only_a_card
def test_the_reference_again_is_the_reference(card: Card) -> None:
    """The untuned recipe in another process makes the same pictures, and nothing is wrong with them."""
    again = measured(card.measure({}))

    assert again.similarity == pytest.approx(1.0, abs=1e-3)
    assert again.likeness.flaws == ()


@only_a_card
def test_nobody_else_is_on_the_card(card: Card) -> None:
    """Foreign processes are told; on a card of one's own there are none, the trial itself above all."""
    conditions = measured(card.measure({}, is_whole=False)).conditions

    assert not conditions.get("foreign_processes")
