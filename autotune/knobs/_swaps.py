"""Swaps: what the knobs that replace a part by another one named by the user have in common."""

from pathlib import Path

from autotune.knob import Setup


def why_no_such_folder(value: str) -> str:
    """Return why a name cannot be that of a part, "" where it may be: a hub id is known to the hub alone.

    >>> why_no_such_folder("nota-ai/bk-sdm-small"), why_no_such_folder("./no/such/folder")
    ('', "There is no folder './no/such/folder'")
    """
    folder = Path(value).expanduser()
    if folder.exists() or (value.count("/") == 1 and not value.startswith((".", "/", "~"))):
        return ""
    return f"There is no folder '{value}'"


def why_not_swapped(setup: Setup, name: str, value: str) -> str | None:
    """Return what is found in the place of a part that was to be swapped, or None when it is what was loaded.

    Args:
        setup: A setup that has made its first picture.
        name: The part's name in the pipeline.
        value: Where the other part was to come from.
    """
    part = getattr(setup.pipeline, name, None)
    # A part compiled as a whole holds the loaded one.
    inner = getattr(part, "_orig_mod", part)
    source, loaded = setup.notes.get(f"swapped_{name}", ("", None))
    if loaded is None:
        return f"The pipeline's {name} is its own {type(inner).__name__}."
    if source != value or inner is not loaded:
        return f"The pipeline's {name} is not the one that was loaded from '{value}'."
    return None
