"""A footprint needs no weights, knows full-size models by their figures, and never exceeds what lives."""

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from autotune.footprint import Footprint
from autotune.forecast import forecast
from autotune.knob import Situation, Value
from autotune.pipeline.architectures import MARK, architecture_folder
from autotune.pipeline.footprint import kept_footprint, measure
from autotune.pipeline.live_bytes import LiveBytes, Record
from autotune.pipeline.probe import situate
from autotune.pipeline.weighing import block_groups, layer_groups, weigh
from autotune.pipeline.weightless import build_module, build_parts
from autotune.target import Target
from autotune.workload import Workload
from tests.knobs import tiny
from tests.knobs.conftest import BUILDERS, FAMILIES
from tests.knobs.workbench import pictures_of, situation_of, turned

GIB = 2**30
CPU = Target(device="cpu")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from the name of a family to the folder of its tiny pipeline."""

    @cache
    def folder(name: str) -> Path:
        return tiny.save(BUILDERS[name](), tmp_path_factory.mktemp("whole") / name)

    return folder


@pytest.fixture(scope="session")
def seen(
    folder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Footprint, Situation]]:
    """A function from the name of a family to its footprint, taken from its configuration files alone."""

    @cache
    def footprint(name: str) -> tuple[Footprint, Situation]:
        whole = folder_of(name)
        bare = tmp_path_factory.mktemp("bare") / name
        shutil.copytree(whole, bare, ignore=shutil.ignore_patterns("*.safetensors"))
        situation = situation_of(whole)
        return measure(bare, situation), situation

    return footprint


@pytest.mark.parametrize("family", FAMILIES)
def test_every_part_is_weighed_and_run(
    family: str, seen: Callable[[str], tuple[Footprint, Situation]]
) -> None:
    """Each encoder, the denoiser and the decoder, in both formats, with nothing left over."""
    footprint, situation = seen(family)

    assert footprint.remarks == ()
    for name, part in footprint.weights.items():
        if part.stage and name != "vae_tiny":
            formats = {run.dtype for run in footprint.runs if run.part == name and run.live > 0}
            assert formats == {"float32", "bfloat16"}, name
            declared = situation.blueprint.parts[name]
            assert part.sizes["float32"] == pytest.approx(declared.bytes_fp32, rel=0.02), name


@pytest.mark.parametrize(
    ("family", "dtype"),
    [*((family, "float32") for family in FAMILIES), ("stable_diffusion_xl", "bfloat16"), ("wan", "bfloat16")],
)
def test_the_lower_bound_is_never_above_what_lives(
    family: str,
    dtype: str,
    folder_of: Callable[[str], Path],
    seen: Callable[[str], tuple[Footprint, Situation]],
) -> None:
    """A real call on real weights, counted by the same tracker, needs as much, and not much more."""
    footprint, situation = seen(family)
    settings: dict[str, Value] = {} if dtype == "float32" else {"dtype": dtype}

    lived = _lived(folder_of(family), situation, settings)

    bound = forecast(settings, footprint, CPU).lower_bound_bytes
    assert bound <= lived
    assert bound > 0.6 * lived


@pytest.mark.parametrize(
    "settings",
    [
        {"vae_slicing": True},
        {"vae_tiling": 16},
        {"attention": "vanilla"},
        {"attention_slicing": "max"},
        {"attention_slicing": "auto"},
        {"fuse_qkv": True},
        {"prompt_embeds": "precomputed"},
        {"guidance_cutoff": 0.0},
        {"tiny_vae": True},
        {"quantization": "int8_weight_only", "dtype": "bfloat16"},
        {"images_per_call": 1},
    ],
    ids=str,
)
def test_the_lower_bound_holds_for_each_knob(
    settings: dict[str, Value],
    folder_of: Callable[[str], Path],
    seen: Callable[[str], tuple[Footprint, Situation]],
) -> None:
    """Each knob that changes the forecast, against a real call."""
    footprint, situation = seen("stable_diffusion")

    lived = _lived(folder_of("stable_diffusion"), situation, settings)

    assert forecast(settings, footprint, CPU).lower_bound_bytes <= lived


@pytest.mark.parametrize(
    ("widths", "is_smaller"), [((16, 16), True), ((32, 128), False)], ids=["distilled", "larger"]
)
def test_a_denoiser_of_an_architecture_is_weighed_and_run_beside_the_own_one(
    widths: tuple[int, int],
    is_smaller: bool,  # noqa: FBT001 - a column of the table above
    tmp_path: Path,
    folder_of: Callable[[str], Path],
) -> None:
    """A recipe that swaps it in is forecast with its figures, within what a real call needs."""
    folder = shutil.copytree(folder_of("stable_diffusion"), tmp_path / "model")
    (folder / MARK).write_text("{}", encoding="utf-8")
    tiny.distilled_unet(block_out_channels=widths).save_config(folder / "denoisers" / "other")
    situation = situation_of(folder)
    footprint = measure(folder, situation)

    assert Footprint.from_json(json.loads(json.dumps(footprint.to_json()))) == footprint
    assert footprint.remarks == ()
    every: tuple[dict[str, Value], ...] = ({}, {"attention": "vanilla", "dtype": "bfloat16"})
    for settings in every:
        swap = {"swap_denoiser": "arch:other", **settings}
        own, other = forecast(settings, footprint, CPU), forecast(swap, footprint, CPU)
        assert own.unknown == other.unknown == ()
        assert (other.device["denoise"].lower_bound < own.device["denoise"].lower_bound) is is_smaller
        lived = _lived(folder, situation, swap)
        assert other.device["denoise"].lower_bound <= lived
        assert other.lower_bound_bytes > 0.6 * lived


def test_a_smaller_denoiser_from_a_folder_of_the_user_is_never_refused_for_the_own_one(
    tmp_path: Path, folder_of: Callable[[str], Path], seen: Callable[[str], tuple[Footprint, Situation]]
) -> None:
    """It is not known before it is loaded: the bound counts nothing of it, and nothing of the own one."""
    footprint, situation = seen("stable_diffusion")
    tiny.distilled_unet(block_out_channels=(16, 16)).save_pretrained(tmp_path / "small")
    settings: dict[str, Value] = {"swap_denoiser": str(tmp_path / "small")}

    made = forecast(settings, footprint, CPU)
    calls = max(stage.lower_bound for name, stage in made.device.items() if name != "load")

    assert made.unknown == ("unet",)
    assert calls <= _lived(folder_of("stable_diffusion"), situation, settings)


@pytest.mark.slow
def test_a_vae_mended_for_float16_is_not_refused_for_the_own_one_that_is_upcast(tmp_path: Path) -> None:
    """SDXL's own VAE decodes in 32 bits; the one in its place has no need to, and is smaller here."""
    pipeline: Any = tiny.stable_diffusion_xl()
    pipeline.vae = _vae(widths=(64, 512), force_upcast=True)
    folder = tiny.save(pipeline, tmp_path / "model")
    _vae(widths=(8, 8), force_upcast=False).save_pretrained(tmp_path / "mended")
    situation = situation_of(folder)
    settings: dict[str, Value] = {"dtype": "float16", "swap_vae": str(tmp_path / "mended")}

    decode = forecast(settings, measure(folder, situation), CPU).device["decode"]

    assert decode.lower_bound <= _lived(folder, situation, settings)


