"""Limits as people write them: what is read, and what is refused in which words."""

from typing import Any

import pytest

from autotune.errors import UsageError
from autotune.limit_text import read_limit, with_limit


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("latency<=2s", ("latency_s", "2s")),
        (" memory <= 0.7x ", ("memory_bytes", "0.7x")),
        ("similarity>=0.95", ("similarity", "0.95")),
        ("first-picture<=1 min", ("first_picture_s", "1 min")),
        ("host_memory_bytes<=8GiB", ("host_memory_bytes", "8GiB")),
    ],
)
def test_a_limit_is_an_objective_a_sign_and_a_bound(flag: str, expected: tuple[str, str]) -> None:
    """With the objective's short name or its whole one."""
    assert expected == read_limit(flag)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("latency", "is no limit. Write it like 'latency<=2s'"),
        ("latency<2s", "is no limit"),
        ("<=2s", "is no limit"),
        ("latency<=", "is no limit"),
        ("latency>=3s", "of latency, less is better. Write 'latency<=3s'."),
        ("similarity<=0.9", "of similarity, more is better. Write 'similarity>=0.9'."),
        ("speed<=3", "There is no objective 'speed'"),
    ],
)
def test_what_is_no_limit_is_refused(flag: str, said: str) -> None:
    """A bound on the side on which more is better keeps out the best: nobody means that."""
    with pytest.raises(UsageError, match=said):
        read_limit(flag)


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        ("latency_s", "2 s", "bounds", 2.0),
        ("latency_s", "0.5x", "goals", {"latency_s": 0.5}),
        ("latency_s", "1e-3×", "goals", {"latency_s": 0.001}),
        ("amortised_s", "45 ms", "bounds", 0.045),
        ("energy_j", "1.5 kJ", "bounds", 1500.0),
        ("cost", "1.20 USD", "bounds", 1.2),
        ("cost", 1.2, "bounds", 1.2),
        ("memory_bytes", "8GiB", "memory_limit_bytes", 2**33),
        ("memory_bytes", "0.7x", "goals", {"memory_bytes": 0.7}),
        ("memory_bytes", "0.7x", "memory_limit_bytes", None),
        ("memory_bytes", "none", "memory_limit_bytes", None),
        ("host_memory_bytes", "1 GiB", "host_memory_limit_bytes", 2**30),
        ("similarity", "0.95", "min_similarity", 0.95),
        ("similarity", "0.99x", "min_similarity", None),
    ],
)
def test_a_limit_replaces_the_one_before(name: str, text: object, field: str, expected: object) -> None:
    """Whether that was absolute or relative to the baseline; other limits stay."""
    before: dict[str, Any] = {
        "memory_limit_bytes": 5,
        "host_memory_limit_bytes": 6,
        "min_similarity": 0.5,
        "bounds": {"latency_s": 9.0, "first_picture_s": 7.0},
        "goals": {},
    }
    others = {other: bound for other, bound in before["bounds"].items() if other != name}
    after = with_limit(before, name, text, price="2.50 USD/h")

    assert others.items() <= after["bounds"].items()
    assert expected == (after["bounds"][name] if field == "bounds" else after[field])
    assert {"latency_s": 9.0, "first_picture_s": 7.0} == before["bounds"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("latency_s", "soon", "'soon' is no duration"),
        ("latency_s", "0", "'0' is no amount of time"),
        ("energy_j", "0 J", "'0 J' is no amount"),
        ("cost", "1 EUR", "'1 EUR' is no amount of USD"),
        ("similarity", "high", "'similarity' is 'high'"),
    ],
)
def test_a_bound_that_is_none_is_refused(name: str, text: str, said: str) -> None:
    """With the value and how to write it."""
    with pytest.raises(UsageError, match=said):
        with_limit({}, name, text, price="2.50 USD/h")
