"""A study of the synthetic pipeline that nobody had to run: trials of recipes drawn at random."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from autotune.knob import Settings, Value
from autotune.search.resume import frozen_choices
from autotune.search.study import Study
from autotune.space import SearchSpace, build_space, key
from autotune.store.records import TrialRecord, TrialState
from tests.search import synthetic

GOOD: dict[str, Value] = {"channels_last": True, "compile": "regional", "dtype": "float16", "vae_tiling": 256}
"""Settings of a recipe that is on the front, and was tried without some of its settings too."""


def drawn_study(trials: int = 60) -> Study:
    """Return a study of the untuned baseline, of `GOOD` and two neighbours, and of recipes drawn evenly."""
    space = build_space(synthetic.knobs(), synthetic.SITUATION)
    defaults = space.defaults
    first: list[dict[str, Value]] = [{}, GOOD, {**GOOD, "compile": "none"}, {**GOOD, "channels_last": False}]
    recipes = {key({**defaults, **changed}): {**defaults, **changed} for changed in first}
    rng = random.Random(0)
    while len(recipes) < trials:
        settings = space.draw(rng)
        recipes[key(settings)] = settings
    return _study(space, list(recipes.values())[:trials])


def _study(space: SearchSpace, recipes: Sequence[Settings]) -> Study:
    return Study(
        plan=synthetic.plan(),
        situation=synthetic.SITUATION,
        choices=frozen_choices(space),
        trials=tuple(_trial(space, number, settings) for number, settings in enumerate(recipes)),
        storage="sqlite:///nowhere.db",
    )


def _trial(space: SearchSpace, number: int, settings: Settings) -> TrialRecord:
    recipe = space.recipe(settings)
    return TrialRecord(
        number=number,
        digest=recipe.digest,
        settings=settings,
        changed=recipe.settings,
        folder=Path("nowhere"),
        state=TrialState.TOLD,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        outcome=synthetic.outcome(settings),
        seconds=1.0,
    )
