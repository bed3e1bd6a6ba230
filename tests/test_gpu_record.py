"""The stage that records a table: it asks for what is on offer, goes on, and keeps what there is."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.budget import Budget
from autotune.plan_file import format_plan
from autotune.runners.replay import ReplayRunner
from autotune.search.tune import run_study
from autotune.table import Table, read_table
from tests.bench.problems.recorded import problem_from_table, recorded_recipes
from tests.bench.search import TABLES
from tests.gpu_check import recording
from tests.gpu_check.recording_plans import ON_CARD, ON_CPU, planned, space_of
from tests.gpu_check.stage import Status, Where
from tests.knobs.places import CPU, HERE, HOPPER

EAGER, COMPILED = ON_CARD.parts
CARD = replace(HERE, target=HOPPER, workload=ON_CARD.workload)


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """A proof on a CPU, with a minute to go."""
    return Where(
        device="cpu",
        results=tmp_path / "results" / "card",
        work=tmp_path / "work",
        until=time.monotonic() + 60.0,
        say=lambda line: None,  # noqa: ARG005 - nobody listens
    )


def replayed(where: Where, trials: int) -> Table:
    """Measure so many recipes of the first study, the machine replaced by a table."""
    table = read_table(TABLES / "torch.jsonl.gz")
    knobs = {name: table.choices[name] for name in ("dtype", "tiny_vae", "steps")}
    plan = replace(
        table.plans[0],
        study=EAGER.name,
        sampler="exhaustive",
        warm_from=(),
        budget=Budget(trials=trials, gain=None),
        knobs=knobs,
    )
    (_made(where.results) / f"{EAGER.name}.toml").write_text(format_plan(plan))
    url = f"sqlite:///{_made(where.work) / recording.DATABASE}"
    run_study(plan, url=url, runner=ReplayRunner(table), situation=table.situation)
    return table


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state(**changes: object) -> dict[str, object]:
    """Return what is known of a study before its first recipe."""
    none = {"left_out": [], "tried": 0, "failed": 0, "failures": {}, "pairs": None}
    return {"plan": "x.toml", "recipes": 12, **none, "seconds": 0.0, "problem": "", **changes}


def test_a_card_is_asked_for_what_it_offers() -> None:
    """Thousands of recipes, and the untuned one in 32 bits; what is not on offer is said, with why."""
    eager, compiled = (planned(part, ON_CARD, CARD) for part in (EAGER, COMPILED))

    assert eager.plan is not None
    assert compiled.plan is not None
    assert 1000 < eager.recipes < 20_000
    assert compiled.recipes > COMPILED.many
    assert ("regional",) == compiled.plan.knobs["compile"]
    assert not space_of(eager.plan, CARD).is_searched(space_of(eager.plan, CARD).defaults)
    assert any("'attention' does not offer 'xformers'" in why for why in eager.left_out)
    assert set(eager.plan.knobs) == set(EAGER.wanted)


def test_without_a_compiler_there_is_no_compiled_part() -> None:
    """It is left out with its reason; the other one is there."""
    bare = replace(CARD, target=replace(HOPPER, has_compiler=False))
    left = planned(COMPILED, ON_CARD, bare)

    assert left.plan is None
    assert any("'compile' does not offer 'regional'" in why for why in left.left_out)
    assert planned(EAGER, ON_CARD, bare).plan is not None


def test_a_cpu_proves_the_same_parts() -> None:
    """They have the same names, few recipes, and few steps."""
    here = replace(HERE, target=CPU, workload=ON_CPU.workload)

    assert [part.name for part in ON_CARD.parts] == [part.name for part in ON_CPU.parts]
    assert all(0 < planned(part, ON_CPU, here).recipes < 40 for part in ON_CPU.parts)


def test_what_was_measured_is_a_table_whenever_it_ends(where: Where) -> None:
    """It has the recipes so far, says how much of the space they see, and can be played."""
    found: dict[str, Any] = {"rows": 0, "parts": {part.name: state() for part in ON_CARD.parts}}
    replayed(where, 4)
    recording._write(where, found)
    few = read_table(where.results / recording.TABLE)
    replayed(where, 7)
    recording._write(where, found)
    problem = problem_from_table(where.results / recording.TABLE)
    text = "\n".join(recording.lines(where.results))

    assert "card" == few.name == problem.name
    assert 4 == sum(row.role == "trial" for row in few.rows)
    assert 7 == len(problem.rows) == found["parts"][EAGER.name]["tried"]
    assert "| `record-eager` | 7 | 12 | 0 | 100% |" in text
    assert "Forecasts are still to be added" in text


def test_a_table_is_never_replaced_by_a_smaller_one(where: Where) -> None:
    """Where the table came along and the databases did not, the same recipes are tried again first."""
    found: dict[str, Any] = {"rows": 0, "parts": {part.name: state() for part in ON_CARD.parts}}
    shutil.copyfile(TABLES / "torch.jsonl.gz", _made(where.results) / recording.TABLE)
    replayed(where, 2)
    recording._write(where, found)

    assert found["rows"] == recorded_recipes(where.results / recording.TABLE) > 400
    assert 2 == found["parts"][EAGER.name]["tried"]


def test_a_stage_without_time_says_so_and_one_at_its_end_is_done(where: Where) -> None:
    """Nothing is begun that cannot be ended in time; a study with no compiler is no reason to go on."""
    late = recording.run(where.within(1.0))
    whole = {EAGER.name: state(tried=12), COMPILED.name: state(plan=None)}
    where.keep(recording.FOUND, {"rows": 12, "parts": whole})
    done = recording.run(where)
    whole[EAGER.name]["problem"] = "It broke."
    broken = recording._ended(ON_CPU, {"rows": 12, "parts": whole})

    assert (late.status, "Too little time" in late.message) == (Status.PARTIAL, True)
    assert (done.status, done.message) == (Status.DONE, "12 recipes are recorded for the search bench.")
    assert (broken.status, "record-eager: It broke." in broken.message) == (Status.FAILED, True)
    assert "| `record-compiled` | not possible here |" in "\n".join(recording.lines(where.results))
    assert [] == recording.lines(where.work)
