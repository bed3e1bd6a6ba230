"""Observation: what one trial taught, in a few figures that a search can read back from its storage."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from autotune.measurement import Failure, FailureKind, Measurement, Memory, Outcome, Pruned
from autotune.samples import half_width

PARTS = ("text_s", "steps_s", "decode_s")
"""Seconds of the parts of a call: they add up to its latency."""
MEMORY_PREFIX = "memory:"
"""Begins the name of the peak of one stage in bytes; the largest of them is the recipe's memory."""
PROJECTED_NOISE = {"latency_s": 0.05, "memory_bytes": 0.03}
"""Relative standard deviation of figures that were projected from few steps (docs/decisions, 18)."""
_NO_EVIDENCE = (FailureKind.CANCELLED,)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one trial taught.

    Attributes:
        figures: What was measured, or projected where the trial was stopped early: "latency_s", "cold_s",
            "memory_bytes", "host_memory_bytes", "similarity", "energy_j" (where a counter tells), the parts
            of the latency (`PARTS`, which add up to it), the peaks of stages ("memory:load", "memory:calls",
            of which the largest is "memory_bytes"), and "step_error" (the mean, where it is defined).
        at_least: Lower bounds of figures, of a trial that was stopped early or did not fit.
        noise: Relative standard deviation of figures, where their samples tell it.
        failure: Kind of the failure, "" where there is none.
        pruned: Whether it was stopped early, since it cannot reach the front any more.
        seconds: Wall seconds that the trial took.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    pruned: bool = False
    seconds: float = 0.0

    @property
    def is_measured(self) -> bool:
        """Whether the trial was measured to its end."""
        return not self.failure and not self.pruned

    def with_seconds(self) -> "Observation":
        """Return the observation with the trial's own seconds among its figures, where it was measured."""
        return replace(self, figures={**self.figures, "seconds": self.seconds}) if self.is_measured else self

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`; what is empty is left out."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = {name: dict(v) if isinstance(v, Mapping) else v for name, v in fields.items()}
        return {name: value for name, value in plain.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build an observation from what `to_json` returned.

        >>> seen = Observation(figures={"latency_s": 1.5}, seconds=3.0)
        >>> Observation.from_json(seen.to_json()) == seen
        True
        """
        return cls(**data)


def observe(outcome: Outcome, *, seconds: float, memory_limit_bytes: int | None = None) -> Observation | None:
    """Return what an outcome teaches; None where it says nothing about its recipe: it was cancelled.

    Args:
        outcome: Of the trial.
        seconds: That the trial took.
        memory_limit_bytes: What it might use: one that did not fit needs more.

    >>> failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="no")
    >>> observe(failure, seconds=2.0, memory_limit_bytes=100).at_least
    {'memory_bytes': 100.0}
    """
    if isinstance(outcome, Failure):
        return _failed(outcome, seconds, memory_limit_bytes)
    if isinstance(outcome, Pruned):
        return _pruned(outcome, seconds)
    return _measured(outcome, seconds)


def _failed(failure: Failure, seconds: float, limit_bytes: int | None) -> Observation | None:
    if failure.kind in _NO_EVIDENCE:
        return None
    did_not_fit = failure.kind in (FailureKind.OUT_OF_MEMORY, FailureKind.OVER_BUDGET)
    at_least = {"memory_bytes": float(limit_bytes)} if did_not_fit and limit_bytes else {}
    return Observation(failure=failure.kind.value, at_least=at_least, seconds=seconds)


def _pruned(pruned: Pruned, seconds: float) -> Observation:
    """Figures that were projected are evidence; of the others the lower bounds are."""
    figures = dict(pruned.figures)
    bounds = {"latency_s": pruned.latency_at_least_s, "memory_bytes": float(pruned.memory_at_least_bytes)}
    at_least = {name: value for name, value in bounds.items() if value > 0 and name not in figures}
    noise = {name: share for name, share in PROJECTED_NOISE.items() if name in figures}
    return Observation(figures=figures, at_least=at_least, noise=noise, pruned=True, seconds=seconds)


def _measured(measurement: Measurement, seconds: float) -> Observation:
    figures = {**measurement.figures, **_parts(measurement), **stage_peaks(measurement.memory)}
    errors = measurement.likeness.step_error
    if errors:
        figures["step_error"] = sum(errors) / len(errors)
    width = half_width(measurement.calls_s)
    # The interval holds the median with at least 90 %: 1.645 standard deviations of a normal one.
    noise = {"latency_s": width / 1.645} if math.isfinite(width) else {}
    return Observation(figures=figures, noise=noise, seconds=seconds)


def _parts(measurement: Measurement) -> dict[str, float]:
    """The parts of the profiled call, scaled to the median call; what lies between them is decoding's."""
    parts = measurement.parts
    if parts is None or parts.total_s <= 0:
        return {}
    scale = measurement.latency_s / parts.total_s
    text_s, steps_s = parts.text_s * scale, sum(parts.steps_s) * scale
    return {
        "text_s": text_s,
        "steps_s": steps_s,
        "decode_s": max(measurement.latency_s - text_s - steps_s, 0.0),
    }


def stage_peaks(memory: Memory) -> dict[str, float]:
    """Return the peak before the first call and that of calls; the larger of the two is the recipe's memory.

    >>> stage_peaks(Memory(peak_bytes=9, stages={"load": 7, "apply": 5, "first call": 9}))
    {'memory:load': 7.0, 'memory:calls': 9.0}
    """
    stages = memory.stages
    load = max(stages.get("load", 0), stages.get("apply", 0))
    called = stages.get("one call", 0) or max(
        stages.get(name, 0) for name in ("short calls", "first call", "calls")
    )
    if not load or not called:
        return {}
    if load < memory.peak_bytes:
        called = memory.peak_bytes  # the rest of it is known by the peak alone
    return {
        f"{MEMORY_PREFIX}load": float(min(load, memory.peak_bytes)),
        f"{MEMORY_PREFIX}calls": float(called),
    }
