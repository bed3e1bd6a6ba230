"""Studies of one workload and machine make one table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autotune.errors import UsageError
from autotune.footprint import Footprint
from autotune.knob import Settings, Value
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.search.study import Study
from autotune.store.records import CheckRecord, Purpose, TrialRecord, TrialState
from tests.bench.pace import at_pace
from tests.bench.record import foretold, merged
from tests.search import synthetic

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = {name: values[0] for name, values in synthetic.VALUES.items()}


def trial(number: int, changed: Settings, outcome: Outcome | None = None) -> TrialRecord:
    """Return a trial that took as many seconds as its number says."""
    return TrialRecord(
        number=number,
        digest=Recipe(model="demo", settings=changed).digest,
        settings={**DEFAULTS, **changed},
        changed=changed,
        folder=Path("x"),
        state=TrialState.TOLD,
        started_at=NOW,
        outcome=outcome or synthetic.measurement({**DEFAULTS, **changed}),
        seconds=float(number),
    )


def study(name: str, *trials: TrialRecord, choices: dict[str, tuple[Value, ...]]) -> Study:
    """Return a study of some trials, with one look at the noise floor."""
    floor = CheckRecord(
        purpose=Purpose.FLOOR,
        round=0,
        digest=Recipe(model="demo").digest,
        changed={},
        outcome=synthetic.measurement(DEFAULTS),
        seconds=2.0,
        finished_at=NOW,
    )
    return Study(
        plan=synthetic.plan(study=name),
        situation=synthetic.SITUATION,
        choices=choices,
        trials=trials,
        storage="",
        checks=(floor,),
    )


def test_what_two_studies_measured_is_one_table() -> None:
    """Choices are put together, what both measured counts once, and what was cancelled not at all."""
    cancelled = Failure(kind=FailureKind.CANCELLED, message="The user stopped it.")
    first = study(
        "first",
        trial(1, {}),
        trial(2, {"steps": 8}),
        trial(3, {"steps": 12}, cancelled),
        choices={"steps": (20, 8), "compile": ("none",)},
    )
    second = study(
        "second",
        trial(4, {}),
        trial(5, {"compile": "full"}),
        choices={"steps": (20, 8), "compile": ("none", "full")},
    )
    table = merged("both", [first, second])

    assert {"steps": (20, 8), "compile": ("none", "full")} == table.choices
    assert [({}, 1.0), ({"compile": "full"}, 5.0), ({"steps": 8}, 2.0)] == [
        (dict(row.changed), row.seconds) for row in table.rows if row.role == "trial"
    ]
    assert 1 == sum(row.role == "pictures" for row in table.rows)
    assert ["first", "second"] == [plan.study for plan in table.plans]


def test_forecasts_come_afterwards() -> None:
    """They need the model's footprint and no machine: each trial gets one for every stage."""
    table = merged("one", [study("one", trial(1, {}), trial(2, {"steps": 8}), choices={"steps": (20, 8)})])
    found = foretold(table, Footprint(pipeline_class="StableDiffusionPipeline"))

    assert all({"load"} < row.forecast.keys() for row in found.rows if row.role == "trial")
    assert all(not row.forecast for row in (*table.rows, *found.rows) if row in table.rows)
    assert [row.outcome for row in table.rows] == [row.outcome for row in found.rows]


def test_times_are_brought_to_one_pace() -> None:
    """Where the untuned recipe takes half as long again, so does another: it is as fast as it was before."""
    later, slow = NOW + timedelta(hours=1), 1.5
    before, after = trial(2, {"steps": 12}), replace(trial(3, {"steps": 8}), started_at=later)
    assert after.outcome is not None
    slowed = replace(after, outcome=at_pace(after.outcome, slow))
    untuned = at_pace(synthetic.measurement(DEFAULTS), slow)
    again = CheckRecord(
        purpose=Purpose.BASELINE,
        round=0,
        digest="",
        changed={},
        outcome=untuned,
        seconds=1.0,
        finished_at=later,
    )
    known = study("first", trial(1, {}), before, slowed, choices=dict(synthetic.VALUES))
    table = merged("one", [replace(known, checks=(again,))])
    then, now = (table.row(Recipe(model="demo", settings={"steps": steps})) for steps in (12, 8))

    assert then is not None
    assert now is not None
    assert isinstance(then.outcome, Measurement)
    assert isinstance(now.outcome, Measurement)
    # The usual pace lies between the two.
    assert now.outcome.calls_s[0] / synthetic.measurement({**DEFAULTS, "steps": 8}).calls_s[
        0
    ] == pytest.approx(then.outcome.calls_s[0] / synthetic.measurement({**DEFAULTS, "steps": 12}).calls_s[0])


def test_other_pictures_or_another_machine_are_another_table() -> None:
    """Their figures cannot be compared."""
    choices = dict(synthetic.VALUES)
    one = study("one", trial(1, {}), choices=choices)
    where = one.situation
    other = replace(one, situation=replace(where, target=replace(where.target, name="Slide rule")))

    with pytest.raises(UsageError, match="has another machine than the first"):
        merged("both", [one, other])
