"""Plan file: a plan as the text of one TOML file, and back."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from autotune.errors import PlanError, UsageError
from autotune.form import why_unknown_key
from autotune.limit_text import with_limit
from autotune.objective import NAMES, full_name, short_name
from autotune.plan import OWN_LIMITS, Plan, section_of
from autotune.units import parse_duration

_TOP = (
    *("study", "device", "target", "seed", "sampler", "warm_from"),
    *("objectives", "images", "price", "allow_approximate", "threads"),
)
_SECTIONS = ("workload", "limits", "budget", "protocol", "knobs", "recipes", "extras")
_LIMITS: Mapping[str, str] = {short_name(name).replace("-", "_"): name for name in NAMES}
"""Key of a limit in the file, to the name of its objective."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse_plan(text: str, *, source: str = "plan.toml") -> Plan:
    r"""Read a plan from the text of a TOML file.

    Args:
        text: The file's contents.
        source: The file's name, for messages.

    Raises:
        PlanError: It is no TOML, has a key that does not exist, or a value out of range.

    >>> plan = parse_plan('[workload]\nmodel = "demo"\n[limits]\nmemory = "8 GiB"\nlatency = "0.5x"')
    >>> plan.study, plan.memory_limit_bytes, plan.goals
    ('demo', 8589934592, {'latency_s': 0.5})
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"Plan '{source}' is not valid TOML: {error}.") from error
    try:
        return _plan_from_toml(data)
    except UsageError as error:
        raise PlanError(f"Plan '{source}': {error}") from error


def format_plan(plan: Plan) -> str:
    """Return a plan as the text of a TOML file, accepted by `parse_plan`.

    >>> from autotune.workload import Workload
    >>> plan = Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**30)
    >>> parse_plan(format_plan(plan)) == plan
    True
    """
    data = plan.to_json()
    gain = "none" if plan.budget.gain is None else plan.budget.gain
    budget = {"trials": plan.budget.trials, "time": plan.budget.seconds, "gain": gain}
    sections: dict[str, Mapping[str, Any]] = {
        "workload": data["workload"],
        "limits": _limits(plan),
        "budget": {name: value for name, value in budget.items() if value is not None},
        "protocol": data["protocol"],
        "knobs": data["knobs"],
        "extras": data["extras"],
    }
    unsaid = [name for name in ("images", "price") if not data[name]]
    lines = [_line(name, data[name]) for name in _TOP if name not in unsaid]
    for title, section in sections.items():
        if section:
            lines += ["", f"[{title}]", *(_line(name, value) for name, value in section.items())]
    for name, settings in plan.recipes.items():
        title = f"[recipes.{_key(name)}]"
        lines += ["", title, *(_line(knob, value) for knob, value in settings.items())]
    return "\n".join(lines) + "\n"


def _limits(plan: Plan) -> dict[str, Any]:
    """The section of limits: numbers in seconds, bytes and joules, and shares of the baseline's as texts."""
    limits: dict[str, Any] = {}
    for key, name in _LIMITS.items():
        own = getattr(plan, OWN_LIMITS[name]) if name in OWN_LIMITS else plan.bounds.get(name)
        if name in plan.goals:
            limits[key] = f"{plan.goals[name]!r}x"
        elif own is not None:
            limits[key] = own
        elif name == "similarity":
            limits[key] = "none"  # written out, since there is one where nothing is said
    return limits | {"trial_time": plan.trial_time_s}


def _plan_from_toml(data: Mapping[str, Any]) -> Plan:
    _check_keys(data, (*_TOP, *_SECTIONS))
    workload, limits, budget = (section_of(data, title) for title in ("workload", "limits", "budget"))
    _check_keys(limits, (*_LIMITS, "trial_time"), title="limits")
    _check_keys(budget, ("trials", "time", "gain"), title="budget")
    values: dict[str, Any] = {"study": str(workload.get("model", "")).rstrip("/").rpartition("/")[2]}
    values |= {name: value for name, value in data.items() if name not in ("limits", "budget")}
    if "objectives" in data:
        values["objectives"] = _objectives(data["objectives"])
    values["budget"] = {"trials": budget.get("trials")}
    if "gain" in budget:
        values["budget"]["gain"] = None if budget["gain"] == "none" else budget["gain"]
    if "time" in budget:
        values["budget"]["seconds"] = parse_duration(str(budget["time"]))
    for key, text in limits.items():
        if key != "trial_time":
            values = with_limit(values, _LIMITS[key], text, price=str(data.get("price", "")))
    if "trial_time" in limits:
        values["trial_time_s"] = parse_duration(str(limits["trial_time"]))
    return Plan.from_json(values)


def _objectives(words: object) -> object:
    """Short names may be written too; what is no list of texts is left to the plan to refuse."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return words
    return [full_name(word) for word in words]


def _check_keys(section: Mapping[str, Any], known: tuple[str, ...], *, title: str = "") -> None:
    fault = why_unknown_key(section, known, where=f" in [{title}]" if title else "")
    if fault:
        raise PlanError(fault)


def _line(name: str, value: object) -> str:
    return f"{_key(name)} = {_toml(value)}"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)


def _toml(value: object) -> str:
    """A value as TOML: JSON's texts are TOML's too but for DEL, and Python's numbers are."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()
