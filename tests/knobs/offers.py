"""What knobs offer to a family, value by value, with the settings that a value cannot do without."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from autotune.knob import Settings, Situation, Stage, Value, is_same
from autotune.knobs import all_knobs
from autotune.space import SearchSpace, build_space

# A value that little work does not offer may be offered for more: caches need steps, tiles need size.
ENLARGED: tuple[Callable[[Situation], Situation], ...] = (
    lambda situation: situation,
    lambda situation: _with_workload(situation, steps=12),
    lambda situation: _with_workload(situation, width_px=_wide(situation), height_px=_wide(situation)),
)
_MOST_COMPANIONS = 2
# Each question to the package scans its folder anew, and these tests ask for a knob a hundred thousand times.
KNOBS = {knob.name: knob for knob in all_knobs()}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A value that a knob offers, with where it does.

    Attributes:
        situation: The first of the enlarged ones in which it is offered.
        value: What is offered, never the default.
        companions: The fewest settings of other knobs without which it would be in conflict; None where no
            one or two settings help.
    """

    situation: Situation
    value: Value
    companions: Settings | None

    @property
    def stages(self) -> frozenset[Stage]:
        """The stages of what it needs."""
        return frozenset(KNOBS[name].stage for name in self.companions or ())


def offers(name: str, situation: Situation) -> Iterator[Offer]:
    """Yield every value that a knob offers besides its default, as the situation is or enlarged."""
    seen: list[Value] = []
    for enlarge in ENLARGED:
        larger = enlarge(situation)
        choice = KNOBS[name].domain(larger)
        fresh = [value for value in choice.values[1:] if not any(is_same(value, other) for other in seen)]
        if name == "steps" and seen:
            fresh = []  # the same knob at work, counted from another number
        space = whole_space(larger) if fresh else None
        for value in fresh:
            assert space is not None
            yield Offer(situation=larger, value=value, companions=companions(space, {name: value}))
        seen += fresh


def whole_space(situation: Situation) -> SearchSpace:
    """Return the space with every knob at all of its values."""
    return build_space(KNOBS.values(), situation, allow_approximate=True)


def companions(space: SearchSpace, settings: Settings) -> Settings | None:
    """Return the fewest other settings that make these valid; None where no one or two do.

    Tried in this order: none; those that change neither the picture nor compile; then the others.
    """
    others = [
        (knob.name, value)
        for knob in sorted(space.knobs, key=lambda knob: (knob.changes_result, knob.stage is Stage.COMPILE))
        if knob.name not in settings
        for value in space.offered[knob.name].values[1:]
    ]
    for count in range(_MOST_COMPANIONS + 1):
        for chosen in itertools.combinations(others, count):
            added = dict(chosen)
            if len(added) == count and space.why_not({**settings, **added}) is None:
                return added
    return None


def _wide(situation: Situation) -> int:
    """A size, in pixels, at which a picture can be cut into tiles of a few latents.

    No larger than need be: attention takes a third of the time of 64 pixels. Sana takes multiples of 32 only.
    """
    least = 64 if "Sana" in situation.blueprint.pipeline_class else 48
    return max(least, 16 * situation.blueprint.number("vae_scale_factor"))


def _with_workload(situation: Situation, **fields: int) -> Situation:
    return replace(situation, workload=replace(situation.workload, **fields))  # type: ignore[arg-type]
