"""Objective and Limit: what is better, and what is unfit; losses are minimised, likeness is turned here.

Every objective is linear in the figures of a trial, so that what is known of the figures is known of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.errors import UnknownName, UsageError
from autotune.measurement import Measurement
from autotune.units import format_bytes, format_duration, format_money, parse_price

SECONDS, BYTES, JOULES, SHARE = "s", "bytes", "J", ""
"""Units of objectives; one of money has its currency."""
_ROOM = 2.0  # without a limit, what counts is better than twice the baseline's loss
_SECONDS_IN_HOUR = 3600.0
_THOUSAND = 1000


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One thing to be good at.

    Attributes:
        name: The metric's name, out of `NAMES`.
        label: Its name for a person.
        unit: "s", "bytes", "J", "" for a share between 0 and 1, or a currency.
        higher_is_better: True for similarity only.
        terms: What it is made of: figures of a measurement (see `Measurement.figures`), each with the factor
            by which it counts.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool = False
    terms: Mapping[str, float]

    def of(self, figures: Mapping[str, float]) -> float:
        """Return the metric in its own unit, of figures by name; the worst there is where one is missing.

        >>> LATENCY.of({"latency_s": 2.0}), ENERGY.of({"latency_s": 2.0})
        (2.0, inf)
        """
        if not self.terms.keys() <= figures.keys():
            return -math.inf if self.higher_is_better else math.inf
        return sum(factor * figures[name] for name, factor in self.terms.items())

    def value(self, measurement: Measurement) -> float:
        """Return the metric of a measurement in its own unit; see `of`."""
        return self.of(measurement.figures)

    def loss(self, measurement: Measurement) -> float:
        """Return the metric as something to minimise: `1 - value` where higher is better."""
        return self.as_loss(self.value(measurement))

    def as_loss(self, value: float) -> float:
        """Return a value as something to minimise: `1 - value` where higher is better."""
        return 1.0 - value if self.higher_is_better else value

    def show(self, value: float) -> str:
        """Return a value as text.

        >>> LATENCY.show(1.5), MEMORY.show(2.0**30), SIMILARITY.show(0.9), ENERGY.show(51.23)
        ('1.5 s', '1 GiB', '0.9000', '51.2 J')
        """
        if not math.isfinite(value):
            return "unknown"
        if self.unit == SECONDS:
            return format_duration(value)
        if self.unit == BYTES:
            return format_bytes(value)
        if self.unit == JOULES:
            return f"{value:.3g} J"
        return format_money(value, self.unit) if self.unit else f"{value:.4f}"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A bound beyond which a recipe is unfit.

    Attributes:
        objective: What is bounded.
        bound: The largest value allowed (the smallest, where higher is better), in the objective's unit.
        share: The bound as a share of the untuned baseline's value, where it was said so; else None.
    """

    objective: Objective
    bound: float
    share: float | None = None

    def violation(self, measurement: Measurement) -> float:
        """Return how far beyond the bound, relative to it; 0 or less is fit, as Optuna has it."""
        value = self.objective.value(measurement)
        excess = self.bound - value if self.objective.higher_is_better else value - self.bound
        return excess / abs(self.bound) if self.bound else excess

    def describe(self) -> str:
        """Return the limit as text, such as "memory <= 8 GiB"."""
        bound = f"{self.objective.label} {self.sign} {self.objective.show(self.bound)}"
        return bound if self.share is None else f"{bound} ({describe_share(self.share)})"

    @property
    def sign(self) -> str:
        """How a value compares with the bound where it is fit: "<=" or ">="."""
        return ">=" if self.objective.higher_is_better else "<="


def describe_share(share: float) -> str:
    """Return a share of the baseline's value as text.

    >>> describe_share(0.5), describe_share(0.995)
    ("0.5× the baseline's", "0.995× the baseline's")
    """
    return f"{share:.6g}× the baseline's"


LATENCY = Objective(name="latency_s", label="latency", unit=SECONDS, terms={"latency_s": 1.0})
FIRST_PICTURE = Objective(name="first_picture_s", label="first picture", unit=SECONDS, terms={"cold_s": 1.0})
"""From the start of a fresh process to the end of its first call."""
MEMORY = Objective(name="memory_bytes", label="memory", unit=BYTES, terms={"memory_bytes": 1.0})
HOST_MEMORY = Objective(
    name="host_memory_bytes", label="host memory", unit=BYTES, terms={"host_memory_bytes": 1.0}
)
"""Beside that of a GPU; on a CPU it is the memory itself."""
SIMILARITY = Objective(
    name="similarity", label="similarity", unit=SHARE, higher_is_better=True, terms={"similarity": 1.0}
)
ENERGY = Objective(name="energy_j", label="energy", unit=JOULES, terms={"energy_j": 1.0})
"""Of one call; only where the device has a counter."""
OBJECTIVES: Mapping[str, Objective] = {
    o.name: o for o in (LATENCY, MEMORY, SIMILARITY, FIRST_PICTURE, HOST_MEMORY, ENERGY)
}
"""Those that need nothing said but their name."""
AMORTISED, COST = "amortised_s", "cost"
NAMES: tuple[str, ...] = (*OBJECTIVES, AMORTISED, COST)
SHORT_NAMES: Mapping[str, str] = {
    "latency": "latency_s",
    "memory": "memory_bytes",
    "similarity": "similarity",
    "first-picture": "first_picture_s",
    "host-memory": "host_memory_bytes",
    "energy": "energy_j",
    "amortised": AMORTISED,
    "cost": COST,
}
"""What a person types, to the name of the metric."""


