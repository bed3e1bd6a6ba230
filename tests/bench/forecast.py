"""How far the forecast is from what was measured: `make bench-forecast`.

Every trial under studies/ that tells its memory is forecast without itself: what it taught is left out (leave
one out). Two figures must hold whatever the rest says: no recipe that was measured to fit a budget would have
been refused under it, that is, no lower bound is above what was measured.
"""

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.factors import Factors, Seen, fit
from autotune.footprint import Footprint
from autotune.forecast import Forecast, forecast, seen_in
from autotune.knob import Value
from autotune.measurement import Memory
from autotune.plan_file import parse_plan
from autotune.runners.local import LocalRunner
from autotune.target import Target
from autotune.workload import Workload
from tests.bench.weigh_cases import recorded

STUDIES = Path(__file__).parents[2] / "studies"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recipe that was measured.

    Attributes:
        device: Name and kind of the device: what was learnt on one says nothing about another.
        group: The study it is from, and the model.
        workload: What it made.
        settings: What it changed.
        memory: What it took.
    """

    device: str
    group: str
    workload: Workload
    settings: dict[str, Value]
    memory: Memory


def all_cases() -> Iterator[Case]:
    """Yield every measured recipe under studies/."""
    for row in recorded():
        workload = Workload.from_json(row["workload"])
        memory = Memory(**row["memory"])
        group = f"forecast-cpu, {workload.model}"
        yield Case(device="cpu", group=group, workload=workload, settings=row["settings"], memory=memory)
    for file in sorted(STUDIES.glob("*/trials.json")):
        yield from _cases_of_study(file)


def _cases_of_study(file: Path) -> Iterator[Case]:
    plan = file.parent / "plan.toml"
    if not plan.is_file():
        return
    workload = parse_plan(plan.read_text(encoding="utf-8"), source=str(plan)).workload
    study: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for trial in study["trials"]:
        outcome = trial.get("outcome") or {}
        if outcome.get("outcome") != "measurement":
            continue
        memory = Memory(**outcome["memory"])
        kind = "cuda" if "reserved_bytes" in memory.detail else "cpu"
        # Older studies have no call that was weighed while nothing was kept: they are learnt from apart.
        marked = "" if "one call" in memory.stages or kind == "cuda" else ", high-water marks"
        yield Case(
            device=f"{kind}{marked}",
            group=f"{file.parent.name}, {workload.model}",
            workload=workload,
            settings=trial["settings"],
            memory=memory,
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case beside its forecast."""

    case: Case
    lower_bound: int
    unlearnt: int
    learnt: int

    @property
    def measured(self) -> int:
        """Peak bytes."""
        return self.case.memory.peak_bytes


def rows_of(cases: list[Case], footprints: dict[str, Footprint]) -> Iterator[Row]:
    """Yield each case of one device with its forecast, learnt from all others."""
    target = Target(device=cases[0].device.partition(",")[0])
    made = [_forecast(case, footprints, target, None) for case in cases]
    seen = [seen_in(each, case.memory) for each, case in zip(made, cases, strict=True)]
    for number, (case, plain) in enumerate(zip(cases, made, strict=True)):
        others: list[Seen] = [row for place, rows in enumerate(seen) if place != number for row in rows]
        factors = fit(others, Factors.of(target.kind))
        learnt = _forecast(case, footprints, target, factors)
        yield Row(
            case=case,
            lower_bound=plain.lower_bound_bytes,
            unlearnt=plain.expected_bytes,
            learnt=learnt.expected_bytes,
        )


def _forecast(
    case: Case, footprints: dict[str, Footprint], target: Target, factors: Factors | None
) -> Forecast:
    return forecast(case.settings, footprints[key(case.workload)], target, factors)


def key(workload: Workload) -> str:
    """Return a text that names what a footprint depends on."""
    return json.dumps(workload.to_json(), sort_keys=True)


def read_footprints(cases: list[Case]) -> dict[str, Footprint]:
    """Return the footprint of every workload; those that were measured before come from the cache."""
    found: dict[str, Footprint] = {}
    with LocalRunner() as runner:
        for case in cases:
            if key(case.workload) not in found:
                found[key(case.workload)] = runner.footprint(case.workload)[0]
    return found


def error(guess: int, truth: int) -> float:
    """Return how far a guess is off, as a share of the truth."""
    return abs(guess - truth) / truth


def main() -> int:
    """Print the table and return 1 where a feasible recipe would have been refused."""
    cases = list(all_cases())
    footprints = read_footprints(cases)
    rows: list[Row] = []
    for device in dict.fromkeys(case.device for case in cases):
        rows += rows_of([case for case in cases if case.device == device], footprints)
    groups = {f"{row.case.group} ({row.case.device})": None for row in rows}
    print(f"{'measured':<48}{'trials':>7}{'error before':>14}{'after':>8}{'worst':>8}{'refused':>9}")
    for group in [*groups, "all"]:
        mine = [row for row in rows if group in ("all", f"{row.case.group} ({row.case.device})")]
        before = statistics.median(error(row.unlearnt, row.measured) for row in mine)
        after = [error(row.learnt, row.measured) for row in mine]
        refused = sum(row.lower_bound > row.measured for row in mine)
        figures = f"{before:>14.1%}{statistics.median(after):>8.1%}{max(after):>8.1%}{refused:>9}"
        print(f"{group:<48}{len(mine):>7}{figures}")
    print("error: median of |expected - measured| / measured, before learning and after (leave one out)")
    print("refused: feasible recipes whose lower bound is above what was measured; must be 0")
    if "--all" in sys.argv:
        for row in sorted(rows, key=lambda row: -error(row.learnt, row.measured)):
            sizes = (row.lower_bound, row.unlearnt, row.learnt, row.measured)
            told = " ".join(f"{size / 2**20:9.1f}" for size in sizes)
            side = f"{row.case.workload.width_px}x{row.case.workload.batch}"
            print(f"{told}  {row.case.group} {side} {row.case.settings}")
    return int(any(row.lower_bound > row.measured for row in rows))


if __name__ == "__main__":
    sys.exit(main())
