"""Captioned pictures that the project draws itself: scenes, captions, rendering.

A scene is a place, a time of day, perhaps an extra in the sky, and one or two
coloured objects. Everything a caption can say is a field of :class:`Scene`, so
whether a picture obeys its caption can be measured. Small details (the exact
horizon, sizes, shifts) follow from the scene's seed.

Sun, moon and balloon each keep to their own part of the sky. With one likely
place a small model learns to draw one sun; with a free choice it draws two.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from autotune.demo.backdrop import Light, draw_extra, draw_ground, draw_sky, light_of
from autotune.demo.brush import Brush, Colour, Pixels
from autotune.demo.objects import DRAWINGS, Easel, draw_shadow

COLOURS: dict[str, Colour] = {
    "red": (222, 38, 44),
    "orange": (250, 136, 20),
    "yellow": (252, 218, 44),
    "green": (30, 164, 74),
    "blue": (36, 92, 228),
    "purple": (140, 52, 192),
    "pink": (252, 132, 192),
    "white": (248, 248, 248),
}
"""Names and red, green, blue values of the colours of objects and balloons."""

LAND_KINDS: tuple[str, ...] = tuple(kind for kind in DRAWINGS if kind != "boat")
PLACES: dict[str, str] = {
    "meadow": "in a meadow",
    "desert": "in the desert",
    "snow": "in the snow",
    "sea": "at sea",
}
TIMES: dict[str, str] = {"day": "by day", "sunset": "at sunset", "night": "at night"}
SIDES: dict[str, str] = {
    "left": "on the left",
    "middle": "in the middle",
    "right": "on the right",
}
EXTRAS: dict[str, tuple[str, ...]] = {
    "day": ("none", "sun", "clouds", "rainbow", "balloon", "mountains"),
    "sunset": ("none", "sun", "clouds", "balloon", "mountains"),
    "night": ("none", "moon", "stars", "balloon", "mountains"),
}
"""What can be in the sky at each time of day."""

SIDE = 128
"""Height and width of a picture in pixels."""

_ONE_THING = 0.55
_SAYS_SIDE = 0.7
_SWAPS_THINGS = 0.3
_DROPS_PLACE_OR_TIME = 0.1
_SAYS_EXTRA = 0.95
_CENTRES = {"left": 0.27, "middle": 0.5, "right": 0.73}
_OVERSAMPLING = 3


@dataclass(frozen=True)
class Thing:
    """One object: its kind, the name of its colour, and the side it stands on."""

    kind: str
    colour: str
    side: str


@dataclass(frozen=True)
class Scene:
    """Everything a picture shows.

    Attributes:
        place: A key of :data:`PLACES`.
        time: A key of :data:`TIMES`.
        extra: One of :data:`EXTRAS` for that time; ``"none"`` for an empty sky.
        things: One object on any side, or two on the left and the right.
        balloon: The balloon's colour, ``"none"`` without a balloon.
        seed: Decides the details that no caption mentions.
    """

    place: str
    time: str
    extra: str
    things: tuple[Thing, ...]
    balloon: str
    seed: int


def draw_scene(rng: random.Random) -> Scene:
    """Return a random scene; boats stand at sea and everything else on land."""
    place = rng.choices(list(PLACES), weights=(28, 28, 28, 16))[0]
    time = rng.choice(list(TIMES))
    extra = rng.choice(EXTRAS[time])
    sides = [rng.choice(list(SIDES))] if rng.random() < _ONE_THING else ["left", "right"]
    things = tuple(
        Thing(
            kind="boat" if place == "sea" else rng.choice(LAND_KINDS),
            colour=rng.choice(list(COLOURS)),
            side=side,
        )
        for side in sides
    )
    balloon = rng.choice(list(COLOURS)) if extra == "balloon" else "none"
    return Scene(place, time, extra, things, balloon, rng.randrange(1 << 30))


def full_caption(scene: Scene) -> str:
    """Return the caption that names everything in the scene.

    >>> house = Thing("house", "orange", "left")
    >>> full_caption(Scene("snow", "night", "moon", (house,), "none", 0))
    'an orange house on the left in the snow at night with the moon'
    """
    things = " and ".join(f"{_named(thing)} {SIDES[thing.side]}" for thing in scene.things)
    return " ".join([things, PLACES[scene.place], TIMES[scene.time], *_extra_words(scene)])


def caption(scene: Scene, rng: random.Random) -> str:
    """Return a caption that may leave things out, as people do.

    A side is left out 3 times in 10, place or time 1 in 10, the extra 1 in 20;
    two objects with their sides may be named in either order.
    """
    things = [
        f"{_named(thing)} {SIDES[thing.side]}" if rng.random() < _SAYS_SIDE else _named(thing)
        for thing in scene.things
    ]
    sided = all(" on the " in words for words in things)
    if len(things) > 1 and sided and rng.random() < _SWAPS_THINGS:
        things.reverse()
    tail = [PLACES[scene.place], TIMES[scene.time]]
    if rng.random() < _DROPS_PLACE_OR_TIME:
        tail.pop(rng.randrange(2))
    if rng.random() < _SAYS_EXTRA:
        tail.extend(_extra_words(scene))
    return " ".join([" and ".join(things), *tail])


def render(scene: Scene, side: int = SIDE) -> Pixels:
    """Return the scene's picture as uint8, shape (side, side, 3), the same each time."""
    rng = random.Random(scene.seed)
    light = light_of(scene.time)
    horizon = rng.uniform(0.595, 0.625)
    brush = Brush(draw_sky(light, side * _OVERSAMPLING))
    balloon = light.tint(COLOURS.get(scene.balloon, (0, 0, 0)))
    if scene.extra != "balloon":
        draw_extra(scene.extra, brush, light=light, horizon=horizon, rng=rng)
    ground = draw_ground(scene.place, brush, light=light, horizon=horizon, rng=rng)
    if scene.extra == "balloon":
        draw_balloon(brush, balloon, basket=light.tint((120, 80, 40)), rng=rng)
    size = 0.48 if len(scene.things) == 1 else 0.40
    for thing in scene.things:
        _draw_thing(thing, brush, light=light, ground=ground, spot=_spot(thing, size, rng=rng))
    return brush.pixels(side)


