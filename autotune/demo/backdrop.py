"""Skies, extras and grounds of the postcards, in the light of three times of day."""

import math
import random
from dataclasses import dataclass

from PIL import Image

from autotune.demo.brush import Brush, Colour, gradient, mixed, scaled

GROUNDS: dict[str, tuple[Colour, Colour]] = {
    "meadow": ((168, 214, 104), (112, 178, 76)),
    "desert": ((246, 214, 146), (214, 168, 96)),
    "snow": ((236, 243, 255), (190, 208, 236)),
    "sea": ((70, 150, 206), (24, 84, 156)),
}
"""Upper and lower colour of each place by day."""

RAINBOW: tuple[Colour, ...] = (
    (228, 60, 60),
    (248, 150, 50),
    (250, 220, 70),
    (70, 180, 90),
    (60, 110, 230),
    (146, 70, 196),
)

_STARS = (
    (0.07, 0.10), (0.20, 0.27), (0.31, 0.08), (0.40, 0.33), (0.47, 0.17), (0.58, 0.07),
    (0.64, 0.30), (0.73, 0.16), (0.85, 0.07), (0.93, 0.26), (0.11, 0.42), (0.88, 0.43),
)  # fmt: skip


@dataclass(frozen=True)
class Light:
    """The light of one time of day.

    Attributes:
        name: ``"day"``, ``"sunset"`` or ``"night"``.
        sky: Colours of the sky at its top and at the lower edge of the picture.
        wash: Colour that tints everything on the ground.
        share: How much of ``wash`` is mixed in, 0 to 1.
        window: Colour of window glass.
    """

    name: str
    sky: tuple[Colour, Colour]
    wash: Colour
    share: float
    window: Colour

    def tint(self, colour: Colour) -> Colour:
        """Return an object's colour as it looks in this light."""
        return mixed(colour, self.wash, share=self.share)


_LIGHTS = {
    "day": Light("day", ((84, 168, 246), (214, 238, 255)), (255, 255, 255), 0.0, (190, 228, 252)),
    "sunset": Light("sunset", ((104, 64, 158), (255, 176, 96)), (255, 140, 90), 0.10, (255, 232, 170)),
    "night": Light("night", ((10, 12, 44), (52, 62, 124)), (44, 52, 130), 0.20, (255, 226, 120)),
}


def light_of(time: str) -> Light:
    """Return the light of ``"day"``, ``"sunset"`` or ``"night"``."""
    return _LIGHTS[time]


def draw_sky(light: Light, side: int) -> Image.Image:
    """Return a square picture of the empty sky."""
    return gradient(light.sky[0], light.sky[1], side=side)


def draw_ground(place: str, brush: Brush, *, light: Light, horizon: float, rng: random.Random) -> Colour:
    """Draw the ground below a gentle hill line (flat at sea).

    Returns:
        The colour at the lower edge, from which shadows are made.
    """
    darker = {"day": 1.0, "sunset": 0.86, "night": 0.52}[light.name]
    far, near = (scaled(light.tint(colour), darker) for colour in GROUNDS[place])
    swell = 0.0 if place == "sea" else 0.018
    phase = rng.uniform(0.0, 2 * math.pi)
    line = [(x / 32, horizon + swell * math.sin(5 * x / 32 + phase)) for x in range(33)]
    soil = gradient(far, near, side=brush.side, start=horizon)
    brush.paste(soil, [*line, (1.0, 1.0), (0.0, 1.0)])
    if place == "sea":
        _draw_waves(brush, mixed(far, (255, 255, 255), share=0.28), horizon=horizon, rng=rng)
    return near


