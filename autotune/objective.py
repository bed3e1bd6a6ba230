"""Objective and Limit: what is better, and what is unfit; losses are minimised, likeness is turned here."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autotune.measurement import Measurement
from autotune.units import format_bytes, format_duration


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One thing to be good at.

    Attributes:
        name: The metric's name: "latency_s", "memory_bytes", "similarity", "energy_j" or "host_memory_bytes".
        label: Its name for a person.
        higher_is_better: True for similarity only.
        terms: What it is made of: figures of an `Observation`, each with the factor by which it counts.
        value: The metric of a measurement in its own unit.
        show: The metric as text.
    """

    name: str
    label: str
    higher_is_better: bool
    terms: Mapping[str, float]
    value: Callable[[Measurement], float]
    show: Callable[[float], str]

    def loss(self, measurement: Measurement) -> float:
        """Return the metric as something to minimise: `1 - value` where higher is better."""
        value = self.value(measurement)
        return 1.0 - value if self.higher_is_better else value


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A bound beyond which a recipe is unfit.

    Attributes:
        objective: What is bounded.
        bound: The largest value allowed (the smallest, where higher is better), in the objective's unit.
    """

    objective: Objective
    bound: float

    def violation(self, measurement: Measurement) -> float:
        """Return how far beyond the bound, relative to it; 0 or less is fit, as Optuna has it."""
        value = self.objective.value(measurement)
        excess = self.bound - value if self.objective.higher_is_better else value - self.bound
        return excess / abs(self.bound) if self.bound else excess

    def describe(self) -> str:
        """Return the limit as text, such as "memory <= 8 GiB"."""
        sign = ">=" if self.objective.higher_is_better else "<="
        return f"{self.objective.label} {sign} {self.objective.show(self.bound)}"


def _energy_j(measurement: Measurement) -> float:
    """Joules of a call, infinite where nothing tells: such a trial is never the best in energy."""
    return math.inf if measurement.energy_j is None else measurement.energy_j


LATENCY = Objective(
    name="latency_s",
    label="latency",
    higher_is_better=False,
    terms={"latency_s": 1.0},
    value=lambda m: m.latency_s,
    show=format_duration,
)
MEMORY = Objective(
    name="memory_bytes",
    label="memory",
    higher_is_better=False,
    terms={"memory_bytes": 1.0},
    value=lambda m: float(m.memory_bytes),
    show=format_bytes,
)
HOST_MEMORY = Objective(
    name="host_memory_bytes",
    label="host memory",
    higher_is_better=False,
    terms={"host_memory_bytes": 1.0},
    value=lambda m: float(m.host_memory_bytes),
    show=format_bytes,
)
"""Only ever a limit: what is fast and small on the GPU is searched, host memory is what there is of it."""
SIMILARITY = Objective(
    name="similarity",
    label="similarity",
    higher_is_better=True,
    terms={"similarity": 1.0},
    value=lambda m: m.similarity,
    show="{:.4f}".format,
)
ENERGY = Objective(
    name="energy_j",
    label="energy",
    higher_is_better=False,
    terms={"energy_j": 1.0},
    value=_energy_j,
    show="{:.3g} J".format,
)
"""Only where it is asked for, and where the device has a counter."""
OBJECTIVES: Mapping[str, Objective] = {o.name: o for o in (LATENCY, MEMORY, SIMILARITY, ENERGY)}


def violations(limits: tuple[Limit, ...], measurement: Measurement) -> dict[str, float]:
    """Return each limit's violation by the objective's name; a recipe is fit when none is above zero."""
    return {limit.objective.name: limit.violation(measurement) for limit in limits}
