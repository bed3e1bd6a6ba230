"""Picture: the curves of all methods, one panel a problem, as a page and as an image of it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.search_methods import OURS, PRESETS
from tests.bench.search_table import Summary

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

Curves = Mapping[str, Sequence[Summary]]
"""Problem to what methods come to on it."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PANEL_PX = (620, 560)
_COLOURS = {
    "clairvoyant": "#000000",
    "ours": "#d62728",
    "gp": "#ff7f0e",
    "tpe": "#9467bd",
    "tpe-group": "#1f77b4",
    "nsga2": "#2ca02c",
    "random": "#7f7f7f",
    "random-valid": "#bcbd22",
}
_OTHERS = ("#8c564b", "#17becf", "#e377c2", "#aec7e8", "#98df8a", "#ffbb78")
_WIDE, _THIN = 3.5, 1.5
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
    rows = -(-len(curves) // columns)
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=list(curves), vertical_spacing=0.24 / rows)
    colours = _colours(summary.method for told in curves.values() for summary in told)
    shown: set[str] = set()
    for place, summaries in enumerate(curves.values()):
        longest = max((summary.trials for summary in summaries[1:]), default=len(summaries[0].curve))
        for summary in summaries:
            line = _line(summary, longest, colours[_family(summary.method)])
            line.showlegend = summary.label not in shown
            shown.add(summary.label)
            figure.add_trace(line, row=place // columns + 1, col=place % columns + 1)
    width, height = size_px(len(curves))
    figure.update_xaxes(title="trials", rangemode="tozero")
    figure.update_yaxes(title="share of the hypervolume", range=[0.3, 1.005], tickformat=".0%")
    figure.update_layout(
        width=width,
        height=height,
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "y": -0.12 / rows},
    )
    return figure


def _line(summary: Summary, longest: int, colour: str) -> "Scatter":
    from plotly.graph_objects import Scatter

    shares = summary.curve[:longest]
    is_dotted = not summary.method.endswith(PRESETS) and summary.method != "clairvoyant"
    return Scatter(
        x=list(range(1, len(shares) + 1)),
        y=list(shares),
        mode="lines",
        name=summary.label,
        legendgroup=summary.label,
        line={
            "color": colour,
            "width": _WIDE if summary.method == OURS else _THIN,
            "dash": "dot" if is_dotted else "solid",
        },
    )


def _colours(methods: Iterable[str]) -> dict[str, str]:
    """A method without and with presets has one colour."""
    families = list(dict.fromkeys(map(_family, methods)))
    others = [family for family in families if family not in _COLOURS]
    return {**_COLOURS, **{name: _OTHERS[place % len(_OTHERS)] for place, name in enumerate(others)}}


def _family(method: str) -> str:
    return method.removesuffix(PRESETS)
