"""Plan: one study - workload, objectives, limits, budget, seed - for every door, and as one TOML file."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, TypeVar

from autotune.budget import Budget
from autotune.errors import PlanError, UnknownName, UsageError, unknown_name_message
from autotune.form import why_misshapen, why_unknown_key
from autotune.gpus import GPUS, known_gpu
from autotune.job import Protocol
from autotune.knob import Value
from autotune.objective import HOST_MEMORY, MEMORY, OBJECTIVES, SIMILARITY, Limit, Objective
from autotune.units import parse_bytes, parse_duration
from autotune.workload import Workload

_TOP = (
    *("study", "device", "target", "seed", "sampler", "warm_from"),
    *("objectives", "allow_approximate", "threads"),
)
SAMPLERS = ("surrogate", "tpe", "random", "exhaustive")
_SECTIONS = ("workload", "limits", "budget", "protocol", "knobs", "extras")
_LIMITS = ("memory", "host_memory", "similarity", "trial_time")
_Built = TypeVar("_Built", Budget, Protocol)
_LARGEST_SEED = 2**32 - 1
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study.

    Attributes:
        study: The study's name.
        workload: What every trial makes.
        device: Torch device string; "auto" takes CUDA where there is one.
        target: Name of the GPU that the device stands in for, out of `gpus.GPUS`: what that card lacks is not
            searched, and its memory is enforced as a cap. "" where the device stands for itself.
        objectives: Names of what to be good at, out of `objective.OBJECTIVES`.
        memory_limit_bytes: Memory that a trial may use, None for no limit.
        host_memory_limit_bytes: Memory that a trial may use beside that of a GPU, None for no limit. On a CPU
            it limits the same memory as `memory_limit_bytes`, and the smaller of the two counts.
        min_similarity: Smallest similarity to the reference pictures that is fit, 0 to 1; None for no limit.
        budget: When to stop.
        trial_time_s: A trial is killed after this many seconds.
        seed: Seed of the sampler.
        sampler: What proposes recipes, out of `SAMPLERS`: autotune's own surrogate, Optuna's TPE, chance, or
            every recipe there is, in an order of chance.
        warm_from: Names of earlier studies in the same storage to learn from; "auto" stands for those of the
            same family, and nothing for a cold start.
        allow_approximate: Whether knobs that change what is computed are searched.
        knobs: Knob name to the values to search, where not all of them.
        protocol: How a trial is timed.
        threads: CPU threads of torch, 0 for torch's own choice.
        extras: Further metrics of likeness, each with the file or folder of the user's own weights.
    """

    study: str
    workload: Workload
    device: str = "auto"
    target: str = ""
    objectives: tuple[str, ...] = ("latency_s", "memory_bytes", "similarity")
    memory_limit_bytes: int | None = None
    host_memory_limit_bytes: int | None = None
    min_similarity: float | None = 0.9
    budget: Budget = field(default_factory=Budget)
    trial_time_s: float = 900.0
    seed: int = 0
    sampler: str = "surrogate"
    warm_from: tuple[str, ...] = ("auto",)
    allow_approximate: bool = False
    knobs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    protocol: Protocol = field(default_factory=Protocol)
    threads: int = 0
    extras: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be run.

        Raises:
            PlanError: A field is of the wrong kind, or out of range.
        """
        fault = (
            why_misshapen(self)
            or self._why_no_objectives()
            or self._why_out_of_range()
            or self._why_unknown_target()
            or self._why_unknown_sampler()
        )
        if fault:
            raise PlanError(fault)

    def _why_no_objectives(self) -> str | None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                return unknown_name_message("objective", name, OBJECTIVES)
        if not self.objectives:
            return f"The plan has no objectives. Name at least one of: {', '.join(OBJECTIVES)}."
        if len(set(self.objectives)) < len(self.objectives):
            return f"The plan names an objective twice: {', '.join(self.objectives)}. Name each once."
        return None

    def _why_unknown_target(self) -> str | None:
        try:
            known_gpu(self.target or next(iter(GPUS)))
        except UnknownName as error:
            return str(error)
        return None

    def _why_unknown_sampler(self) -> str | None:
        if self.sampler in SAMPLERS:
            return None
        return unknown_name_message("sampler", self.sampler, SAMPLERS)

    def _why_out_of_range(self) -> str | None:
        floor, memory, host = self.min_similarity, self.memory_limit_bytes, self.host_memory_limit_bytes
        rules = (
            (
                floor is None or 0 <= floor <= 1,
                f"The similarity floor is {floor}. It must lie between 0 and 1.",
            ),
            (memory is None or memory > 0, f"The memory limit is {memory} bytes. It must be above 0."),
            (host is None or host > 0, f"The limit on host memory is {host} bytes. It must be above 0."),
            (
                self.trial_time_s > 0,
                f"A trial's time limit is {self.trial_time_s} seconds. It must be above 0.",
            ),
            (
                0 <= self.seed <= _LARGEST_SEED,
                f"The seed is {self.seed}. It must lie between 0 and {_LARGEST_SEED}.",
            ),
            (
                self.threads >= 0,
                f"'threads' is {self.threads}. It must be 1 or more, or 0 for torch's own choice.",
            ),
            (self.study.strip(), "The study's name is empty. Give it one with --study."),
            (self.device.strip(), "The device is empty. Write 'auto', 'cpu' or 'cuda'."),
        )
        return next((sentence for holds, sentence in rules if not holds), None)

    @property
    def memory_cap_bytes(self) -> int | None:
        """What a trial may use: the limit, and no more than the card offers that the device stands in for.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), target="rtx-4060")
        >>> plan.memory_cap_bytes == known_gpu("rtx-4060").usable_bytes
        True
        """
        offered = known_gpu(self.target).usable_bytes if self.target else None
        bounds = [bound for bound in (self.memory_limit_bytes, offered) if bound is not None]
        return min(bounds, default=None)

    def memory_cap_on(self, kind: str) -> int | None:
        """What a trial may use on a type of device: on a CPU, the limit on host memory counts too.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), host_memory_limit_bytes=2**30)
        >>> plan.memory_cap_on("cpu"), plan.memory_cap_on("cuda")
        (1073741824, None)
        """
        bounds = (self.memory_cap_bytes, self.host_memory_limit_bytes if kind == "cpu" else None)
        return min((bound for bound in bounds if bound is not None), default=None)

    def measured_objectives(self) -> tuple[Objective, ...]:
        """Return the objectives in their order."""
        return tuple(OBJECTIVES[name] for name in self.objectives)

    def limits(self) -> tuple[Limit, ...]:
        """Return the bounds that make a recipe unfit."""
        bounds = (
            (MEMORY, self.memory_cap_bytes),
            (HOST_MEMORY, self.host_memory_limit_bytes),
            (SIMILARITY, self.min_similarity),
        )
        return tuple(Limit(objective=o, bound=float(bound)) for o, bound in bounds if bound is not None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        objects = {
            "workload": self.workload.to_json(),
            "budget": asdict(self.budget),
            "protocol": asdict(self.protocol),
        }
        knobs = {name: list(values) for name, values in self.knobs.items()}
        lists = {
            "objectives": list(self.objectives),
            "warm_from": list(self.warm_from),
            "knobs": knobs,
            "extras": dict(self.extras),
        }
        return plain | objects | lists

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a plan from what `to_json` returned; what is left out takes its default.

        Raises:
            PlanError: A key does not exist, or a value cannot be.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), knobs={"dtype": ("float32",)})
        >>> Plan.from_json(plan.to_json()) == plan
        True
        """
        _check_keys(data, [f.name for f in fields(cls)])
        values: dict[str, Any] = {name: _as_tuple(value) for name, value in data.items()}
        values.setdefault("study", "")
        values["workload"] = Workload.from_json(_section(data, "workload"))
        values["budget"] = _build(Budget, _section(data, "budget"), title="budget")
        values["protocol"] = _build(Protocol, _section(data, "protocol"), title="protocol")
        values["knobs"] = {name: _values(name, items) for name, items in _section(data, "knobs").items()}
        values["extras"] = {name: _path(name, path) for name, path in _section(data, "extras").items()}
        return cls(**values)


