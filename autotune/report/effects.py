"""The page of `autotune explain`: effects of settings, and a recipe without each of its own."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.duel import CLEAR
from autotune.recipe import describe_settings
from autotune.report.document import document
from autotune.report.effect_lines import NO_PAIR, basis, pair_lines, share_lines
from autotune.report.markup import Html, element
from autotune.search.explain import Effects, Explanation
from autotune.search.explain_ablation import PutBack
from autotune.search.explain_estimate import Change, neutral
from autotune.search.explain_why import Why

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW_PX, _MARGIN_PX = 26, 150
_BETTER, _WORSE, _UNCLEAR = "#136f3b", "#a3261b", "#9aa2ad"
_KEY = "Green is better, red is worse, grey cannot be told from no change. Bars hold 95 %."
_LEAST_DIFFERENCE = 0.001  # of likeness, where a measured change has no interval


def effects_page(found: Explanation, *, version: str = "") -> str:
    """Return the page: self-contained, with the whole of plotly.js inside.

    Args:
        found: What the study knows.
        version: Of autotune.
    """
    title = f"autotune: what settings do in {found.study}"
    header = element("header", element("h1", found.study), element("p", _lead(found), class_="answer"))
    return document(title, header, *_sections(found), version=version)


def effects_figure(effects: Effects) -> "Figure":
    """Return the effect of every setting on every objective, with intervals, as a plotly figure."""
    names = [_name([setting]) for setting, trials in effects.uses.items() if trials]
    columns = [
        (each.objective.label, {_name(e.settings): e.change for e in each.settings})
        for each in effects.objectives
    ]
    return _panels(names, columns)


def ablation_figure(ablation: Sequence[PutBack]) -> "Figure":
    """Return what a recipe becomes without each of its settings as a plotly figure."""
    shown = [put_back for put_back in ablation if put_back.changes]
    names = [f"{_name([(each.knob, each.value)])}, {each.basis.value}" for each in shown]
    labels = {change.objective.name: change.objective.label for each in shown for change in each.changes}
    columns = [
        (
            label,
            {
                name: change
                for name, each in zip(names, shown, strict=True)
                for change in each.changes
                if change.objective.name == objective
            },
        )
        for objective, label in labels.items()
    ]
    return _panels(names, columns)


def _lead(found: Explanation) -> str:
    return "What each setting does" if found.effects is not None else f"Recipe {found.recipe}"


def _sections(found: Explanation) -> list[Html]:
    return [
        *(_effects(found.effects) if found.effects is not None else ()),
        *(_recipe(found, found.why, is_first=found.effects is None) if found.why is not None else ()),
    ]


def _effects(effects: Effects) -> list[Html]:
    note = f"Against the default of the knob, all else equal, {basis(effects)}. {_KEY}"
    plot = _plot(effects_figure(effects), "effects", is_first=True)
    pairs = _lines(pair_lines(effects)) or element("p", NO_PAIR)
    shares = "Share of what differs over the space that depends on each knob; pairs count for both."
    return [
        _section("Effect of each setting", note, plot, _without_script()),
        _section("Pairs", "What two settings do together beyond what each does alone.", pairs),
        _section("Knobs", shares, _lines(share_lines(effects))),
    ]


def _recipe(found: Explanation, why: Why, *, is_first: bool) -> list[Html]:
    sections = [_section("What became of the recipe", found.recipe, element("p", why.message))]
    if any(put_back.changes for put_back in found.ablation):
        note = (
            "Each setting put back to its default, against the recipe itself: measured where a trial tried "
            f"it, else predicted. {_KEY}"
        )
        plot = _plot(ablation_figure(found.ablation), "without", is_first=is_first)
        title = "The recipe without each of its settings"
        sections.append(_section(title, note, plot, _without_script(), _lines(_reasons(found.ablation))))
    return sections


def _reasons(ablation: Sequence[PutBack]) -> list[str]:
    """Why there is nothing to plot of some settings."""
    return [
        f"Without {_name([(each.knob, each.value)])}: {each.basis.value}: {each.reason}"
        for each in ablation
        if not each.changes
    ]


def _lines(lines: Sequence[str]) -> Html | None:
    return element("ul", *(element("li", line) for line in lines)) if lines else None


def _without_script() -> Html:
    return element("noscript", element("p", "The plots need JavaScript; 'autotune explain' prints them."))


def _section(title: str, note: str, *content: Html | None) -> Html:
    return element("section", element("h2", title), element("p", note, class_="note"), *content)


def _plot(figure: "Figure", name: str, *, is_first: bool) -> Html:
    settings = {"displaylogo": False, "responsive": True}
    html = figure.to_html(full_html=False, include_plotlyjs=is_first, div_id=name, config=settings)
    return element("div", Html(html), class_="plot")


def _panels(names: Sequence[str], columns: Sequence[tuple[str, dict[str, Change]]]) -> "Figure":
    """One panel an objective side by side, one line a setting; no change is a line through the panel."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    titles = [label for label, _ in columns]
    figure = make_subplots(
        rows=1, cols=max(len(columns), 1), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.04
    )
    for place, (_, changes) in enumerate(columns, start=1):
        listed = [(name, changes[name]) for name in names if name in changes]
        if not listed:
            continue
        told = [change.by for _, change in listed]
        figure.add_trace(
            Scatter(
                x=[by.value for by in told],
                y=[name for name, _ in listed],
                mode="markers",
                marker={"size": 9, "color": [_colour(change) for _, change in listed]},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [(by.high if by.high is not None else by.value) - by.value for by in told],
                    "arrayminus": [by.value - (by.low if by.low is not None else by.value) for by in told],
                    "color": _UNCLEAR,
                    "thickness": 1.5,
                },
                text=[change.describe() for _, change in listed],
                hovertemplate="%{y}: %{text}<extra></extra>",
                showlegend=False,
            ),
            row=1,
            col=place,
        )
        first = listed[0][1]
        figure.add_vline(x=neutral(first.objective), line_width=1, line_color="#333", row=1, col=place)
        kind = {"type": "log", "title": "times"} if first.is_ratio else {"title": "difference"}
        figure.update_xaxes(**kind, row=1, col=place)
    figure.update_yaxes(categoryorder="array", categoryarray=list(reversed(names)), automargin=True)
    figure.update_layout(
        height=_MARGIN_PX + _ROW_PX * len(names),
        template="plotly_white",
        margin={"l": 20, "r": 20, "t": 60, "b": 50},
    )
    return figure


def _colour(change: Change) -> str:
    """Of a change; one that was measured without an interval must be as large as rounds could tell."""
    least = math.log(CLEAR) if change.is_ratio else _LEAST_DIFFERENCE
    is_clear = change.size >= least if change.by.low is None else change.is_clear
    if not is_clear:
        return _UNCLEAR
    return _BETTER if change.is_better else _WORSE


def _name(settings: Sequence[tuple[str, bool | int | float | str]]) -> str:
    return describe_settings(dict(settings))
