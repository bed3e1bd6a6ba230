"""Measurement and Failure: the JSON that both sides of the process border speak."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.measurement import (
    Failure,
    FailureKind,
    Likeness,
    Measurement,
    Memory,
    Outcome,
    Parts,
    outcome_from_json,
)

LAW = settings(max_examples=60, deadline=None)
SECONDS = st.floats(0, 1e6)
SOME_SECONDS = st.lists(SECONDS, max_size=4).map(tuple)
COUNTS = st.dictionaries(st.text(), st.integers(0, 2**50), max_size=3)
ENVIRONMENTS = st.dictionaries(
    st.text(), st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=2), max_size=3
)
PHASES = st.dictionaries(st.text(), SECONDS, max_size=3)
MEASUREMENTS = st.builds(
    Measurement,
    calls_s=st.lists(SECONDS, min_size=1, max_size=4).map(tuple),
    warmup_s=SOME_SECONDS,
    phases_s=PHASES,
    batch=st.integers(1, 8),
    parts=st.none()
    | st.builds(Parts, text_s=SECONDS, steps_s=SOME_SECONDS, decode_s=SECONDS, total_s=SECONDS),
    memory=st.builds(Memory, peak_bytes=st.integers(0, 2**50), stages=COUNTS, detail=COUNTS),
    likeness=st.builds(
        Likeness,
        haarpsi=st.lists(st.floats(0, 1), min_size=1, max_size=4).map(tuple),
        psnr_db=SOME_SECONDS,
    ),
    pictures=st.lists(st.text(), max_size=2).map(tuple),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
    environment=ENVIRONMENTS,
)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    message=st.text(),
    phase=st.text(),
    knob=st.text(),
    log=st.text(),
    phases_s=PHASES,
    environment=ENVIRONMENTS,
)


@LAW
@given(st.one_of(MEASUREMENTS, FAILURES))
def test_an_outcome_survives_json(outcome: Outcome) -> None:
    """Nothing is lost between the worker, the parent and the database."""
    again = outcome_from_json(json.loads(json.dumps(outcome.to_json())))

    assert outcome == again


def test_json_says_which_outcome_it_is_and_of_which_schema() -> None:
    """A later version can read it, and so can a person."""
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="needed 9 GiB")

    assert ("failure", 1, "out of memory") == tuple(
        failure.to_json()[key] for key in ("outcome", "schema_version", "kind")
    )


def test_figures_are_the_medians_of_all_samples() -> None:
    """One slow call, or one picture that came out differently, moves neither."""
    measurement = Measurement(
        calls_s=(1.0, 1.2, 9.0),
        memory=Memory(peak_bytes=7),
        likeness=Likeness(haarpsi=(0.1, 0.9, 0.95)),
        phases_s={"fork": 0.1, "load": 2.0, "apply": 0.4, "first call": 5.0, "settle": 100.0},
    )

    assert measurement.latency_s == 1.2
    assert measurement.similarity == 0.9
    assert measurement.memory_bytes == 7


def test_the_cold_time_ends_with_the_first_call() -> None:
    """Later phases are no part of a restart, and one that was not taken counts nothing."""
    measurement = Measurement(
        calls_s=(1.0,),
        memory=Memory(peak_bytes=0),
        likeness=Likeness(haarpsi=(1.0,)),
        phases_s={"fork": 0.1, "load": 2.0, "first call": 5.0, "settle": 100.0},
    )

    assert pytest.approx(7.1) == measurement.cold_s


def test_an_unknown_kind_of_failure_is_no_outcome() -> None:
    """A typing error in a worker does not pass for a measurement."""
    with pytest.raises(ValueError, match="exploded"):
        outcome_from_json({"outcome": "failure", "schema_version": 1, "kind": "exploded", "message": ""})
