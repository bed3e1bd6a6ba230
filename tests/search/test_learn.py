"""What trials teach of recipes that were never tried: by parts of their figures, and by earlier studies."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from autotune.knob import Settings, Touches, Value
from autotune.observation import Observation
from autotune.search.known import Known
from autotune.search.learn import learn, learn_earlier
from autotune.search.surrogate import Surrogate

KNOBS: dict[str, tuple[Value, ...]] = {
    "dtype": ("float32", "float16"),
    "slicing": ("none", "auto", "max"),
    "tiling": (False, True),
    "prompts": ("live", "precomputed"),
    "steps": (20, 10, 5),
}
TOUCHES: dict[str, frozenset[Touches]] = {
    "dtype": frozenset(Touches),
    "slicing": frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    "tiling": frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    "prompts": frozenset({Touches.TEXT, Touches.TEXT_MEMORY}),
    "steps": frozenset({Touches.STEP, Touches.LIKENESS}),
}
EVERY: list[dict[str, Value]] = [
    dict(zip(KNOBS, values, strict=True)) for values in itertools.product(*KNOBS.values())
]
UNTUNED = EVERY[0]
ONE_BY_ONE = [UNTUNED] + [{**UNTUNED, name: value} for name, values in KNOBS.items() for value in values[1:]]
"""The untuned recipe, and those that differ from it in one setting."""


def seen(settings: Settings) -> Observation:
    """Return what a trial of a recipe sees: its parts follow from few settings each."""
    half = settings["dtype"] == "float16"
    step_s = 0.1 * (0.5 if half else 1.0) * {"none": 1.0, "auto": 1.3, "max": 1.6}[str(settings["slicing"])]
    parts = {
        "text_s": 0.5 if settings["prompts"] == "live" else 0.01,
        "steps_s": step_s * int(settings["steps"]),
        "decode_s": 1.0 * (0.6 if half else 1.0) * (1.5 if settings["tiling"] else 1.0),
    }
    load = 4e9 * (0.5 if half else 1.0) * (0.7 if settings["prompts"] == "precomputed" else 1.0)
    calls = 6e9 * (0.6 if half else 1.0) * (0.4 if settings["tiling"] else 1.0)
    likeness = 1.0 - (0.02 if half else 0.0) - {20: 0.0, 10: 0.05, 5: 0.2}[int(settings["steps"])]
    latency_s = sum(parts.values())
    figures = {
        **parts,
        "latency_s": latency_s,
        "memory:load": load,
        "memory:calls": calls,
        "memory_bytes": max(load, calls),
        "similarity": likeness,
        "cold_s": 5.0 + latency_s,
    }
    return Observation(figures=figures, seconds=20.0 + 5 * latency_s)


def known(recipes: Sequence[Settings], study: str = "") -> list[Known]:
    """Return what trials of recipes teach."""
    return [Known(settings=settings, seen=seen(settings), study=study) for settings in recipes]


def some(count: int, seed: int = 0) -> list[Settings]:
    """Return the untuned recipe, and so many others by chance."""
    order = np.random.default_rng(seed).permutation(len(EVERY) - 1)[:count] + 1
    return [UNTUNED, *(EVERY[place] for place in order)]


def taught(tried: Sequence[Known], **options: object) -> Surrogate:
    """Return what trials teach, where they teach anything."""
    surrogate = learn(tried, KNOBS, TOUCHES, steps=20, **options)  # type: ignore[arg-type]
    assert surrogate is not None
    return surrogate


def truth(figure: str, recipes: Sequence[Settings] = EVERY) -> list[float]:
    """Return what recipes would come to."""
    return [seen(settings).figures[figure] for settings in recipes]


def error(surrogate: Surrogate, figure: str) -> float:
    """Return by how much predictions of all recipes are off, as a share: the root of the mean square."""
    mean = surrogate.predict(EVERY)[figure].mean
    return float(np.sqrt(np.mean(np.log(mean / np.array(truth(figure))) ** 2)))


def test_nothing_is_learnt_before_the_untuned_baseline() -> None:
    """All figures are relative to it: one that failed or was stopped is none."""
    others = known(ONE_BY_ONE[1:])
    failed = Known(settings=UNTUNED, seen=Observation(failure="crash"))

    assert learn([], KNOBS, TOUCHES, steps=20) is None
    assert learn([failed, *others], KNOBS, TOUCHES, steps=20) is None


def test_what_a_setting_does_to_a_part_is_known_in_every_combination() -> None:
    """A dozen trials of 72: seconds add up by their parts, which totals do not tell."""
    surrogate = taught(known(some(12)))
    totals = taught(known(some(12)), by_parts=False)

    assert error(surrogate, "latency_s") < 0.01
    assert error(surrogate, "latency_s") < 0.2 * error(totals, "latency_s")


def test_memory_is_that_of_the_larger_stage() -> None:
    """Tiling leaves loading as the peak: what helps loading helps from there on, and not before."""
    tried = [settings for settings in some(20) if not settings["tiling"] or settings["prompts"] == "live"]
    surrogate = taught(known(tried))
    recipes = [{**UNTUNED, "prompts": "precomputed"}, {**UNTUNED, "tiling": True, "prompts": "precomputed"}]

    assert surrogate.predict(recipes)["memory_bytes"].mean == pytest.approx([6e9, 2.8e9], rel=0.02)


def test_time_falls_with_the_steps() -> None:
    """Fewer steps were never tried: they take their share of the time all the same."""
    tried = [settings for settings in some(40) if settings["steps"] == 20]
    recipes = [{**UNTUNED, "steps": steps} for steps in (20, 10, 5)]
    believed = taught(known(tried)).predict(recipes)["steps_s"]

    assert believed.mean == pytest.approx([2.0, 1.0, 0.5], rel=0.15)
    assert believed.sd[2] == pytest.approx(0.5 * believed.sd[1], rel=0.1)


def test_intervals_of_figures_hold_what_they_claim() -> None:
    """Of recipes that were not tried, about nine in ten come to what was expected with nine in ten."""
    tried = some(15)
    believed = taught(known(tried)).predict(EVERY)
    for figure in ("latency_s", "memory_bytes", "similarity", "cold_s", "seconds"):
        actual = np.array([seen(each).with_seconds().figures[figure] for each in EVERY])
        inside = np.abs(actual - believed[figure].mean) <= 1.645 * believed[figure].sd
        assert np.mean(inside) > 0.75, figure


def test_figures_that_some_trials_lack_are_learnt_from_the_others() -> None:
    """A counter that told nothing once takes nothing from what it told before."""
    tried = known(ONE_BY_ONE)
    energy = [
        replace(each, seen=replace(each.seen, figures={**each.seen.figures, "energy_j": 50.0}))
        for each in tried
    ]
    believed = taught([*energy[:-1], tried[-1]], figures=("energy_j",)).predict(EVERY)

    assert believed["energy_j"].mean == pytest.approx(50.0, rel=0.05)
    assert "energy_j" not in taught([tried[0], *energy[1:]], figures=("energy_j",)).predict(EVERY)


def test_without_parts_the_totals_are_learnt() -> None:
    """One trial whose call was not profiled: latency is predicted as a whole."""
    tried = known(ONE_BY_ONE)
    figures = {name: value for name, value in tried[1].seen.figures.items() if name != "text_s"}
    tried[1] = replace(tried[1], seen=replace(tried[1].seen, figures=figures))
    believed = taught(tried).predict(EVERY)

    assert {"latency_s", "memory:load"} <= believed.keys()
    assert "steps_s" not in believed


@pytest.mark.parametrize(("figure", "bound"), [("memory_bytes", 12e9), ("latency_s", 9.0)])
@pytest.mark.parametrize("failure", ["", "out of memory"])
def test_a_bound_that_surprises_pushes_expectations_up(figure: str, bound: float, failure: str) -> None:
    """A recipe that needs more than was expected is expected to need more, and so is what is like it."""
    tried = known(some(8))
    recipe = {**UNTUNED, "slicing": "max", "dtype": "float16"}
    alike = [recipe, {**recipe, "tiling": True}]
    observed = Observation(at_least={figure: bound}, failure=failure, pruned=not failure, seconds=1.0)
    before = taught(tried).predict(alike)[figure].mean
    after = taught([*tried, Known(settings=recipe, seen=observed)]).predict(alike)[figure].mean

    assert after[0] > 1.5 * before[0]
    assert after[1] > before[1]


@pytest.mark.parametrize(("figure", "bound"), [("memory_bytes", 1e9), ("latency_s", 1.0)])
def test_a_bound_that_was_expected_changes_nothing(figure: str, bound: float) -> None:
    """It never pulls expectations down."""
    tried = known(some(8))
    observed = Observation(at_least={figure: bound}, pruned=True, seconds=1.0)
    pruned = Known(settings={**UNTUNED, "slicing": "max"}, seen=observed)

    assert taught([*tried, pruned]).predict(EVERY)[figure].mean == pytest.approx(
        taught(tried).predict(EVERY)[figure].mean
    )


def test_what_was_projected_counts_for_less_than_what_was_measured() -> None:
    """A trial that was stopped early tells its figures with a doubt."""
    recipe = {**UNTUNED, "slicing": "max"}
    whole = seen(recipe)
    stopped = replace(whole, pruned=True, noise={"latency_s": 0.05})
    beside = [{**recipe, "tiling": True}]
    tried = known(some(6))
    sds = [
        taught([*tried, Known(settings=recipe, seen=each)]).predict(beside)["latency_s"].sd[0]
        for each in (whole, stopped)
    ]

    assert sds[0] < sds[1]


def test_what_did_not_fit_is_not_broken() -> None:
    """Out of memory is a matter of bytes; a crash speaks against what was never seen to work."""
    tried, recipe = known(some(8)), {**UNTUNED, "slicing": "max", "tiling": True}
    too_large = Observation(at_least={"memory_bytes": 7e9}, failure="out of memory", seconds=1.0)
    crashed = Observation(failure="crash", seconds=1.0)
    after = [
        taught([*tried, Known(settings=recipe, seen=each)]).works([recipe])[0]
        for each in (too_large, crashed)
    ]

    assert after[0] > 0.95
    assert after[1] < 0.3


def test_draws_scatter_as_is_believed() -> None:
    """Drawn figures have the mean and, but for each recipe's own rest, the doubt that is predicted."""
    surrogate, recipes = taught(known(some(12))), EVERY[:20]
    believed, drawn = surrogate.predict(recipes), surrogate.draw(recipes, 4000, seed=1)
    for figure in ("latency_s", "memory:calls", "similarity"):
        assert drawn[figure].mean(axis=0) == pytest.approx(believed[figure].mean, rel=0.02)
        assert 0.7 < np.median(drawn[figure].std(axis=0) / believed[figure].sd) < 1.3, figure

    assert drawn["memory_bytes"] == pytest.approx(np.maximum(drawn["memory:load"], drawn["memory:calls"]))
    assert (drawn["latency_s"] == surrogate.draw(recipes, 4000, seed=1)["latency_s"]).all()


