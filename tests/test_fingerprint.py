"""Fingerprints: what counts as the same machine and software, and how differences are said."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.fingerprint import differences, digest, is_same_class, stable, warnings_about

LAW = settings(max_examples=60, deadline=None)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
TREES = st.recursive(
    st.dictionaries(st.text(max_size=5), LEAVES, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=5), inner | LEAVES, max_size=4),
    max_leaves=12,
)
HERE: dict[str, Any] = {
    "protocol": 1,
    "target": {
        "device": "cuda:0",
        "name": "NVIDIA H200",
        "uuid": "GPU-1",
        "cores": 16,
        "libraries": {"torch": "2.12.0", "diffusers": "0.40.0"},
    },
    "kernel": "6.8.0",
    "distributions": "0123456789ab",
    "torch": {"version": "2.12.0", "git": "abc", "cuda": "12.8", "flags": {"cudnn_benchmark": False}},
    "load_average": 0.3,
    "gpu": {"name": "NVIDIA H200", "uuid": "GPU-1", "driver": "570.1", "now": {"temperature_c": 31}},
    "cpu": {"name": "AMD EPYC", "governor": None},
    "variables": {"OMP_NUM_THREADS": "8"},
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the environment with some fields changed: "torch__cuda" is the field "cuda" of "torch"."""
    environment = copy.deepcopy(HERE)
    for path, value in fields.items():
        *folders, name = path.split("__")
        place = environment
        for folder in folders:
            place = place[folder]
        place[name] = value
    return environment


@LAW
@given(TREES, TREES)
def test_any_two_environments_can_be_compared(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What an older or newer version took down is read as well; alike is alike."""
    assert differences(one, one) == []
    assert digest(one) == digest(json.loads(json.dumps(one)))
    assert all(isinstance(clause, str) for clause in differences(one, other))
    texts = [json.dumps(stable(tree), sort_keys=True) for tree in (one, other)]  # False is not 0 here
    assert (texts[0] != texts[1]) or digest(one) == digest(other)


@pytest.mark.parametrize(
    "moment",
    [
        {"load_average": 9.5},
        {"gpu__now": {"temperature_c": 80, "sm_clock_mhz": 345}},
        {"target__device": "cuda:1"},
        {"digest": "0123456789ab"},
    ],
)
def test_the_moment_does_not_count(moment: dict[str, Any]) -> None:
    """Load, temperature, momentary clocks and the number of the device do not change a fingerprint."""
    assert digest(changed(**moment)) == digest(HERE)
    assert differences(HERE, changed(**moment)) == []


@pytest.mark.parametrize(
    ("change", "clauses"),
    [
        ({"gpu__driver": "580.2"}, ["the driver was 570.1 and is 580.2"]),
        (
            {"target__libraries": {"torch": "2.13.0"}, "torch__version": "2.13.0", "torch__git": "def"},
            ["torch was 2.12.0 and is 2.13.0", "diffusers was 0.40.0 and is not installed"],
        ),
        ({"variables": {}}, ["the variable OMP_NUM_THREADS was 8 and is not set"]),
        (
            {"target__libraries__xformers": "0.0.33"},
            ["xformers was not installed and is 0.0.33"],
        ),
        ({"torch__flags__cudnn_benchmark": True}, ["torch flags cudnn benchmark was off and is on"]),
        (
            {"distributions": "ba9876543210"},
            ["the hash of all installed packages was 0123456789ab and is ba9876543210"],
        ),
        ({"distributions": "ba9876543210", "kernel": "6.9"}, ["the kernel was 6.8.0 and is 6.9"]),
        ({"cpu__governor": "powersave"}, []),
        ({"gpu": None}, []),
    ],
)
def test_a_difference_is_said_in_words(change: dict[str, Any], clauses: list[str]) -> None:
    """Each change is one clause; what was unknown before is no change."""
    assert differences(HERE, changed(**change)) == clauses


def test_the_machine_comes_first() -> None:
    """Of many differences the largest are said first."""
    there = changed(target__name="NVIDIA L4", variables={}, kernel="7.0", target__cores=4)

    assert differences(HERE, there)[0] == "the device was NVIDIA H200 and is NVIDIA L4"
    assert differences(HERE, there)[-1] == "the variable OMP_NUM_THREADS was 8 and is not set"


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"target__uuid": "GPU-2", "gpu__uuid": "GPU-2"}, True),
        ({"kernel": "6.11"}, True),
        ({"variables": {"OMP_NUM_THREADS": "4"}}, True),
        ({"target__libraries__gguf": "0.19"}, True),
        ({"target__name": "NVIDIA L4"}, False),
        ({"target__libraries__torch": "2.13.0"}, False),
        ({"target__libraries__xformers": "0.0.33"}, False),
        ({"gpu__driver": "580.2"}, False),
        ({"target__cores": 2}, False),
        ({"protocol": 2}, False),
        ({"target__name": ""}, False),
        ({"cpu__governor": "powersave"}, True),
    ],
)
def test_seconds_are_compared_within_a_class(change: dict[str, Any], *, is_same: bool) -> None:
    """Two cards of one model with the same software are alike; another model or version is not."""
    assert is_same_class(HERE, changed(**change)) is is_same


def test_a_study_on_one_machine_has_no_warning() -> None:
    """The moment, and what nobody knew before, are no reason to warn."""
    trials = {0: HERE, 1: changed(load_average=7.0), 2: {}, 3: changed(cpu__governor="powersave")}

    assert warnings_about(trials) == []
    assert warnings_about({}) == []


def test_trials_from_elsewhere_are_named() -> None:
    """Each group that differs from most trials is one sentence, with its trials and the differences."""
    there = changed(gpu__driver="580.2")
    bare = changed(kernel="7.0")
    trials = {0: HERE, 1: HERE, 2: HERE, 3: there, 4: there, 5: there, 7: there, 8: HERE, 9: bare, 10: HERE}

    assert warnings_about(trials) == [
        "Trials 3 to 5 and 7 have another fingerprint than the other 5: the driver was 570.1 and is 580.2.",
        "Trial 9 has another fingerprint than the other 5: the kernel was 6.8.0 and is 7.0.",
    ]


def test_many_differences_are_counted() -> None:
    """A sentence stays readable when everything is different."""
    there = changed(
        kernel="1", target__name="x", target__cores=1, gpu__driver="1", cpu__name="y", variables={}
    )

    assert warnings_about({0: HERE, 1: there})[0].endswith(" and 2 more.")
    assert "than trial 0" in warnings_about({0: HERE, 1: there})[0]
