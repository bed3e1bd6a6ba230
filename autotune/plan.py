"""Plan: one study - workload, objectives, limits, budget, seed - as every door builds it, and as one TOML file."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from autotune.budget import Budget
from autotune.errors import PlanError, nearest
from autotune.job import Protocol
from autotune.knob import Value
from autotune.objective import MEMORY, OBJECTIVES, SIMILARITY, Limit, Objective
from autotune.units import parse_bytes, parse_duration
from autotune.workload import Workload

_TOP = ("study", "device", "seed", "objectives", "allow_approximate", "threads")
_SECTIONS = ("workload", "limits", "budget", "protocol", "knobs")
_LIMITS = ("memory", "similarity", "trial_time")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study.

    Attributes:
        study: The study's name.
        workload: What every trial makes.
        device: Torch device string; "auto" takes CUDA where there is one.
        objectives: Names of what to be good at, out of `objective.OBJECTIVES`.
        memory_limit_bytes: Memory that a trial may use, None for no limit.
        min_similarity: Smallest similarity to the reference pictures that is fit, 0 to 1; None for no limit.
        budget: When to stop.
        trial_time_s: A trial is killed after this many seconds.
        seed: Seed of the sampler.
        allow_approximate: Whether knobs that change what is computed are searched.
        knobs: Knob name to the values to search, where not all of them.
        protocol: How a trial is timed.
        threads: CPU threads of torch, 0 for torch's own choice.
    """

    study: str
    workload: Workload
    device: str = "auto"
    objectives: tuple[str, ...] = ("latency_s", "memory_bytes", "similarity")
    memory_limit_bytes: int | None = None
    min_similarity: float | None = 0.9
    budget: Budget = field(default_factory=Budget)
    trial_time_s: float = 900.0
    seed: int = 0
    allow_approximate: bool = False
    knobs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    protocol: Protocol = field(default_factory=Protocol)
    threads: int = 0

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be run.

        Raises:
            PlanError: A field is out of range.
        """
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise PlanError(_did_you_mean("objective", name, OBJECTIVES))
        if not self.objectives:
            raise PlanError("The plan has no objectives. Name at least one of: " + ", ".join(OBJECTIVES) + ".")
        if self.min_similarity is not None and not 0 <= self.min_similarity <= 1:
            raise PlanError(f"The similarity floor is {self.min_similarity}. It must lie between 0 and 1.")
        if self.memory_limit_bytes is not None and self.memory_limit_bytes <= 0:
            raise PlanError(f"The memory limit is {self.memory_limit_bytes} bytes. It must be above 0.")
        if not self.study.strip():
            raise PlanError("The study's name is empty. Give it one with --study.")

    def measured_objectives(self) -> tuple[Objective, ...]:
        """Return the objectives in their order."""
        return tuple(OBJECTIVES[name] for name in self.objectives)

    def limits(self) -> tuple[Limit, ...]:
        """Return the bounds that make a recipe unfit."""
        bounds = ((MEMORY, self.memory_limit_bytes), (SIMILARITY, self.min_similarity))
        return tuple(Limit(objective=o, bound=float(bound)) for o, bound in bounds if bound is not None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        objects = {"workload": self.workload.to_json(), "budget": asdict(self.budget), "protocol": asdict(self.protocol)}
        knobs = {name: list(values) for name, values in self.knobs.items()}
        return plain | objects | {"objectives": list(self.objectives), "knobs": knobs}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a plan from what `to_json` returned.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), knobs={"dtype": ("float32",)})
        >>> Plan.from_json(plan.to_json()) == plan
        True
        """
        values = dict(data)
        values["workload"] = Workload.from_json(values["workload"])
        values["budget"] = Budget(**values.get("budget", {}))
        values["protocol"] = Protocol(**values.get("protocol", {}))
        values["objectives"] = tuple(values.get("objectives", ()))
        values["knobs"] = {name: tuple(items) for name, items in values.get("knobs", {}).items()}
        return cls(**values)


