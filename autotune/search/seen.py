"""Seen: how much of its space a study has tried."""

from dataclasses import dataclass
from typing import Any

from autotune.combinations import Count
from autotune.search.study import Study
from autotune.space import SearchSpace
from autotune.units import format_share


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How much of its space a study has tried.

    Attributes:
        tried: How many valid recipes have come to something, failures too.
        recipes: How many there are.
    """

    tried: int
    recipes: Count

    @property
    def share(self) -> float:
        """The share that was tried, 0 to 1; an estimate where the recipes were not counted."""
        return min(self.tried / self.recipes.value, 1.0) if self.recipes.value > 0 else 1.0

    def describe(self) -> str:
        """The share for a person.

        >>> Seen(tried=34, recipes=Count(value=416, low=416, high=416)).describe()
        '34 of 416 recipes were tried (8.2 %)'
        >>> Seen(tried=34, recipes=Count(value=2.4e9, low=2.2e9, high=2.6e9)).describe()
        '34 of about 2.4e+09 (2.2e+09 to 2.6e+09) recipes were tried (less than 0.01 %)'
        """
        tried, recipes = f"{self.tried:,}", self.recipes.describe()
        return f"{tried} of {recipes} recipes were tried ({format_share(self.share)})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types: "recipes_low" and "recipes_high" are equal where they were counted."""
        recipes = self.recipes
        return {
            "tried": self.tried,
            "recipes": round(recipes.value),
            "recipes_low": round(recipes.low),
            "recipes_high": round(recipes.high),
        }


def seen_of(study: Study, space: SearchSpace) -> Seen:
    """Return how much of a space a study has tried; it takes seconds where the space is too tangled to count.

    Of a plan that lists its recipes, those and the untuned baseline are the space.
    """
    counting = [trial for trial in study.trials if trial.counts]
    if study.plan.sampler == "listed":
        listed = {space.recipe(changed).digest for changed in ({}, *study.plan.recipes.values())}
        every = float(len(listed))
        return Seen(
            tried=len(listed & {trial.digest for trial in counting}),
            recipes=Count(value=every, low=every, high=every),
        )
    tried = {trial.digest for trial in counting if space.is_searched(trial.settings)}
    return Seen(tried=len(tried), recipes=space.count(study.plan.seed))
