"""Number formats: dtype, tf32, sums in float16, and weights stored in 8 bits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.target import Target
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import BARE, CPU, FLUX, HERE, HOPPER, NOTHING, TURING, UNET, choice
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
PASCAL = replace(HOPPER, compute_capability=(6, 1))


@pytest.mark.parametrize(
    ("target", "why"),
    [(HOPPER, ""), (TURING, ""), (PASCAL, "7.0"), (CPU, "need a CUDA GPU"), (BARE, "need a CUDA GPU")],
)
def test_sums_in_float16_need_tensor_cores(target: Target, why: str) -> None:
    """The flag can be set anywhere, and acts on GPUs alone."""
    found = choice("fp16_accumulation", target, UNET)

    assert found.is_fixed == bool(why)
    assert why in found.why


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sums_in_float16_need_products_in_float16(dtype: str) -> None:
    """With another dtype the flag would do nothing."""
    knob = knob_named("fp16_accumulation")

    assert dtype in str(knob.conflict({"fp16_accumulation": True, "dtype": dtype}, HERE))
    assert knob.conflict({"fp16_accumulation": True, "dtype": "float16"}, HERE) is None


def test_a_cpu_sums_float16_exactly_and_the_proof_sees_that(untuned: Baselines) -> None:
    """The flag is set, but it is the sum that is looked at."""
    setup, _ = untuned("stable_diffusion")
    knob = knob_named("fp16_accumulation")
    knob.turn(setup, ON)

    assert torch.backends.cuda.matmul.allow_fp16_accumulation
    assert "adds up exactly, to 1088" in str(knob.applied(setup, ON))


def test_sums_that_round_would_be_seen() -> None:
    """What the proof multiplies, added up 16 products at a time as a tensor core does in float16."""
    parts = torch.full((256, 16), 2.0**-6, dtype=torch.float16)
    parts[0, 0] = 1024
    total = torch.zeros((), dtype=torch.float16)
    for part in parts:
        total += part.sum()

    assert float(total) < 1087


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("value", ["bfloat16", "float16"])
def test_what_a_model_keeps_in_32_bits_is_accepted_and_nothing_else(
    name: str, value: str, folder_of: Folders, situated: Situations
) -> None:
    """Wan's declared layers stay in 32 bits in both formats, T5's in float16 alone; no other weight may."""
    knob = knob_named("dtype")
    setup = turned(folder_of(name), situated(name), {"dtype": value})
    components = setup.pipeline.components
    kept = {
        f"{part}.{path}"
        for part, module in components.items()
        if isinstance(module, torch.nn.Module)
        for path, weight in module.named_parameters()
        if weight.dtype == torch.float32
    }
    has_t5 = any("T5" in type(part).__name__ for part in components.values())

    assert knob.applied(setup, value) is None
    assert any(path.endswith(".wo.weight") for path in kept) == (has_t5 and value == "float16")
    assert any(path.startswith("transformer.") for path in kept) == (name == "wan")
    # A weight that is in 32 bits for no declared reason.
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    path, weight = next((p, w) for p, w in part.named_parameters() if w.dtype != torch.float32)
    weight.data = weight.data.float()
    assert f"{path} is float32, not {value}" in str(knob.applied(setup, value))


def test_a_layer_that_is_declared_unfit_but_rounded_is_found(
    folder_of: Folders, situated: Situations
) -> None:
    """`.to(dtype)` rounds what a model declares: with T5 that spoils pictures (diffusers #8604)."""
    setup = turned(folder_of("pixart"), situated("pixart"), {"dtype": "float16"})
    setup.pipeline.text_encoder.half()

    assert "wo.weight is float16, not float32" in str(knob_named("dtype").applied(setup, "float16"))


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_in_8_bits_take_a_quarter_of_32(name: str, folder_of: Folders, situated: Situations) -> None:
    """Every denoiser casts; between pictures its weights rest in 8 bits."""
    knob = knob_named("layerwise_casting")
    assert ("none", "float8_e4m3fn") == knob.domain(situated(name)).values
    plain = turned(folder_of(name), situated(name), {})
    setup = turned(folder_of(name), situated(name), {"layerwise_casting": "float8_e4m3fn"})
    pictures_of(setup)
    bytes_of = [
        sum(w.numel() * w.element_size() for w in (getattr(p, "unet", None) or p.transformer).parameters())
        for p in (plain.pipeline, setup.pipeline)
    ]

    assert knob.applied(setup, "float8_e4m3fn") is None
    assert "0% of the denoiser's weights" in str(knob.applied(plain, "float8_e4m3fn"))
    assert "0% of the denoiser's weights" in str(knob.applied(setup, "float8_e5m2"))
    assert bytes_of[1] < 0.7 * bytes_of[0]


def test_storage_follows_the_dtype(folder_of: Folders, situated: Situations, untuned: Baselines) -> None:
    """Stored in 8 bits, computed in the format that the model was loaded in; `dtype` accepts both."""
    settings: dict[str, Value] = {"dtype": "bfloat16", "layerwise_casting": "float8_e4m3fn"}
    setup = turned(folder_of("flux"), situated("flux"), settings)
    pictures = pictures_of(setup)

    assert difference(untuned("flux")[1], pictures) < 0.1
    assert knob_named("dtype").applied(setup, "bfloat16") is None
    assert knob_named("layerwise_casting").applied(setup, "float8_e4m3fn") is None


def test_a_layer_that_was_cast_later_is_found(folder_of: Folders, situated: Situations) -> None:
    """`.to(dtype)` turns stored weights into something else."""
    setup = turned(folder_of("flux"), situated("flux"), {"layerwise_casting": "float8_e4m3fn"})
    hooked = (module for module in setup.pipeline.transformer.modules() if hasattr(module, "_diffusers_hook"))
    next(module for module in hooked if isinstance(module, torch.nn.Linear)).half()

    assert "layers do not rest in float8_e4m3fn" in str(
        knob_named("layerwise_casting").applied(setup, "float8_e4m3fn")
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"compile": "regional"}, "breaks the graph"), ({"quantization": "int8_weight_only"}, "cannot be cast")],
)
def test_stored_weights_go_with_neither_compiler_nor_quantization(settings: Settings, words: str) -> None:
    """Both were seen to fail."""
    knob = knob_named("layerwise_casting")

    assert words in str(knob.conflict({"layerwise_casting": "float8_e4m3fn", **settings}, HERE))
    assert knob.conflict({"layerwise_casting": "none", **settings}, HERE) is None
    assert knob.conflict({"layerwise_casting": "float8_e4m3fn"}, HERE) is None


def test_a_denoiser_that_cannot_cast_is_offered_nothing() -> None:
    """The ability is seen on the module."""
    assert "cannot cast" in choice("layerwise_casting", CPU, NOTHING).why
    assert choice("layerwise_casting", CPU, replace(FLUX, abilities=frozenset({"layerwise_casting"}))).takes(
        "float8_e5m2"
    )


def test_what_quantized_weights_do_under_casting(folder_of: Folders, situated: Situations) -> None:
    """The conflict is a fact: torchao's weights refuse the cast."""
    settings = {"quantization": "int8_weight_only", "layerwise_casting": "float8_e4m3fn"}

    with pytest.raises(NotImplementedError, match=r"aten\.to"):
        pictures_of(turned(folder_of("flux"), situated("flux"), settings))
