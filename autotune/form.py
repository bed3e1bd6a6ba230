"""Form of data from files and requests: whether it fits the dataclass that it is meant for, and why not."""

import math
import types
import typing
from collections.abc import Iterable, Mapping

from autotune.errors import unknown_name_message

_SAID: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of texts",
    Mapping[str, float]: "a number for each name",
}


def why_misshapen(record: object) -> str | None:
    """Return a sentence on the first field of a dataclass that does not hold what it should, or None.

    Looks at truth values, numbers, texts, tuples of them, numbers by name, and None where it is allowed;
    other fields are passed over. A whole number is a number, but neither True nor an infinite one is.

    >>> from autotune.job import Protocol
    >>> why_misshapen(Protocol(calls_min=5, interval=1))
    >>> from autotune.workload import Call
    >>> why_misshapen(Call(prompts=("a",), seeds=(True,)))
    "'seeds' is (True,). It must be a list of whole numbers."
    """
    for name, hint in typing.get_type_hints(type(record)).items():
        value, kind = getattr(record, name), _without_none(hint)
        if not (_is_of(value, kind) or (value is None and kind is not hint)):
            return f"'{name}' is {value!r}. It must be {_SAID[kind]}."
    return None


def why_unknown_key(names: Iterable[str], known: Iterable[str], *, where: str = "") -> str | None:
    """Return a sentence on the first name that is not known, or None.

    >>> why_unknown_key(["trials", "tme"], ["trials", "time"], where=" in [budget]")
    "There is no key 'tme' in [budget]. Did you mean 'time'?"
    """
    words = list(known)
    unknown = next((name for name in names if name not in words), None)
    if unknown is None:
        return None
    return unknown_name_message("key", unknown, words).replace(f"'{unknown}'.", f"'{unknown}'{where}.", 1)


def _without_none(hint: object) -> object:
    """An annotation such as `int | None` without its None, any other one as it is."""
    if not isinstance(hint, types.UnionType):
        return hint
    return next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)


def _is_of(value: object, kind: object) -> bool:
    """Whether a value is of a kind; of kinds that are not looked at, every value is."""
    if kind not in _SAID:
        return True
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(each, typing.get_args(kind)[0]) for each in value)
    if typing.get_origin(kind) is Mapping:
        return isinstance(value, Mapping) and all(_is_of(each, float) for each in value.values())
    if kind is float:
        return type(value) is int or (isinstance(value, float) and math.isfinite(value))
    return type(value) is kind
