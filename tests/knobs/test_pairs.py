"""Random valid recipes: what no conflict refuses must construct, draw sound pictures and provably be applied.

The seed is fixed, so that a failure is found again; AUTOTUNE_PAIRS_SEED tries others.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autotune.knob import Settings, Situation, Stage, Value
from autotune.pipeline.load import why_not_applied
from autotune.space import SearchSpace
from tests.knobs.conftest import FAMILIES, state_put_back
from tests.knobs.offers import ENLARGED, KNOBS, whole_space
from tests.knobs.workbench import pictures_of, turned

SEED = int(os.environ.get("AUTOTUNE_PAIRS_SEED", "3"))
BLOCKS, RECIPES = len(ENLARGED), 12  # recipes of each family: enough for more than 300 in all
SLOW_ON_A_CPU = ("float16",)  # emulated: seconds a picture; the contract tries it
FEWEST, MOST = 2, 6  # settings of a recipe that are not the default
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_there_are_enough_recipes() -> None:
    """At least 300 in a run."""
    assert BLOCKS * RECIPES * len(FAMILIES) >= 300


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("family", FAMILIES)
def test_random_valid_recipes_run(
    family: str, block: int, folder_of: Callable[[str], Path], situated: Callable[[str], Situation]
) -> None:
    """One recipe of a family is compiled, traced or given to an engine; that takes seconds."""
    rng = random.Random(f"{SEED} {family} {block}")
    situation = ENLARGED[block](situated(family))
    space = whole_space(situation)
    shapes: set[tuple[int, ...]] = set()
    failed: list[str] = []
    for number in range(RECIPES):
        settings = drawn(space, rng, is_compiled=block == number == 0)
        with state_put_back():
            found = _why_wrong(folder_of(family), situation, settings, shapes)
        if found is not None:
            failed.append(f"{dict(settings)}: {found}")
    assert not failed, f"seed {SEED}, {len(failed)} of {RECIPES}:\n" + "\n".join(failed)


def _why_wrong(
    folder: Path, situation: Situation, settings: Settings, shapes: set[tuple[int, ...]]
) -> str | None:
    """Run a recipe and say what is wrong with it, or None; `shapes` holds those of the others' pictures."""
    try:
        setup = turned(folder, situation, settings)
        pictures = pictures_of(setup)
        unproved = why_not_applied(setup, settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the recipe must be named
        return f"{type(error).__name__}: {str(error)[:300]}"
    shapes.add(tuple(pictures.shape))
    if unproved is not None:
        return f"{unproved[0]} was not applied: {unproved[1]}"
    if not torch.isfinite(pictures).all():
        return "its pictures hold values that are not finite"
    return None if len(shapes) == 1 else f"its pictures have another shape: {sorted(shapes)}"


def drawn(space: SearchSpace, rng: random.Random, *, is_compiled: bool) -> dict[str, Value]:
    """Return a valid recipe of a few settings: as many as can go together of those that are drawn."""
    names = [name for name, values in space.choices.items() if len(values) > 1]
    late = [name for name in names if KNOBS[name].stage is Stage.COMPILE]
    wanted = rng.randint(FEWEST, MOST)
    early = rng.sample([name for name in names if name not in late], len(names) - len(late))
    order = [*rng.sample(late, len(late)), *early] if is_compiled else early
    settings: dict[str, Value] = {}
    for name in order:
        value = rng.choice(space.choices[name][1:])
        if value not in SLOW_ON_A_CPU and space.why_not({**settings, name: value}) is None:
            settings[name] = value
        if len(settings) == wanted:
            break
    return settings
