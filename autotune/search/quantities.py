"""Quantities: the figures that have a model of their own, and what is assumed of each beforehand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autotune.knob import Touches
from autotune.observation import MEMORY_PREFIX, PARTS

ANYTHING = frozenset(Touches)
_MEMORY = frozenset({Touches.TEXT_MEMORY, Touches.STEP_MEMORY, Touches.DECODE_MEMORY})

STAGES = (f"{MEMORY_PREFIX}load", f"{MEMORY_PREFIX}calls")
"""The larger is "memory_bytes"."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One figure of observations that has a model of its own.

    Attributes:
        name: The figure's.
        is_ratio: Whether it is modelled by its logarithm; else as it is. Both relative to the untuned
            baseline.
        floor: Share of the baseline's latency that is added before the logarithm is taken, so that it does
            not matter how small a part is that is next to nothing.
        by_step: Whether it grows with the steps that the recipe takes.
        touched_by: Only knobs that say they touch one of these are likely to change it.
        scale: Standard deviation that a setting typically causes, in the model's unit.
        noise: Standard deviation of what two trials of one recipe see at the least, in the model's unit.
    """

    name: str
    is_ratio: bool = True
    floor: float = 0.0
    by_step: bool = False
    touched_by: frozenset[Touches] = ANYTHING
    scale: float = 0.14
    noise: float = 0.003


_KNOWN = (
    Quantity(name="text_s", floor=0.01, touched_by=frozenset({Touches.TEXT})),
    Quantity(name="steps_s", floor=0.0, by_step=True, touched_by=frozenset({Touches.STEP})),
    Quantity(name="decode_s", floor=0.01, touched_by=frozenset({Touches.DECODE})),
    Quantity(name="latency_s"),
    Quantity(name=STAGES[0], touched_by=_MEMORY),
    Quantity(name=STAGES[1], touched_by=_MEMORY),
    Quantity(name="memory_bytes", touched_by=_MEMORY),
    Quantity(name="host_memory_bytes", touched_by=_MEMORY),
    Quantity(
        name="similarity",
        is_ratio=False,
        touched_by=frozenset({Touches.LIKENESS}),
        scale=0.05,
        noise=0.0005,
    ),
    Quantity(name="cold_s", scale=0.5, noise=0.05),
    Quantity(name="energy_j", scale=0.14, noise=0.01),
    Quantity(name="seconds", scale=0.5, noise=0.05),
)
QUANTITIES: Mapping[str, Quantity] = {quantity.name: quantity for quantity in _KNOWN}


def modelled(figures: Iterable[str], seen: Iterable[Mapping[str, float]], *, by_parts: bool) -> list[str]:
    """Return which quantities tell figures: their parts, where every measured trial has them.

    A figure that some trials lack is told by the others; one that all of them lack is left out.

    Args:
        figures: That are asked for.
        seen: The figures of each measured trial.
        by_parts: Whether parts are modelled at all, not totals.

    >>> modelled(["memory_bytes"], [{"memory_bytes": 9.0}], by_parts=True)
    ['memory_bytes']
    """
    listed, names = list(seen), list[str]()
    for figure in dict.fromkeys(figures):
        parts = {"latency_s": PARTS, "memory_bytes": STAGES}.get(figure, ())
        is_parted = bool(parts) and by_parts and all(part in each for each in listed for part in parts)
        names += parts if is_parted else [figure]
    return [name for name in names if any(name in each for each in listed)]
