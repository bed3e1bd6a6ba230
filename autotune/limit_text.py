"""Limits as people write them - "2 s", "8 GiB", "0.5x" of the baseline's - into a plan's fields. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from autotune.errors import UsageError
from autotune.objective import BYTES, COST, JOULES, OBJECTIVES, SECONDS, full_name, named, short_name
from autotune.plan import OWN_LIMITS
from autotune.units import parse_bytes, parse_duration, parse_energy, parse_money

LIMIT_FIELDS = (*OWN_LIMITS.values(), "bounds", "goals")
"""The fields of a plan that hold limits."""
NO_LIMIT = ("none", "off")
_FORM = re.compile(r"\s*([^<>=\s]+)\s*(<=|>=)\s*(.*\S)\s*")
_SHARE = re.compile(r"\s*((?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*[x×]\s*")


def read_limit(flag: str) -> tuple[str, str]:
    """Return the metric's name and the bound as text of what --limit says.

    Raises:
        UsageError: It is not of the form 'latency<=2s', or bounds the side on which more is better.

    >>> read_limit("latency<=2s"), read_limit("similarity >= 0.99x")
    (('latency_s', '2s'), ('similarity', '0.99x'))
    """
    form = _FORM.fullmatch(flag)
    if form is None:
        raise UsageError(f"'--limit {flag}' is no limit. Write it like 'latency<=2s' or 'similarity>=0.95'.")
    name, sign, bound = full_name(form[1]), form[2], form[3]
    wanted = ">=" if name == "similarity" else "<="
    if sign != wanted:
        better = "more is better" if wanted == ">=" else "less is better"
        raise UsageError(
            f"'--limit {flag}' keeps out the best: of {short_name(name)}, {better}. "
            f"Write '{short_name(name)}{wanted}{bound}'."
        )
    return name, bound


def is_share(text: str) -> bool:
    """Whether a text is a share of the baseline's, such as "0.5x".

    >>> is_share("0.5x"), is_share("0.5")
    (True, False)
    """
    return _SHARE.fullmatch(text) is not None


def with_limit(fields: Mapping[str, Any], name: str, text: object, *, price: str) -> dict[str, Any]:
    """Return a plan's fields with the limit on one objective replaced.

    Args:
        fields: The plan's: the limits with a field of their own, `bounds` and `goals` are looked at.
        name: The metric's name.
        text: The bound with its unit, a share of the baseline's such as "0.5x", or "none".
        price: Of an hour, as the plan has it: a limit on cost is in its currency.

    Raises:
        UsageError: It is no such bound.

    >>> with_limit({}, "latency_s", "0.5x", price="")
    {'bounds': {}, 'goals': {'latency_s': 0.5}}
    >>> with_limit({}, "latency_s", "45 ms", price="")
    {'bounds': {'latency_s': 0.045}, 'goals': {}}
    """
    others = {
        kind: {other: value for other, value in fields.get(kind, {}).items() if other != name}
        for kind in ("bounds", "goals")
    }
    own = OWN_LIMITS.get(name)
    changed: dict[str, Any] = {**fields, **others, **({own: None} if own else {})}
    if isinstance(text, str) and text.strip().lower() in NO_LIMIT:
        return changed
    share = _SHARE.fullmatch(text) if isinstance(text, str) else None
    if share is not None:
        changed["goals"][name] = float(share[1])
    elif own is not None:
        changed[own] = _bound(name, text, price)
    else:
        changed["bounds"][name] = _bound(name, text, price)
    return changed


def _bound(name: str, text: object, price: str) -> float | int:
    """The bound in the objective's unit."""
    if name == COST:
        return parse_money(str(text), named(COST, images=None, price=price, batch=1).unit)
    unit = OBJECTIVES[name].unit if name in OBJECTIVES else SECONDS
    if unit == SECONDS:
        return parse_duration(str(text))
    if unit == BYTES:
        return parse_bytes(str(text))
    return parse_energy(str(text)) if unit == JOULES else _similarity(text)


def _similarity(text: object) -> float:
    try:
        value = float(text) if isinstance(text, (int, float, str)) and not isinstance(text, bool) else None
    except ValueError:
        value = None
    if value is None:
        raise UsageError(f"'similarity' is {text!r}. It must be a number from 0 to 1, or \"none\".")
    return value
