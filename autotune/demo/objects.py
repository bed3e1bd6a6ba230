"""How each object of a postcard is drawn.

An object is drawn in its own frame: x from -0.5 to 0.5, y from 0 at the ground
to about 1 at the top, scaled and placed by an :class:`Easel`. Outlines are
the object's own colour darkened, so that white stands out on snow and green
on grass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from autotune.demo.brush import Box, Brush, Colour, Point, mixed, scaled

WOOD: Colour = (126, 84, 48)
DARK: Colour = (44, 42, 54)
CREAM: Colour = (250, 238, 214)
LEAF: Colour = (44, 140, 62)

_LIGHT, _PALE, _LOW = 180, 170, 90


@dataclass(frozen=True)
class Easel:
    """Where and in which colours one object is drawn.

    Attributes:
        brush: The surface.
        foot: Middle of the object's lower edge, in fractions of the picture.
        size: Length of the object's unit, as a fraction of the picture.
        colour: The object's colour, already tinted for the time of day.
        tint: Tints the colour of a fixed part (wood, wheels, leaves).
        window: Colour of glass: light blue by day, lit by night.
    """

    brush: Brush
    foot: Point
    size: float
    colour: Colour
    tint: Callable[[Colour], Colour]
    window: Colour

    @property
    def dark(self) -> Colour:
        """The colour in shade."""
        return scaled(self.colour, 0.74)

    @property
    def edge(self) -> Colour:
        """The colour of outlines."""
        return scaled(self.colour, 0.5)

    def at(self, x: float, y: float) -> Point:
        """Return a point of the object's frame as a point of the picture."""
        return self.foot[0] + x * self.size, self.foot[1] - y * self.size

    def box(self, left: float, bottom: float, *, right: float, top: float) -> Box:
        """Return a box of the object's frame as a box of the picture."""
        return (*self.at(left, top), *self.at(right, bottom))

    def disc(self, x: float, y: float, *, radius: float, fill: Colour, edge: Colour | None = None) -> None:
        """Draw a disc given in the object's frame."""
        length = radius * self.size
        self.brush.ellipse(self.at(x, y), (length, length), fill=fill, edge=edge)

    def shape(self, points: list[Point], fill: Colour, *, edge: Colour | None = None) -> None:
        """Draw a polygon given in the object's frame."""
        self.brush.polygon([self.at(x, y) for x, y in points], fill, edge=edge)


def draw_house(easel: Easel) -> None:
    """Draw a wall, a dark gable roof with a chimney, a door and two windows."""
    brush, wood = easel.brush, easel.tint(WOOD)
    brush.rectangle(easel.box(0.20, 0.50, right=0.33, top=0.92), easel.dark, edge=easel.edge)
    brush.rectangle(easel.box(-0.36, 0, right=0.36, top=0.5), easel.colour, edge=easel.edge)
    easel.shape([(-0.5, 0.48), (0, 0.92), (0.5, 0.48)], easel.dark, edge=easel.edge)
    brush.rectangle(easel.box(-0.09, 0, right=0.09, top=0.32), wood)
    for left in (-0.29, 0.15):
        brush.rectangle(easel.box(left, 0.18, right=left + 0.14, top=0.34), easel.window)


def draw_tree(easel: Easel) -> None:
    """Draw a long brown trunk under a round crown."""
    easel.brush.rectangle(easel.box(-0.07, 0, right=0.07, top=0.5), easel.tint(WOOD))
    for x, y, radius in ((-0.2, 0.58, 0.2), (0.2, 0.58, 0.2), (0, 0.72, 0.27)):
        easel.disc(x, y, radius=radius, fill=easel.colour, edge=easel.edge)
    for x, y, radius in ((-0.18, 0.58, 0.16), (0.18, 0.58, 0.16), (0, 0.7, 0.22)):
        easel.disc(x, y, radius=radius, fill=easel.colour)


def draw_pine(easel: Easel) -> None:
    """Draw three narrowing tiers of branches over a short trunk."""
    easel.brush.rectangle(easel.box(-0.06, 0, right=0.06, top=0.2), easel.tint(WOOD))
    for foot, width, rise in ((0.14, 0.38, 0.36), (0.4, 0.30, 0.33), (0.64, 0.22, 0.34)):
        tier = [(-width, foot), (0.0, foot + rise), (width, foot)]
        easel.shape(tier, easel.colour, edge=easel.edge)


def draw_car(easel: Easel) -> None:
    """Draw a car from its side: a long body, a cabin with glass, two wheels."""
    cabin = [(-0.30, 0.36), (-0.18, 0.62), (0.18, 0.62), (0.32, 0.36)]
    glass = [(-0.20, 0.38), (-0.13, 0.54), (0.13, 0.54), (0.21, 0.38)]
    easel.shape(cabin, easel.colour, edge=easel.edge)
    easel.shape(glass, easel.window)
    easel.brush.rounded(easel.box(-0.52, 0.1, right=0.52, top=0.4), easel.colour, edge=easel.edge)
    for x in (-0.28, 0.28):
        easel.disc(x, 0.12, radius=0.14, fill=easel.tint(DARK))
        easel.disc(x, 0.12, radius=0.06, fill=easel.tint((200, 200, 208)))


