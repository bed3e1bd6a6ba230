"""The error tree: its exit codes and the sentence for a name that does not exist."""

import pytest

from autotune import errors
from autotune.errors import AutotuneError, UnknownName, UsageError, nearest, unknown_name_message


def error_types() -> list[type[AutotuneError]]:
    """Every error of the tree."""
    return [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, AutotuneError)
    ]


@pytest.mark.parametrize("error", error_types())
def test_every_error_is_drawn_in_the_tree_of_the_docstring(error: type[AutotuneError]) -> None:
    """A reader finds each of them on the first screen, and each says in a sentence what it is."""
    drawn = (errors.__doc__ or "").split()

    assert error.__name__ in drawn
    assert (error.__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("error", error_types())
def test_bad_input_exits_with_two_and_everything_else_with_one(error: type[AutotuneError]) -> None:
    """As shells and argument parsers have it."""
    is_input = issubclass(error, (UsageError, errors.DeviceError))

    assert (2 if is_input else 1) == error.exit_code


def test_a_misspelt_name_gets_the_nearest_one_offered() -> None:
    """The error keeps what was asked for, so that a door can offer more."""
    error = UnknownName("knob", "atention", ["dtype", "attention"], remedy="'autotune knobs' lists them all.")

    assert "There is no knob 'atention'. Did you mean 'attention'? 'autotune knobs' lists them all." == str(
        error
    )
    assert ("knob", "atention", ["attention", "dtype"]) == (error.kind, error.name, error.known)


def test_where_nothing_is_near_the_known_names_are_listed() -> None:
    """In order, as long as they fit a line."""
    many = [f"knob_{number:02}" for number in range(20)]

    assert unknown_name_message("knob", "zzz", ["b", "a"]) == "There is no knob 'zzz'. Known: a, b."
    assert unknown_name_message("knob", "zzz", many).endswith("knob_10, knob_11, ….")


def test_where_nothing_exists_yet_that_is_said() -> None:
    """There is nothing to offer in an empty database."""
    assert unknown_name_message("study", "first", []) == "There is no study 'first'. There is none yet."


def test_a_word_like_no_other_has_no_nearest() -> None:
    """A wild guess would be worse than none."""
    assert nearest("atention", ["dtype", "attention"]) == "attention"
    assert nearest("zzz", ["dtype", "attention"]) is None
