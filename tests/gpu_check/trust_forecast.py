"""Experiment of the stage "trust" on forecasts of memory: against all that was measured on this machine."""

import json
import statistics
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError
from autotune.footprint import Footprint
from autotune.measurement import Memory
from autotune.runners.local import LocalRunner
from autotune.store.engine import open_database
from autotune.store.history import load_study, study_names, trials
from autotune.workload import Workload
from tests.bench.forecast import Case, Row, error, key, rows_of
from tests.gpu_check.stage import kept
from tests.gpu_check.trust_trials import (
    ONCE,
    Finding,
    Machine,
    OutOfTime,
    Settings,
    Trials,
    demo,
    full_size,
    is_good,
    table,
    why_missing,
)

RECIPES, KEPT_FORECASTS = "recipes", "forecast.json"
GOAL = 0.08
"""Median of the relative error that is aimed at, on the card that was learnt from."""
WAITING = "forecasts"
"""What is said to wait where there was no time for forecasts."""
_MOST_CASES = 80  # each is forecast by what all the others teach: the work grows with the cube
_MOST_TRIALS = 40  # of one study: its recipes are much alike
_FOOTPRINT_S, _LARGE_FOOTPRINT_S = 10.0, 25.0
_BF16: Settings = {"dtype": "bfloat16"}
_KINDS: dict[str, Settings] = {
    "float32": {},
    "bfloat16": _BF16,
    "bfloat16, VAE in tiles": {**_BF16, "vae_tiling": 256},
    "bfloat16, tiny VAE": {**_BF16, "tiny_vae": True},
    "bfloat16, prompts encoded before": {**_BF16, "prompt_embeds": "precomputed"},
    "bfloat16, offload model": {**_BF16, "offload": "model"},
    "bfloat16, offload group_block": {**_BF16, "offload": "group_block"},
    "bfloat16, int8 weights": {**_BF16, "quantization": "int8_weight_only"},
    "bfloat16, layers cast to float8": {**_BF16, "layerwise_casting": "float8_e4m3fn"},
}
_KINDS_OF_CPU = ("float32", "bfloat16, tiny VAE", "bfloat16, prompts encoded before")


def measure_recipes(trials_: Trials) -> None:
    """Measure recipes of different kinds, a call each: SD 1.5 in full size, on a CPU the demo model."""
    is_proof = trials_.where.is_proof
    workload = (
        demo(side_px=64, steps=2, batch=4, prompts=4) if is_proof else full_size("arch:sd15", side_px=512)
    )
    for name in _KINDS_OF_CPU if is_proof else _KINDS:
        trials_.once(
            RECIPES,
            f"{workload.model}, {name}",
            partial(trials_.measure, workload, _KINDS[name], ONCE, is_whole=is_proof),
            needs_s=15.0,
        )


def make_forecasts(trials_: Trials) -> None:
    """Keep every recipe that was measured without a cap, here and by other stages; then forecast them all.

    What was kept before stays: the databases of an earlier run may be gone. Forecasts need no card, so that
    they come last; `python -m tests.gpu_check.trust_forecast RESULTS` makes them anywhere.

    Raises:
        OutOfTime: There is no time to look at a model's parts.
    """
    where = trials_.where
    before: Mapping[str, Any] = where.kept(KEPT_FORECASTS) or {"cases": []}
    known = {_name(case): case for case in map(_case_from, before["cases"])}
    for case in (*cases_of_trials(trials_.found), *cases_under(where.work)):
        if case.device == where.device:
            known[_name(case)] = case
    cases = evenly(list(known.values()), _MOST_CASES)
    if cases:
        where.keep(KEPT_FORECASTS, {**before, "cases": [_case_told(case) for case in cases]})
        where.keep(KEPT_FORECASTS, _forecast(cases, trials_.runner, lambda: where.left_s))


def _forecast(cases: list[Case], runner: Machine, left_s: Callable[[], float]) -> Finding:
    """Cases beside their forecasts, in plain JSON."""
    footprints: dict[str, Footprint] = {}
    without: dict[str, str] = {}
    for case in cases:
        name = key(case.workload)
        if name in footprints or name in without:
            continue
        needs_s = _LARGE_FOOTPRINT_S if case.workload.model.startswith("arch:") else _FOOTPRINT_S
        if left_s() < needs_s:
            raise OutOfTime(WAITING)
        clock = threading.Timer(left_s(), runner.cancel)
        clock.start()
        try:
            footprints[name] = runner.footprint(case.workload)[0]
        except AutotuneError as fault:
            if left_s() <= 0:
                raise OutOfTime(WAITING) from fault
            without[name] = f"{case.workload.model}: {fault}"[:300]
        finally:
            clock.cancel()
    known = [case for case in cases if key(case.workload) in footprints]
    rows = [_told(row) for row in rows_of(known, footprints)] if known else []
    told = [_case_told(case) for case in cases]
    return {"cases": told, "rows": rows, "without": sorted(without.values())}


def _name(case: Case) -> str:
    return f"{case.group} {key(case.workload)} {sorted(case.settings.items())}"


def _case_told(case: Case) -> Finding:
    memory = {"peak_bytes": case.memory.peak_bytes, "stages": dict(case.memory.stages)}
    return {
        "study": case.group.partition(", ")[0],
        "workload": case.workload.to_json(),
        "settings": dict(case.settings),
        "memory": memory | {"detail": dict(case.memory.detail)},
    }


def _case_from(told: Finding) -> Case:
    return _case(Workload.from_json(told["workload"]), told["settings"], told["memory"], told["study"])


