"""Picture: the curves of all methods, one panel a problem, as a page and as an image of it."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.search_methods import PRESETS
from tests.bench.search_table import Summary

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

Curves = Mapping[str, Sequence[Summary]]
"""Problem to what methods come to on it."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PANEL_PX = (620, 560)
_COLOURS = (
    "#000000",
    "#d55e00",
    "#0072b2",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#666666",
    "#8c564b",
    "#b2b200",
)
_LEGEND_PX = 110


def draw(curves: Curves, page: Path, image: Path) -> str:
    """Write the picture as a page that needs no network, and as an image where there is a browser.

    Returns:
        What was not done and why; "" where all was.
    """
    figure = figure_of(curves)
    page.write_text(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}), encoding="utf-8")
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        return f"No image: none of {', '.join(_BROWSERS)} is installed."
    width, height = size_px(len(curves))
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--virtual-time-budget=10000",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={image.resolve()}",
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    return "" if done.returncode == 0 else f"No image: {browser} said {done.stderr.strip()[-200:]}"


def size_px(panels: int) -> tuple[int, int]:
    """Return width and height of the picture of so many problems."""
    columns = min(panels, 2)
    return columns * _PANEL_PX[0], -(-panels // columns) * _PANEL_PX[1] + _LEGEND_PX


def figure_of(curves: Curves) -> "Figure":
    """Return the picture: share of the hypervolume over trials, dotted without presets."""
    from plotly.subplots import make_subplots

    columns = min(len(curves), 2)
    figure = make_subplots(rows=-(-len(curves) // columns), cols=columns, subplot_titles=list(curves))
    families = list(dict.fromkeys(_family(summary.method) for told in curves.values() for summary in told))
    shown: set[str] = set()
    for place, summaries in enumerate(curves.values()):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        longest = max((summary.trials for summary in summaries[1:]), default=None)
        for summary in summaries:
            colour = _COLOURS[families.index(_family(summary.method)) % len(_COLOURS)]
            is_first = summary.label not in shown
            shown.add(summary.label)
            line = _line(summary.label, summary.curve[:longest], colour, is_first=is_first)
            if not summary.method.endswith(PRESETS) and colour != _COLOURS[0]:
                line.line.dash = "dot"
            figure.add_trace(line, **where)
    width, height = size_px(len(curves))
    figure.update_xaxes(title="trials", rangemode="tozero")
    figure.update_yaxes(title="share of the hypervolume", range=[0.3, 1.005], tickformat=".0%")
    figure.update_layout(
        width=width,
        height=height,
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "y": -0.12 if len(curves) <= columns else -0.06},
    )
    return figure


def _line(name: str, shares: Sequence[float], colour: str, *, is_first: bool) -> "Scatter":
    from plotly.graph_objects import Scatter

    return Scatter(
        x=list(range(1, len(shares) + 1)),
        y=list(shares),
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=is_first,
        line={"color": colour, "width": 2},
    )


def _family(method: str) -> str:
    """A method without and with presets has one colour."""
    return method.removesuffix(PRESETS)
