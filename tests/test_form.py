"""Form of data from files: which values a dataclass's fields take."""

from dataclasses import dataclass

import pytest

from autotune.form import why_misshapen, why_unknown_key


@dataclass
class Fields:
    """One field of each kind that is looked at, and one of a kind that is not."""

    flag: bool = True
    count: int = 1
    share: float = 0.5
    title: str = ""
    seeds: tuple[int, ...] = ()
    prompts: tuple[str, ...] = ()
    bound: float | None = None
    anything: object = None


@pytest.mark.parametrize(
    "fields",
    [
        Fields(),
        Fields(share=1),
        Fields(bound=2.0),
        Fields(seeds=(1, 2), prompts=("a",)),
        Fields(anything=Fields),
    ],
)
def test_fields_that_hold_what_they_should_are_fine(fields: Fields) -> None:
    """A whole number will do as a number, and None where it is allowed."""
    assert why_misshapen(fields) is None


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("flag", 1, "true or false"),
        ("flag", "false", "true or false"),
        ("count", True, "a whole number"),
        ("count", 1.0, "a whole number"),
        ("count", None, "a whole number"),
        ("share", True, "a number"),
        ("share", "0.5", "a number"),
        ("share", float("inf"), "a number"),
        ("share", float("nan"), "a number"),
        ("title", 7, "text"),
        ("seeds", 7, "a list of whole numbers"),
        ("seeds", (7, "8"), "a list of whole numbers"),
        ("prompts", "a dog", "a list of texts"),
        ("bound", "none", "a number"),
    ],
)
def test_a_value_of_another_kind_is_named_with_what_it_must_be(name: str, value: object, kind: str) -> None:
    """In the user's words, not in Python's."""
    fields = Fields(**{name: value})  # type: ignore[arg-type]

    assert f"'{name}' is {value!r}. It must be {kind}." == why_misshapen(fields)


def test_a_key_that_does_not_exist_is_named_with_the_nearest_that_does() -> None:
    """And keys that exist are fine."""
    assert why_unknown_key(["a", "b"], ["a", "b", "c"]) is None
    assert why_unknown_key(["sed"], ["seed"]) == "There is no key 'sed'. Did you mean 'seed'?"
    assert (
        why_unknown_key(["sed"], ["seed"], where=" in [workload]")
        == "There is no key 'sed' in [workload]. Did you mean 'seed'?"
    )
