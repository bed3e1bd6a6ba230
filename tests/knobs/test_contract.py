"""The contract of every knob, on real pipelines: each value acts, and a pipeline without it is found out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autotune.knob import Setup, Situation
from autotune.knobs import all_knobs, knob_named
from tests.knobs.conftest import MODELS
from tests.knobs.workbench import companions, difference, other_values, pictures_of, turned

COMPILING = ("compile", "compile_vae")
# The largest difference in pictures that these may make, of 1.
APART = {"dtype": 0.3, "quantization": 0.3, "quantization_text_encoder": 0.3, "quantization_at_load": 0.3}
EXACT = 1e-4
pytestmark = [pytest.mark.filterwarnings("ignore")]


def _cases() -> list[object]:
    """Every knob on every model; the demo and all but the smallest that compile take seconds."""
    return [
        pytest.param(knob.name, model, marks=pytest.mark.slow if _is_slow(knob.name, model) else ())
        for model in MODELS
        for knob in all_knobs()
    ]


def _is_slow(knob: str, model: str) -> bool:
    is_compiled = (
        (knob in COMPILING and model != "pixart")
        or knob == "compile_vae"
        or (knob == "attention" and model == "flux")
    )
    return is_compiled or (model == "demo" and knob != "quantization")


@pytest.mark.parametrize(("name", "model"), _cases())
def test_every_value_on_offer_provably_takes_effect(
    name: str,
    model: str,
    folder_of: Callable[[str], Path],
    situated: Callable[[str], Situation],
    untuned: Callable[[str], tuple[Setup, torch.Tensor]],
) -> None:
    """A turned pipeline draws sound pictures and passes the knob's own proof; an un-turned one does not."""
    knob, situation = knob_named(name), situated(model)
    plain, reference = untuned(model)
    for value in other_values(name, situation):
        setup = turned(folder_of(model), situation, companions(name, value))
        pictures = pictures_of(setup)

        assert bool(torch.isfinite(pictures).all()), value
        assert reference.shape == pictures.shape
        assert (name, value, None) == (name, value, knob.applied(setup, value))
        found = knob.applied(plain, value)
        assert found is not None, f"{name} = {value} would pass on a pipeline where nothing was done"
        assert found.endswith((".", "]."))
        if not knob.changes_result and name != "vae_tiling":
            assert difference(reference, pictures) < APART.get(name, EXACT), value