def draw_balloon(brush: Brush, colour: Colour, *, basket: Colour, rng: random.Random) -> None:
    """Draw a hot-air balloon with its basket, high in the middle of the sky."""
    x, y = rng.uniform(0.46, 0.54), rng.uniform(0.13, 0.16)
    edge: Colour = (colour[0] // 2, colour[1] // 2, colour[2] // 2)
    cone = [
        (x - 0.085, y + 0.06),
        (x + 0.085, y + 0.06),
        (x + 0.03, y + 0.155),
        (x - 0.03, y + 0.155),
    ]
    brush.polygon(cone, colour, edge=edge)
    brush.ellipse((x, y), (0.105, 0.105), fill=colour, edge=edge)
    brush.polygon(
        [(x - 0.07, y + 0.06), (x + 0.07, y + 0.06), (x + 0.028, y + 0.14), (x - 0.028, y + 0.14)],
        colour,
    )
    brush.rectangle((x - 0.032, y + 0.175, x + 0.032, y + 0.225), basket)


def _named(thing: Thing) -> str:
    return f"{_article(thing.colour)} {thing.colour} {thing.kind}"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _extra_words(scene: Scene) -> list[str]:
    match scene.extra:
        case "none":
            return []
        case "sun" | "moon":
            return [f"with the {scene.extra}"]
        case "rainbow":
            return ["with a rainbow"]
        case "balloon":
            return [f"with {_article(scene.balloon)} {scene.balloon} balloon"]
        case _:
            return [f"with {scene.extra}"]


@dataclass(frozen=True)
class _Spot:
    x: float
    y: float
    size: float


def _spot(thing: Thing, size: float, *, rng: random.Random) -> _Spot:
    return _Spot(
        x=_CENTRES[thing.side] + rng.uniform(-0.02, 0.02),
        y=rng.uniform(0.84, 0.88),
        size=size * rng.uniform(0.96, 1.04),
    )


def _draw_thing(thing: Thing, brush: Brush, *, light: Light, ground: Colour, spot: _Spot) -> None:
    tint: Callable[[Colour], Colour] = light.tint
    easel = Easel(
        brush=brush,
        foot=(spot.x, spot.y),
        size=spot.size,
        colour=tint(COLOURS[thing.colour]),
        tint=tint,
        window=light.window,
    )
    if thing.kind != "boat":
        draw_shadow(easel, ground)
    DRAWINGS[thing.kind](easel)
