"""Expecting: what a forecast says of the peaks that trials will measure."""

from collections.abc import Mapping

from autotune.footprint import Footprint
from autotune.forecast import LOAD, forecast
from autotune.knob import Settings
from autotune.observation import MEMORY_PREFIX
from autotune.search.surrogate import Forecast
from autotune.space import SearchSpace


def forecast_of(space: SearchSpace, footprint: Footprint | None) -> Forecast | None:
    """Return what forecasts the stages of a recipe, in bytes by the names of observations.

    Args:
        space: Says what knobs have that are not searched.
        footprint: Of the model; None where there is none, and nothing is forecast.
    """
    if footprint is None:
        return None
    single = {name: values[0] for name, values in space.choices.items() if len(values) == 1}
    target, known = space.situation.target, footprint

    def stages(settings: Settings) -> Mapping[str, float]:
        made = forecast({**single, **settings}, known, target).device
        calls = max(stage.expected for name, stage in made.items() if name != LOAD)
        return {
            f"{MEMORY_PREFIX}load": float(made[LOAD].expected),
            f"{MEMORY_PREFIX}calls": float(calls),
        }

    return stages
