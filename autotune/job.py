"""Job: all that a worker is told. Runner = Callable[[Job], Outcome]: a place where a trial can run."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeAlias

from autotune.errors import PlanError
from autotune.form import why_misshapen
from autotune.measurement import Outcome
from autotune.recipe import Recipe
from autotune.screen import Screen
from autotune.workload import Workload

JOB_FILE, OUTCOME_FILE, LOG_FILE = "job.json", "outcome.json", "log.txt"
"""What a trial's folder holds beside its pictures: what it was told, what it answered, what it printed."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a trial is measured, and how a study makes sure of its answer.

    Attributes:
        settle_min, settle_max: Calls before timing starts; the first holds compilation.
        settle_agreement: Two calls in a row must agree within this share.
        busy_s: A GPU has been busy with calls for so many seconds before timing starts: it is warm then.
        calls_min, calls_max: Bounds on the timed calls; within them `bounds` says how many.
        interval: Timing stops when the order-statistic interval of the median is within this share of it.
        timing_s: Timing stops after this many seconds of timed calls, once enough are made.
        retries: How often calls that something outside disturbed are made again, or a drifting series is.
        pairs: How many distinct calls are compared with the reference pictures.
        race: Whether a recipe that cannot reach the front any more is left before it is measured to its end.
        baseline_every: After so many trials the untuned baseline is measured again, which tells how much the
            machine itself varies; 0 for never.
        confirm_rounds: Rounds in which the best recipes and the baseline are measured again, interleaved, in
            fresh processes, before a winner is named; 0 for none.
        finalists: How many recipes are measured again at most, beside the baseline.
        floor: How many recipes that should change nothing are compared with the reference pictures before the
            first trial, the untuned one first: the noise floor of likeness. 0 for none.
    """

    settle_min: int = 2
    settle_max: int = 8
    settle_agreement: float = 0.03
    busy_s: float = 10.0
    calls_min: int = 3
    calls_max: int = 30
    interval: float = 0.01
    timing_s: float = 120.0
    retries: int = 2
    pairs: int = 5
    race: bool = True
    baseline_every: int = 10
    confirm_rounds: int = 3
    finalists: int = 5
    floor: int = 4

    def bounds(self, call_s: float) -> tuple[int, int]:
        """Return how many calls are timed at least and at most, by the seconds that one takes.

        10 to 30 of less than 2 s, 5 to 20 of up to 20 s, 3 to 8 of longer ones, within `calls_min` and
        `calls_max`. Fewer than five give no interval of 90 %.

        >>> Protocol().bounds(0.5), Protocol().bounds(5.0), Protocol().bounds(60.0)
        ((10, 30), (5, 20), (3, 8))
        >>> Protocol(calls_min=3, calls_max=4).bounds(0.5)
        (4, 4)
        """
        low, high = (10, 30) if call_s < 2 else (5, 20) if call_s <= 20 else (3, 8)
        least = min(max(low, self.calls_min), self.calls_max)
        return least, max(min(high, self.calls_max), least)

    def __post_init__(self) -> None:
        """Refuse a protocol that times nothing.

        Raises:
            PlanError: A field is of the wrong kind, or out of range.
        """
        fault = why_misshapen(self) or self._why_out_of_range()
        if fault:
            raise PlanError(f"The protocol cannot run: {fault}")

    def _why_out_of_range(self) -> str | None:
        least = {"settle_min": 0, "settle_max": 0, "calls_min": 1, "calls_max": 1, "pairs": 1, "finalists": 1}
        least |= dict.fromkeys(("settle_agreement", "interval", "timing_s", "busy_s", "retries"), 0)
        least |= dict.fromkeys(("baseline_every", "confirm_rounds", "floor"), 0)
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
        role: "trial" measures; "reference" makes the reference pictures into `folder`; "pictures" makes the
            pictures and compares them, without timing.
        memory_limit_bytes: Memory that the trial may add, None for no limit. Enforced on CUDA; checked on a
            CPU.
        time_limit_s: The whole trial is killed after this many seconds.
        protocol: How it is timed.
        cache: Folder of the compile cache that the study's trials share.
        threads: CPU threads of torch, 0 for torch's own choice.
        screen: What the recipe is held against while it runs, so that it is left early where it cannot reach
            the front.
        is_whole: Whether the parts of a call, its step error and, on a CPU, its live memory are measured too,
            which takes extra calls.
        extras: Metric to a folder or file of the user's own weights, such as "clip".
        backends: What computes on the device, as `Target.backends` has it from an earlier look; empty for the
            trial to find out. Trying all kernels costs seconds, and memory of a GPU that would count as the
            recipe's.
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
    screen: Screen = field(default_factory=Screen)
    is_whole: bool = True
    extras: Mapping[str, str] = field(default_factory=dict)
    backends: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        objects = {"recipe": self.recipe.to_json(), "workload": self.workload.to_json()}
        return fields | objects | {"protocol": asdict(self.protocol), "screen": self.screen.to_json()}

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
        fields["screen"] = Screen.from_json(fields["screen"])
        fields["backends"] = tuple(fields.get("backends", ()))
        return cls(**fields)


Runner: TypeAlias = Callable[[Job], Outcome]
