"""How much of its space a study has seen, told with the reason that it stopped."""

from dataclasses import replace

from autotune.combinations import Count
from autotune.search.events import Event, StudyStopped
from autotune.search.seen import Seen, seen_of
from autotune.search.study import Study
from autotune.space import build_space
from tests.search import synthetic
from tests.search.conftest import Tuner

FEW = {name: synthetic.VALUES[name] for name in ("dtype", "vae_tiling")}


def stopped(events: list[Event]) -> StudyStopped:
    """Return how the study ended."""
    return next(event for event in events if isinstance(event, StudyStopped))


def test_a_space_that_was_tried_out_was_seen_whole(tune: Tuner) -> None:
    """The count is exact, as the reason is."""
    events: list[Event] = []
    tune(knobs=synthetic.knobs(FEW), listen=events.append)

    assert "every valid recipe has been tried" == stopped(events).reason
    assert "9 of 9 recipes were tried (100 %)" == stopped(events).seen.describe()


def test_a_baseline_that_the_plan_leaves_out_is_none_of_its_recipes(tune: Tuner) -> None:
    """It is measured all the same: everything is compared to it."""
    events: list[Event] = []
    study = tune(
        synthetic.plan(knobs={"dtype": ("bfloat16",)}), knobs=synthetic.knobs(FEW), listen=events.append
    )

    assert (4, "3 of 3 recipes were tried (100 %)") == (len(study.trials), stopped(events).seen.describe())


def test_the_same_recipe_counts_once_and_a_failure_counts(sixty: Study) -> None:
    """What failed is known too."""
    space = build_space(synthetic.knobs(), synthetic.SITUATION)
    twice = replace(sixty, trials=(*sixty.trials, replace(sixty.trials[5], number=60)))

    assert seen_of(sixty, space) == seen_of(twice, space)
    assert (60, 2016) == (seen_of(sixty, space).tried, seen_of(sixty, space).recipes.value)


def test_what_was_not_counted_is_told_with_what_it_lies_between() -> None:
    """A share of an estimate is no exact figure."""
    seen = Seen(tried=1234, recipes=Count(value=1e5, low=9e4, high=1.1e5))

    assert "1,234 of about 1e+05 (9e+04 to 1.1e+05) recipes were tried (1.2 %)" == seen.describe()
    assert {"tried": 1234, "recipes": 100000, "recipes_low": 90000, "recipes_high": 110000} == seen.to_json()
    assert 1.0 == Seen(tried=9, recipes=Count(value=8.0, low=7.0, high=9.5)).share
