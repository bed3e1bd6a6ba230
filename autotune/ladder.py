"""Ladder: the table of a published guide - its recipes row by row, and the figures that it gives for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autotune.errors import UnknownName
from autotune.knob import Value


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One row of a guide's table.

    Attributes:
        name: As the guide calls it, such as "fp16 + channels_last".
        settings: What it comes to here: every setting that differs from the default, not what it adds.
        latency_s: Published seconds of a call; None where the guide gives none.
        memory_bytes: Published memory; None where the guide gives none.
        note: What differs from the guide; "" where nothing does.
    """

    name: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    latency_s: float | None = None
    memory_bytes: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The table of a guide. Its first rung is what all others are compared with.

    Attributes:
        name: Short, such as "sdxl-simple".
        title: The guide's title.
        source: Where it is published, a URL.
        hardware: On which the published figures were measured.
        model: What is measured here, such as "arch:sdxl".
        width_px, height_px, steps, guidance, batch: Of a call, as in `Workload`.
        rungs: The rows, in the guide's order.
        note: What a reader must know before the figures are compared; "" for nothing.
    """

    name: str
    title: str
    source: str
    hardware: str
    model: str
    rungs: tuple[Rung, ...]
    width_px: int
    height_px: int
    steps: int
    guidance: float = 7.5
    batch: int = 1
    note: str = ""

    @property
    def first(self) -> Rung:
        """The rung that all others are compared with."""
        return self.rungs[0]

    def published_speedup(self, rung: Rung) -> float | None:
        """Return how many times as fast as the first rung a rung is by the guide; None where it is not said.

        >>> plain, fast = Rung(name="plain", latency_s=9.5), Rung(name="fast", latency_s=3.8)
        >>> ladder = Ladder(name="l", title="", source="", hardware="", model="demo", rungs=(plain, fast),
        ...                 width_px=512, height_px=512, steps=50)
        >>> ladder.published_speedup(fast)
        2.5
        """
        if self.first.latency_s is None or rung.latency_s is None:
            return None
        return self.first.latency_s / rung.latency_s


def ladder_named(name: str, ladders: Iterable[Ladder]) -> Ladder:
    """Return the ladder of a name.

    Raises:
        UnknownName: There is none of this name.
    """
    known: Sequence[Ladder] = tuple(ladders)
    for ladder in known:
        if ladder.name == name:
            return ladder
    remedy = "'autotune bench-guides --list' lists them all."
    raise UnknownName("guide", name, [ladder.name for ladder in known], remedy=remedy)
