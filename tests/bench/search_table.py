"""Table: what the runs of the bench say about each method, in figures and as text."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.problem import Problem, clairvoyant, share
from tests.bench.search_play import Run

AT = (25, 50, 100)
"""Trials after which the share of the hypervolume is told."""
TO = (0.90, 0.95, 0.99)
"""Shares of the hypervolume to which trials and seconds are counted."""
DEFAULT, BLIND = "tpe+presets", "random-valid+presets"
"""What the search is held against: Optuna's default, and drawing valid recipes, both from the same start."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How soon a method comes to a share of the hypervolume.

    Attributes:
        trials: Median over seeds; infinite where half of them or more did not get there.
        seconds: Of the device until then, median likewise.
        seeds: How many got there.
        times: Trials as a multiple of those that the clairvoyant needs.
        times_seconds: Seconds likewise.
    """

    trials: float
    seconds: float
    seeds: int
    times: float
    times_seconds: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the runs of a method on a problem come to.

    Attributes:
        method: Its name.
        label: Its name for a reader.
        seeds: How many runs.
        trials: The most that each was given.
        curve: Mean share of the hypervolume after each trial, of the trials that every run was given.
        at: Trials to mean share; None where runs were not given so many.
        reached: Share to how soon it was reached.
        invalid: Proposals that were no valid recipe, for each trial that was executed.
        duplicates: Proposals that were tried already, likewise.
        ask_cpu_s: Mean CPU seconds of an ask.
        last_ask_cpu_s: Mean CPU seconds of the last ten asks of the runs.
        ended: Why runs ended early, with how many did.
        spent_s: Median of the device's seconds of a whole run.
    """

    method: str
    label: str
    seeds: int
    trials: int
    curve: tuple[float, ...]
    at: Mapping[int, float | None]
    reached: Mapping[float, Reached]
    invalid: float
    duplicates: float
    ask_cpu_s: float
    last_ask_cpu_s: float
    ended: Mapping[str, int]
    spent_s: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; what was not reached is null."""
        plain = asdict(self)
        plain["curve"] = [round(value, 4) for value in self.curve]
        plain["at"] = {str(trials): value for trials, value in self.at.items()}
        plain["reached"] = {f"{aim:.0%}": _finite(asdict(told)) for aim, told in self.reached.items()}
        return plain


def best_run(problem: Problem, trials: int) -> Run:
    """Return the run of the clairvoyant, who knows the front: nobody can do with fewer trials."""
    rows = clairvoyant(problem, trials)
    return Run(
        rows=tuple(rows),
        seconds=tuple(problem.seen[row].seconds for row in rows),
        shares=tuple(share(problem, rows[: count + 1]) for count in range(len(rows))),
        why_ended="its front was found",
    )


def summarise(name: str, label: str, runs: Sequence[Run], best: Run, *, trials: int) -> Summary:
    """Return what the runs of a method come to.

    Args:
        name: Of the method.
        label: Its name for a reader.
        runs: One for each seed.
        best: That of the clairvoyant.
        trials: That each run was given.
    """
    executed = [max(len(run.rows), 1) for run in runs]
    asks = [run.ask_cpu_s for run in runs if run.ask_cpu_s]
    ended = [run.why_ended for run in runs if run.why_ended]
    return Summary(
        method=name,
        label=label,
        seeds=len(runs),
        trials=trials,
        curve=tuple(statistics.fmean(_share_after(run, count) for run in runs) for count in _count(trials)),
        at={
            count: statistics.fmean(_share_after(run, count) for run in runs) if count <= trials else None
            for count in AT
        },
        reached={aim: _reached(runs, best, aim) for aim in TO},
        invalid=statistics.fmean(run.invalid / done for run, done in zip(runs, executed, strict=True)),
        duplicates=statistics.fmean(run.duplicates / done for run, done in zip(runs, executed, strict=True)),
        ask_cpu_s=statistics.fmean(statistics.fmean(ask) for ask in asks) if asks else 0.0,
        last_ask_cpu_s=statistics.fmean(statistics.fmean(ask[-10:]) for ask in asks) if asks else 0.0,
        ended={why: ended.count(why) for why in sorted(set(ended))},
        spent_s=statistics.median(sum(run.seconds) for run in runs),
    )


def table(problem: Problem, summaries: Sequence[Summary]) -> str:
    """Return the table of a problem as text."""
    return "\n".join((_heading(problem), *_columns([_HEADS, *map(_line, summaries)])))


def verdicts(summaries: Sequence[Summary], ours: str) -> list[str]:
    """Return what the aims of the search come to on one problem, as sentences."""
    found = {summary.method: summary for summary in summaries}
    if ours not in found:
        return []
    mine, said = found[ours], list[str]()
    for aim, factor in ((0.95, 2.5), (0.99, 3.0)):
        times = mine.reached[aim].times
        met = "met" if times <= factor else "missed"
        said.append(f"{aim:.0%} within {factor:g}x the clairvoyant's trials: {_times(times)}, {met}")
    if DEFAULT in found:
        said.append(_against_default(mine, found[DEFAULT]))
    if BLIND in found:
        blind = found[BLIND]
        worse = [count for count in AT if (mine.at[count] or 0.0) < (blind.at[count] or 0.0)]
        after = ", ".join(map(str, worse))
        said.append(f"worse than drawing valid recipes: {f'after {after} trials' if worse else 'never'}")
    return said


_HEADS = (
    "method",
    "seeds",
    *(f"@{count}" for count in AT),
    *(f"{what}{aim:.0%}" for aim in TO for what in ("to ", "x best ", "device ")),
    "invalid",
    "known",
    "CPU s/ask",
    "last",
)


def _line(told: Summary) -> list[str]:
    cells = []
    for reached in told.reached.values():
        few = f" ({reached.seeds})" if reached.seeds < told.seeds else ""
        cells += [
            f"{_number(reached.trials, told.trials)}{few}",
            _times(reached.times),
            duration(reached.seconds),
        ]
    shares = (f"{value:.1%}" if value is not None else "" for value in told.at.values())
    rates = (f"{told.invalid:.2f}", f"{told.duplicates:.2f}")
    costs = (f"{told.ask_cpu_s:.3f}", f"{told.last_ask_cpu_s:.3f}")
    if not told.ask_cpu_s:  # nothing was asked
        rates, costs = ("", ""), ("", "")
    return [told.label, str(told.seeds), *shares, *cells, *rates, *costs]


def _heading(problem: Problem) -> str:
    failed = sum(bool(seen.failure) for seen in problem.seen) / len(problem.rows)
    limits = ", ".join(limit.describe() for limit in problem.limits) or "none"
    return (
        f"{problem.name}: {len(problem.rows):,} valid recipes of {len(problem.choices)} knobs, "
        f"{failed:.0%} fail, {len(problem.front)} on the front; limits: {limits}; "
        f"{len(problem.presets)} presets"
    )


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as aligned text, the first column flush left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in lines
    ]


def _against_default(mine: Summary, default: Summary) -> str:
    aim = "95 % in at least 5x fewer device seconds than Optuna's default"
    seconds, others = mine.reached[0.95].seconds, default.reached[0.95].seconds
    if math.isinf(seconds):
        return f"{aim}: 95 % was not reached, missed"
    if math.isfinite(others):
        return f"{aim}: {others / seconds:.1f}x, {'met' if others >= 5 * seconds else 'missed'}"
    least = default.spent_s / seconds
    met = "met" if least >= 5 else f"open, since it was not reached in {default.trials} trials"
    return f"{aim}: more than {least:.1f}x, {met}"


def _reached(runs: Sequence[Run], best: Run, aim: float) -> Reached:
    places = [_place(run, aim) for run in runs]
    got = [
        (place, sum(run.seconds[:place]))
        for run, place in zip(runs, places, strict=True)
        if place is not None
    ]
    never = [math.inf] * (len(runs) - len(got))
    trials = statistics.median([place for place, _ in got] + never)
    seconds = statistics.median([spent for _, spent in got] + never)
    least = _place(best, aim)
    least_s = sum(best.seconds[:least]) if least is not None else math.inf
    return Reached(
        trials=trials,
        seconds=seconds,
        seeds=len(got),
        times=trials / least if least is not None else math.inf,
        times_seconds=seconds / least_s if math.isfinite(least_s) else math.inf,
    )


def _place(run: Run, aim: float) -> int | None:
    """After how many trials a run has a share of the hypervolume; None if never."""
    return next((count + 1 for count, held in enumerate(run.shares) if held >= aim), None)


def _share_after(run: Run, count: int) -> float:
    """The share after so many trials; that of its last one for a run that ended before."""
    return run.shares[min(count, len(run.shares)) - 1] if run.shares else 0.0


def _count(trials: int) -> range:
    return range(1, trials + 1)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _number(value: float, most: int | None = None) -> str:
    if math.isinf(value):
        return f">{most}" if most is not None else "-"
    return f"{value:g}"


def _times(value: float) -> str:
    return "-" if math.isinf(value) else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Return seconds of a device as text.

    >>> duration(90.0), duration(1800.0), duration(40000.0), duration(math.inf)
    ('90 s', '30 min', '11.1 h', '-')
    """
    if math.isinf(seconds):
        return "-"
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36000 else f"{seconds / 3600:.1f} h"
