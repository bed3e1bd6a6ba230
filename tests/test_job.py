"""Job and Protocol: all that a worker is told, and the timings that cannot be made."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import PlanError
from autotune.job import Job, Protocol
from autotune.recipe import Recipe
from autotune.workload import Workload

LAW = settings(max_examples=60, deadline=None)
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
RECIPES = st.builds(
    Recipe, model=st.text(min_size=1), settings=st.dictionaries(st.text(), VALUES, max_size=3)
)
JOBS = st.builds(
    Job,
    recipe=RECIPES,
    workload=st.builds(
        Workload, model=st.just("demo"), seeds=st.tuples(st.integers()), steps=st.integers(1, 50)
    ),
    device=st.sampled_from(["cpu", "cuda:1"]),
    folder=st.text(),
    reference=st.text(),
    role=st.sampled_from(["trial", "reference"]),
    memory_limit_bytes=st.none() | st.integers(1, 2**50),
    time_limit_s=st.floats(0.1, 1e6),
    protocol=st.builds(Protocol, calls_max=st.integers(5, 100), interval=st.floats(0, 1)),
    cache=st.text(),
    threads=st.integers(0, 64),
)


@LAW
@given(JOBS)
def test_a_job_survives_json(job: Job) -> None:
    """A worker in another process is told exactly the same."""
    again = Job.from_json(json.loads(json.dumps(job.to_json())))

    assert job == again
    assert job.recipe.digest == again.recipe.digest


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("calls_min", 0, "'calls_min' is 0. It must be 1 or more."),
        ("settle_min", -1, "'settle_min' is -1. It must be 0 or more."),
        ("interval", -0.1, "'interval' is -0.1. It must be 0 or more."),
        ("timing_s", "2 min", "'timing_s' is '2 min'. It must be a number."),
        ("calls_max", 2, "'calls_min' is 3, above 'calls_max', which is 2."),
        ("settle_max", 1, "'settle_min' is 2, above 'settle_max', which is 1."),
    ],
)
def test_a_protocol_that_times_nothing_is_refused(field: str, value: object, said: str) -> None:
    """The message names the field and its value."""
    with pytest.raises(PlanError) as refusal:
        Protocol(**{field: value})  # type: ignore[arg-type]

    assert f"The protocol cannot run: {said}" == str(refusal.value)


def test_a_protocol_may_settle_nothing_and_time_once() -> None:
    """The quickest look that there is."""
    protocol = Protocol(settle_min=0, settle_max=0, calls_min=1, calls_max=1, interval=0)

    assert protocol.calls_max == 1
