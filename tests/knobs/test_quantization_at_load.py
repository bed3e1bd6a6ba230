"""Weights quantized while they are read: real quantizers of diffusers, and real GGUF files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.knobs._weights import denoisers_of, format_of, layer_bytes, linear_layers
from autotune.pipeline.load import TurnError
from autotune.weight_bytes import linear_bytes
from tests.knobs.gguf_files import original_names, write_gguf
from tests.knobs.places import CPU, FLUX, HOPPER, UNET, WORKLOAD
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
Files = Callable[[str, str], Path]
KNOB = knob_named("quantization_at_load")
LIBRARIES = {**HOPPER.libraries, "bitsandbytes": "0.50.2", "optimum-quanto": "0.2.7", "gguf": "0.19.0"}


@pytest.fixture(scope="module")
def file_of(untuned: Baselines, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A function from a model and a kind of block to a GGUF file of its denoiser."""

    def file(model: str, kind: str) -> Path:
        (part,) = denoisers_of(untuned(model)[0].pipeline).values()
        return write_gguf(tmp_path_factory.mktemp("gguf") / f"{model}.gguf", part.state_dict(), kind)

    return file


@pytest.mark.parametrize(
    ("model", "value", "dtype"),
    [
        ("stable_diffusion", "quanto_int8", "bfloat16"),
        ("pixart", "quanto_float8", "bfloat16"),
        ("pixart", "quanto_int8", "float32"),
        ("flux", "quanto_float8", "float32"),
        pytest.param("flux", "quanto_int8", "bfloat16", marks=pytest.mark.slow),
        pytest.param("stable_diffusion", "quanto_float8", "float32", marks=pytest.mark.slow),
        pytest.param("stable_diffusion_3", "quanto_int8", "float32", marks=pytest.mark.slow),
        pytest.param("stable_diffusion_3", "quanto_float8", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_quanto_draws_nearly_the_same_pictures(
    *, model: str, value: str, dtype: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """Read in 8 bits, weighing what the table says, and found out where it was not read so."""
    plain, reference = untuned(model)
    settings: dict[str, Value] = {"quantization_at_load": value}
    setup = turned(folder_of(model), situated(model), settings | _dtype(dtype))

    assert difference(reference, pictures_of(setup)) < 0.2
    assert KNOB.applied(setup, value) is None
    assert _weighs_as_counted(setup, value)
    assert str(KNOB.applied(plain, value)).startswith("0 of ")


@pytest.mark.parametrize(
    ("model", "kind", "dtype", "apart"),
    [
        ("stable_diffusion", "Q8_0", "bfloat16", 0.1),
        ("flux", "Q4_0", "float32", 0.3),
        ("flux", "Q8_0", "bfloat16", 0.1),
        pytest.param("stable_diffusion", "Q4_0", "float32", 0.3, marks=pytest.mark.slow),
        pytest.param("stable_diffusion_3", "Q8_0", "bfloat16", 0.1, marks=pytest.mark.slow),
        pytest.param("stable_diffusion_3", "Q4_0", "float32", 0.3, marks=pytest.mark.slow),
        pytest.param("ltx", "Q8_0", "bfloat16", 0.3, marks=pytest.mark.slow),
    ],
)
def test_a_file_of_blocks_is_read(
    *,
    model: str,
    kind: str,
    dtype: str,
    apart: float,
    folder_of: Folders,
    situated: Situations,
    untuned: Baselines,
    file_of: Files,
) -> None:
    """The denoiser comes from the file, its form from the model's folder, all else from the model."""
    value = str(file_of(model, kind))
    plain, reference = untuned(model)
    settings: dict[str, Value] = {"quantization_at_load": value}
    setup = turned(folder_of(model), situated(model), settings | _dtype(dtype))

    assert 0 < difference(reference, pictures_of(setup)) < apart
    assert KNOB.applied(setup, value) is None
    assert dtype == "float32" or knob_named("dtype").applied(setup, dtype) is None
    assert str(KNOB.applied(plain, value)).startswith("0 of ")


def test_a_file_as_its_makers_name_things_is_read(
    folder_of: Folders, situated: Situations, untuned: Baselines, tmp_path: Path
) -> None:
    """Shared files have other names, stacked projections and another order; diffusers translates them."""
    plain, reference = untuned("stable_diffusion_3")
    state = original_names(plain.pipeline.transformer.state_dict())
    value = str(write_gguf(tmp_path / "sd3.gguf", state))
    setup = turned(
        folder_of("stable_diffusion_3"), situated("stable_diffusion_3"), {"quantization_at_load": value}
    )

    assert not set(state) & set(plain.pipeline.transformer.state_dict()) - {
        f"context_embedder.{last}" for last in ("weight", "bias")
    }
    assert 0 < difference(reference, pictures_of(setup)) < 0.05
    assert KNOB.applied(setup, value) is None


def test_a_file_without_blocks_is_found_out(folder_of: Folders, situated: Situations, file_of: Files) -> None:
    """A file may hold all of its numbers in full: nothing is gained then."""
    value = str(file_of("flux", "F32"))
    setup = turned(folder_of("flux"), situated("flux"), {"quantization_at_load": value})

    assert "0 of " in str(KNOB.applied(setup, value))


def test_what_is_no_such_file_is_named(folder_of: Folders, situated: Situations, tmp_path: Path) -> None:
    """A missing file, and one that only has the name of one."""
    false = tmp_path / "false.gguf"
    false.write_bytes(b"PK..")
    for value, words in (("missing.gguf", "There is no file"), (str(false), "is no GGUF file")):
        with pytest.raises(TurnError, match=words):
            turned(folder_of("flux"), situated("flux"), {"quantization_at_load": value})


@pytest.mark.parametrize("value", ["quanto_int8", "Q8_0"])
@pytest.mark.parametrize(
    "others",
    [
        {"channels_last": True},
        {"conv1x1_to_linear": True},
        {"attention": "vanilla"},
        {"dtype": "bfloat16"},
        {"prompt_embeds": "precomputed", "tiny_vae": True},
        {"quantization_text_encoder": "int8_weight_only"},
    ],
    ids="-".join,
)
def test_what_goes_with_it_runs(
    value: str, others: dict[str, Value], folder_of: Folders, situated: Situations, file_of: Files
) -> None:
    """Knobs that leave the weights as they are, or act on other parts."""
    chosen = value if value.startswith("quanto") else str(file_of("stable_diffusion", value))
    settings = {"quantization_at_load": chosen, **others}
    conflicts = [knob_named(name).conflict(settings, situated("stable_diffusion")) for name in settings]
    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), settings)

    assert conflicts == [None] * len(settings)
    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert [None] * len(settings) == [knob_named(name).applied(setup, settings[name]) for name in settings]


@pytest.mark.slow
def test_it_can_be_compiled(folder_of: Folders, situated: Situations) -> None:
    """Each block is one graph without a break."""
    settings: dict[str, Value] = {"quantization_at_load": "quanto_int8", "compile": "regional"}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)

    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert [None, None] == [knob_named(name).applied(setup, settings[name]) for name in settings]


def test_layers_from_a_file_can_be_compiled(folder_of: Folders, situated: Situations, file_of: Files) -> None:
    """Unpacking the blocks breaks no graph."""
    value = str(file_of("flux", "Q4_0"))
    setup = turned(folder_of("flux"), situated("flux"), {"quantization_at_load": value})
    layer = setup.pipeline.transformer.transformer_blocks[0].attn.to_q
    rows = torch.randn(3, layer.in_features)
    with torch.no_grad():
        compiled = torch.compile(layer, backend="eager", fullgraph=True)(rows)

        assert torch.equal(layer(rows), compiled)


def _draw_after(change: Callable[[Any], None], setup: Setup) -> None:
    with torch.no_grad():
        change(setup.pipeline.unet)
    pictures_of(setup)


def _fuse(part: Any) -> None:
    part.fuse_qkv_projections()


def _quantize_again(part: Any) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(part, Int8WeightOnlyConfig())


def _offload_layers(part: Any) -> None:
    import accelerate

    accelerate.cpu_offload(part, torch.device("cpu"))


def _trace(part: Any) -> None:
    sample, text = torch.zeros(1, 4, 4, 4), torch.zeros(1, 7, 32)
    torch.jit.trace(lambda *given: part(*given, return_dict=False)[0], (sample, torch.ones(()), text))


@pytest.mark.parametrize(
    ("value", "others", "break_it", "error"),
    [
        ("Q8_0", {"fuse_qkv": True}, _fuse, RuntimeError),
        ("Q8_0", {"quantization": "int8_weight_only"}, _quantize_again, AssertionError),
        ("quanto_int8", {"quantization": "int8_weight_only"}, _quantize_again, NotImplementedError),
        ("Q8_0", {"offload": "sequential"}, _offload_layers, KeyError),
        ("quanto_int8", {"offload": "sequential"}, _offload_layers, TypeError),
        ("Q8_0", {"trace": True}, _trace, RuntimeError),
    ],
)
def test_what_is_refused_really_fails(
    *,
    value: str,
    others: dict[str, Value],
    break_it: Callable[[Any], None],
    error: type[Exception],
    folder_of: Folders,
    situated: Situations,
    file_of: Files,
) -> None:
    """Once diffusers can do one of these, this test says so, and the conflict can go."""
    chosen = value if value.startswith("quanto") else str(file_of("stable_diffusion", value))
    settings = {"quantization_at_load": chosen, **others}
    setup = turned(
        folder_of("stable_diffusion"), situated("stable_diffusion"), {"quantization_at_load": chosen}
    )
    sentence = KNOB.conflict(settings, situated("stable_diffusion"))

    assert sentence is not None
    assert next(iter(others)) in sentence
    with pytest.raises(error):
        _draw_after(break_it, setup)


def test_quanto_fuses_into_weights_of_full_size(folder_of: Folders, situated: Situations) -> None:
    """It runs, but what attention then uses is not quantized: pointless, so refused."""
    settings = {"quantization_at_load": "quanto_int8"}
    setup = turned(folder_of("flux"), situated("flux"), settings)
    setup.pipeline.transformer.fuse_qkv_projections()
    fused = [
        weight for name, weight in setup.pipeline.transformer.named_parameters() if "to_qkv.weight" in name
    ]

    assert fused
    assert {torch.nn.Parameter} == {type(weight) for weight in fused}
    assert "full size" in str(KNOB.conflict({**settings, "fuse_qkv": True}, situated("flux")))
    assert "linear layers of the transformer hold" in str(KNOB.applied(setup, "quanto_int8"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantization_at_load": "nf5"}, "neither a format nor the path"),
        ({"quantization_at_load": "a.gguf", "swap_denoiser": "other"}, "swap_denoiser"),
        ({"quantization_at_load": "bitsandbytes_nf4", "fuse_qkv": True}, "cannot be fused"),
        ({"quantization_at_load": "bitsandbytes_int8", "layerwise_casting": "float8_e4m3fn"}, "already"),
    ],
)
def test_what_cannot_work_is_refused(settings: Settings, words: str) -> None:
    """Each with a sentence."""
    sentence = str(KNOB.conflict(settings, _at(HOPPER, UNET)))

    assert words in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("value", ["bitsandbytes_int8", "bitsandbytes_nf4"])
def test_the_layers_of_bitsandbytes_are_known(value: str) -> None:
    """Diffusers quantizes with it on GPUs only, but its layers exist on a CPU: weighed, and told apart."""
    import bitsandbytes

    linear = torch.nn.Linear(128, 96).to(torch.bfloat16)
    layer: Any
    if value.endswith("int8"):
        layer = bitsandbytes.nn.Linear8bitLt(128, 96, has_fp16_weights=False)
        layer.weight = bitsandbytes.nn.Int8Params(
            linear.weight.data, requires_grad=False, has_fp16_weights=False
        )
    else:
        layer = bitsandbytes.nn.Linear4bit(128, 96, compute_dtype=torch.bfloat16, quant_type="nf4")
        layer.weight = bitsandbytes.nn.Params4bit(
            linear.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=False
        )
    layer.bias = linear.bias
    layer = layer.to("cpu")
    with torch.no_grad():
        layer(torch.randn(4, 128, dtype=torch.bfloat16))
    setup = Setup(workload=WORKLOAD, settings={}, device="cpu", loading={"dtype": torch.bfloat16})
    setup.pipeline = SimpleNamespace(unet=torch.nn.Sequential(layer))
    other = next(name for name in ("bitsandbytes_int8", "bitsandbytes_nf4") if name != value)

    assert linear_bytes(value, 96, 128, bytes_each=2) == layer_bytes(layer)
    assert KNOB.applied(setup, value) is None
    assert "0 of 1" in str(KNOB.applied(setup, other))


def test_layers_that_need_32_bits_are_not_given_to_quanto(folder_of: Folders, situated: Situations) -> None:
    """It looks at the last name of each layer only: Wan's time embedding is quantized with the others."""
    settings: dict[str, Value] = {"quantization_at_load": "quanto_int8", "dtype": "bfloat16"}
    setup = turned(folder_of("wan"), situated("wan"), settings)
    kept = setup.pipeline.transformer.condition_embedder.time_embedder.linear_1

    assert format_of(kept.weight) == "int8"
    assert "needs in 32 bits" in KNOB.domain(situated("wan")).lacking["quanto_int8"]
    assert "quanto_int8" not in KNOB.domain(situated("flux")).lacking


def test_each_package_brings_its_formats() -> None:
    """Offered where the package is, the device suits, and there are files to read."""
    full = _with(HOPPER, LIBRARIES)
    readable = _with(FLUX, {"single_file"})
    choice = KNOB.domain(_at(full, readable))

    assert ("none", "bitsandbytes_int8", "bitsandbytes_nf4") == choice.values
    assert ("quanto_int8", "quanto_float8") == choice.on_request
    assert choice.takes("models/flux-Q4_K_S.gguf")
    for situation, value, words in (
        (_at(CPU, readable), "bitsandbytes_nf4", "the package 'bitsandbytes'"),
        (_at(_with(CPU, LIBRARIES), readable), "bitsandbytes_nf4", "without a GPU"),
        (_at(full, FLUX), "the path of a .gguf file of this denoiser", "from one file"),
        (_at(full, _with(readable, {"random_weights": True})), "bitsandbytes_nf4", "no weight files"),
    ):
        assert words in KNOB.domain(situation).lacking.get(value, "")


def _weighs_as_counted(setup: Setup, value: str) -> bool:
    """Whether the quantized layers take just the bytes that the table says."""
    each = setup.loading.get("dtype", torch.float32).itemsize
    (part,) = denoisers_of(setup.pipeline).values()
    return all(
        layer_bytes(layer) == linear_bytes(value, layer.out_features, layer.in_features, bytes_each=each)
        for layer in linear_layers(part).values()
    )


def _at(target: Any, blueprint: Any) -> Situation:
    return Situation(target=target, blueprint=blueprint, workload=WORKLOAD)


def _with(whole: Any, more: Any) -> Any:
    """A machine with more packages, or a blueprint with more abilities or facts."""
    if hasattr(whole, "libraries"):
        return replace(whole, libraries={**whole.libraries, **more})
    if isinstance(more, dict):
        return replace(whole, facts={**whole.facts, **more})
    return replace(whole, abilities=whole.abilities | more)


def _dtype(dtype: str) -> dict[str, Value]:
    return {} if dtype == "float32" else {"dtype": dtype}