def cases_of_trials(found: Mapping[str, Mapping[str, Finding]]) -> Iterator[Case]:
    """Yield every recipe that this stage measured without a cap; each recipe once, its latest measurement."""
    latest: dict[str, Case] = {}
    for items in found.values():
        for one in items.values():
            if not is_good(one) or "memory" not in one:  # what ran under a cap is kept one deeper
                continue
            case = _case(Workload.from_json(one["workload"]), one["settings"], one["memory"], "trust")
            if case.device == "cpu" and "one call" not in case.memory.stages:
                continue  # what the allocator kept is in it: no forecast is made of that
            latest[f"{key(case.workload)} {sorted(case.settings.items())}"] = case
    yield from latest.values()


def cases_under(work: Path) -> Iterator[Case]:
    """Yield the recipes that studies in databases of a folder measured without a cap, a few of each study."""
    for file in sorted(work.rglob("*.db")):
        try:
            database = open_database(f"sqlite:///{file}", must_exist=True)
        except AutotuneError:
            continue  # the database of something else
        with database:
            for name in study_names(database):
                workload = load_study(database, name).situation.workload
                done = [trial for trial in trials(database, name) if trial.measurement is not None]
                for trial in evenly(done, _MOST_TRIALS):
                    memory = trial.measurement.memory if trial.measurement else None
                    if memory is not None and "cap_bytes" not in memory.detail:
                        plain = {
                            "peak_bytes": memory.peak_bytes,
                            "stages": memory.stages,
                            "detail": memory.detail,
                        }
                        yield _case(workload, trial.changed, plain, name)


def _case(workload: Workload, settings: Settings, memory: Mapping[str, Any], study: str) -> Case:
    read = Memory(**memory)
    return Case(
        device="cuda" if "reserved_bytes" in read.detail else "cpu",
        group=f"{study}, {workload.model}",
        workload=workload,
        settings=dict(settings),
        memory=read,
    )


def evenly(found: list[Any], most: int) -> list[Any]:
    """Return at most so many, evenly spread from the first to the last.

    >>> evenly([1, 2, 3, 4, 5], 3), evenly([1, 2], 3)
    ([1, 3, 5], [1, 2])
    """
    if len(found) <= most:
        return found
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]


def _told(row: Row) -> Finding:
    workload = row.case.workload
    return {
        "group": row.case.group,
        "size": f"{workload.width_px}x{workload.height_px} x{workload.batch}",
        "settings": dict(row.case.settings),
        "measured_bytes": row.measured,
        "lower_bound_bytes": row.lower_bound,
        "before_bytes": row.unlearnt,
        "learnt_bytes": row.learnt,
    }


def forecast_lines(known: Mapping[str, Any]) -> list[str]:
    """Return what forecasts were off by, as Markdown."""
    rows, without = known.get("rows", []), known.get("without", [])
    if not rows:
        waiting = f"{len(known['cases'])} recipes were measured; none of them was forecast yet."
        return [waiting, *(f"No forecast: {why}." for why in without), ""]
    cells = []
    for group in [*dict.fromkeys(row["group"] for row in rows), "all"]:
        mine = [row for row in rows if group in ("all", row["group"])]
        before = [error(row["before_bytes"], row["measured_bytes"]) for row in mine]
        learnt = [error(row["learnt_bytes"], row["measured_bytes"]) for row in mine]
        refused = sum(row["lower_bound_bytes"] > row["measured_bytes"] for row in mine)
        shares = [statistics.median(before), statistics.median(learnt), max(learnt)]
        cells.append([group, str(len(mine)), *(f"{share:.1%}" for share in shares), str(refused)])
    worst = sorted(rows, key=lambda row: -error(row["learnt_bytes"], row["measured_bytes"]))[:3]
    off = Counter({_named(row): error(row["learnt_bytes"], row["measured_bytes"]) for row in worst})
    median = statistics.median(error(row["learnt_bytes"], row["measured_bytes"]) for row in rows)
    verdict, count = "reached" if median <= GOAL else "missed", len(known["cases"])
    return [
        *table(
            ["study, model", "recipes", "off before learning", "after", "worst", "refused by mistake"], cells
        ),
        (
            "Off: median of |forecast - measured peak| / measured; after: learnt from all others here. "
            f"The goal of {GOAL:.0%} is {verdict} ({median:.1%}); {len(rows)} of {count} recipes have one. "
            "Refused by mistake: the lower bound is above what was measured; it must be 0. "
            f"Furthest off: {'; '.join(f'{name} by {share:.0%}' for name, share in off.items())}."
        ),
        *(f"No forecast: {why}." for why in without),
        "",
    ]


def _named(row: Finding) -> str:
    settings = ", ".join(f"{knob}={value}" for knob, value in row["settings"].items()) or "untuned"
    return f"{row['group']} {row['size']} ({settings})"


def recipe_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return the peaks of the experiment "recipes", as Markdown."""
    rows = []
    for name, one in found.items():
        if not is_good(one):
            rows.append([name, *["-"] * 4, why_missing(one)])
            continue
        detail = one["memory"]["detail"]
        amounts = [one["memory"]["peak_bytes"]]
        amounts += [detail.get(part) for part in ("reserved_bytes", "allocated_bytes", "outside_bytes")]
        rows.append([name, *("-" if amount is None else f"{amount / 2**20:.0f}" for amount in amounts), ""])
    return table(["recipe", "peak MiB", "reserved", "allocated", "outside", ""], rows)


def main(results: Path) -> None:
    """Forecast, on whatever machine, what was measured on another, and write its page again.

    Args:
        results: The folder of a machine's results.
    """
    from tests.gpu_check.summary import summary

    cases = [_case_from(told) for told in kept(results, KEPT_FORECASTS)["cases"]]
    with LocalRunner() as runner:
        found = _forecast(cases, runner, lambda: threading.TIMEOUT_MAX)
    (results / KEPT_FORECASTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (results / "README.md").write_text(summary(results), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
