"""What single knobs promise beyond the contract, and what their proofs find when something is undone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.knob import Setup, Situation, Value
from autotune.knobs import knob_named
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True


@pytest.mark.parametrize("model", ["stable_diffusion", "flux"])
def test_precomputed_prompts_draw_the_same_pictures_in_any_order_and_number(
    model: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """To the last bit: encodings are looked up by prompt, not by position."""
    plain, reference = untuned(model)
    setup = turned(folder_of(model), situated(model), {"prompt_embeds": "precomputed"})

    assert torch.equal(reference, pictures_of(setup))
    assert setup.pipeline.text_encoder is None
    for prompts in (("a dog", "a red cat"), ("a dog", "a dog")):
        assert torch.equal(pictures_of(plain, prompts), pictures_of(setup, prompts))
    same = {"latents": None, "num_images_per_prompt": 2}
    drawn = [
        pictures_of(s, ("a dog",), **same, generator=torch.Generator().manual_seed(3)) for s in (plain, setup)
    ]
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    "call",
    [
        {"prompt": ["a cow"]},
        {"prompt": "a cow"},
        {"prompt": ["a dog"], "negative_prompt": ["ugly"]},
        {"prompt": ["a dog"], "clip_skip": 1},
    ],
)
def test_what_was_not_encoded_is_refused(
    call: dict[str, Any], folder_of: Folders, situated: Situations
) -> None:
    """Another prompt, or the same one encoded in another manner, is an error that says what to do."""
    setup = turned(
        folder_of("stable_diffusion"), situated("stable_diffusion"), {"prompt_embeds": "precomputed"}
    )

    with pytest.raises(ValueError, match=r"knows 2 prompts.* Set prompt_embeds = live"):
        setup.pipeline(**call, height=32, width=32, num_inference_steps=2)


def test_without_guidance_each_picture_keeps_its_own_prompt(folder_of: Folders, situated: Situations) -> None:
    """A batch drawn with guidance dropped half-way is, picture by picture, what single calls draw."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"guidance_cutoff": 0.4})
    batch = pictures_of(setup, ("a red cat", "a dog"))
    first = pictures_of(setup, ("a red cat",))

    assert difference(first[0], batch[0]) < 1e-5
    assert [2, 2, 1, 1] == setup.notes["guidance_cutoff_rows"]


def test_fewer_steps_go_with_a_cutoff(folder_of: Folders, situated: Situations) -> None:
    """The share is taken of the steps that are really taken, and at least one of them is unguided."""
    settings = {"steps": 2, "guidance_cutoff": 0.8}
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), settings)
    pictures_of(setup)

    assert [4, 2] == setup.notes["guidance_cutoff_rows"]
    assert knob_named("guidance_cutoff").applied(setup, 0.8) is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([4, 4, 4, 4], "All of the 4 steps"),
        ([4, 2, 2, 2], "1 of 4 steps were guided, not 3"),
        ([], "Guidance"),
    ],
)
def test_a_cutoff_at_the_wrong_step_is_found(rows: list[int], words: str, untuned: Baselines) -> None:
    """The proof counts the rows of each step, not the arguments of the call."""
    setup = Setup(workload=untuned("stable_diffusion")[0].workload, settings={}, device="cpu")
    setup.notes["guidance_cutoff_rows"] = rows

    assert words in str(knob_named("guidance_cutoff").applied(setup, 0.8))


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("demo", "dpmpp_2m"),
        ("demo", "unipc"),
        ("demo", "euler"),
        ("pixart", "euler"),
        ("pixart", "ddim"),
        ("flux", "unipc"),
    ],
)
def test_every_solver_solves_the_same_equation(model: str, value: str, folder_of: Folders) -> None:
    """With many steps all solvers meet: a wrong one runs without an error, but draws something else."""
    situation = situation_of(folder_of(model), steps=25, guidance=1.0, batch=1)
    base = turned(folder_of(model), situation, {})
    other = turned(folder_of(model), situation, {"scheduler": value})
    latents = [pictures_of(setup, output_type="latent").double() for setup in (base, other)]
    distance = float((latents[0] - latents[1]).norm() / latents[0].norm())

    assert distance < 0.08


def test_a_swapped_scheduler_keeps_the_models_spacing(folder_of: Folders, situated: Situations) -> None:
    """The demo model's steps are spaced to the trailing end, whichever solver takes them."""
    setup = turned(folder_of("demo"), situated("demo"), {"scheduler": "dpmpp_2m"})
    config = setup.pipeline.scheduler.config

    assert ("trailing", "v_prediction") == (config.timestep_spacing, config.prediction_type)