def amortised(*, images: int, batch: int) -> Objective:
    """Return the objective of seconds a picture, where so many are made after one start.

    The start makes the first call: seconds = (cold + (calls - 1) x latency) / images, with as many calls as
    the images need.

    Args:
        images: Made after one start, at least 1.
        batch: Pictures that one call makes.

    >>> amortised(images=5, batch=1).of({"cold_s": 10.0, "latency_s": 2.5})
    4.0
    """
    return Objective(
        name=AMORTISED,
        label=f"amortised over {images} {'image' if images == 1 else 'images'}",
        unit=SECONDS,
        terms=_amortised_terms(images, batch),
    )


def cost(*, price: float, currency: str, images: int | None, batch: int) -> Objective:
    """Return the objective of what 1,000 images cost on a machine that is paid by the hour.

    Args:
        price: Of an hour, above 0.
        currency: Of the price, such as "USD".
        images: Made after one start, which is then paid too; None where starts are not counted.
        batch: Pictures that one call makes.

    >>> round(cost(price=3.6, currency="USD", images=None, batch=2).of({"latency_s": 4.0}), 6)
    2.0
    """
    terms = {"latency_s": 1.0 / batch} if images is None else _amortised_terms(images, batch)
    each = price * _THOUSAND / _SECONDS_IN_HOUR
    after = "" if images is None else f", {images} after each start"
    return Objective(
        name=COST,
        label=f"cost of 1,000 images{after}",
        unit=currency,
        terms={figure: factor * each for figure, factor in terms.items()},
    )


def _amortised_terms(images: int, batch: int) -> dict[str, float]:
    further = math.ceil(images / batch) - 1
    return {"cold_s": 1.0 / images} | ({"latency_s": further / images} if further else {})


def named(name: str, *, images: int | None, price: str, batch: int) -> Objective:
    """Return the objective of a name.

    Args:
        name: Out of `NAMES`.
        images: Made after one start, for those that count starts; None where nobody said.
        price: Of an hour, such as "2.50 USD/h"; "" where nobody said.
        batch: Pictures that one call makes.

    Raises:
        UnknownName: There is none of this name.
        UsageError: It needs the images or the price, which nobody said, or the price is none.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    if name not in NAMES:
        raise UnknownName("objective", name, NAMES)
    if name == COST:
        if not price:
            raise UsageError(
                "'cost' needs the price of an hour. Say 'price' in the plan, or --price '2.50 USD/h'."
            )
        amount, currency = parse_price(price)
        return cost(price=amount, currency=currency, images=images, batch=batch)
    if images is None:
        raise UsageError(
            "'amortised' needs how many images are made after one start. Say 'images' in the plan, or "
            "--images 500."
        )
    return amortised(images=images, batch=batch)


def full_name(word: str) -> str:
    """Return the metric's name for what a person typed: "latency", "first-picture", "memory_bytes", ….

    Raises:
        UnknownName: There is no such objective.

    >>> full_name("latency"), full_name("first_picture"), full_name("energy_j")
    ('latency_s', 'first_picture_s', 'energy_j')
    """
    plain = word.strip().lower()
    found = SHORT_NAMES.get(plain.replace("_", "-"), plain)
    if found not in NAMES:
        raise UnknownName("objective", word, SHORT_NAMES)
    return found


def short_name(name: str) -> str:
    """Return what a person types for a metric's name.

    >>> short_name("first_picture_s")
    'first-picture'
    """
    return next(short for short, long in SHORT_NAMES.items() if long == name)


def violations(limits: tuple[Limit, ...], measurement: Measurement) -> dict[str, float]:
    """Return each limit's violation by the objective's name; a recipe is fit when none is above zero."""
    return {limit.objective.name: limit.violation(measurement) for limit in limits}


def reference_point(
    objectives: Sequence[Objective], limits: Sequence[Limit], baseline: Mapping[str, float] | None
) -> tuple[float, ...] | None:
    """Return the losses beyond which nothing counts, one for each objective; None while they are unknown.

    They are the limit where there is one, and else perfect unlikeness, or twice the baseline's loss.

    Args:
        objectives: What to be good at.
        limits: Resolved.
        baseline: Figures of the untuned baseline; None while it was not measured.

    >>> reference_point((LATENCY, SIMILARITY), (Limit(objective=SIMILARITY, bound=0.75),), {"latency_s": 3.0})
    (6.0, 0.25)
    >>> reference_point((LATENCY,), (), None) is None
    True
    """
    bounds = {limit.objective.name: limit.bound for limit in limits}
    if baseline is None and any(o.name not in bounds and not o.higher_is_better for o in objectives):
        return None
    return tuple(_reference_loss(objective, bounds, baseline or {}) for objective in objectives)


def _reference_loss(
    objective: Objective, bounds: Mapping[str, float], baseline: Mapping[str, float]
) -> float:
    if objective.name in bounds:
        return objective.as_loss(bounds[objective.name])
    return 1.0 if objective.higher_is_better else _ROOM * objective.of(baseline)
