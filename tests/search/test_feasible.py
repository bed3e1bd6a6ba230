"""A study with a memory limit leaves out what cannot fit by forecast, and says so where nothing can."""

import pytest

from autotune.errors import BudgetError
from autotune.footprint import Footprint, Run, Weights
from autotune.search.feasible import without_what_cannot_fit
from autotune.space import SearchSpace, build_space
from tests.search.synthetic import MIB, SITUATION, knobs, plan

FOOTPRINT = Footprint(
    pipeline_class="StableDiffusionPipeline",
    weights={
        "unet": Weights(
            stage="denoise", sizes={"float32": 400 * MIB, "bfloat16": 200 * MIB, "float16": 200 * MIB}
        )
    },
    runs=tuple(
        Run(part="unet", dtype=dtype, pictures=1, guided=True, variant="fused", live=live * MIB)
        for dtype, live in (("float32", 200), ("bfloat16", 100))
    ),
)


def _space() -> SearchSpace:
    return build_space(knobs(), SITUATION, allow_approximate=True)


def test_what_cannot_fit_is_not_searched() -> None:
    """600 MiB in 32 bits, 300 MiB in 16: under 500 MiB only 16 bits are left, and the baseline."""
    space = _space()

    narrow = without_what_cannot_fit(space, plan(memory_limit_bytes=500 * MIB), FOOTPRINT)

    assert narrow.why_not({"channels_last": True}) == (
        "forecast: at least 600 MiB while denoising, limit 500 MiB"
    )
    assert narrow.why_not({"channels_last": True, "dtype": "bfloat16"}) is None
    assert narrow.why_not({}) is None
    eager = (settings for settings in narrow.valid() if settings["compile"] == "none")
    assert {s["dtype"] for s in eager if s != space.defaults} == {"bfloat16", "float16"}


@pytest.mark.parametrize(
    ("limit", "footprint"), [(None, FOOTPRINT), (500 * MIB, None), (600 * MIB, FOOTPRINT)]
)
def test_nothing_is_left_out_without_a_reason(limit: int | None, footprint: Footprint | None) -> None:
    """Without a limit, without a forecast, or where everything fits."""
    space = _space()

    narrow = without_what_cannot_fit(space, plan(memory_limit_bytes=limit), footprint)

    assert narrow.why_not({"channels_last": True}) is None


def test_a_limit_below_the_smallest_recipe() -> None:
    """Said before anything is measured: what the smallest needs, and what to do."""
    with pytest.raises(BudgetError, match=r"the smallest, '.*dtype=.*', needs at least .* Allow more"):
        without_what_cannot_fit(_space(), plan(memory_limit_bytes=50 * MIB), FOOTPRINT)
