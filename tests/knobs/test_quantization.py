"""Weights in 8 and 4 bits: real tensors weighed, real pictures drawn, and what is refused really failing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autotune.blueprint import Part
from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import knob_named
from autotune.knobs._weights import denoisers_of, format_of, linear_layers, stored_bytes
from autotune.target import Target
from autotune.weight_bytes import bytes_per_weight, is_quantized, linear_bytes
from tests.knobs.places import CPU, FLUX, HOPPER, TURING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
KNOB, TEXT = knob_named("quantization"), knob_named("quantization_text_encoder")
HERE = ("int8_weight_only", "int8_dynamic", "float8_weight_only", "int4_weight_only", "nvfp4_weight_only")
BLACKWELL = replace(HOPPER, compute_capability=(10, 0))
AMPERE = replace(HOPPER, compute_capability=(8, 6))


def quantized(layer: torch.nn.Linear, value: str, name: str = "layer") -> Any:
    """Return the weight of a layer that the knob has quantized, in a pipeline of this one layer."""
    setup = Setup(workload=WORKLOAD, settings={}, device="cpu")
    setup.pipeline = SimpleNamespace(unet=torch.nn.ModuleDict({name: layer}))
    KNOB.turn(setup, value)
    return layer.weight


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("rows", "columns"), [(128, 256), (48, 160), (144, 96), (320, 320)])
@pytest.mark.parametrize("value", HERE)
def test_each_format_takes_the_bytes_of_the_table(
    value: str, rows: int, columns: int, dtype: torch.dtype
) -> None:
    """To the byte, scales included, on torchao's own tensors."""
    weight = quantized(torch.nn.Linear(columns, rows).to(dtype), value)

    assert is_quantized(value, "layer", rows, columns, kind="cpu")
    assert linear_bytes(value, rows, columns, bytes_each=dtype.itemsize, kind="cpu") == stored_bytes(weight)
    assert value.partition("_")[0] == format_of(weight)


