"""The plot of a study: latency against memory, coloured by similarity, its shape tells a trial's standing."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING

from autotune.report.figures import Row, Standing
from autotune.report.markup import Html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

_SHAPES: tuple[tuple[Standing, str, str, int], ...] = (
    (Standing.UNFIT, "outside the limits", "x-thin-open", 9),
    (Standing.DOMINATED, "beaten by others", "circle", 8),
    (Standing.FRONT, "Pareto front", "star", 15),
    (Standing.BASELINE, "untuned baseline", "diamond", 14),
)
_HEIGHT_PX = 480
_GIB = 2**30
_MIB = 2**20


def plot(rows: Iterable[Row]) -> Html:
    """Return the plot as HTML, with the whole of plotly.js inside, so that it needs no network."""
    figure = front_figure(tuple(rows))
    settings = {"displaylogo": False, "responsive": True}
    return Html(figure.to_html(full_html=False, include_plotlyjs=True, div_id="front", config=settings))


def front_figure(rows: tuple[Row, ...]) -> "Figure":
    """Return the plot as a plotly figure."""
    from plotly.graph_objects import Figure

    measured = [row for row in rows if row.measured is not None]
    found = [row.measured for row in rows if row.measured is not None]
    is_large = max((measurement.memory_bytes for measurement in found), default=0) >= _GIB
    unit, name = (_GIB, "GiB") if is_large else (_MIB, "MiB")
    figure = Figure()
    for standing, label, symbol, size in _SHAPES:
        listed = [row for row in measured if row.standing is standing]
        if listed:
            figure.add_trace(_points(listed, label=label, marker={"symbol": symbol, "size": size}, unit=unit))
    figure.update_layout(
        height=_HEIGHT_PX,
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis={"title": "seconds a call, fewer is better", "rangemode": "tozero"},
        yaxis={"title": f"memory in {name}, less is better", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.08, "x": 0},
        coloraxis={
            "colorscale": "Viridis",
            "colorbar": {"title": "similarity"},
            "cmin": min((measurement.similarity for measurement in found), default=0.0),
            "cmax": 1.0,
        },
    )
    return figure


def _points(rows: list[Row], *, label: str, marker: dict[str, str | int], unit: int) -> "Scatter":
    from plotly.graph_objects import Scatter

    measurements = [row.measured for row in rows if row.measured is not None]
    colours = [measurement.similarity for measurement in measurements]
    is_outline = "open" in str(marker["symbol"])
    edge = {"width": 2} if is_outline else {"width": 1, "color": "#333"}
    return Scatter(
        x=[measurement.latency_s for measurement in measurements],
        y=[measurement.memory_bytes / unit for measurement in measurements],
        mode="markers",
        name=label,
        marker={**marker, "color": colours, "coloraxis": "coloraxis", "line": edge},
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(row: Row) -> str:
    """What is shown over a point; plotly reads simple HTML there."""
    picks = f" ({', '.join(row.picks)})" if row.picks else ""
    lines = (
        f"trial {row.trial.number}{picks}",
        f"{row.latency} a call, {row.speed} the baseline's speed",
        f"{row.memory}, similarity {row.similarity} ({row.likeness})",
        *(f"{o.label}: {figure}" for (o, _), figure in zip(row.further, row.further_figures, strict=True)),
        *row.trial.describe().split(" "),
    )
    return "<br>".join(html.escape(line) for line in lines)