def parse_plan(text: str, *, source: str = "plan.toml") -> Plan:
    """Read a plan from the text of a TOML file.

    Args:
        text: The file's contents.
        source: The file's name, for messages.

    Raises:
        PlanError: It is no TOML, has a key that does not exist, or a value out of range.

    >>> plan = parse_plan('[workload]\\nmodel = "demo"\\n[limits]\\nmemory = "8 GiB"')
    >>> plan.study, plan.memory_limit_bytes
    ('demo', 8589934592)
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"Plan '{source}' is not valid TOML: {error}.") from error
    try:
        return _plan_from_toml(data)
    except PlanError as error:
        raise PlanError(f"Plan '{source}': {error}") from error
    except (TypeError, ValueError) as error:
        raise PlanError(f"Plan '{source}' has a value of the wrong form: {error}") from error


def format_plan(plan: Plan) -> str:
    """Return a plan as the text of a TOML file, accepted by `parse_plan`.

    >>> plan = Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**30)
    >>> parse_plan(format_plan(plan)) == plan
    True
    """
    top = {name: _listed(getattr(plan, name)) for name in _TOP}
    limits: dict[str, Any] = {}
    if plan.memory_limit_bytes is not None:
        limits["memory"] = plan.memory_limit_bytes
    limits["similarity"] = "none" if plan.min_similarity is None else plan.min_similarity
    limits["trial_time"] = plan.trial_time_s
    budget = {"trials": plan.budget.trials, "time": plan.budget.seconds}
    sections: dict[str, Mapping[str, Any]] = {
        "workload": plan.workload.to_json(),
        "limits": limits,
        "budget": {name: value for name, value in budget.items() if value is not None},
        "protocol": asdict(plan.protocol),
        "knobs": {name: list(values) for name, values in plan.knobs.items()},
    }
    lines = [_line(name, value) for name, value in top.items()]
    for title, section in sections.items():
        if section:
            lines += ["", f"[{title}]", *(_line(name, value) for name, value in section.items())]
    return "\n".join(lines) + "\n"


def describe_limits(plan: Plan) -> str:
    """Return the limits in one line.

    >>> describe_limits(Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**33))
    'memory <= 8 GiB, similarity >= 0.9000'
    """
    return ", ".join(limit.describe() for limit in plan.limits()) or "none"


def _plan_from_toml(data: Mapping[str, Any]) -> Plan:
    _check_keys(data, (*_TOP, *_SECTIONS), "")
    for title in _SECTIONS:
        if not isinstance(data.get(title, {}), dict):
            raise PlanError(f"'{title}' must be a section: write [{title}].")
    workload = data.get("workload", {})
    _check_keys(workload, [f.name for f in fields(Workload)], "workload")
    if "model" not in workload:
        raise PlanError("it names no model. Write model = \"demo\", a folder or a hub id under [workload].")
    protocol, budget, limits = data.get("protocol", {}), data.get("budget", {}), data.get("limits", {})
    _check_keys(protocol, [f.name for f in fields(Protocol)], "protocol")
    _check_keys(budget, ("trials", "time"), "budget")
    _check_keys(limits, _LIMITS, "limits")
    values: dict[str, Any] = {name: data[name] for name in _TOP if name in data}
    values.setdefault("study", str(workload["model"]).rstrip("/").rpartition("/")[2])
    if "objectives" in values:
        values["objectives"] = tuple(values["objectives"])
    if "memory" in limits:
        values["memory_limit_bytes"] = parse_bytes(str(limits["memory"]))
    if "similarity" in limits:
        values["min_similarity"] = None if limits["similarity"] == "none" else float(limits["similarity"])
    if "trial_time" in limits:
        values["trial_time_s"] = parse_duration(str(limits["trial_time"]))
    seconds = parse_duration(str(budget["time"])) if "time" in budget else None
    values["budget"] = Budget(trials=budget.get("trials"), seconds=seconds)
    values["knobs"] = {name: _values(name, items) for name, items in data.get("knobs", {}).items()}
    return Plan(workload=Workload.from_json(workload), protocol=Protocol(**protocol), **values)


def _values(name: str, items: object) -> tuple[Value, ...]:
    listed = items if isinstance(items, list) else [items]
    if not all(isinstance(item, (bool, int, float, str)) for item in listed):
        raise PlanError(f"knob '{name}' must list plain values, not {items!r}.")
    return tuple(listed)


def _check_keys(section: Mapping[str, Any], known: list[str] | tuple[str, ...], title: str) -> None:
    for name in section:
        if name not in known:
            raise PlanError(_did_you_mean(f"key in [{title}]" if title else "key", name, known))


def _did_you_mean(kind: str, name: str, known: Any) -> str:  # noqa: ANN401 - any iterable of names
    near = nearest(name, known)
    hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(known)}."
    return f"there is no {kind} '{name}'. {hint}"


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _line(name: str, value: object) -> str:
    """One TOML line; JSON's strings, numbers, booleans and lists are TOML's too."""
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
