"""Stage "record": a table of measured recipes for the search bench, as many as the time allows."""

from collections import Counter
from pathlib import Path
from typing import Any

from autotune.measurement import Failure, Measurement
from autotune.plan_file import format_plan, parse_plan
from autotune.runners.local import LocalRunner
from autotune.search.spread import share_of_pairs
from autotune.search.study import Study
from autotune.table import Table, read_table, write_table
from autotune.units import format_bytes, format_duration
from tests.bench.problems.recorded import recorded_recipes
from tests.bench.record import merged, studies_in
from tests.gpu_check.commands import GRACE_S, autotune
from tests.gpu_check.recording_plans import ON_CARD, ON_CPU, Part, Recording, planned, space_of
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept

FOUND = "record.json"
TABLE = "table.jsonl.gz"
DATABASE = "record.db"
_STOPPED = 130  # exit code of a study that was ended by Ctrl-C
_TABLE_S = 6.0  # to put a table together; its forecasts take longer and need no card, so that they wait
_LEAST_S = {"cpu": 50.0, "cuda": 100.0}
"""Of a run: to start, make reference pictures or finish them, and be ended, takes half of it."""


def run(where: Where) -> Ended:
    """Measure recipes until the time is over, few of each part and then many, and write the table."""
    recording = ON_CPU if where.is_proof else ON_CARD
    if where.left_s < _LEAST_S["cpu" if where.is_proof else "cuda"]:
        return Ended(status=Status.PARTIAL, message="Too little time was left to measure anything.")
    found = where.kept(FOUND) or _prepare(where, recording)
    turns = [(part, part.few) for part in recording.parts] + [(part, part.many) for part in recording.parts]
    for part, wanted in turns:
        state = found["parts"][part.name]
        aim = min(wanted, state["recipes"])
        if state["plan"] is None or state["tried"] >= aim:
            continue
        if where.left_s < GRACE_S + _TABLE_S + 15.0:
            break
        problem = _measure(where, part, aim)
        _write(where, found)
        # A study of which every recipe fails ends with an error too: that is a finding.
        state["problem"] = "" if state["tried"] >= aim else problem
        where.keep(FOUND, found)
    return _ended(recording, found)


