"""Goals: what was to be shown on a card, and what of it the kept results show."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.search.verdict import memory_tolerance_bytes
from autotune.units import format_bytes, format_duration
from tests.gpu_check.stage import kept
from tests.gpu_check.studies_found import KEPT, median_error
from tests.gpu_check.studies_plans import GIB, LISTED, is_exact

FASTER, BETTER, SMALL_BYTES, SLOWER, FORECAST = 8.0, 1.15, 5 * GIB, 2.0, 0.08
"""What is asked for: times untuned, times the best guide, bytes, times the fastest, median error."""
PROOF = "demo model, CPU: shows the path, not the goal"
_TIER = "'indistinguishable' (of random weights: numerical drift only)"
_ON_CARD, _IN_PROOF = ("sdxl", "sdxl-5gib"), ("demo", "demo-90")


class State(enum.StrEnum):
    """What became of a goal."""

    MET = "met"
    NOT_MET = "not met"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal.

    Attributes:
        name: A few words.
        asked: What was to be shown.
        found: What was measured, with its figures; or why nothing was.
        state: What became of it.
    """

    name: str
    asked: str
    found: str
    state: State


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """What was found; `holds` is None where nothing can be said."""

    said: str
    holds: bool | None = None


def goals(results: Path) -> list[Goal]:
    """Return the goals and what the results of a machine show of them."""
    return goals_of(kept(results, KEPT))


def goals_of(studies: Mapping[str, Any] | None) -> list[Goal]:
    """Return the goals and what is known of them.

    Args:
        studies: What the stage "studies" kept; None where it never ran.

    >>> [goal.state.value for goal in goals_of(None)] == 5 * ["not measured"]
    True
    """
    known: Mapping[str, Any] = studies or {"studies": {}, "recipes": {}, "duels": {}}
    is_proof = bool(known.get("is_proof"))
    family, small = _IN_PROOF if is_proof else _ON_CARD
    asked_and_found = (
        (
            "speed",
            f"tuned SDXL at least {FASTER:.0f} times as fast as untuned in 32 bits, in the tier {_TIER}",
            _speed(known, family),
        ),
        (
            "over the guides",
            f"tuned SDXL at least {BETTER} times as fast as the best recipe of a guide, with no more memory",
            _over_guides(known, family),
        ),
        (
            "small",
            f"SDXL in {format_bytes(SMALL_BYTES)} or less, in at most {SLOWER:.0f} times the fastest time",
            _small(known, family, small, is_proof=is_proof),
        ),
        (
            "forecast",
            f"a median error of the forecast memory of at most {FORECAST:.0%}, the card unknown to it",
            _forecast(known),
        ),
        ("verified", "`autotune verify` passes for every exported recipe", _verified(known)),
    )
    return [_goal(name, asked, found, is_proof=is_proof) for name, asked, found in asked_and_found]


def goal_lines(found: Sequence[Goal]) -> list[str]:
    """Return the goals as a table of Markdown.

    >>> goal = Goal(name="small", asked="5 GiB", found="4 GiB", state=State.MET)
    >>> goal_lines([goal])[-1]
    '| small | 5 GiB | 4 GiB | met |'
    """
    rows = [f"| {goal.name} | {goal.asked} | {goal.found} | {goal.state.value} |" for goal in found]
    return ["| goal | asked | found | |", "| --- | --- | --- | --- |", *rows]


def _goal(name: str, asked: str, found: _Finding, *, is_proof: bool) -> Goal:
    said = f"{found.said} ({PROOF})" if is_proof and found.said else found.said
    if found.holds is None or is_proof:
        return Goal(name=name, asked=asked, found=said, state=State.NOT_MEASURED)
    return Goal(name=name, asked=asked, found=said, state=State.MET if found.holds else State.NOT_MET)


def _speed(known: Mapping[str, Any], family: str) -> _Finding:
    """By the rounds of `verify` where there are some, else by the study's own trials."""
    study, recipe = known["studies"].get(family, {}), known["recipes"].get(f"{family}-fastest", {})
    row = _fastest(_tuned(study))
    if row is None or row.get("speed_up") is None:
        return _Finding(said=_why_missing(study, f"study '{family}'"))
    ratio = recipe.get("ratio")
    value, by = float(row["speed_up"]), "one trial each"
    if ratio:
        value, by = float(ratio["value"]), f"{ratio['rounds']} rounds of fresh processes"
        if ratio.get("low") is not None:
            by += f", {ratio['low']:.2f} to {ratio['high']:.2f}"
    said = f"{value:.2f} times as fast ({by}), similarity {row['similarity']:.4f}, {row['tier']}"
    return _Finding(said=said, holds=value >= FASTER and is_exact(row.get("tier")))


