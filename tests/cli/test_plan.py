"""`autotune plan` says what fits before anything is run, in tables and as JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.cli.outlook import Outlook, look, say_outlook
from autotune.fitting import Budget, Fitter, Refusal, ways
from autotune.footprint import Footprint, Run, Weights
from autotune.gpus import known_gpu
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.space import SearchSpace, build_space
from autotune.target import Target
from tests.cli.conftest import Cli
from tests.knobs.places import HOPPER, UNET, WORKLOAD

GIB = 2**30
CARD = Target(
    device="cuda:0",
    name="NVIDIA GeForce RTX 4060",
    memory_bytes=8 * GIB,
    compute_capability=(8, 9),
    libraries=HOPPER.libraries,
    backends=HOPPER.backends,
)
HERE = Situation(target=CARD, blueprint=UNET, workload=WORKLOAD)


def _sizes(gib: float) -> dict[str, int]:
    half = int(gib * GIB)
    return {"float32": 2 * half, "float16": half, "bfloat16": half}


def _runs(part: str, variant: str, gib: float) -> list[Run]:
    return [
        Run(
            part=part,
            dtype=dtype,
            pictures=1,
            guided=True,
            variant=variant,
            live=(live := int(gib * width * GIB)),
            by_layer=live,
            by_layer_ahead=live,
            by_block=live + GIB,
            by_block_ahead=live + 2 * GIB,
        )
        for dtype, width in (("bfloat16", 1), ("float32", 2))
    ]


# A model with the figures of SDXL at 1024 px.
FOOTPRINT = Footprint(
    pipeline_class="StableDiffusionXLPipeline",
    weights={
        "text_encoder": Weights(stage="encode", class_name="CLIPTextModel", sizes=_sizes(1.5)),
        "unet": Weights(stage="denoise", class_name="UNet2DConditionModel", sizes=_sizes(4.8)),
        "vae": Weights(stage="decode", class_name="AutoencoderKL", sizes=_sizes(0.16)),
    },
    runs=(
        *_runs("text_encoder", "whole", 0.01),
        *_runs("unet", "fused", 0.3),
        *_runs("vae", "whole", 1.5),
        *_runs("vae", "tile_512", 0.38),
    ),
    force_upcast=True,
    offload_order=("text_encoder", "unet", "vae"),
)


def _space() -> SearchSpace:
    return build_space(all_knobs(), HERE)


def _fitter(gib: float) -> Fitter:
    return Fitter(space=_space(), footprint=FOOTPRINT, budget=Budget(device_bytes=int(gib * GIB)))


@pytest.mark.parametrize(
    ("gib", "settings"),
    [
        (24, {"dtype": "bfloat16"}),
        (8, {"dtype": "bfloat16", "prompt_embeds": "precomputed"}),
        (6, {"dtype": "bfloat16", "prompt_embeds": "precomputed", "vae_tiling": 512}),
        (1.2, {"dtype": "bfloat16", "offload": "sequential", "vae_tiling": 512}),
    ],
)
def test_the_cheapest_way_to_fit(gib: float, settings: dict[str, Value]) -> None:
    """Nothing that slows down more than it must: first what is done once a call, offloading last."""
    found = _fitter(gib).cheapest()

    assert found is not None
    without_quantizing = {k: v for k, v in found.settings.items() if not k.startswith("quantization")}
    assert without_quantizing.items() <= settings.items()
    assert found.made.expected_bytes <= gib * GIB


def test_nothing_fits_into_nothing() -> None:
    """There is no cheapest way, and the smallest recipe is still known."""
    fitter = _fitter(0.1)

    assert fitter.cheapest() is None
    smallest = fitter.smallest()
    assert smallest.settings["offload"] == "sequential"
    assert fitter.least().made.lower_bound_bytes <= smallest.made.lower_bound_bytes
    assert fitter.forecast({}).made.expected_bytes > smallest.made.expected_bytes


def test_what_is_offloaded_least_comes_first() -> None:
    """The documented order: no offloading, whole parts, groups with streams, groups, layers."""
    costs = {str(way): cost for way, cost in ways("cuda", {}, 1)[0]}
    names = ["{}", "{'offload': 'model'}", "{'offload': 'group_block', 'offload_stream': 'stream'}"]
    names += ["{'offload': 'group_block'}", "{'offload': 'group_leaf'}", "{'offload': 'sequential'}"]

    assert [costs[name] for name in names] == sorted(costs[name] for name in names)


def test_a_space_refuses_what_cannot_fit_and_never_the_baseline() -> None:
    """The figure is in the reason, and nothing that is refused is drawn or enumerated."""
    space = _space()
    budget = Budget(device_bytes=6 * GIB)
    refusal = Refusal(footprint=FOOTPRINT, target=CARD, budget=budget, untuned=space.defaults)

    narrow = replace(space, refuse=refusal)

    assert space.why_not({"dtype": "bfloat16"}) is None
    assert str(narrow.why_not({"dtype": "bfloat16"})).startswith("forecast: at least 7.96 GiB")
    assert narrow.why_not({"dtype": "bfloat16", "offload": "model"}) is None
    assert narrow.why_not({}) is None


@pytest.fixture(scope="module")
def outlook() -> Outlook:
    """What is found for the card, and for a recipe that cannot be run."""
    asked: dict[str, Value] = {"dtype": "float16", "offload": "sequential", "compile": "full"}
    situation = replace(HERE, target=replace(CARD, has_compiler=True))
    return look(FOOTPRINT, situation, limits=(None, None), asked=asked, sample=4)


def test_the_outlook_is_printed(outlook: Outlook, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts, counts, stages of each recipe, verdicts, and what to do."""
    say_outlook(outlook)

    printed = capsys.readouterr().out
    for words in (
        "StableDiffusionXLPipeline, 1 × 1024 × 1024 px a call",
        "limit 7.75 GiB",
        "UNet2DConditionModel",
        "may fit, and are searched",
        "untuned: does not fit (forecast: at least 15.9 GiB while decoding, limit 7.75 GiB)",
        "asked for: compile=full dtype=float16 offload=sequential: fits",
        "asked for: cannot be run here: compile does not go with offload = sequential",
        "The cheapest way to fit 7.75 GiB: dtype=bfloat16 prompt_embeds=precomputed.",
    ):
        assert words in printed