def test_what_recipes_share_is_the_same_for_them_in_a_draw() -> None:
    """Nobody tried "max": how slow it is nobody knows, but tiling is slower with it as without."""
    tried = [settings for settings in some(40) if settings["slicing"] != "max"]
    pair = [{**UNTUNED, "slicing": "max", "tiling": tiling} for tiling in (False, True)]
    drawn = taught(known(tried)).draw(pair, 1000, seed=0)["latency_s"]

    assert np.std(drawn[:, 1] - drawn[:, 0]) < 0.3 * np.std(drawn[:, 0])


def test_a_forecast_is_what_is_expected_before_anything_is_tried() -> None:
    """Trials correct it: until then its proportions hold."""

    def forecast(settings: Settings) -> Mapping[str, float]:
        figures = seen({**UNTUNED, **settings}).figures
        return {name: 0.8 * figures[name] for name in ("memory:load", "memory:calls")}

    told = taught(known([UNTUNED]), forecast=forecast)

    assert error(told, "memory:calls") < 0.1
    assert error(taught(known([UNTUNED])), "memory:calls") > 0.5


def slower(every: Sequence[Known], factor: float) -> list[Known]:
    """Return what was seen, on a machine that is so many times slower."""
    return [
        replace(
            each,
            seen=replace(
                each.seen,
                figures={n: v * factor if n.endswith("_s") else v for n, v in each.seen.figures.items()},
            ),
        )
        for each in every
    ]