def test_a_scheduler_that_took_no_step_is_found(folder_of: Folders, situated: Situations) -> None:
    """The class alone proves nothing."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"scheduler": "unipc"})

    assert "took no step" in str(knob_named("scheduler").applied(setup, "unipc"))


def test_tf32_needs_a_gpu_and_its_proof_sees_that(untuned: Baselines) -> None:
    """The flag can be set anywhere; the product of two matrices shows that a CPU ignores it."""
    setup, _ = untuned("stable_diffusion")
    knob = knob_named("tf32")
    knob.turn(setup, ON)

    assert torch.get_float32_matmul_precision() == "high"
    assert "TF32 is not in use" in str(knob.applied(setup, ON))


def test_tiles_as_large_as_the_picture_are_found(folder_of: Folders, situated: Situations) -> None:
    """Diffusers decodes such a picture whole, without a word."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"vae_tiling": 16})
    knob = knob_named("vae_tiling")
    knob.turn(setup, 32)

    assert "whole picture of 32 × 32" in str(knob.applied(setup, 32))
    knob.turn(setup, 16)
    assert "tiles of 16" in str(knob.applied(setup, 24))


def test_slicing_one_picture_is_found(folder_of: Folders) -> None:
    """A batch of one has nothing to slice."""
    folder = folder_of("stable_diffusion")
    setup = turned(folder, situation_of(folder, batch=1), {"vae_slicing": True})

    assert "a single picture" in str(knob_named("vae_slicing").applied(setup, ON))


def test_fused_weights_that_nobody_uses_are_found(folder_of: Folders, situated: Situations) -> None:
    """Slicing installs processors of its own: the fused weights stay, unused."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"fuse_qkv": True})
    setup.pipeline.unet.set_attention_slice("max")

    assert "do not use them" in str(knob_named("fuse_qkv").applied(setup, ON))


def test_slices_of_another_size_are_found(folder_of: Folders, situated: Situations) -> None:
    """Slices of "auto" take half of the heads at once."""
    settings = {"attention_slicing": "auto"}
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), settings)

    assert "not head by head" in str(knob_named("attention_slicing").applied(setup, "max"))


def test_a_kernel_without_a_processor_that_uses_it_is_found(folder_of: Folders, situated: Situations) -> None:
    """The plain processors multiply matrices themselves, whichever kernels are allowed."""
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {"attention": "vanilla"})

    assert "does not use these kernels" in str(knob_named("attention").applied(setup, "sdpa_math"))


@pytest.mark.parametrize("scope", ["regional", pytest.param("full", marks=pytest.mark.slow)])
def test_a_forced_kernel_is_compiled_in(
    scope: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """The kernel is chosen inside of what is compiled, without breaking its graph."""
    settings = {"attention": "sdpa_math", "compile": scope}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)

    assert difference(untuned("pixart")[1], pictures_of(setup)) < 1e-4
    assert knob_named("attention").applied(setup, "sdpa_math") is None
    assert knob_named("compile").applied(setup, scope) is None


def test_the_other_kind_of_8_bits_is_found(folder_of: Folders, situated: Situations) -> None:
    """Weights alone in 8 bits are not activations in 8 bits."""
    setup = turned(folder_of("flux"), situated("flux"), {"quantization": "int8_weight_only"})

    assert "quantize their activations" in str(knob_named("quantization").applied(setup, "int8_dynamic"))


def test_a_tiny_vae_of_another_format_is_found(folder_of: Folders, situated: Situations) -> None:
    """Mixed formats fail only where the pipeline meets them."""
    setup = turned(folder_of("flux"), situated("flux"), {"tiny_vae": True})
    setup.pipeline.vae.to(torch.bfloat16)

    assert "torch.bfloat16" in str(knob_named("tiny_vae").applied(setup, ON))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_tiny_vae_takes_the_pipelines_format(
    dtype: str, folder_of: Folders, situated: Situations
) -> None:
    """It is loaded after the pipeline, in the same number format."""
    settings: dict[str, Value] = {"tiny_vae": True, "dtype": dtype}
    setup = turned(folder_of("flux"), situated("flux"), settings)

    assert f"torch.{dtype}" == str(setup.pipeline.vae.dtype)
    assert knob_named("dtype").applied(setup, dtype) is None