def parse_plan(text: str, *, source: str = "plan.toml") -> Plan:
    r"""Read a plan from the text of a TOML file.

    Args:
        text: The file's contents.
        source: The file's name, for messages.

    Raises:
        PlanError: It is no TOML, has a key that does not exist, or a value out of range.

    >>> plan = parse_plan('[workload]\nmodel = "demo"\n[limits]\nmemory = "8 GiB"')
    >>> plan.study, plan.memory_limit_bytes
    ('demo', 8589934592)
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

    >>> plan = Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**30)
    >>> parse_plan(format_plan(plan)) == plan
    True
    """
    data = plan.to_json()
    limits: dict[str, Any] = {}
    if plan.memory_limit_bytes is not None:
        limits["memory"] = plan.memory_limit_bytes
    if plan.host_memory_limit_bytes is not None:
        limits["host_memory"] = plan.host_memory_limit_bytes
    limits["similarity"] = "none" if plan.min_similarity is None else plan.min_similarity
    limits["trial_time"] = plan.trial_time_s
    gain = "none" if plan.budget.gain is None else plan.budget.gain
    budget = {"trials": plan.budget.trials, "time": plan.budget.seconds, "gain": gain}
    sections: dict[str, Mapping[str, Any]] = {
        "workload": data["workload"],
        "limits": limits,
        "budget": {name: value for name, value in budget.items() if value is not None},
        "protocol": data["protocol"],
        "knobs": data["knobs"],
        "extras": data["extras"],
    }
    lines = [_line(name, data[name]) for name in _TOP]
    for title, section in sections.items():
        if section:
            lines += ["", f"[{title}]", *(_line(name, value) for name, value in section.items())]
    return "\n".join(lines) + "\n"


