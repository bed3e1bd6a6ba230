"""A recipe named by a person: a pick, a trial, a digest, or settings as tables print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import UnknownName, UsageError
from autotune.knob import Choice, Value
from autotune.recipe import describe_settings
from autotune.search.explain_recipe import parse_settings, recipe_meant, space_of
from autotune.search.study import Study
from autotune.space import SearchSpace
from tests.search import synthetic
from tests.search.synthetic_study import drawn_study

OFFERED = {name: Choice(values) for name, values in synthetic.VALUES.items()}


@pytest.fixture(scope="module")
def study() -> Study:
    """Return a study of twenty trials of the synthetic pipeline."""
    return drawn_study(20)


@pytest.fixture(scope="module")
def space(study: Study) -> SearchSpace:
    """The space of the study."""
    return space_of(study, synthetic.knobs())


@given(st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in synthetic.VALUES.items()}))
def test_settings_are_read_as_they_are_printed(settings: dict[str, Value]) -> None:
    """What `describe_settings` prints names the same settings."""
    assert parse_settings(describe_settings(settings), OFFERED) == settings


def test_trials_digests_and_picks_are_recipes(study: Study, space: SearchSpace) -> None:
    """All three name a trial's full settings; "untuned" and nothing name the baseline."""
    trial = study.best_trial("fastest")

    assert recipe_meant(study, space, "fastest") == dict(trial.settings)
    assert recipe_meant(study, space, str(trial.number)) == dict(trial.settings)
    assert recipe_meant(study, space, trial.digest) == dict(trial.settings)
    assert recipe_meant(study, space, "best") == dict(study.best_trial().settings)
    assert recipe_meant(study, space, "untuned") == space.defaults


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("dtyp=float16", UnknownName, "Did you mean 'dtype'?"),
        ("nonsense", UnknownName, "no pick, trial or digest"),
        ("dtype=float8", UsageError, "Knob 'dtype' does not offer 'float8' here. It offers: float32"),
        ("compile", UsageError, "does not offer 'true'"),
        ("steps=8 steps=12", UsageError, "named twice"),
        ("99", UnknownName, "There is no trial '99'"),
        ("dtype='float16", UsageError, "cannot be read"),
    ],
)
def test_what_names_nothing_is_refused(
    study: Study, space: SearchSpace, text: str, error: type[Exception], message: str
) -> None:
    """The message says what there is."""
    with pytest.raises(error, match="(?i)" + message.replace("?", r"\?").replace(".", r"\.")):
        recipe_meant(study, space, text)


def test_values_that_were_left_out_have_their_reason(study: Study) -> None:
    """The space keeps the values that the study froze, whatever knobs offer today."""
    fewer = synthetic.knobs({**synthetic.VALUES, "compile": ("none",)})
    space = space_of(study, fewer)

    assert space.choices["compile"] == ("none", "regional", "full")
    assert space.choices["steps"] == study.choices["steps"]
    assert space_of(study, ()).defaults == space.defaults
