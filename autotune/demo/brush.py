"""A small drawing surface in fractions of the picture, so that scenes fit any size.

Coordinates run from 0 to 1, x to the right and y downwards. Pictures are drawn
larger and averaged down, which gives smooth edges.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""

Point = tuple[float, float]
"""x and y as fractions of the picture's side."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of the picture's side."""

Pixels = npt.NDArray[np.uint8]
"""A picture, shape (height, width, 3)."""

OUTLINE = 0.013
"""Width of an outline as a fraction of the picture: about 1.7 pixels at 128."""


def scaled(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor below 1) or lighter (above 1).

    >>> scaled((100, 200, 250), 0.5)
    (50, 100, 125)
    """
    red, green, blue = (min(255, max(0, int(channel * factor))) for channel in colour)
    return red, green, blue


def mixed(first: Colour, second: Colour, *, share: float) -> Colour:
    """Return the first colour with ``share`` (0 to 1) of the second mixed in.

    >>> mixed((0, 0, 0), (200, 100, 50), share=0.5)
    (100, 50, 25)
    """
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def gradient(top: Colour, bottom: Colour, *, side: int, start: float = 0.0) -> Image.Image:
    """Return a square picture that fades from ``top`` to ``bottom``.

    The fade begins at height ``start`` (a fraction) and ends at the lower edge.
    """
    rows = (np.arange(side, dtype=np.float32) / side - start) / (1.0 - start)
    share = np.clip(rows, 0.0, 1.0)[:, None]
    line = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    full = np.broadcast_to(line[:, None, :], (side, side, 3))
    return Image.fromarray(full.astype(np.uint8))


class Brush:
    """Draws on one square picture in fractions of its side."""

    def __init__(self, image: Image.Image) -> None:
        """Draw on ``image``, which must be square and in RGB mode."""
        self.image = image
        self.side = image.width
        self._draw = ImageDraw.Draw(image)

    def ellipse(self, centre: Point, radii: Point, *, fill: Colour, edge: Colour | None = None) -> None:
        """Draw an ellipse, with an outline when ``edge`` is given."""
        x, y = centre
        box = self._pixels((x - radii[0], y - radii[1], x + radii[0], y + radii[1]))
        self._draw.ellipse(box, fill=fill, outline=edge, width=self._width(edge))

    def rectangle(self, box: Box, fill: Colour, *, edge: Colour | None = None) -> None:
        """Draw a rectangle, with an outline when ``edge`` is given."""
        self._draw.rectangle(self._pixels(box), fill=fill, outline=edge, width=self._width(edge))

    def rounded(self, box: Box, fill: Colour, *, edge: Colour | None = None) -> None:
        """Draw a rectangle with round corners of a quarter of its height."""
        radius = (box[3] - box[1]) * self.side / 4
        self._draw.rounded_rectangle(
            self._pixels(box), radius, fill=fill, outline=edge, width=self._width(edge)
        )

    def polygon(self, points: list[Point], fill: Colour, *, edge: Colour | None = None) -> None:
        """Draw a filled polygon, with an outline when ``edge`` is given."""
        flat = [(x * self.side, y * self.side) for x, y in points]
        self._draw.polygon(flat, fill=fill)
        if edge is not None:
            self._draw.line([*flat, flat[0], flat[1]], edge, self._width(edge), joint="curve")

    def dome(self, box: Box, fill: Colour, *, edge: Colour | None = None) -> None:
        """Draw the upper half of the ellipse inscribed in ``box``."""
        self._draw.pieslice(self._pixels(box), 180, 360, fill=fill, outline=edge, width=self._width(edge))

    def paste(self, picture: Image.Image, points: list[Point]) -> None:
        """Copy ``picture`` (same size) onto this one inside a polygon."""
        mask = Image.new("L", (self.side, self.side), 0)
        ImageDraw.Draw(mask).polygon([(x * self.side, y * self.side) for x, y in points], fill=255)
        self.image.paste(picture, (0, 0), mask)

    def pixels(self, side: int) -> Pixels:
        """Return the picture averaged down to ``side`` x ``side`` pixels."""
        return np.asarray(self.image.resize((side, side), Image.Resampling.BOX))

    def _pixels(self, box: Box) -> Box:
        left, top, right, bottom = (value * self.side for value in box)
        return left, top, right, bottom

    def _width(self, edge: Colour | None) -> int:
        return 0 if edge is None else max(1, round(OUTLINE * self.side))