def draw_mushroom(easel: Easel) -> None:
    """Draw a thick cream stem under a wide dome with three dots."""
    cream = easel.tint(CREAM)
    easel.brush.rounded(easel.box(-0.15, 0, right=0.15, top=0.5), cream, edge=scaled(cream, 0.6))
    easel.brush.dome(easel.box(-0.46, 0.02, right=0.46, top=0.82), easel.colour, edge=easel.edge)
    dot = cream if min(easel.colour) < _PALE else easel.tint((225, 70, 70))
    for x, y in ((-0.24, 0.55), (0.02, 0.67), (0.25, 0.54)):
        easel.disc(x, y, radius=0.075, fill=dot)


def draw_tent(easel: Easel) -> None:
    """Draw a low wide tent with a dark open flap."""
    easel.shape([(-0.52, 0), (0, 0.64), (0.52, 0)], easel.colour, edge=easel.edge)
    easel.shape([(-0.18, 0), (0, 0.46), (0.18, 0)], easel.tint(DARK))
    easel.shape([(0, 0.46), (0.18, 0), (0.28, 0), (0.03, 0.5)], easel.dark)


def draw_flower(easel: Easel) -> None:
    """Draw a stem with two leaves under six petals round a centre."""
    leaf = easel.tint(LEAF)
    easel.brush.rectangle(easel.box(-0.035, 0, right=0.035, top=0.55), leaf)
    for x in (-0.13, 0.13):
        easel.brush.ellipse(easel.at(x, 0.16), (0.12 * easel.size, 0.05 * easel.size), fill=leaf)
    for turn in range(6):
        x, y = 0.19 * math.sin(turn * math.pi / 3), 0.68 + 0.19 * math.cos(turn * math.pi / 3)
        easel.disc(x, y, radius=0.145, fill=easel.colour, edge=easel.edge)
    yellowish = easel.colour[0] > _LIGHT and easel.colour[2] < _LOW < easel.colour[1]
    easel.disc(0, 0.68, radius=0.13, fill=easel.tint(WOOD if yellowish else (252, 208, 60)))


def draw_tower(easel: Easel) -> None:
    """Draw a tall castle tower with battlements, an arched gate and a window."""
    brush, dark = easel.brush, easel.tint(DARK)
    brush.rectangle(easel.box(-0.22, 0, right=0.22, top=0.78), easel.colour, edge=easel.edge)
    for left in (-0.30, -0.08, 0.14):
        brush.rectangle(easel.box(left, 0.8, right=left + 0.16, top=0.98), easel.dark)
    brush.rectangle(easel.box(-0.30, 0.72, right=0.30, top=0.86), easel.dark)
    brush.dome(easel.box(-0.11, 0.1, right=0.11, top=0.34), dark)
    brush.rectangle(easel.box(-0.11, 0, right=0.11, top=0.22), dark)
    brush.rectangle(easel.box(-0.06, 0.46, right=0.06, top=0.62), easel.window)


def draw_boat(easel: Easel) -> None:
    """Draw a hull with a mast, a white main sail and a sail in the hull's colour."""
    white = easel.tint((250, 250, 246))
    hull = [(-0.48, 0.2), (0.48, 0.2), (0.32, -0.06), (-0.32, -0.06)]
    easel.brush.rectangle(easel.box(-0.025, 0.2, right=0.025, top=0.98), easel.tint(WOOD))
    easel.shape([(0.05, 0.94), (0.42, 0.28), (0.05, 0.28)], white, edge=scaled(white, 0.6))
    easel.shape([(-0.05, 0.82), (-0.36, 0.28), (-0.05, 0.28)], easel.colour, edge=easel.edge)
    easel.shape(hull, easel.colour, edge=easel.edge)


DRAWINGS: dict[str, Callable[[Easel], None]] = {
    "house": draw_house,
    "tree": draw_tree,
    "pine": draw_pine,
    "car": draw_car,
    "mushroom": draw_mushroom,
    "tent": draw_tent,
    "flower": draw_flower,
    "tower": draw_tower,
    "boat": draw_boat,
}
"""Every kind of object and the function that draws it."""


def draw_shadow(easel: Easel, ground: Colour) -> None:
    """Draw the shadow that stands a land object on the ground."""
    radii = 0.46 * easel.size, 0.05 * easel.size
    easel.brush.ellipse(easel.foot, radii, fill=mixed(ground, (0, 0, 0), share=0.28))