@pytest.mark.parametrize(
    ("family", "is_upcast"), [("stable_diffusion", False), ("stable_diffusion_xl", True)]
)
def test_only_a_pipeline_that_upcasts_decodes_in_more_bits(
    family: str,
    is_upcast: bool,  # noqa: FBT001 - a column of the table above
    seen: Callable[[str], tuple[Footprint, Situation]],
) -> None:
    """The VAE of either says that it wants to be; Stable Diffusion 1 and 2 do not look at that."""
    footprint, situation = seen(family)

    half, brain = (
        forecast({"dtype": dtype}, footprint, Target(device="cuda")).device["decode"]
        for dtype in ("float16", "bfloat16")
    )

    assert situation.blueprint.facts["force_upcast"] is True
    assert footprint.force_upcast is is_upcast
    assert (half.lower_bound > brain.lower_bound) is is_upcast


def test_a_tiny_vae_that_comes_later_is_weighed_then(
    tmp_path: Path, folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may lie in the hub's cache, apart from the model: a footprint without it is not kept for good."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = shutil.copytree(folder_of("stable_diffusion"), tmp_path / "model")
    elsewhere = shutil.move(folder / "vae_tiny", tmp_path / "vae_tiny")
    situation = situation_of(folder)
    before = kept_footprint(folder, situation)
    facts = {**situation.blueprint.facts, "tiny_vae": str(elsewhere)}

    after = kept_footprint(folder, replace(situation, blueprint=replace(situation.blueprint, facts=facts)))

    assert "vae_tiny" not in before.weights
    assert "vae_tiny" in after.weights
    assert kept_footprint(folder, situation) == before


def test_groups_are_those_of_diffusers() -> None:
    """The blocks and what belongs to none add up to the whole, and so do the layers."""
    transformer = tiny.flux().transformer

    layers, blocks = layer_groups(transformer), block_groups(transformer)

    whole = weigh(transformer, layers, blocks).sizes["float32"]
    assert sum(blocks.brought["float32"].values()) + blocks.always["float32"] == whole
    assert sum(layers.brought["float32"].values()) == whole
    assert "transformer_blocks.0" in blocks.brought["float32"]
    assert blocks.always["float32"] > 0
    assert not any(hasattr(module, "_diffusers_hook") for module in transformer.modules())


def test_a_record_lends_weights_to_the_modules_that_run() -> None:
    """One layer after the other: the largest sum of what is alive and on loan; and with the next ahead."""
    live = LiveBytes()
    for path in ("a", "b"):
        live.mark(path, begins=True)
        live.count([torch.empty(256, dtype=torch.float32)])
        live.mark(path, begins=False)
    record: Record = live.finish()
    groups = {"a": 10, "b": 30}

    assert record.peak == 1024
    assert record.peak_with(groups) == 1024 + 30
    assert record.peak_with(groups, ahead=True) == 1024 + 40


def test_tied_weights_stay_tied() -> None:
    """Building without memory gives every name a weight of its own: T5 would weigh its words twice."""
    folder = architecture_folder("arch:pixart-sigma") / "text_encoder"

    encoder = build_module(folder, "T5EncoderModel", "transformers")

    assert sum(weight.numel() for weight in encoder.parameters()) == 4_762_310_656


def test_a_tokenizer_without_vocabulary_is_replaced(tmp_path: Path) -> None:
    """Only the padded length counts: a folder of configurations alone is enough."""
    tiny.save(tiny.stable_diffusion(), tmp_path / "model")
    for file in (tmp_path / "model" / "tokenizer").iterdir():
        file.unlink()

    components, _ = build_parts(tmp_path / "model")

    assert components["tokenizer"]("a cat").input_ids


@pytest.mark.slow
def test_full_size_models_by_their_figures() -> None:
    """Stable Diffusion 1.5 at 512 px: the UNet under each kind of attention, the decoder, another UNet."""
    workload = Workload(model="arch:sd15", width_px=512, height_px=512)
    folder = architecture_folder("arch:sd15")

    footprint = measure(folder, situate(folder, workload, CPU))

    def live(part: str, variant: str, dtype: str = "bfloat16") -> float:
        run = footprint.run(part, variant, dtype, pictures=1, guided=True)
        assert run is not None
        assert run.variant == variant
        return run.live / GIB

    assert live("unet", "fused") == pytest.approx(0.13, abs=0.005)
    assert live("unet", "vanilla") == pytest.approx(1.05, abs=0.01)
    assert live("unet", "slices_auto") == pytest.approx(0.31, abs=0.005)
    assert live("vae", "whole") == pytest.approx(0.375, abs=0.005)
    assert live("vae", "whole", "float32") == pytest.approx(0.75, abs=0.005)
    assert footprint.weights["unet"].sizes["float16"] == 2 * 859_520_964
    assert footprint.weights["unet"].fused_numbers > 0
    assert footprint.offload_order == ("text_encoder", "unet", "vae")
    assert footprint.weights.keys() == {"text_encoder", "unet", "vae", "vae_tiny"}
    distilled, _ = footprint.with_swaps({"swap_denoiser": "arch:bk-sdm-small"})
    assert distilled.weights["unet"].sizes["float16"] == 2 * 482_346_884
    assert {run.part for run in distilled.runs} == {run.part for run in footprint.runs}


def _vae(*, widths: tuple[int, int], force_upcast: bool) -> AutoencoderKL:
    """A VAE that fits the tiny pipelines; its weights make pictures that nobody looks at."""
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=8,
        force_upcast=force_upcast,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def _lived(folder: Path, situation: Situation, settings: dict[str, Value]) -> int:
    """The most bytes that live at once in a real call: weights, and all that it makes."""
    setup = turned(folder, situation, settings)
    for name in ("max_sequence_length", "complex_human_instruction"):
        setup.call.pop(name, None)  # the workbench shortens prompts; a trial does not
    modules = [part for part in setup.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    live = LiveBytes()
    weights = [tensor for part in modules for tensor in (*part.parameters(), *part.buffers())]
    live.count(inner for weight in weights for inner in _plain(weight))
    with live, warnings.catch_warnings(action="ignore"):
        pictures_of(setup, num_inference_steps=2)
    return live.finish().peak


def _plain(weight: torch.Tensor) -> list[torch.Tensor]:
    """The tensors in which a weight is stored: quantized ones keep numbers and scales apart."""
    if type(weight) in (torch.Tensor, torch.nn.Parameter):
        return [weight]
    names, _ = weight.__tensor_flatten__()
    return [getattr(weight, name) for name in names]
