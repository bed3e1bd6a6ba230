"""What is to be read of the studies, as Markdown: tables of studies, verified recipes, duels and goals."""

from collections.abc import Mapping
from typing import Any

from autotune.recipe import describe_settings
from autotune.units import format_bytes, format_duration
from tests.gpu_check.goals import goal_lines, goals_of
from tests.gpu_check.studies_found import median_error

_DRIFT = (
    "Models named `arch:` have full size and random weights: their speed and memory are real, their likeness "
    "is numerical drift and says nothing of pictures."
)


def lines_of(known: Mapping[str, Any] | None) -> list[str]:
    """Return what the studies came to.

    Args:
        known: What the stage kept; None where it never ran.
    """
    if known is None:
        return []
    found = [*_studies(known["studies"]), *_recipes(known["recipes"]), *_duels(known["duels"])]
    return [*found, "", *goal_lines(goals_of(known))]


def _studies(studies: Mapping[str, Any]) -> list[str]:
    heads = ("study", "model", "limit", "trials", "fastest", "times untuned", "memory", "likeness", "ended")
    rows = [_row(*heads), _row(*("---" for _ in heads))]
    rows += [_study(name, one) for name, one in studies.items()]
    notes = [_DRIFT, ""] if any(one.get("likeness", "real") != "real" for one in studies.values()) else []
    for name, one in studies.items():
        notes += [f"- {name}: {said}" for said in _remarks(one)]
    return [*rows, "", *notes]


def _study(name: str, one: Mapping[str, Any]) -> str:
    limit = one.get("memory_limit_bytes")
    front = [row for row in one.get("front", []) if not row["is_baseline"]]
    best = min(front, key=lambda row: float(row["latency_s"]), default=None)
    cells = [name, one.get("model", ""), format_bytes(limit) if limit else "none", str(one.get("trials", 0))]
    if best is None:
        cells += ["", "", "", ""]
    else:
        cells += [
            f"{format_duration(best['latency_s'])}: {describe_settings(best['settings'])}",
            f"{best['speed_up']:.2f}" if best.get("speed_up") else "",
            format_bytes(best["memory_bytes"]),
            f"{best['similarity']:.4f} {best['tier']}",
        ]
    return _row(*cells, one.get("reason") or one.get("message") or one.get("state", ""))


def _remarks(one: Mapping[str, Any]) -> list[str]:
    found = []
    baseline = one.get("baseline")
    if baseline:
        amount, seconds = format_bytes(baseline["memory_bytes"]), format_duration(baseline["latency_s"])
        found.append(f"untuned takes {seconds} and {amount}.")
    if one.get("failures"):
        kinds = ", ".join(f"{kind} {count}" for kind, count in one["failures"].items())
        found.append(f"failed trials by kind: {kinds}.")
    if one.get("message"):
        found.append(one["message"])
    middle = median_error(one.get("forecast_errors", {}))
    if middle is not None:
        found.append(
            f"median error of the forecast memory {middle:.1%} ({len(one['forecast_errors'])} trials)."
        )
    if one.get("why_no_forecast"):
        found.append(f"no forecast: {one['why_no_forecast']}")
    if one.get("left_out"):
        found.append(
            f"{len(one['left_out'])} recipes of guides are left out; `studies.json` says why each is."
        )
    return found


def _recipes(recipes: Mapping[str, Any]) -> list[str]:
    if not recipes:
        return []
    rows = ["", "| recipe | verify | times untuned, again | what it said |", "| --- | --- | --- | --- |"]
    for name, one in recipes.items():
        gates = [gate["message"] for gate in one.get("gates", []) if gate["result"] != "pass"]
        said = one.get("message") or " ".join(gates) or "all gates pass"
        rows.append(_row(f"`{name}.json`", one.get("result") or one.get("state", ""), _ratio(one), said))
    return rows


def _duels(duels: Mapping[str, Any]) -> list[str]:
    if not duels:
        return []
    rows = ["", "| duel | tuned against the best guide | verdict | memory |", "| --- | --- | --- | --- |"]
    for name, one in duels.items():
        if "ratio" not in one:
            rows.append(_row(name, one.get("message", ""), one.get("state", ""), ""))
            continue
        sides = (one["tuned"]["memory_bytes"], one["guide"]["memory_bytes"])
        amounts = [format_bytes(amount) if amount is not None else "unknown" for amount in sides]
        against = f"{_ratio(one)} times as fast as '{one['guide_name']}'"
        rows.append(_row(name, against, one["ratio"]["verdict"], " against ".join(amounts)))
    return rows


def _ratio(one: Mapping[str, Any]) -> str:
    """The ratio of rounds with its interval, "" where there is none."""
    ratio = one.get("ratio")
    if not ratio:
        return ""
    between = (
        f" ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio.get("low") is not None else " (one round)"
    )
    return f"{ratio['value']:.2f}{between}"


def _row(*cells: str) -> str:
    """A row of a table; what would end a cell is written otherwise.

    >>> _row("a|b", "c")
    '| a/b | c |'
    """
    return f"| {' | '.join(' '.join(str(cell).replace('|', '/').split()) for cell in cells)} |"
