"""How settings are written as numbers, and read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.knob import Value
from autotune.search.candidates import Coding

KNOBS: dict[str, tuple[Value, ...]] = {
    "tiling": (0, 256, 512),
    "fused": (False, True),
    "guidance": (7.5, 1.0),
    "tf32": (False,),
    "mixed": (False, 0, 1, True, "1"),
}


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in KNOBS.items()}))
def test_numbers_stand_for_the_settings_that_they_were_made_of(settings: dict[str, Value]) -> None:
    """True is not 1, and a knob without a choice has no number."""
    coding = Coding.of(KNOBS)
    (row,) = coding.codes([settings]).tolist()
    back = coding.settings(row)

    assert {**back, "tf32": False} == settings
    assert [type(value) for value in back.values()] == [type(settings[name]) for name in back]
    assert 1 == coding.one_hot(np.array([row], dtype=np.int16))[0].max()
    assert len(coding.names) == coding.one_hot(np.array([row], dtype=np.int16))[0].sum()


def test_what_is_left_out_has_its_default_and_what_is_unknown_no_number() -> None:
    """A recipe with a value that is not among the choices cannot be compared with others."""
    coding = Coding.of(KNOBS)

    assert (0, 0, 0, 0) == coding.row({})
    assert (1, 0, 1, 0) == coding.row({"tiling": 256.0, "guidance": 1})
    assert coding.row({"fused": 1}) is None
    with pytest.raises(ValueError, match=r"outside the choices: \{'fused': 1\}"):
        coding.codes([{}, {"fused": 1}])


def test_a_space_without_a_choice_has_a_single_recipe() -> None:
    """It has no columns at all."""
    coding = Coding.of({"tf32": (False,)})

    assert (1, 0) == coding.codes([{"tf32": False}]).shape
    assert {} == coding.settings(())
    assert (1, 0) == coding.one_hot(coding.codes([{}])).shape
