"""Expecting: what is known of a recipe before it is tried: its peaks, and that compiling takes long."""

from collections.abc import Callable, Mapping

from autotune.errors import AutotuneError
from autotune.footprint import Footprint
from autotune.forecast import LOAD, forecast
from autotune.knob import Settings, Stage, is_same
from autotune.plan import Plan
from autotune.search.quantities import STAGES
from autotune.search.surrogate import Forecast
from autotune.space import SearchSpace
from autotune.workload import Workload

_COMPILED = 4.0
"""So many times as long as the untuned trial one is taken to last that compiles, until some have: of the demo
model's on two CPU cores, one that compiled blocks and the VAE lasted 5 times as long, and one that compiled
all of the UNet was stopped early after 4 times as long (`studies/demo-cpu`, trials 42 and 48)."""
_OF_COMPILING = ("seconds", "cold_s")


def footprint_for(
    plan: Plan, survey: Callable[[Workload, str], tuple[Footprint, object]], say: Callable[[str], object]
) -> Footprint | None:
    """Return what a plan's forecast of memory is made from; None where none is of use, or can be made.

    Args:
        plan: What is asked for.
        survey: Returns the footprint of a workload's model, with anything else; takes seconds the first time.
        say: Is told why where it cannot be made.
    """
    if not plan.wants_forecast:
        return None
    try:
        return survey(plan.workload, plan.device)[0]
    except AutotuneError as error:
        say(f"No forecast of memory, so every recipe is tried: {error}")
        return None


def forecast_of(space: SearchSpace, footprint: Footprint | None) -> Forecast:
    """Return what tells the figures of a recipe beforehand, as far as they are known.

    Peaks of stages are in bytes; what compiling makes longer is told as a multiple of the untuned trial's.

    Args:
        space: Says which knobs compile, and what those have that are not searched.
        footprint: Of the model; None where there is none, and nothing is forecast of memory.
    """
    single = {name: values[0] for name, values in space.choices.items() if len(values) == 1}
    defaults = space.defaults
    compiling = [knob.name for knob in space.knobs if knob.stage is Stage.COMPILE]

    def expected(settings: Settings) -> Mapping[str, float]:
        whole = {**single, **settings}
        compiles = any(not is_same(whole.get(name, defaults[name]), defaults[name]) for name in compiling)
        found = dict.fromkeys(_OF_COMPILING, _COMPILED if compiles else 1.0)
        return found if footprint is None else {**found, **_peaks(whole, footprint, space)}

    return expected


def _peaks(settings: Settings, footprint: Footprint, space: SearchSpace) -> dict[str, float]:
    made = forecast(settings, footprint, space.situation.target).device
    calls = max(stage.expected for name, stage in made.items() if name != LOAD)
    return dict(zip(STAGES, (float(made[LOAD].expected), float(calls)), strict=True))