def lines(results: Path) -> list[str]:
    """Return what was recorded: how many recipes, how much of the space, and what failed."""
    found = kept(results, FOUND)
    if found is None:
        return []
    said = [
        "| study | recipes tried | of | failed | pairs of values seen | trials took |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, state in found["parts"].items():
        if state["plan"] is None:
            said.append(f"| `{name}` | not possible here | | | | |")
            continue
        pairs = f"{state['pairs']:.0%}" if state["pairs"] is not None else ""
        took = format_duration(state["seconds"]) if state["seconds"] else ""
        said.append(
            f"| `{name}` | {state['tried']} | {state['recipes']:,} | {state['failed']} | {pairs} | {took} |"
        )
    said.append("")
    for name, state in found["parts"].items():
        said += [f"- `{name}`, left out: {why}" for why in state["left_out"]]
        said += [f"- `{name}`: {count} recipes ended so: {kind}" for kind, count in state["failures"].items()]
        said += [f"- `{name}` went wrong: {state['problem']}"] if state["problem"] else []
    file = results / TABLE
    return said + (_of_table(file) if file.is_file() else [])


def _prepare(where: Where, recording: Recording) -> dict[str, Any]:
    """Look at the machine once, and write each part's plan of what is on offer there."""
    with LocalRunner() as runner:
        situation = runner.probe(recording.workload, where.device)
    found: dict[str, Any] = {"rows": 0, "parts": {}}
    where.results.mkdir(parents=True, exist_ok=True)
    for part in recording.parts:
        here = planned(part, recording, situation)
        file = f"{part.name}.toml" if here.plan is not None else None
        if here.plan is not None:
            (where.results / f"{part.name}.toml").write_text(format_plan(here.plan), encoding="utf-8")
        where.say(f"{part.name}: {here.recipes:,} recipes; left out: {' '.join(here.left_out) or 'nothing'}")
        found["parts"][part.name] = {
            "plan": file,
            "left_out": list(here.left_out),
            "recipes": here.recipes,
            "tried": 0,
            "failed": 0,
            "failures": {},
            "pairs": None,
            "seconds": 0.0,
            "problem": "",
        }
    where.keep(FOUND, found)
    return found


def _measure(where: Where, part: Part, aim: int) -> str:
    """Go on with a study up to so many recipes; return what went wrong, "" for nothing."""
    plan = where.results / f"{part.name}.toml"
    ran = autotune(
        ["tune", plan, "--storage", where.work / DATABASE, "--trials", str(aim), "--quiet"],
        where.within(where.left_s - _TABLE_S),
    )
    return "" if ran.code in (0, _STOPPED) or ran.was_stopped else ran.last_words


def _write(where: Where, found: dict[str, Any]) -> None:
    """Put what all studies have measured into one table, and say how far each of them is."""
    database = where.work / DATABASE
    if not database.is_file():
        return
    studies = studies_in([database])
    for study in studies:
        if study.name in found["parts"]:
            found["parts"][study.name] |= _state(study, where)
    if studies:
        table, file = merged(where.results.name, studies), where.results / TABLE
        known = recorded_recipes(file) if file.is_file() else 0
        found["rows"] = max(len(_tried(table)), known)  # what two studies tried counts once
        if len(_tried(table)) >= known:
            write_table(table, file)
        else:  # the databases of another machine did not come along: the same recipes are tried again
            where.say(f"{TABLE} stays as it is: it has more recipes than were tried here so far")
        where.say(f"{TABLE}: {found['rows']} recipes")
    where.keep(FOUND, found)


def _state(study: Study, where: Where) -> dict[str, Any]:
    plan = parse_plan((where.results / f"{study.name}.toml").read_text(encoding="utf-8"))
    space = space_of(plan, study.situation)
    names = [name for name, values in space.choices.items() if len(values) > 1]
    counted = [trial for trial in study.trials if trial.counts]
    inside = [trial.settings for trial in counted if space.is_searched(trial.settings)]
    tried, every = (
        [{name: one[name] for name in names} for one in several] for several in (inside, space.valid())
    )
    failures = Counter(trial.outcome.kind.value for trial in counted if isinstance(trial.outcome, Failure))
    return {
        "tried": len(counted),
        "failed": failures.total(),
        "failures": dict(failures),
        "pairs": round(share_of_pairs(tried, every), 4) if len(names) > 1 else None,
        "seconds": round(sum(trial.seconds for trial in counted), 1),
    }


def _ended(recording: Recording, found: dict[str, Any]) -> Ended:
    parts = found["parts"]
    wrong = [f"{name}: {state['problem']}" for name, state in parts.items() if state["problem"]]
    if wrong:
        return Ended(status=Status.FAILED, message=f"{found['rows']} recipes are recorded. {' '.join(wrong)}")
    is_whole = all(
        parts[part.name]["plan"] is None
        or parts[part.name]["tried"] >= min(part.many, parts[part.name]["recipes"])
        for part in recording.parts
    )
    message = f"{found['rows']} recipes are recorded for the search bench."
    return Ended(status=Status.DONE if is_whole else Status.PARTIAL, message=message)


def _of_table(file: Path) -> list[str]:
    table = read_table(file)
    rows = _tried(table)
    untuned = next((row.outcome for row in rows if not row.changed), None)
    measured = [row.outcome for row in rows if isinstance(row.outcome, Measurement)]
    model, size = table.situation.workload.model, format_bytes(file.stat().st_size)
    said = [f"- `{TABLE}`: {len(rows)} recipes of {model}, {size}."]
    if isinstance(untuned, Measurement):
        fastest = format_duration(min(one.latency_s for one in measured))
        smallest = format_bytes(min(one.memory_bytes for one in measured))
        slow, large = format_duration(untuned.latency_s), format_bytes(untuned.memory_bytes)
        said.append(
            f"- Untuned {slow} a call and {large}; the fastest recipe {fastest}, the smallest {smallest}."
        )
    if not all(row.forecast for row in rows):
        said.append(
            f"- Forecasts are still to be added, without a card: `python -m tests.bench.record -o {file}`"
        )
    return said


def _tried(table: Table) -> list[Any]:
    return [row for row in table.rows if row.role == "trial"]


STAGE = Stage(
    name="record", title="A table of measured recipes for the search bench", weight=1.0, run=run, lines=lines
)
