"""The package's door: its names, and what importing it costs."""

import subprocess
import sys

import pytest

import autotune
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.workload import Workload


@pytest.mark.parametrize(("name", "expected"), [("Plan", Plan), ("Recipe", Recipe), ("Workload", Workload)])
def test_a_public_name_is_that_of_its_module(name: str, expected: type) -> None:
    """Imported when it is first used."""
    assert expected is getattr(autotune, name)


def test_the_public_names_are_listed() -> None:
    """For completion in a notebook."""
    assert {"Plan", "Recipe", "Workload", "load_pipeline", "open_study", "tune", "__version__"} <= set(
        dir(autotune)
    )
    assert set(autotune.__all__) <= set(dir(autotune))


def test_a_name_that_does_not_exist_is_no_attribute() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'autotune' has no attribute 'tuna'"):
        autotune.tuna  # noqa: B018 - looking it up is the test


def test_importing_the_package_and_its_plans_imports_no_heavy_library() -> None:
    """A command answers at once, and a server of trials starts clean."""
    code = (
        "import sys, autotune\n"
        "autotune.Plan, autotune.Recipe, autotune.Workload\n"
        "print({'torch', 'diffusers', 'optuna', 'sqlalchemy', 'numpy', 'yaml'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout == "set()\n"