@pytest.mark.parametrize(("rows", "columns"), [(3072, 3072), (1280, 640), (40, 768), (64, 4864)])
def test_the_tiles_of_int4_take_the_bytes_of_the_table(rows: int, columns: int) -> None:
    """On a GPU layers are padded to tiles: the real operator says to which, without a GPU by shape alone."""
    high, wide = -(-rows // 8) * 8, -(-columns // 1024) * 1024
    pairs = torch.empty(high, wide // 2, dtype=torch.uint8, device="meta")
    packed = torch.ops.aten._convert_weight_to_int4pack(pairs, 8)
    scales = torch.empty(wide // 64, high, 2, dtype=torch.bfloat16, device="meta")

    assert linear_bytes("int4_weight_only", rows, columns, bytes_each=2) == packed.nbytes + scales.nbytes


def test_the_other_formats_of_a_gpu_take_the_bytes_of_the_table() -> None:
    """Their products need a GPU, their tensors do not."""
    from torchao.prototype.mx_formats.mx_tensor import MXTensor
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale
    from torchao.quantization import Float8Tensor, PerRow

    weight = torch.randn(144, 96, dtype=torch.bfloat16)
    scale = per_tensor_amax_to_scale(weight.abs().max())
    made = {
        "mxfp8_dynamic": MXTensor.to_mx(weight, torch.float8_e4m3fn, 32, is_swizzled_scales=True),
        "nvfp4_dynamic": NVFP4Tensor.to_nvfp4(weight, per_tensor_scale=scale, is_swizzled_scales=True),
        "float8_dynamic": Float8Tensor.from_hp(weight, torch.float8_e4m3fn, PerRow()),
        "none": weight,
        "layerwise_casting": weight.to(torch.float8_e4m3fn),
    }

    counted = {value: linear_bytes(value, 144, 96, bytes_each=2) for value in made}
    assert counted == {value: stored_bytes(tensor) for value, tensor in made.items()}
    assert ["mxfp8", "nvfp4", "float8", "", ""] == [format_of(tensor) for tensor in made.values()]


@pytest.mark.parametrize("value", [*HERE, "float8_dynamic", "bitsandbytes_nf4", "quanto_int8"])
def test_a_layer_never_takes_less_than_the_bound(value: str) -> None:
    """What a forecast may count on where it does not know the shapes."""
    shapes = [(64, 64), (320, 1280), (3072, 12288), (5120, 640)]
    shares = [linear_bytes(value, rows, columns, bytes_each=2) / (rows * columns) for rows, columns in shapes]

    assert min(shares) >= bytes_per_weight(value, bytes_each=2)
    assert max(shares[1:3]) < 1.1 * bytes_per_weight(value, bytes_each=2) or value == "int4_weight_only"
    with pytest.raises(KeyError):
        linear_bytes("models/flux.gguf", 64, 64, bytes_each=2)


@pytest.mark.parametrize("model", ["stable_diffusion", "pixart", "flux", "stable_diffusion_3", "sana"])
@pytest.mark.parametrize("value", HERE)
def test_the_layers_that_are_reached_are_those_of_the_table(
    value: str, model: str, untuned: Baselines
) -> None:
    """What the exported source quantizes and what a forecast counts are the same layers."""
    import copy

    ((name, part),) = denoisers_of(untuned(model)[0].pipeline).items()
    setup = Setup(workload=WORKLOAD, settings={}, device="cpu")
    setup.pipeline = SimpleNamespace(**{name: copy.deepcopy(part).to(torch.bfloat16)})
    KNOB.turn(setup, value)
    layers = linear_layers(getattr(setup.pipeline, name))
    expected = {
        path
        for path, layer in layers.items()
        if is_quantized(value, path, layer.out_features, layer.in_features, kind="cpu")
    }

    assert expected == {path for path, layer in layers.items() if format_of(layer.weight)}


def _cases() -> list[Any]:
    """Every format on four families; two of them wait for the slow tests."""
    return [
        pytest.param(model, value, marks=pytest.mark.slow if model in ("flux", "stable_diffusion_3") else ())
        for model in ("stable_diffusion", "pixart", "flux", "stable_diffusion_3")
        for value in HERE
    ]


@pytest.mark.parametrize(("model", "value"), _cases())
def test_it_goes_with_the_layout_and_with_fused_projections(
    *, model: str, value: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """In 16 bits, fused first, and laid out afterwards: the order in which knobs are turned."""
    settings: dict[str, Value] = {"quantization": value, "dtype": "bfloat16", "fuse_qkv": True}
    if model == "stable_diffusion":
        settings |= {"channels_last": True, "conv1x1_to_linear": True}
    setup = turned(folder_of(model), situated(model), settings)
    pictures = pictures_of(setup)

    assert difference(untuned(model)[1], pictures) < 0.35
    assert [None] * len(settings) == [knob_named(name).applied(setup, settings[name]) for name in settings]
    assert [None] * len(settings) == [knob_named(n).conflict(settings, situated(model)) for n in settings]


@pytest.mark.slow
@pytest.mark.parametrize("value", HERE[1:4])
def test_its_layers_are_compiled(value: str, folder_of: Folders, situated: Situations) -> None:
    """Each block is one graph without a break."""
    settings: dict[str, Value] = {"quantization": value, "dtype": "bfloat16", "compile": "regional"}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)

    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert [None] * 3 == [knob_named(name).applied(setup, settings[name]) for name in settings]


@pytest.mark.parametrize("value", HERE)
def test_each_other_format_is_told_apart(value: str, folder_of: Folders, situated: Situations) -> None:
    """The proof of one format does not pass for another's, nor where one layer was left out."""
    settings: dict[str, Value] = {"quantization": value, "dtype": "bfloat16"}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)
    others = {other: KNOB.applied(setup, other) for other in HERE if other != value}

    assert all(sentence and sentence.endswith(".") for sentence in others.values())
    assert KNOB.applied(setup, value) is None
    layer = setup.pipeline.transformer.transformer_blocks[1].attn1.to_q
    layer.weight = torch.nn.Parameter(torch.zeros(layer.out_features, layer.in_features).to(torch.bfloat16))
    assert "linear layers of the transformer rest in" in str(KNOB.applied(setup, value))


def test_a_half_that_is_kept_in_32_bits_is_quantized_too(folder_of: Folders, situated: Situations) -> None:
    """T5 keeps its "wo" in 32 bits when read in float16: in 8 bits they are no larger than the others."""
    settings: dict[str, Value] = {"quantization_text_encoder": "float8_weight_only", "dtype": "float16"}
    setup = turned(folder_of("flux"), situated("flux"), settings)
    layers = linear_layers(setup.pipeline.text_encoder_2)
    kept = {path: layer for path, layer in layers.items() if path.endswith(".wo")}

    assert {torch.float32} == {layer.weight.dtype for layer in kept.values()}
    assert {"float8"} == {format_of(layer.weight) for layer in kept.values()}
    assert bool(torch.isfinite(pictures_of(setup)).all())
    assert TEXT.applied(setup, "float8_weight_only") is None


def test_an_encoder_that_was_left_out_is_found(folder_of: Folders, situated: Situations) -> None:
    """Every encoder is looked at, and a pipeline without one has nothing to show."""
    settings = {"quantization_text_encoder": "int8_weight_only"}
    setup = turned(folder_of("flux"), situated("flux"), settings)
    assert TEXT.applied(setup, "int8_weight_only") is None

    other = turned(folder_of("flux"), situated("flux"), {})
    setup.pipeline.text_encoder_2 = other.pipeline.text_encoder_2
    assert "of the text_encoder_2 rest in int8" in str(TEXT.applied(setup, "int8_weight_only"))
    setup.pipeline.register_modules(text_encoder=None, text_encoder_2=None)
    assert "no text encoder" in str(TEXT.applied(setup, "int8_weight_only"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantization": "int8_weight_only", "dtype": "float16"}, "overflows"),
        ({"quantization": "int4_weight_only"}, "needs dtype = bfloat16"),
        ({"quantization": "float8_dynamic", "dtype": "float16"}, "needs dtype = bfloat16"),
        ({"quantization": "nvfp4_weight_only", "dtype": "float16"}, "float16"),
        ({"quantization": "nvfp4_weight_only", "offload": "group_leaf"}, "exchanged in place"),
        ({"quantization": "int8_dynamic", "offload": "sequential"}, "inference_mode"),
        ({"quantization": "int8_dynamic", "trace": True}, "cannot record"),
        ({"quantization": "int4_weight_only", "trace": True, "dtype": "bfloat16"}, "when it is repeated"),
        ({"quantization_text_encoder": "int8_weight_only", "dtype": "float16"}, "overflows"),
        ({"quantization_text_encoder": "int8_weight_only", "prompt_embeds": "precomputed"}, "pointless"),
        ({"quantization_text_encoder": "int4_weight_only"}, "needs dtype = bfloat16"),
        ({"quantization_text_encoder": "float8_weight_only", "offload": "sequential"}, "inference_mode"),
    ],
)
def test_what_cannot_work_is_refused(settings: Settings, words: str) -> None:
    """Each with a sentence that names the knob; without the second setting it is allowed."""
    name = next(iter(settings))
    here = Situation(target=CPU, blueprint=UNET, workload=WORKLOAD)
    sentence = str(knob_named(name).conflict(settings, here))

    assert words in sentence
    assert name in sentence
    assert sentence.endswith(".")
    assert knob_named(name).conflict({name: settings[name], "dtype": "bfloat16"}, here) is None


@pytest.mark.parametrize(("torch_version", "is_refused"), [("2.12.1", True), ("2.13.0", False)])
def test_old_gpus_compile_float8_with_new_torch_only(torch_version: str, *, is_refused: bool) -> None:
    """Before torch 2.13, inductor hands Triton a format that it does not have below 8.9."""
    settings = {"quantization": "float8_weight_only", "compile": "full"}
    libraries = {**AMPERE.libraries, "torch": torch_version}
    old, new = (replace(target, libraries=libraries) for target in (AMPERE, HOPPER))
    sentences = [
        KNOB.conflict(settings, Situation(target=target, blueprint=UNET, workload=WORKLOAD))
        for target in (old, new)
    ]

    assert [is_refused, False] == ["#167082" in str(sentence) for sentence in sentences]


def _offload_layers(part: Any) -> None:
    import accelerate

    accelerate.cpu_offload(part, torch.device("cpu"))


def _offload_groups(part: Any) -> None:
    part.enable_group_offload(torch.device("cpu"), offload_type="leaf_level")


def _fuse(part: Any) -> None:
    part.fuse_qkv_projections()


@pytest.mark.parametrize(
    ("value", "change", "error"),
    [
        ("int8_weight_only", _offload_layers, NotImplementedError),
        ("float8_weight_only", _offload_layers, NotImplementedError),
        ("int4_weight_only", _offload_layers, NotImplementedError),
        ("nvfp4_weight_only", _offload_groups, NotImplementedError),
        ("int8_weight_only", _fuse, NotImplementedError),
        ("float8_weight_only", _fuse, AttributeError),
    ],
)
def test_what_is_refused_or_ordered_really_fails(
    *,
    value: str,
    change: Callable[[Any], None],
    error: type[Exception],
    folder_of: Folders,
    situated: Situations,
) -> None:
    """Once a library can do one of these, this test says so, and the conflict or the order can go."""
    setup = turned(folder_of("pixart"), situated("pixart"), {"quantization": value, "dtype": "bfloat16"})

    with pytest.raises(error):
        _draw_after(change, setup)


@pytest.mark.parametrize(
    ("model", "value"),
    [("pixart", "int8_dynamic"), ("pixart", "int4_weight_only"), ("sana", "nvfp4_weight_only")],
)
def test_what_cannot_be_traced_really_fails(
    model: str, value: str, folder_of: Folders, situated: Situations
) -> None:
    """While it is recorded or when it is repeated, in the denoiser's first call."""
    settings: dict[str, Value] = {"quantization": value, "dtype": "bfloat16", "trace": True}
    setup = turned(folder_of(model), situated(model), settings)

    with pytest.raises((RuntimeError, NotImplementedError)):
        pictures_of(setup)
    assert "trace" in str(KNOB.conflict(settings, situated(model)))


@pytest.mark.parametrize("value", HERE[:4])
def test_groups_can_be_offloaded(value: str, folder_of: Folders, situated: Situations) -> None:
    """The hooks exchange torchao's weights in place, which a dry run on the CPU goes through too."""
    setup = turned(folder_of("pixart"), situated("pixart"), {"quantization": value, "dtype": "bfloat16"})
    before = pictures_of(setup)
    _offload_groups(setup.pipeline.transformer)

    assert torch.equal(before, pictures_of(setup))


def _draw_after(change: Callable[[Any], None], setup: Setup) -> None:
    with torch.no_grad():
        change(setup.pipeline.transformer)
    pictures_of(setup)


@pytest.mark.parametrize(
    ("target", "offered", "on_request"),
    [
        (CPU, HERE[:2] + HERE[3:4], ("nvfp4_weight_only", "float8_weight_only")),
        (TURING, ("int8_weight_only", "float8_weight_only"), ()),
        (AMPERE, (*HERE[:4],), ("nvfp4_weight_only",)),
        (HOPPER, (*HERE[:3], "float8_dynamic", "int4_weight_only"), ("nvfp4_weight_only",)),
        (
            BLACKWELL,
            (*HERE[:3], "float8_dynamic", "int4_weight_only"),
            ("nvfp4_weight_only", "nvfp4_dynamic", "mxfp8_dynamic"),
        ),
    ],
)
def test_what_a_machine_is_offered(
    target: Target, offered: tuple[Value, ...], on_request: tuple[Value, ...]
) -> None:
    """By compute capability; every other format carries its reason."""
    for blueprint in (UNET, FLUX):
        found = choice("quantization", target, blueprint)
        assert ("none", *offered) == found.values
        assert on_request == found.on_request
        assert 8 == len(found.values) - 1 + len(found.on_request) + len(found.lacking)


def test_what_a_model_is_offered() -> None:
    """Too few matrix weights, shapes that int4 cannot hold, and encoders that are not there."""
    convolutional = replace(UNET, parts={"unet": Part(class_name="UNet2DModel", linear_share=0.05)})
    narrow = replace(UNET, facts={**UNET.facts, "int4_share_cuda": {"unet": 0.1}})
    encoder = {"text_encoder": Part(class_name="T5EncoderModel", linear_share=0.97)}
    old = replace(CPU, libraries={**CPU.libraries, "torchao": "0.17.0"})

    assert "tenth" in choice("quantization", HOPPER, convolutional).why
    assert "shapes" in choice("quantization", HOPPER, narrow).lacking["int4_weight_only"]
    assert "int4_weight_only" in choice("quantization", CPU, narrow).values
    assert "0.18" in choice("quantization", old, UNET).lacking["int4_weight_only"]
    assert "no text encoder" in choice("quantization_text_encoder", HOPPER, FLUX).why
    assert ("none", "int8_weight_only", "float8_weight_only", "int4_weight_only") == choice(
        "quantization_text_encoder", HOPPER, replace(FLUX, parts={**FLUX.parts, **encoder})
    ).values


def test_both_of_two_denoisers_are_quantized() -> None:
    """Where two take turns, one in 16 bits would decide about the memory."""
    setup = Setup(workload=WORKLOAD, settings={}, device="cpu")
    parts = {name: torch.nn.Sequential(torch.nn.Linear(64, 64)) for name in ("transformer", "transformer_2")}
    setup.pipeline = SimpleNamespace(**parts)
    KNOB.turn(setup, "int8_weight_only")

    assert ["int8", "int8"] == [format_of(part[0].weight) for part in parts.values()]
    parts["transformer_2"][0] = torch.nn.Linear(64, 64)
    assert "transformer_2" in str(KNOB.applied(setup, "int8_weight_only"))
