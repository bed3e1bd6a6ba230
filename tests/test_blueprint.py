"""Blueprint: what knobs ask of the model."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.blueprint import Blueprint, Json, Part

LAW = settings(max_examples=60, deadline=None)
PARTS = st.builds(
    Part,
    class_name=st.text(),
    parameters=st.integers(0, 2**40),
    bytes_fp32=st.integers(0, 2**42),
    linear_share=st.floats(0, 1),
    conv_share=st.floats(0, 1),
)
BLUEPRINTS = st.builds(
    Blueprint,
    pipeline_class=st.text(),
    parts=st.dictionaries(st.text(), PARTS, max_size=3),
    abilities=st.frozensets(st.text(), max_size=3),
    scheduler=st.text(),
    prediction=st.text(),
    facts=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3),
)


@LAW
@given(BLUEPRINTS)
def test_a_blueprint_survives_json(blueprint: Blueprint) -> None:
    """The probe's answer crosses a process border and lands in a database."""
    again = Blueprint.from_json(json.loads(json.dumps(blueprint.to_json())))

    assert blueprint == again


def test_changing_the_json_of_a_blueprint_leaves_it_alone() -> None:
    """A blueprint is a fact."""
    blueprint = Blueprint(pipeline_class="X", parts={"vae": Part(class_name="AutoencoderKL")})
    blueprint.to_json()["parts"]["vae"]["class_name"] = "Other"  # type: ignore[index]

    assert blueprint.parts["vae"].class_name == "AutoencoderKL"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("text_encoder", "vae", "unet"), "unet"),
        (("transformer", "vae"), "transformer"),
        (("vae",), None),
        ((), None),
    ],
)
def test_the_denoiser_is_the_part_that_every_step_runs(parts: tuple[str, ...], expected: str | None) -> None:
    """A pipeline has a U-Net or a transformer; something else may have neither."""
    blueprint = Blueprint(pipeline_class="X", parts={name: Part(class_name="Y") for name in parts})

    assert expected == blueprint.denoiser


def test_an_ability_that_was_not_seen_is_none() -> None:
    """Nothing is assumed."""
    blueprint = Blueprint(pipeline_class="X", abilities=frozenset({"vae_tiling"}))

    assert blueprint.can("vae_tiling")
    assert not blueprint.can("vae_slicing")


@pytest.mark.parametrize(("value", "expected"), [(512, 512), (8.0, 8), ("512", 64), (None, 64), ([512], 64)])
def test_a_fact_that_is_no_number_counts_as_unknown(value: Json, expected: int) -> None:
    """The default stands in for it."""
    blueprint = Blueprint(pipeline_class="X", facts={"vae_sample_size": value})

    assert expected == blueprint.number("vae_sample_size", 64)


def test_a_fact_that_is_missing_counts_as_unknown() -> None:
    """Zero, unless said otherwise."""
    assert Blueprint(pipeline_class="X").number("vae_sample_size") == 0