def _over_guides(known: Mapping[str, Any], family: str) -> _Finding:
    duel = known["duels"].get(family, {})
    if "ratio" not in duel:
        return _Finding(said=_why_missing(duel, "the duel"))
    ratio, sides = duel["ratio"], (duel["tuned"], duel["guide"])
    ours, theirs = (side["memory_bytes"] for side in sides)
    between = f" ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio.get("low") is not None else ""
    amounts = [format_bytes(amount) if amount is not None else "unknown" for amount in (ours, theirs)]
    said = (
        f"{ratio['value']:.3f} times as fast{between} as '{duel['guide_name']}', {ratio['verdict']}; "
        f"{amounts[0]} against {amounts[1]}"
    )
    lost = [why for why in duel.get("unmeasured", {}).values() if not why.startswith("stopped early")]
    if lost:
        reasons = ", ".join(sorted(set(lost)))
        said += f"; {len(lost)} of {duel['guides']} recipes of guides were not measured ({reasons})"
    if ours is None or theirs is None:
        return _Finding(said=said)
    is_as_small = ours <= theirs + memory_tolerance_bytes(theirs, "cpu" if known.get("is_proof") else "cuda")
    is_faster = ratio["value"] >= BETTER and ratio["verdict"] == "faster"
    return _Finding(said=said, holds=is_faster and is_as_small)


def _small(known: Mapping[str, Any], family: str, small: str, *, is_proof: bool) -> _Finding:
    studies = [one for name, one in known["studies"].items() if _belongs(name, family)]
    every = [row for study in studies for row in _tuned(study)]
    limit = known["studies"].get(small, {}).get("memory_limit_bytes") if is_proof else SMALL_BYTES
    fastest = _fastest(every)
    found = _fastest(row for row in every if limit is not None and row["memory_bytes"] <= limit)
    if fastest is None or limit is None:
        return _Finding(said=_why_missing(known["studies"].get(small, {}), f"study '{small}'"))
    if found is None:
        tried = known["studies"].get(small, {}).get("trials", 0)
        said = f"no recipe within {format_bytes(limit)} was measured in {tried} trials"
        return _Finding(said=said, holds=False if tried else None)
    times = found["latency_s"] / fastest["latency_s"]
    said = (
        f"{format_bytes(found['memory_bytes'])} in {format_duration(found['latency_s'])}, {times:.2f} times "
        f"the fastest ({format_duration(fastest['latency_s'])})"
    )
    return _Finding(said=said, holds=times <= SLOWER)


def _forecast(known: Mapping[str, Any]) -> _Finding:
    errors = {
        f"{name} {number}": error
        for name, one in known["studies"].items()
        for number, error in one.get("forecast_errors", {}).items()
    }
    middle = median_error(errors)
    if middle is None:
        return _Finding(said="no forecast was held against a measured trial")
    widest = max(errors.values(), key=abs)
    said = f"{middle:.1%} in the middle of {len(errors)} trials, {widest:+.1%} at worst"
    return _Finding(said=said, holds=middle <= FORECAST)


def _verified(known: Mapping[str, Any]) -> _Finding:
    exported = {name: one for name, one in known["recipes"].items() if one.get("code") is not None}
    if not exported:
        return _Finding(said="no recipe was exported")
    passed = [name for name, one in exported.items() if one.get("result") == "pass"]
    failed = [name for name, one in exported.items() if one.get("result") == "fail"]
    others = [name for name in exported if name not in passed and name not in failed]
    said = f"{len(passed)} of {len(exported)} pass"
    said += f"; not: {', '.join(failed)}" if failed else ""
    said += f"; nothing can be said of {', '.join(others)}" if others else ""
    return _Finding(said=said, holds=None if others and not failed else not failed)


def _tuned(study: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a study's front that are tuned and exact."""
    front = study.get("front", [])
    return [row for row in front if not row.get("is_baseline") and is_exact(row.get("tier"))]


def _fastest(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return min(rows, key=lambda row: float(row["latency_s"]), default=None)


def _belongs(name: str, family: str) -> bool:
    """Whether a study is one of a model's own; those of the guides' recipes are not."""
    is_listed = name == f"{family}-{LISTED}"
    return not is_listed and (name == family or name.startswith(f"{family}-"))


def _why_missing(found: Mapping[str, Any], what: str) -> str:
    return str(found.get("message") or f"{what} was not measured")
