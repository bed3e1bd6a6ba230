"""Plan: one study - workload, objectives, limits, budget, seed - for every door."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, TypeVar

from autotune.budget import Budget
from autotune.errors import PlanError, UnknownName, UsageError, unknown_name_message
from autotune.form import why_misshapen, why_unknown_key
from autotune.gpus import GPUS, known_gpu
from autotune.job import Protocol
from autotune.knob import Value
from autotune.objective import (
    HOST_MEMORY,
    MEMORY,
    NAMES,
    SIMILARITY,
    Limit,
    Objective,
    describe_share,
    named,
    short_name,
)
from autotune.units import parse_price
from autotune.workload import Workload

DEFAULT_OBJECTIVES = ("latency_s", "memory_bytes", "similarity")
SAMPLERS = ("surrogate", "tpe", "random", "exhaustive", "listed")
_Built = TypeVar("_Built", Budget, Protocol)
_LARGEST_SEED = 2**32 - 1
OWN_LIMITS: Mapping[str, str] = {
    "memory_bytes": "memory_limit_bytes",
    "host_memory_bytes": "host_memory_limit_bytes",
    "similarity": "min_similarity",
}
"""The objectives whose limit has a field of its own; those of all others are in `Plan.bounds`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study.

    Attributes:
        study: The study's name.
        workload: What every trial makes.
        device: Torch device string; "auto" takes CUDA where there is one.
        target: Name of the GPU that the device stands in for, out of `gpus.GPUS`: what that card lacks is not
            searched, and its memory is enforced as a cap. "" where the device stands for itself.
        objectives: Names of what to be good at, out of `objective.NAMES`.
        memory_limit_bytes: Memory that a trial may use, None for no limit.
        host_memory_limit_bytes: Memory that a trial may use beside that of a GPU, None for no limit. On a CPU
            it limits the same memory as `memory_limit_bytes`, and the smaller of the two counts.
        min_similarity: Smallest similarity to the reference pictures that is fit, 0 to 1; None for no limit.
        bounds: Limits on further objectives by name, in their units: seconds, joules, the price's currency.
        goals: Limits relative to the untuned baseline, as a share of its value: 0.5 of "latency_s" asks for
            twice its speed, 0.99 of "similarity" for at most 1 % less likeness.
        images: Made after one start, where seconds or costs of a start are spread over them; None for none.
        price: Of an hour of the machine, such as "2.50 USD/h"; "" where cost is not asked for.
        budget: When to stop.
        trial_time_s: A trial is killed after this many seconds.
        seed: Seed of the sampler.
        sampler: What proposes recipes, out of `SAMPLERS`: autotune's own surrogate, Optuna's TPE, chance,
            every recipe of the knobs that the plan names, or the plan's own recipes and no other.
        recipes: What the sampler "listed" tries, in this order: a name, and the settings that differ from
            the default.
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
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    memory_limit_bytes: int | None = None
    host_memory_limit_bytes: int | None = None
    min_similarity: float | None = 0.9
    bounds: Mapping[str, float] = field(default_factory=dict)
    goals: Mapping[str, float] = field(default_factory=dict)
    images: int | None = None
    price: str = ""
    budget: Budget = field(default_factory=Budget)
    trial_time_s: float = 900.0
    seed: int = 0
    sampler: str = "surrogate"
    recipes: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
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
            or self._why_limits_contradict()
            or self._why_unknown_target()
            or self._why_unknown_sampler()
        )
        if fault:
            raise PlanError(fault)

    def _why_no_objectives(self) -> str | None:
        if not self.objectives:
            return f"The plan has no objectives. Name at least one of: {', '.join(NAMES)}."
        if len(set(self.objectives)) < len(self.objectives):
            return f"The plan names an objective twice: {', '.join(self.objectives)}. Name each once."
        if self.images is not None and self.images < 1:
            return f"'images' is {self.images}. It must be 1 or more."
        try:
            if self.price:
                parse_price(self.price)
            for name in (*self.objectives, *self.bounds, *self.goals):
                self.objective(name)
        except UsageError as error:
            return str(error)
        return None

    def _why_limits_contradict(self) -> str | None:
        for name, value in (*self.bounds.items(), *self.goals.items()):
            if value <= 0:
                return f"The limit on {short_name(name)} is {value!r}. It must be above 0."
        if self.goals.get("similarity", 0) > 1:
            return (
                f"The limit on similarity is {describe_share(self.goals['similarity'])}. It must be at most "
                "1x: nothing is more like the baseline's pictures than they are."
            )
        for name, own in OWN_LIMITS.items():
            if name in self.bounds:
                return f"The limit on {short_name(name)} is given among 'bounds'. Give it as '{own}'."
        return next((said for name in self.goals if (said := self._why_two_limits(name))), None)

    def _why_two_limits(self, name: str) -> str | None:
        bound = getattr(self, OWN_LIMITS[name]) if name in OWN_LIMITS else self.bounds.get(name)
        if bound is None:
            return None
        first, second = self.objective(name).show(float(bound)), describe_share(self.goals[name])
        return f"There are two limits on {short_name(name)}, {first} and {second}. Keep one of them."

    def _why_unknown_target(self) -> str | None:
        try:
            known_gpu(self.target or next(iter(GPUS)))
        except UnknownName as error:
            return str(error)
        return None

    def _why_unknown_sampler(self) -> str | None:
        if self.sampler == "listed" and not self.recipes:
            return "The sampler is 'listed', and the plan lists no recipe. Write one: [recipes.NAME]."
        if self.recipes and self.sampler != "listed":
            return f"The plan lists recipes, which the sampler '{self.sampler}' does not try. Take 'listed'."
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

    @property
    def narrowed(self) -> Mapping[str, tuple[Value, ...]]:
        """The values to search of each knob that is not searched whole.

        >>> recipes = {"half": {"dtype": "float16"}, "brain": {"dtype": "bfloat16", "tf32": True}}
        >>> Plan(study="s", workload=Workload(model="demo"), sampler="listed", recipes=recipes).narrowed
        {'dtype': ('float16', 'bfloat16'), 'tf32': (True,)}
        """
        if self.sampler != "listed":
            return self.knobs
        named = [pair for settings in self.recipes.values() for pair in settings.items()]
        listed = {name: tuple(dict.fromkeys(v for other, v in named if other == name)) for name, _ in named}
        return {**listed, **self.knobs}

    def memory_cap_on(self, kind: str) -> int | None:
        """What a trial may use on a type of device: on a CPU, the limit on host memory counts too.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), host_memory_limit_bytes=2**30)
        >>> plan.memory_cap_on("cpu"), plan.memory_cap_on("cuda")
        (1073741824, None)
        """
        bounds = (self.memory_cap_bytes, self.host_memory_limit_bytes if kind == "cpu" else None)
        return min((bound for bound in bounds if bound is not None), default=None)

    @property
    def wants_forecast(self) -> bool:
        """Whether a forecast of memory is of use: something limits memory, or the search learns about it.

        >>> Plan(study="s", workload=Workload(model="demo")).wants_forecast
        True
        >>> Plan(study="s", workload=Workload(model="demo"), sampler="random").wants_forecast
        False
        """
        limits = (self.memory_cap_bytes, self.host_memory_limit_bytes)
        return self.sampler == "surrogate" or any(limit is not None for limit in limits)

    def objective(self, name: str) -> Objective:
        """Return the objective of a name, with the plan's images and price.

        Raises:
            UsageError: There is none of this name, or the plan lacks what it needs.
        """
        return named(name, images=self.images, price=self.price, batch=self.workload.batch)

    def measured_objectives(self) -> tuple[Objective, ...]:
        """Return the objectives in their order."""
        return tuple(self.objective(name) for name in self.objectives)

    @property
    def counts_starts(self) -> bool:
        """Whether the start of a process, compiling included, is part of what is asked for.

        >>> Plan(study="s", workload=Workload(model="demo"), objectives=("first_picture_s",)).counts_starts
        True
        """
        names = {*self.objectives, *self.bounds, *self.goals}
        return any("cold_s" in self.objective(name).terms for name in names)

    def limits(self, baseline: Mapping[str, float] | None = None) -> tuple[Limit, ...]:
        """Return the bounds that make a recipe unfit.

        Args:
            baseline: Figures of the untuned baseline, for limits relative to it; those are left out while it
                was not measured.

        >>> plan = Plan(study="s", workload=Workload(model="demo"), goals={"latency_s": 0.5})
        >>> [limit.describe() for limit in plan.limits({"latency_s": 3.0})]
        ['similarity >= 0.9000', "latency <= 1.5 s (0.5× the baseline's)"]
        """
        bounds = {
            MEMORY.name: self.memory_cap_bytes,
            HOST_MEMORY.name: self.host_memory_limit_bytes,
            SIMILARITY.name: self.min_similarity,
            **{name: self.bounds.get(name) for name in NAMES if name not in OWN_LIMITS},
        }
        found = (self._limit(name, bound, baseline) for name, bound in bounds.items())
        return tuple(limit for limit in found if limit is not None)

    def _limit(self, name: str, bound: float | None, baseline: Mapping[str, float] | None) -> Limit | None:
        """The limit on one objective: of a card's memory and a share of the baseline's, the tighter one."""
        if name in self.goals and baseline is not None:
            objective, share = self.objective(name), self.goals[name]
            value = share * objective.of(baseline)
            if math.isfinite(value) and (bound is None or value < bound):
                return Limit(objective=objective, bound=value, share=share)
        return None if bound is None else Limit(objective=self.objective(name), bound=float(bound))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        objects = {
            "workload": self.workload.to_json(),
            "budget": asdict(self.budget),
            "protocol": asdict(self.protocol),
        }
        lists = {
            "objectives": list(self.objectives),
            "warm_from": list(self.warm_from),
            "knobs": {name: list(values) for name, values in self.knobs.items()},
            "recipes": {name: dict(settings) for name, settings in self.recipes.items()},
            "extras": dict(self.extras),
            "bounds": {name: self.bounds[name] for name in NAMES if name in self.bounds},
            "goals": {name: self.goals[name] for name in NAMES if name in self.goals},
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
        values |= {name: dict(section_of(data, name)) for name in ("bounds", "goals")}
        values["workload"] = Workload.from_json(section_of(data, "workload"))
        values["budget"] = _build(Budget, section_of(data, "budget"), title="budget")
        values["protocol"] = _build(Protocol, section_of(data, "protocol"), title="protocol")
        values["knobs"] = {name: _values(name, items) for name, items in section_of(data, "knobs").items()}
        values["recipes"] = {
            name: _settings(name, settings) for name, settings in section_of(data, "recipes").items()
        }
        values["extras"] = {name: _path(name, path) for name, path in section_of(data, "extras").items()}
        return cls(**values)


def section_of(data: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    """Return a section of a plan, empty where it is left out.

    Raises:
        PlanError: It is no section.
    """
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


def _settings(name: str, settings: object) -> dict[str, Value]:
    if not isinstance(settings, Mapping) or not all(
        isinstance(value, (bool, int, float, str)) for value in settings.values()
    ):
        raise PlanError(
            f"Recipe '{name}' is {settings!r}. It must be settings: [recipes.{name}] and knob = value."
        )
    return dict(settings)


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
