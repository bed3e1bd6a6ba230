"""The contract of every knob, on a tiny pipeline of every family; knobs added later need no line here.

What is tried follows from the domains: each value that is offered, with the fewest settings that it needs.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autotune.errors import PlanError
from autotune.knob import Knob, Settings, Setup, Situation, Stage, Touches
from autotune.space import build_space
from tests.knobs.conftest import FAMILIES, MODELS
from tests.knobs.offers import KNOBS, Offer, offers, whole_space
from tests.knobs.places import BARE, CPU, HOPPER, TURING
from tests.knobs.workbench import difference, pictures_of, turned

TRACED_FULLY = ("pixart", "stable_diffusion")  # tracing takes seconds: elsewhere one value of each knob is
TRACED_ELSEWHERE = ("stable_diffusion_2", "demo")  # made of the classes of the family "stable_diffusion"
SAME, ALIKE = 1e-4, 0.35  # largest differences in pictures, of 1: of the same sums, and of rounded ones
CASES = [
    (name, model)
    for model in MODELS
    for name, knob in KNOBS.items()
    if model not in TRACED_ELSEWHERE or knob.stage is not Stage.COMPILE
]
TARGETS = {"cpu": CPU, "hopper": HOPPER, "turing": TURING, "bare": BARE}
pytestmark = [pytest.mark.filterwarnings("ignore")]

Plain = Callable[[str, Situation, Settings], tuple[Setup, torch.Tensor]]


@pytest.fixture(scope="module")
def plain(folder_of: Callable[[str], Path]) -> Plain:
    """A function from a model, a situation and settings to a pipeline that has made its pictures, kept."""
    kept: list[tuple[tuple[str, Situation, Settings], tuple[Setup, torch.Tensor]]] = []

    def made(model: str, situation: Situation, settings: Settings) -> tuple[Setup, torch.Tensor]:
        key = (model, situation, settings)
        found = next((value for other, value in kept if other == key), None)
        if found is None:
            setup = turned(folder_of(model), situation, settings)
            found = setup, pictures_of(setup)
            kept.append((key, found))
        return found

    return made


@pytest.mark.parametrize(("name", "model"), CASES)
def test_every_value_on_offer_provably_takes_effect(
    name: str,
    model: str,
    folder_of: Callable[[str], Path],
    situated: Callable[[str], Situation],
    plain: Plain,
) -> None:
    """A turned pipeline draws sound pictures and passes the knob's own proof; an un-turned one does not."""
    knob = KNOBS[name]
    for offer in _tried(knob, model, situated(model)):
        assert offer.companions is not None, f"{name} = {offer.value} is offered, but never valid"
        without, reference = plain(model, offer.situation, _reference(offer))
        setup = turned(folder_of(model), offer.situation, {**offer.companions, name: offer.value})
        pictures = pictures_of(setup)
        found = knob.applied(without, offer.value)

        assert bool(torch.isfinite(pictures).all()), offer.value
        assert reference.shape == pictures.shape
        assert (name, offer.value, None) == (name, offer.value, knob.applied(setup, offer.value))
        assert found is not None, f"{name} = {offer.value} would pass on a pipeline where nothing was done"
        assert found.endswith((".", "]."))
        if knob.is_exact:
            assert torch.equal(reference, pictures), offer.value
        assert difference(reference, pictures) <= _largest_difference(knob), offer.value


def _reference(offer: Offer) -> Settings:
    """What the value is compared with: its companions, uncompiled where they cannot do without it either."""
    space, companions = whole_space(offer.situation), offer.companions or {}
    if space.why_not(companions) is None:
        return companions
    return {name: value for name, value in companions.items() if KNOBS[name].stage is not Stage.COMPILE}


def _tried(knob: Knob, model: str, situation: Situation) -> list[Offer]:
    """All that is offered; where much is traced, the first value only."""
    found = list(offers(knob.name, situation))
    is_traced = knob.stage is Stage.COMPILE or any(Stage.COMPILE in offer.stages for offer in found)
    if not is_traced or model in TRACED_FULLY:
        return found
    kept = [offer for offer in found if knob.stage is not Stage.COMPILE and Stage.COMPILE not in offer.stages]
    return kept or found[:1]


def _largest_difference(knob: Knob) -> float:
    """None but rounding, unless the knob says that it touches the likeness, or what is computed."""
    if knob.changes_result:
        return float("inf")
    return ALIKE if Touches.LIKENESS in knob.touches else SAME


@pytest.mark.parametrize("model", FAMILIES)
def test_a_value_that_is_not_offered_is_refused_with_its_reason(
    model: str, situated: Callable[[str], Situation]
) -> None:
    """A plan that names it hears why, in the words of the knob."""
    situation = situated(model)
    for knob in KNOBS.values():
        choice = knob.domain(situation)
        for value, reason in choice.lacking.items():
            assert reason.strip(), f"{knob.name} = {value} is lacking without a reason"
            with pytest.raises(PlanError) as refused:
                build_space(KNOBS.values(), situation, allow_approximate=True, narrowed={knob.name: [value]})
            assert reason in str(refused.value)
            assert f"'{knob.name}'" in str(refused.value)


@pytest.mark.parametrize("place", TARGETS)
@pytest.mark.parametrize("model", FAMILIES)
def test_every_knob_answers_on_every_machine(
    model: str, place: str, situated: Callable[[str], Situation]
) -> None:
    """The default comes first and is the same everywhere; a choice of one value says why."""
    here = situated(model)
    there = Situation(target=TARGETS[place], blueprint=here.blueprint, workload=here.workload)
    for knob in KNOBS.values():
        choice = knob.domain(there)
        every = (*choice.values, *choice.on_request, *choice.lacking)

        assert choice.default == knob.domain(here).default, knob.name
        assert choice.why.strip() or not choice.is_fixed, f"{knob.name} is fixed without a reason"
        assert len({type(value) for value in every}) == 1, f"{knob.name} mixes kinds of values: {every}"
    assert whole_space(there).why_not({}) is None
