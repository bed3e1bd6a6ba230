"""Figure: the Pareto front as a plot for the dashboard."""

from collections.abc import Sequence
from typing import Any

from autotune.measurement import Measurement
from autotune.search.study import Study
from autotune.store.records import TrialRecord


def front_figure(study: Study) -> Any:
    """Return latency against memory, coloured by similarity, the front and what does not fit told apart."""
    import plotly.graph_objects as go

    front = {trial.number for trial in study.front()}
    fit = {trial.number for trial in study.fit()}
    groups = (
        ("Pareto front", "star", 14, [t for t in study.measured() if t.number in front]),
        ("fit", "circle", 9, [t for t in study.measured() if t.number in fit - front]),
        ("beyond a limit", "x-thin-open", 8, [t for t in study.measured() if t.number not in fit]),
    )
    figure = go.Figure()
    for name, symbol, size, trials in groups:
        measured = [(trial, found) for trial in trials if (found := study.settled(trial)) is not None]
        figure.add_trace(_points(go, measured, name=name, marker={"symbol": symbol, "size": size}))
    figure.update_layout(
        title=f"{study.name}: Pareto front",
        xaxis_title="latency, s",
        yaxis_title="memory, GiB",
        coloraxis={"colorscale": "Viridis", "colorbar": {"title": "similarity"}},
        legend={"orientation": "h"},
    )
    return figure


def _points(
    go: Any, measured: Sequence[tuple[TrialRecord, Measurement]], *, name: str, marker: dict[str, Any]
) -> Any:
    return go.Scatter(
        x=[m.latency_s for _, m in measured],
        y=[m.memory_bytes / 2**30 for _, m in measured],
        text=[f"{trial.number}: {trial.describe()}" for trial, _ in measured],
        mode="markers",
        name=name,
        marker={**marker, "color": [m.similarity for _, m in measured], "coloraxis": "coloraxis"},
    )