def test_a_part_that_nobody_weighed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that the user names may be asked for; what it weighs is known once it is loaded."""
    asked: dict[str, Value] = {"dtype": "bfloat16", "swap_denoiser": "./distilled"}

    say_outlook(look(FOOTPRINT, HERE, limits=(None, None), asked=asked, sample=4))

    printed = capsys.readouterr().out
    assert "asked for: dtype=bfloat16 swap_denoiser=./distilled: may not fit" in printed
    assert "asked for: what takes the place of its unet is known once it is loaded" in printed
    assert "cannot be run here: swap_denoiser cannot load its denoiser: There is no folder" in printed


def test_a_known_card_keeps_a_margin(outlook: Outlook) -> None:
    """Without --vram the limit is what a program may count on of the card's memory."""
    assert outlook.budget.device_bytes == known_gpu("rtx-4060").usable_bytes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo"], "There is nothing to fit into"),
        (["demo", "--target", "rtx-9999"], "There is no GPU 'rtx-9999'"),
        (["demo", "--device", "cpu", "--target", "rtx-4060"], "Leave one of them out"),
        (["demo", "--device", "tpu", "--vram", "8GiB"], "cannot be planned for"),
        (["demo", "--vram", "lots"], "'lots' is no amount of memory"),
        (["demo", "--vram", "8GiB", "--set", "dtype"], "names no values"),
        (["demo", "--vram", "8GiB", "--set", "dtype=float16,bfloat16"], "names 2 values"),
        (["demo", "--vram", "8GiB", "--recipe", "missing.json"], "cannot be read"),
    ],
)
def test_a_question_that_cannot_be_answered(call: Cli, arguments: list[str], words: str) -> None:
    """Exit code 2 and what to say instead, before anything is started."""
    done = call("plan", *arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert "half a minute" not in done.stderr


@pytest.mark.slow
def test_the_demo_is_planned_for_as_json(cli: Cli, tmp_path: Path) -> None:
    """From the command to the numbers, without a GPU: exit code 0 where something fits."""
    done = cli("plan", "demo", "--vram", "1GiB", "--json", "--set", "dtype=bfloat16", at=tmp_path)

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["parts"]["unet"]["bytes"]["float32"] > 10**7
    assert document["recipes"]["valid"]["value"] > 1000
    asked = document["recipes_forecast"]["asked"]
    assert asked["verdict"] == "fits"
    assert asked["lower_bound_bytes"] < asked["expected_bytes"]
    assert set(asked["stages"]) == {"load", "encode", "denoise", "decode"}
