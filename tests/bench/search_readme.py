"""The README's table of the search, from the figures that the bench wrote."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.search_methods import OURS, PRESETS_LABEL
from tests.bench.search_speed import Speed
from tests.bench.search_table import duration

SEEDS = 10
START, END = "<!-- search-bench -->", "<!-- /search-bench -->"
_SHOWN = (
    "clairvoyant",
    OURS,
    "gp+presets",
    "tpe-group+presets",
    "tpe+presets",
    "nsga2+presets",
    "random-valid+presets",
)
_PICTURE = "![Share of the hypervolume over trials, one panel a problem](studies/search-bench/curves.png)"
_ALL = (
    "Searches without presets, variants of the search and all figures: "
    "[the table](studies/search-bench/bench.txt)."
)
_HEADS = (
    "method",
    "after 25",
    "after 50",
    "after 100",
    "trials to 95 %",
    "x clairvoyant",
    "device time",
    "wasted",
    "CPU an ask",
)


def write(readme: Path, figures: Path) -> None:
    """Put the tables between the markers of the README.

    Raises:
        SystemExit: The README has no such markers, or the bench has not run.
    """
    if not figures.exists():
        raise SystemExit(f"There is no {figures}: run make bench-search first.")
    text = readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"{readme} needs the lines {START} and {END} once each: the tables go between them.")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    found = tables(json.loads(figures.read_text(encoding="utf-8")))
    readme.write_text(f"{before}{START}\n{found}\n{END}{after}", encoding="utf-8")


def tables(figures: Mapping[str, Any]) -> str:
    """Return the picture, a table for each problem of methods that are given presets, and the speed."""
    found = [_PICTURE, *(_table(name, told) for name, told in figures["problems"].items())]
    if "speed" in figures:
        found.append(f"{Speed(**figures['speed']).describe()}.")
    return "\n\n".join((*found, _ALL))


def _table(name: str, told: Mapping[str, Any]) -> str:
    by_name = {method["method"]: method for method in told["methods"]}
    best = by_name["clairvoyant"]["reached"]["95%"]["trials"]
    lines = [_HEADS, ("---", *["---:"] * (len(_HEADS) - 1))]
    lines += [_line(by_name[shown], best) for shown in _SHOWN if shown in by_name]
    heading = (
        f"**{name}**: {told['recipes']:,} recipes, {told['front']} on the front; "
        f"{', '.join(told['limits']) or 'no limits'}."
    )
    return "\n".join((heading, "", *(f"| {' | '.join(cells)} |" for cells in lines)))


def _line(told: Mapping[str, Any], best: float) -> tuple[str, ...]:
    reached = told["reached"]["95%"]
    trials, times = reached["trials"], reached["times"]
    few = f" ({told['seeds']} seeds)" if 1 < told["seeds"] < SEEDS else ""
    is_asked = told["ask_cpu_s"] > 0
    return (
        f"{told['label'].removesuffix(PRESETS_LABEL)}{few}",
        *(_percent(told["at"][count]) for count in ("25", "50", "100")),
        f"{trials:g}" if trials is not None else f"> {told['trials']}",
        f"{times:.1f}" if times is not None else f"> {told['trials'] / best:.1f}",
        duration(reached["seconds"]) if reached["seconds"] is not None else "",
        f"{told['invalid'] + told['duplicates']:.2f}" if is_asked else "",
        f"{told['ask_cpu_s']:.3f} s" if is_asked else "",
    )


def _percent(share: float | None) -> str:
    return f"{share:.1%}" if share is not None else ""