def reversed_(every: Sequence[Known]) -> list[Known]:
    """Return what was seen where all that helps hinders, as much."""
    untuned = seen(UNTUNED).figures
    return [
        replace(
            each,
            seen=replace(each.seen, figures={n: untuned[n] ** 2 / v for n, v in each.seen.figures.items()}),
        )
        for each in every
    ]


def test_an_earlier_study_helps_as_far_as_it_agrees() -> None:
    """Another machine is three times slower: what settings gain there they are expected to gain here."""
    there = learn_earlier(slower(known(some(50), study="there"), 3.0), KNOBS, TOUCHES, steps=20)
    warm, cold = (taught(known(some(1)), earlier=earlier) for earlier in (there, None))

    assert error(warm, "latency_s") < 0.2 * error(cold, "latency_s")
    assert all(part.process.share > 0.5 for part in warm.parts.values())


def test_an_earlier_study_that_misleads_is_left_aside() -> None:
    """A few trials that contradict it, and it counts for nothing: all is as if it had never been."""
    there = learn_earlier(reversed_(known(some(50), study="there")), KNOBS, TOUCHES, steps=20)
    warm, cold = (taught(known(some(3)), earlier=earlier) for earlier in (there, None))

    assert all(0 == warm.parts[name].process.share for name in ("text_s", "steps_s", "memory:calls"))
    assert error(warm, "latency_s") == pytest.approx(error(cold, "latency_s"))


def test_earlier_studies_without_a_baseline_teach_nothing() -> None:
    """Their figures cannot be compared with any here; those of others still can."""
    whole, headless = known(some(30), study="whole"), slower(known(some(30)[1:], study="headless"), 9.0)
    both = learn_earlier([*headless, *whole], KNOBS, TOUCHES, steps=20)
    one = learn_earlier(whole, KNOBS, TOUCHES, steps=20)

    assert learn_earlier(headless, KNOBS, TOUCHES, steps=20) == {}
    assert both["steps_s"].weights == pytest.approx(one["steps_s"].weights)


def test_recipes_outside_of_the_choices_are_passed_over() -> None:
    """A value that is not searched here has no column; what was asked about must have one."""
    surrogate = taught([*known(ONE_BY_ONE), Known(settings={"steps": 7}, seen=seen(UNTUNED))])

    assert surrogate.measured == len(ONE_BY_ONE)
    with pytest.raises(ValueError, match=r"outside the choices: \{'steps': 7\}"):
        surrogate.predict([{"steps": 7}])
