"""Behaviour of the user's door: a recipe becomes a diffusers pipeline."""

from pathlib import Path

import pytest
import torch

import autotune
from autotune.demo import DEMO_PROMPTS
from autotune.errors import ModelError, RecipeError, UnknownName
from autotune.recipe import Recipe

CALL = {"steps": 2, "guidance": 3.0, "batch": 1}


def load(recipe: Recipe | Path, **options: object) -> tuple[object, list[str]]:
    """Load a recipe on the CPU and collect what is said about it."""
    said: list[str] = []
    pipeline = autotune.load_pipeline(recipe, device="cpu", say=said.append, **options)
    return pipeline, said


def picture(pipeline: object, **changes: object) -> torch.Tensor:
    """Make one picture with fixed first noise."""
    generator = torch.Generator("cpu").manual_seed(0)
    call = {**pipeline.autotune_call, "generator": generator, "output_type": "pt", **changes}  # type: ignore[attr-defined]
    made: torch.Tensor = pipeline(DEMO_PROMPTS[0], **call).images  # type: ignore[operator]
    return made


def test_a_recipe_file_becomes_a_pipeline(tmp_path: Path) -> None:
    """A written recipe loads, carries its call arguments and makes a picture of its size."""
    file = tmp_path / "recipe.yaml"
    file.write_text(
        Recipe(model="demo", settings={"channels_last": True}, call=CALL).to_yaml_text(), encoding="utf-8"
    )
    pipeline, said = load(file)
    made = picture(pipeline)

    assert pipeline.autotune_call["num_inference_steps"] == 2  # type: ignore[attr-defined]
    assert made.shape[0] == 1
    assert torch.isfinite(made).all()
    assert ["This recipe was never measured."] == said


def test_settings_reach_the_pipeline() -> None:
    """What the recipe sets is set: the dtype of every part, the number of steps."""
    pipeline, _ = load(
        Recipe(model="demo", settings={"dtype": "bfloat16", "steps": 2}, call={**CALL, "steps": 4})
    )

    assert pipeline.unet.dtype == pipeline.vae.dtype == torch.bfloat16  # type: ignore[attr-defined]
    assert pipeline.autotune_call["num_inference_steps"] == 2  # type: ignore[attr-defined]


def test_precomputed_prompts_draw_the_same_picture() -> None:
    """A recipe that drops the text encoders draws the named prompts as before, and refuses others by name."""
    plain, _ = load(Recipe(model="demo", call=CALL))
    dropped, _ = load(
        Recipe(model="demo", settings={"prompt_embeds": "precomputed"}, call=CALL), prompts=DEMO_PROMPTS[:1]
    )

    assert torch.equal(picture(plain), picture(dropped))
    assert dropped.text_encoder is None  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="a prompt that nobody named"):
        dropped("a prompt that nobody named", **dropped.autotune_call)  # type: ignore[operator,attr-defined]


def test_a_setting_that_this_machine_lacks_is_refused_or_left_out() -> None:
    """TF32 is not to be had on a CPU: that is an error, unless the user asked to fall back."""
    recipe = Recipe(model="demo", settings={"tf32": True}, call=CALL)

    with pytest.raises(RecipeError, match="fall_back=True"):
        load(recipe)
    _, said = load(recipe, fall_back=True)
    assert any("left out" in sentence for sentence in said)


def test_what_differs_from_the_measured_machine_is_said() -> None:
    """A recipe from another card or library version loads, and says so."""
    target = {"name": "NVIDIA H200", "libraries": {"torch": "1.0"}}
    _, said = load(Recipe(model="demo", call=CALL, target=target, measured={"latency_s": 1.0}))

    assert any("Measured on NVIDIA H200" in sentence for sentence in said)
    assert any("Measured with torch 1.0" in sentence for sentence in said)


def test_an_unknown_knob_is_named() -> None:
    """A recipe with a knob that does not exist is refused with the nearest that does."""
    with pytest.raises(UnknownName, match="Did you mean 'channels_last'"):
        load(Recipe(model="demo", settings={"channel_last": True}))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(RecipeError, match=r"absent\.json"):
        load(tmp_path / "absent.json")


def test_a_missing_model_is_named() -> None:
    """A recipe whose model folder is gone says which."""
    with pytest.raises(ModelError, match=r"no folder '\./gone'"):
        load(Recipe(model="./gone"))
