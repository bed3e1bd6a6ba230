"""Job: all that a worker is told. Runner = Callable[[Job], Outcome]: a place where a trial can run."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeAlias

from autotune.errors import PlanError
from autotune.form import why_misshapen
from autotune.measurement import Outcome
from autotune.recipe import Recipe
from autotune.workload import Workload

JOB_FILE, OUTCOME_FILE, LOG_FILE = "job.json", "outcome.json", "log.txt"
"""What a trial's folder holds beside its pictures: what it was told, what it answered, what it printed."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a trial is timed.

    Attributes:
        settle_min, settle_max: Calls before timing starts; the first holds compilation.
        settle_agreement: Two calls in a row must agree within this share.
        calls_min, calls_max: Timed calls.
        interval: Timing stops when the order-statistic interval of the median is within this share of it.
        timing_s: Timing stops after this many seconds of timed calls, once `calls_min` are made.
    """

    settle_min: int = 2
    settle_max: int = 6
    settle_agreement: float = 0.05
    calls_min: int = 5
    calls_max: int = 20
    interval: float = 0.01
    timing_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse a protocol that times nothing.

        Raises:
            PlanError: A field is of the wrong kind, or out of range.
        """
        fault = why_misshapen(self) or self._why_out_of_range()
        if fault:
            raise PlanError(f"The protocol cannot run: {fault}")

    def _why_out_of_range(self) -> str | None:
        least = {"settle_min": 0, "settle_max": 0, "calls_min": 1, "calls_max": 1}
        least |= dict.fromkeys(("settle_agreement", "interval", "timing_s"), 0)
        for name, bound in least.items():
            if getattr(self, name) < bound:
                return f"'{name}' is {getattr(self, name)}. It must be {bound} or more."
        for low, high in (("settle_min", "settle_max"), ("calls_min", "calls_max")):
            if getattr(self, low) > getattr(self, high):
                return f"'{low}' is {getattr(self, low)}, above '{high}', which is {getattr(self, high)}."
        return None


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a worker is told.

    Attributes:
        recipe: What to run.
        workload: What to make.
        device: Torch device string.
        folder: The trial's own folder: log, pictures.
        reference: Folder of the reference pictures of this workload, "" while they are being made.
        role: "trial" measures; "reference" makes the reference pictures into `folder`.
        memory_limit_bytes: Memory that the trial may add, None for no limit. Enforced on CUDA; checked on a
            CPU.
        time_limit_s: The whole trial is killed after this many seconds.
        protocol: How it is timed.
        cache: Folder of the compile cache that the study's trials share.
        threads: CPU threads of torch, 0 for torch's own choice.
    """

    recipe: Recipe
    workload: Workload
    device: str
    folder: str
    reference: str = ""
    role: str = "trial"
    memory_limit_bytes: int | None = None
    time_limit_s: float = 600.0
    protocol: Protocol = field(default_factory=Protocol)
    cache: str = ""
    threads: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        objects = {"recipe": self.recipe.to_json(), "workload": self.workload.to_json()}
        return fields | objects | {"protocol": asdict(self.protocol)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a job from what `to_json` returned.

        >>> job = Job(recipe=Recipe(model="demo"), workload=Workload(model="demo"), device="cpu", folder="t")
        >>> Job.from_json(job.to_json()) == job
        True
        """
        fields = dict(data)
        fields["recipe"] = Recipe.from_json(fields["recipe"])
        fields["workload"] = Workload.from_json(fields["workload"])
        fields["protocol"] = Protocol(**fields["protocol"])
        return cls(**fields)


Runner: TypeAlias = Callable[[Job], Outcome]
