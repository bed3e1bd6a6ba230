"""Everything that can go wrong around a trial: one tree, and messages that say what happened and what to do.

    AutotuneError                 exit code 1
    ├── UsageError                exit code 2: the command or its input is not of the right form
    │   ├── UnknownName           a name that does not exist, with the nearest that does
    │   └── PlanError             a plan that cannot be read
    ├── RecipeError               a recipe file that cannot be used
    ├── ModelError                a model that cannot be found or read
    ├── DeviceError               a device that this machine does not have
    ├── SpaceError                no recipe is possible here
    ├── BudgetError               nothing fits the memory budget or the similarity floor
    ├── StoreError                a database that cannot be read or written
    ├── WorkerError               the trial server itself cannot start
    └── KnobError                 a knob's file breaks the contract

What a *trial* suffers is never an exception across the process border: it is a `measurement.Failure`.
"""

import difflib
from collections.abc import Iterable

_SHOWN = 12


class AutotuneError(Exception):
    """A problem with a message for the user; the command line prints it and exits with `exit_code`."""

    exit_code = 1


class UsageError(AutotuneError):
    """The command or its input is not of the right form."""

    exit_code = 2


class UnknownName(UsageError):  # noqa: N818 - it reads as what it says
    """A name that does not exist; the message offers the nearest one that does."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, remedy: str = "") -> None:
        """Build the message.

        Args:
            kind: What the name should have named, such as "knob".
            name: The word that was given.
            known: The words that exist.
            remedy: A sentence that says where all of them are listed.
        """
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(unknown_name_message(kind, name, self.known, remedy=remedy))


class PlanError(UsageError):
    """A plan that cannot be read."""


class RecipeError(AutotuneError):
    """A recipe file that cannot be used."""


class ModelError(AutotuneError):
    """A model that cannot be found or read."""


class DeviceError(AutotuneError):
    """A device that this machine does not have."""

    exit_code = 2


class SpaceError(AutotuneError):
    """No recipe is possible here."""


class BudgetError(AutotuneError):
    """Nothing fits the memory budget or the similarity floor."""


class StoreError(AutotuneError):
    """A database that cannot be read or written."""


class WorkerError(AutotuneError):
    """The trial server itself cannot start."""


class KnobError(AutotuneError):
    """A knob's file breaks the contract of `knob.Knob`."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` most likely meant, or None when none is near.

    >>> nearest("atention", ["attention", "dtype"])
    'attention'
    >>> nearest("zzz", ["attention", "dtype"]) is None
    True
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def unknown_name_message(kind: str, name: str, known: Iterable[str], *, remedy: str = "") -> str:
    """Return the sentence for a name that does not exist.

    >>> unknown_name_message("knob", "atention", ["attention", "dtype"])
    "There is no knob 'atention'. Did you mean 'attention'?"
    >>> unknown_name_message("study", "x", [])
    "There is no study 'x'. There is none yet."
    >>> unknown_name_message("device", "gaudi", ["cpu", "cuda"], remedy="See 'autotune doctor'.")
    "There is no device 'gaudi'. Known: cpu, cuda. See 'autotune doctor'."
    """
    words = sorted(known)
    near = nearest(name, words)
    if near is not None:
        hint = f"Did you mean '{near}'?"
    elif words:
        shown = ", ".join(words[:_SHOWN]) + (", …" if len(words) > _SHOWN else "")
        hint = f"Known: {shown}."
    else:
        hint = "There is none yet."
    return f"There is no {kind} '{name}'. {hint} {remedy}".rstrip()