def describe_limits(plan: Plan, *, kind: str = "") -> str:
    """Return the limits in one line.

    Args:
        plan: Has the limits.
        kind: Type of the device, where it is known: on a "cpu" two limits on memory are one.

    >>> describe_limits(Plan(study="s", workload=Workload(model="demo"), memory_limit_bytes=2**33))
    'memory <= 8 GiB, similarity >= 0.9000'
    >>> plan = Plan(study="s", workload=Workload(model="demo"), host_memory_limit_bytes=2**33)
    >>> describe_limits(plan, kind="cpu")
    'memory <= 8 GiB (host memory is the memory of a CPU), similarity >= 0.9000'
    """
    cap = plan.memory_cap_on(kind)
    if kind != "cpu" or cap is None or plan.host_memory_limit_bytes is None:
        return ", ".join(limit.describe() for limit in plan.limits()) or "none"
    others = [limit for limit in plan.limits() if limit.objective not in (MEMORY, HOST_MEMORY)]
    memory = f"{Limit(objective=MEMORY, bound=float(cap)).describe()} (host memory is the memory of a CPU)"
    return ", ".join([memory, *(limit.describe() for limit in others)])


def _plan_from_toml(data: Mapping[str, Any]) -> Plan:
    _check_keys(data, (*_TOP, *_SECTIONS))
    workload, limits, budget = (_section(data, title) for title in ("workload", "limits", "budget"))
    _check_keys(limits, _LIMITS, title="limits")
    _check_keys(budget, ("trials", "time", "gain"), title="budget")
    values: dict[str, Any] = {"study": str(workload.get("model", "")).rstrip("/").rpartition("/")[2]}
    values |= {name: value for name, value in data.items() if name not in ("limits", "budget")}
    values["budget"] = {"trials": budget.get("trials")}
    if "gain" in budget:
        values["budget"]["gain"] = None if budget["gain"] == "none" else budget["gain"]
    if "time" in budget:
        values["budget"]["seconds"] = parse_duration(str(budget["time"]))
    if limits.get("memory", "none") != "none":
        values["memory_limit_bytes"] = parse_bytes(str(limits["memory"]))
    if limits.get("host_memory", "none") != "none":
        values["host_memory_limit_bytes"] = parse_bytes(str(limits["host_memory"]))
    if "similarity" in limits:
        values["min_similarity"] = _parse_similarity(limits["similarity"])
    if "trial_time" in limits:
        values["trial_time_s"] = parse_duration(str(limits["trial_time"]))
    return Plan.from_json(values)


def _parse_similarity(value: object) -> float | None:
    if value == "none":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise PlanError(f"'similarity' is {value!r}. It must be a number from 0 to 1, or \"none\".")


def _section(data: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    section = data.get(title, {})
    if not isinstance(section, Mapping):
        raise PlanError(f"'{title}' is {section!r}. It must be a section: write [{title}].")
    return section


def _build(kind: type[_Built], section: Mapping[str, Any], *, title: str) -> _Built:
    _check_keys(section, [f.name for f in fields(kind)], title=title)
    return kind(**section)


def _values(name: str, items: object) -> tuple[Value, ...]:
    listed = items if isinstance(items, (list, tuple)) else [items]
    if not all(isinstance(item, (bool, int, float, str)) for item in listed):
        raise PlanError(f"Knob '{name}' must list plain values, not {items!r}.")
    return tuple(listed)


def _path(name: str, path: object) -> str:
    if not isinstance(path, str) or not path.strip():
        raise PlanError(f"The extra '{name}' is {path!r}. It must be the file or folder of its weights.")
    return path


def _check_keys(section: Mapping[str, Any], known: Sequence[str], *, title: str = "") -> None:
    fault = why_unknown_key(section, known, where=f" in [{title}]" if title else "")
    if fault:
        raise PlanError(fault)


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _line(name: str, value: object) -> str:
    key = name if _BARE_KEY.fullmatch(name) else _toml(name)
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """A value as TOML: JSON's texts are TOML's too but for DEL, and Python's numbers are."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()
