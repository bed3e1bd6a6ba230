"""Workload: the pictures that every trial makes, and the ones that cannot be made."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import PlanError
from autotune.workload import Workload

LAW = settings(max_examples=80, deadline=None)
PROMPTS = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5).map(tuple)
WORKLOADS = st.builds(
    Workload,
    model=st.text(min_size=1).filter(str.strip),
    revision=st.text(),
    prompts=PROMPTS,
    seeds=st.lists(st.integers(0, 2**63), min_size=1, max_size=4).map(tuple),
    width_px=st.integers(0, 256).map(lambda eighths: eighths * 8),
    height_px=st.integers(0, 256).map(lambda eighths: eighths * 8),
    steps=st.integers(1, 100),
    guidance=st.floats(0, 30),
    batch=st.integers(1, 7),
    trust_remote_code=st.booleans(),
)


@LAW
@given(WORKLOADS)
def test_a_workload_survives_json_with_its_digest(workload: Workload) -> None:
    """The reference pictures are found again by it."""
    again = Workload.from_json(json.loads(json.dumps(workload.to_json())))

    assert workload == again
    assert workload.digest == again.digest


@LAW
@given(WORKLOADS)
def test_every_picture_is_made_as_often_as_any_other_but_for_filling_up(workload: Workload) -> None:
    """Calls are full, none is superfluous, and prompts come in turn."""
    calls = workload.calls()
    made = [pair for call in calls for pair in zip(call.prompts, call.seeds, strict=True)]
    wanted = [(prompt, seed) for seed in workload.seeds for prompt in workload.prompts]

    assert {workload.batch} == {len(call.prompts) for call in calls}
    assert wanted == made[: len(wanted)]
    assert len(made) - len(wanted) < workload.batch
    assert not Counter(wanted) - Counter(made)


def test_a_batch_larger_than_all_pictures_goes_round_and_round() -> None:
    """Every call has the same size, so that timings compare."""
    call = Workload(model="demo", prompts=("a", "b"), seeds=(7,), batch=5).calls()[0]

    assert ("a", "b", "a", "b", "a") == call.prompts


def test_equal_workloads_have_one_digest_and_different_ones_have_two() -> None:
    """Guidance 5 is guidance 5.0, whichever way the file spells it."""
    whole, fraction = Workload(model="demo", guidance=5), Workload(model="demo", guidance=5.0)
    digests = {
        Workload(model="demo", steps=steps, seeds=(seed,)).digest for steps in (1, 2) for seed in (1, 2)
    }

    assert whole == fraction
    assert whole.digest == fraction.digest
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", "  ", "'model' is empty. Name 'demo', a folder or a hub id."),
        ("model", 7, "'model' is 7. It must be text."),
        ("prompts", [], "'prompts' is empty or holds an empty one. Give at least one prompt."),
        ("prompts", ["a", " "], "'prompts' is empty or holds an empty one. Give at least one prompt."),
        ("prompts", "a dog", "'prompts' is 'a dog'. It must be a list of texts."),
        ("seeds", [], "'seeds' is empty. Give at least one seed."),
        ("seeds", 7, "'seeds' is 7. It must be a list of whole numbers."),
        ("steps", 0, "'steps' is 0. It must be 1 or more."),
        ("steps", "20", "'steps' is '20'. It must be a whole number."),
        ("batch", 0, "'batch' is 0. It must be 1 or more."),
        ("guidance", -0.5, "'guidance' is -0.5. It must be 0 or more."),
        ("guidance", float("nan"), "'guidance' is nan. It must be a number."),
        ("width_px", 500, "'width_px' is 500. It must be a multiple of 8, in pixels."),
        ("height_px", -8, "'height_px' is -8. It must be a multiple of 8, in pixels."),
        ("trust_remote_code", "false", "'trust_remote_code' is 'false'. It must be true or false."),
        ("stpes", 20, "There is no key 'stpes' in [workload]. Did you mean 'steps'?"),
    ],
)
def test_a_workload_that_cannot_run_is_refused_with_what_to_write(
    field: str, value: object, said: str
) -> None:
    """The message names the field and its value."""
    with pytest.raises(PlanError) as refusal:
        Workload.from_json({"model": "demo", field: value})

    assert f"The workload cannot run: {said}" == str(refusal.value)


def test_a_workload_of_no_model_is_refused() -> None:
    """There is no default model: a study says what it tunes."""
    with pytest.raises(PlanError) as refusal:
        Workload.from_json({"steps": 20})

    expected = "The workload cannot run: it names no 'model'. Name 'demo', a folder or a hub id."
    assert expected == str(refusal.value)