def draw_extra(extra: str, brush: Brush, *, light: Light, horizon: float, rng: random.Random) -> None:
    """Draw what is in the sky, except the balloon: that hangs in front of the ground."""
    match extra:
        case "sun":
            _draw_sun(brush, light, horizon=horizon, rng=rng)
        case "moon":
            _draw_moon(brush, light, rng=rng)
        case "stars":
            for x, y in _STARS:
                spot = x + rng.uniform(-0.02, 0.02), y + rng.uniform(-0.02, 0.02)
                size = rng.uniform(0.011, 0.017)
                brush.ellipse(spot, (size, size), fill=(255, 250, 214))
        case "clouds":
            white = (255, 255, 255) if light.name == "day" else (255, 214, 200)
            for x, y in ((0.24, 0.20), (0.74, 0.14)):
                _draw_cloud(brush, white, x=x + rng.uniform(-0.05, 0.05), y=y + rng.uniform(-0.03, 0.03))
        case "rainbow":
            _draw_rainbow(brush, light)
        case "mountains":
            _draw_mountains(brush, light, horizon=horizon, rng=rng)


def _draw_sun(brush: Brush, light: Light, *, horizon: float, rng: random.Random) -> None:
    if light.name == "day":
        spot, size = (rng.uniform(0.77, 0.84), rng.uniform(0.15, 0.18)), 0.105
    else:
        spot, size = (rng.uniform(0.46, 0.54), horizon - 0.03), 0.17
    brush.ellipse(spot, (size * 1.35, size * 1.35), fill=mixed(light.sky[1], (255, 236, 130), share=0.45))
    brush.ellipse(spot, (size, size), fill=(255, 232, 96))


def _draw_moon(brush: Brush, light: Light, *, rng: random.Random) -> None:
    x, y = rng.uniform(0.17, 0.23), rng.uniform(0.16, 0.19)
    brush.ellipse((x, y), (0.115, 0.115), fill=(252, 246, 210))
    shade = mixed(light.sky[0], light.sky[1], share=y)
    brush.ellipse((x + 0.055, y - 0.025), (0.095, 0.095), fill=shade)


def _draw_cloud(brush: Brush, white: Colour, *, x: float, y: float) -> None:
    for dx, dy, size in ((-0.1, 0.025, 0.06), (0.0, -0.012, 0.085), (0.1, 0.025, 0.065)):
        brush.ellipse((x + dx, y + dy), (size, size * 0.8), fill=white)


def _draw_rainbow(brush: Brush, light: Light) -> None:
    sky = draw_sky(light, brush.side)
    for band, colour in enumerate(RAINBOW):
        size = 0.56 - 0.035 * band
        brush.ellipse((0.5, 0.72), (size, size), fill=colour)
    size = 0.56 - 0.035 * len(RAINBOW)
    turns = [math.pi * step / 64 for step in range(129)]
    brush.paste(sky, [(0.5 + size * math.cos(a), 0.72 + size * math.sin(a)) for a in turns])


def _draw_mountains(brush: Brush, light: Light, *, horizon: float, rng: random.Random) -> None:
    rock = {"day": (132, 148, 182), "sunset": (128, 84, 128), "night": (58, 66, 118)}[light.name]
    snow = {"day": (246, 250, 255), "sunset": (255, 226, 214), "night": (176, 184, 220)}[light.name]
    for x, rise, shade in ((0.18, 0.26, 0.9), (0.82, 0.29, 0.95), (0.5, 0.36, 1.08)):
        peak = x + rng.uniform(-0.04, 0.04)
        top = horizon - rise + rng.uniform(-0.02, 0.02)
        foot, width = horizon + 0.05, 1.0 * (horizon + 0.05 - top)
        brush.polygon([(peak - width, foot), (peak, top), (peak + width, foot)], scaled(rock, shade))
        cap = 0.3 * width
        brush.polygon([(peak - cap, top + cap), (peak, top), (peak + cap, top + cap)], snow)


def _draw_waves(brush: Brush, colour: Colour, *, horizon: float, rng: random.Random) -> None:
    for row, x in enumerate((0.15, 0.62, 0.9, 0.35, 0.75, 0.12)):
        y = horizon + 0.05 + 0.06 * row
        middle, half = x + rng.uniform(-0.05, 0.05), 0.1
        brush.rounded((middle - half, y, middle + half, y + 0.014), colour)
