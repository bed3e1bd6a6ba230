"""Find the fastest settings of a diffusers pipeline for this machine, within the memory and likeness you set.

    >>> import autotune
    >>> plan = autotune.Plan(study="first", workload=autotune.Workload(model="demo"))

Importing this package imports neither torch nor Optuna: each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotune.plan import Plan as Plan
    from autotune.recipe import Recipe as Recipe
    from autotune.workload import Workload as Workload

__version__ = "0.1.0"
__all__ = ["Plan", "Recipe", "Workload", "__version__", "load_pipeline", "open_study", "tune"]

_MODULES = {
    "Plan": "autotune.plan",
    "Recipe": "autotune.recipe",
    "Workload": "autotune.workload",
    "load_pipeline": "autotune.pipeline.load",
    "open_study": "autotune.search.door",
    "tune": "autotune.search.door",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - functions and classes alike
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'autotune' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
