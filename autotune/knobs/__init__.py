"""The knobs: one inference setting a file, found by scanning the folder: its listing is the feature list."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from autotune.errors import KnobError, UnknownName
from autotune.knob import Knob

ENTRY_POINTS = "autotune.knobs"
"""Group of entry points by which other packages add knobs; each must resolve to a `Knob`."""


_ROLES = {
    "domain": ("situation",),
    "turn": ("setup", "value"),
    "conflict": ("settings", "situation"),
    "applied": ("setup", "value"),
}


def all_knobs() -> tuple[Knob, ...]:
    """Return every knob there is, in the order in which knobs are turned.

    Raises:
        KnobError: A file of this folder holds no valid knob, or two knobs share a name.
    """
    package = importlib.import_module(__name__)
    return in_turning_order(
        [*knobs_of_package(package), *knobs_of_entry_points(entry_points(group=ENTRY_POINTS))]
    )


def knob_named(name: str) -> Knob:
    """Return one knob.

    Raises:
        UnknownName: There is none of that name.
    """
    knobs = {knob.name: knob for knob in all_knobs()}
    if name not in knobs:
        raise UnknownName("knob", name, knobs, remedy="'autotune knobs' lists them all.")
    return knobs[name]


def knobs_of_package(package: ModuleType) -> Iterator[Knob]:
    """Yield the knob of each file of a package; files whose name starts with an underscore are not knobs.

    Raises:
        KnobError: A file has no `KNOB`, it is no `Knob`, or it is not named like its file.
    """
    for found in pkgutil.iter_modules(package.__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        knob = checked(getattr(module, "KNOB", None), where=str(module.__file__))
        if knob.name != found.name:
            raise KnobError(f"{module.__file__} holds knob '{knob.name}'. Name the file {knob.name}.py.")
        yield knob


def knobs_of_entry_points(points: Iterable[EntryPoint]) -> Iterator[Knob]:
    """Yield the knob of each entry point.

    Raises:
        KnobError: An entry point cannot be imported or is no `Knob`.
    """
    for point in points:
        where = f"Entry point '{point.name} = {point.value}' of group '{ENTRY_POINTS}'"
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise KnobError(f"{where} cannot be loaded: {error}. Mend or uninstall that package.") from error
        yield checked(found, where=where)


def checked(found: object, *, where: str) -> Knob:
    """Return `found` when it is a knob.

    Raises:
        KnobError: It is not; the message says what is missing.
    """
    if found is None:
        raise KnobError(
            f"{where} has no KNOB. It needs one: KNOB = Knob(name=..., stage=..., domain=..., turn=...)."
        )
    if not isinstance(found, Knob):
        raise KnobError(f"{where} has a {type(found).__name__} where a Knob is needed.")
    for role, arguments in _ROLES.items():
        function = getattr(found, role)
        if not callable(function):
            raise KnobError(f"{where}: '{role}' of knob '{found.name}' is not a function.")
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            wanted = f"{role}({', '.join(arguments)})"
            message = f"{where}: '{role}' of knob '{found.name}' cannot be called as {wanted}: {error}."
            raise KnobError(f"{message} Mend it, or uninstall that package.") from error
    return found


def in_turning_order(knobs: Iterable[Knob]) -> tuple[Knob, ...]:
    """Return knobs by stage, then order, then name.

    Raises:
        KnobError: Two knobs share a name.
    """
    ordered = tuple(sorted(knobs, key=lambda knob: (knob.stage, knob.order, knob.name)))
    names = [knob.name for knob in ordered]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KnobError(f"Two knobs are called '{twice[0]}'. Rename or uninstall one of them.")
    return ordered
