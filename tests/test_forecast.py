"""A forecast adds up weights and activations by the rules of each knob, and learns what a device adds."""

import itertools
import random
from dataclasses import replace

import pytest

from autotune.factors import Factors, Seen, Stage, fit
from autotune.fitting import Budget
from autotune.footprint import Footprint, Linear, Run, Swap, Weights
from autotune.forecast import Forecast, forecast, learn
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.measurement import Memory
from autotune.space import build_space
from autotune.target import Target
from tests.knobs.places import HOPPER, UNET, WORKLOAD

CUDA, CPU = Target(device="cuda"), Target(device="cpu")
GIB = 2**30


def _sizes(amount: int) -> dict[str, int]:
    return {"float32": 2 * amount, "float16": amount, "bfloat16": amount}


def _runs(part: str, variant: str, live: int) -> list[Run]:
    """Runs in both formats, for one picture and for four, guided and not."""
    made = []
    for dtype, pictures, guided in itertools.product(("bfloat16", "float32"), (1, 4), (True, False)):
        rows = pictures * (2 if guided and part == "unet" else 1)
        amount = live * rows * (2 if dtype == "float32" else 1)
        run = Run(
            part=part,
            dtype=dtype,
            pictures=pictures,
            guided=guided,
            variant=variant,
            live=amount,
            by_layer=amount + 5,
            by_layer_ahead=amount + 9,
            by_block=amount + 60,
            by_block_ahead=amount + 90,
        )
        made.append(run)
    return made


FOOTPRINT = Footprint(
    pipeline_class="X",
    weights={
        "text_encoder": Weights(stage="encode", sizes=_sizes(300)),
        "unet": Weights(
            stage="denoise",
            sizes=_sizes(1000),
            linears=(Linear(path="attn.to_q", rows=10, columns=40),),
            fused_numbers=50,
            cast_numbers=400,
            largest_block={"bfloat16": 70},
        ),
        "vae": Weights(stage="decode", sizes=_sizes(80)),
        "vae_tiny": Weights(stage="decode", sizes=_sizes(2)),
    },
    runs=(
        *_runs("text_encoder", "whole", 4),
        *_runs("unet", "fused", 10),
        *_runs("unet", "vanilla", 50),
        *_runs("vae", "whole", 500),
        *_runs("vae", "tile_64", 100),
        *_runs("vae_tiny", "tiny", 30),
    ),
    pictures=4,
    force_upcast=True,
    offload_order=("text_encoder", "unet", "vae"),
)
HALF: dict[str, Value] = {"dtype": "bfloat16"}
DISTILLED = replace(
    FOOTPRINT,
    swaps=(
        Swap(
            knob="swap_denoiser",
            value="arch:small",
            part="unet",
            weights=Weights(stage="denoise", sizes=_sizes(600), fused_numbers=20),
            runs=(*_runs("unet", "fused", 7), *_runs("unet", "vanilla", 30)),
        ),
    ),
)
SMALL: dict[str, Value] = {"swap_denoiser": "arch:small"}


@pytest.mark.parametrize(
    ("settings", "encode", "denoise", "decode"),
    [
        ({}, 2760 + 32, 2760 + 160, 2760 + 4000),
        (HALF, 1380 + 16, 1380 + 80, 1380 + 2000),
        ({"dtype": "float16"}, 1380 + 16, 1380 + 80, 1380 + 80 + 4000),  # the VAE is upcast while it decodes
        (HALF | {"vae_slicing": True}, 1396, 1460, 1380 + 500),
        (HALF | {"vae_tiling": 64}, 1396, 1460, 1380 + 400),
        (HALF | {"images_per_call": 1}, 1380 + 4, 1380 + 20, 1380 + 500),
        (HALF | {"guidance_cutoff": 0.0}, 1396, 1380 + 40, 3380),
        (HALF | {"attention": "vanilla"}, 1396, 1380 + 400, 3380),
        (HALF | {"tiny_vae": True}, 1302 + 16, 1302 + 80, 1302 + 120),
        (HALF | {"prompt_embeds": "precomputed"}, 300 + 16, 1080 + 80, 1080 + 2000),
        (HALF | {"fuse_qkv": True}, 1496, 1560, 3480),
        (HALF | {"layerwise_casting": "float8_e4m3fn"}, 996, 1060, 2980),
        (HALF | {"quantization": "int8_weight_only"}, 1396 - 350, 1460 - 350, 3380 - 350),
        (HALF | {"offload": "model"}, 316, 1080, 2080),
        (HALF | {"offload": "sequential"}, 16 + 5, 80 + 5, 2000 + 5),
        (HALF | {"offload": "group_leaf"}, 80 + 21, 80 + 85, 2080),
        (HALF | {"offload": "group_block"}, 80 + 21, 80 + 140, 2080),
        (HALF | {"compile_vae": True}, 1396, 1460, 1380 + 1000),
        (HALF | {"a_knob_of_a_third_party": "any"}, 1396, 1460, 3380),
    ],
)
def test_the_lower_bound_of_each_stage(
    settings: dict[str, Value], encode: int, denoise: int, decode: int
) -> None:
    """Weights by the rule of offloading, and what is alive beside them."""
    made = forecast(settings, FOOTPRINT, CUDA)

    found = {name: made.device[name].lower_bound for name in ("encode", "denoise", "decode")}
    assert found == {"encode": encode, "denoise": denoise, "decode": decode}


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        (HALF, 0),
        (HALF | {"offload": "model"}, 1380 - 1000),
        (HALF | {"offload": "sequential"}, 1380),
        (HALF | {"offload": "group_leaf"}, 1300),
        (HALF | {"offload": "group_leaf", "offload_disk": True}, 0),
    ],
)
def test_what_waits_in_the_memory_of_the_machine(settings: dict[str, Value], host: int) -> None:
    """Weights that are not on the GPU are beside it, or in files."""
    made = forecast(settings, FOOTPRINT, CUDA, Factors())

    assert made.host["denoise"].weights == host
    assert made.host["load"].weights == 1380


def test_pinned_weights_must_be_there_and_others_need_not() -> None:
    """A stream's copies are pinned for good; what is only offloaded may be pages of the weight files."""
    streamed = HALF | {"offload": "group_leaf", "offload_stream": "stream"}

    assert forecast(streamed, FOOTPRINT, CUDA).host["denoise"].lower_bound == 1300
    thrifty = streamed | {"offload_low_cpu_mem": True}
    assert forecast(thrifty, FOOTPRINT, CUDA).host["denoise"].lower_bound == 0


def test_a_stream_fetches_ahead() -> None:
    """What is expected holds the next group too; the lower bound does not rely on it."""
    plain = forecast(HALF | {"offload": "group_block"}, FOOTPRINT, CUDA).device["denoise"]
    ahead = forecast(HALF | {"offload": "group_block", "offload_stream": "stream"}, FOOTPRINT, CUDA).device[
        "denoise"
    ]

    assert ahead.expected - plain.expected == 30
    assert ahead.lower_bound == plain.lower_bound


@pytest.mark.parametrize("settings", [{"engine": "openvino"}, {"swap_denoiser": "models/small"}])
def test_what_was_not_weighed_counts_nothing_in_the_lower_bound(settings: dict[str, Value]) -> None:
    """An engine manages its own memory and a swapped part is unknown: neither may refuse a recipe."""
    assert forecast(settings, FOOTPRINT, CPU).device["denoise"].lower_bound == 760


@pytest.mark.parametrize("offload", [{}, {"offload": "model"}, {"offload": "group_leaf"}], ids=str)
@pytest.mark.parametrize("other", [{"swap_vae": "models/mended"}, {"engine_vae": "tensorrt"}], ids=str)
def test_another_vae_is_not_taken_to_be_upcast_as_the_models_own(
    other: dict[str, Value], offload: dict[str, Value]
) -> None:
    """The one that was mended for float16 decodes in it: not even what the own one grows by is certain."""
    settings = {"dtype": "float16", **offload}

    made = forecast(settings | other, FOOTPRINT, CUDA).device

    assert made["decode"].lower_bound == made["load"].lower_bound
    assert made["decode"].lower_bound <= forecast(settings, FOOTPRINT, CUDA).device["decode"].lower_bound - 80


def test_a_tiny_vae_that_was_not_weighed_is_not_taken_for_the_models_own() -> None:
    """It came into the hub's cache after the footprint was taken."""
    without = {name: part for name, part in FOOTPRINT.weights.items() if name != "vae_tiny"}
    footprint = replace(FOOTPRINT, weights=without)

    made = forecast(HALF | {"tiny_vae": True}, footprint, CUDA)

    assert made.lower_bound_bytes == 1300 + 80
    assert made.unknown == ("vae",)
    assert forecast(HALF | {"tiny_vae": True}, FOOTPRINT, CUDA).unknown == ()


@pytest.mark.parametrize(
    ("settings", "denoise"),
    [
        (HALF, 980 + 56),
        (HALF | {"fuse_qkv": True}, 980 + 40 + 56),
        (HALF | {"attention": "vanilla"}, 980 + 240),
        (HALF | {"offload": "model"}, 600 + 56),
        (HALF | {"offload": "sequential"}, 56 + 5),
        (HALF | {"offload": "group_block"}, 80 + 56 + 60),
    ],
    ids=str,
)
def test_a_part_that_was_weighed_beforehand_is_counted_in_the_place_of_the_models_own(
    settings: dict[str, Value], denoise: int
) -> None:
    """Weights, activations and what offloading moves are the other one's; nothing of it is a guess."""
    made = forecast(settings | SMALL, DISTILLED, CUDA)

    assert made.device["denoise"].lower_bound == denoise
    assert made.unknown == ()
    assert made.settings == settings | SMALL
    assert forecast(settings, DISTILLED, CUDA) == forecast(settings, FOOTPRINT, CUDA)


def test_the_models_own_part_is_loaded_before_it_is_swapped() -> None:
    """The host holds all files' weights at once, whatever stands in their place later."""
    assert forecast(HALF | SMALL, DISTILLED, CUDA).host["load"].lower_bound == 1380
    assert forecast(HALF | SMALL, DISTILLED, CUDA).device["load"].lower_bound == 980
    assert forecast(HALF | SMALL, DISTILLED, CPU).device["load"].lower_bound == 1380


@pytest.mark.parametrize(
    ("settings", "unknown"),
    [({"swap_denoiser": "models/other"}, ["unet"]), ({"swap_vae": "a/vae"}, ["vae"]), (SMALL, [])],
    ids=str,
)
def test_a_recipe_with_an_unknown_part_is_neither_refused_nor_said_to_fit(
    settings: dict[str, Value], unknown: list[str]
) -> None:
    """What is expected then counts the model's own part, which is told; and it teaches nothing."""
    made = forecast(HALF | settings, DISTILLED, CUDA)
    roomy = Budget(device_bytes=10 * GIB)

    assert made.to_json()["unknown"] == unknown
    assert roomy.refuses(made) is None
    assert roomy.holds(made) is (not unknown)
    assert Budget().holds(made)
    taught = learn([(made, _measured(made, 9.0, GIB))] * 12, "cuda")
    assert (taught == Factors.of("cuda")) is bool(unknown)


def test_defaults_that_are_spelt_out_change_nothing() -> None:
    """Full settings, as a space holds them, are forecast as those that leave the defaults out."""
    situation = Situation(target=HOPPER, blueprint=UNET, workload=replace(WORKLOAD, batch=4))
    defaults = build_space(all_knobs(), situation).defaults

    assert forecast(defaults, FOOTPRINT, CUDA).device == forecast({}, FOOTPRINT, CUDA).device


def test_on_a_cpu_there_is_one_memory() -> None:
    """The device is the machine: loading needs all parts, and both sides are the same."""
    made = forecast({}, FOOTPRINT, CPU)

    assert made.device is made.host
    assert made.device["load"].lower_bound == 2760


def test_weights_in_their_files_own_format_are_mapped() -> None:
    """Nothing is read of them before a call, and rows that nobody reads never are."""
    unet = Weights(stage="denoise", sizes=_sizes(1000), stored="bfloat16")
    footprint = Footprint(pipeline_class="X", weights={"unet": unet}, runs=FOOTPRINT.runs)

    made = forecast(HALF, footprint, CPU, Factors())
    assert made.device["load"].expected == 0
    assert made.device["denoise"].lower_bound == 20
    assert made.device["denoise"].expected == 1020


@pytest.mark.parametrize("seed", range(20))
def test_the_lower_bound_never_exceeds_what_is_expected(seed: int) -> None:
    """Whatever is set, and whatever was learnt."""
    rng = random.Random(seed)
    settings: dict[str, Value] = {
        "dtype": rng.choice(["float32", "float16", "bfloat16"]),
        "offload": rng.choice(["none", "model", "group_block", "group_leaf", "sequential"]),
        "offload_stream": rng.choice(["none", "stream"]),
        "vae_slicing": rng.random() < 0.5,
        "vae_tiling": rng.choice([0, 64]),
        "quantization": rng.choice(["none", "int8_dynamic", "unheard of"]),
        "layerwise_casting": rng.choice(["none", "float8_e4m3fn"]),
        "compile": rng.choice(["none", "full"]),
        "images_per_call": rng.choice([1, 2, 4]),
        "fuse_qkv": rng.random() < 0.5,
    }
    shrinking = {name: Stage(factor=0.5) for name in ("load", "encode", "denoise", "decode")}

    made = forecast(settings, FOOTPRINT, CUDA, Factors(stages=shrinking))

    for stage in (*made.device.values(), *made.host.values()):
        assert 0 <= stage.lower_bound <= stage.expected


def test_a_recipe_is_refused_by_its_lower_bound_alone() -> None:
    """What is merely expected to be too large is tried."""
    made = forecast({}, FOOTPRINT, CUDA)

    assert made.lower_bound_bytes == 6760
    assert made.expected_bytes > 6760
    assert made.why_not(6760) is None
    assert str(made.why_not(6759)).startswith("forecast: at least")
    assert "of host memory while loading" in str(made.why_not(None, 2000))


def _measured(made: Forecast, factor: float, constant: int) -> Memory:
    stage = max(("encode", "denoise", "decode"), key=lambda name: made.device[name].expected)
    row = made.device[stage]
    called = round(row.weights + factor * row.live + constant)
    loaded = made.device["load"].weights + constant
    return Memory(peak_bytes=max(called, loaded), stages={"load": loaded, "one call": called})


def test_factors_are_learnt() -> None:
    """After a dozen trials on a device that takes 1.5 × the activations and 70 MB, a new recipe is near."""
    scale = 10**6
    large = Footprint(
        pipeline_class="X",
        weights={"vae": Weights(stage="decode", sizes=_sizes(80 * scale))},
        runs=tuple(
            Run(part="vae", dtype=d, pictures=n, guided=True, variant="whole", live=n * width * 100 * scale)
            for d, width in (("bfloat16", 1), ("float32", 2))
            for n in (1, 2, 3, 4)
        ),
        pictures=4,
    )
    recipes: list[dict[str, Value]] = [
        {"dtype": dtype, "images_per_call": n} for dtype in ("float32", "bfloat16") for n in (1, 2, 4)
    ]
    forecasts = [forecast(recipe, large, CPU) for recipe in recipes * 2]
    factors = learn([(made, _measured(made, 1.5, 70 * scale)) for made in forecasts], "cpu")

    new = forecast({"dtype": "float32", "images_per_call": 3}, large, CPU, factors)
    truth = _measured(new, 1.5, 70 * scale).peak_bytes
    before = forecast({"dtype": "float32", "images_per_call": 3}, large, CPU).expected_bytes
    assert abs(new.expected_bytes - truth) < 0.08 * truth
    assert abs(new.expected_bytes - truth) < abs(before - truth)
    assert new.lower_bound_bytes == before - Factors.of("cpu").stages["decode"].constant


def test_one_odd_trial_does_not_bend_what_is_learnt() -> None:
    """Medians: a trial that took ten times as much is an outlier."""
    rows = [Seen(stage="decode", weights=0, live=n, measured=2 * n) for n in range(10**8, 2 * 10**9, 10**8)]
    plain = fit(rows, Factors.of("cpu")).stages["decode"].factor

    odd = fit([*rows, Seen(stage="decode", weights=0, live=10**9, measured=10**11)], Factors.of("cpu"))

    assert odd.stages["decode"].factor == pytest.approx(plain, rel=0.05)


def test_a_setting_that_adds_memory_is_known_by_its_name() -> None:
    """A compiler's memory is neither weights nor activations."""
    rows = [Seen(stage="denoise", weights=0, live=0, measured=60 * 2**20) for _ in range(8)]
    compiled = [
        Seen(stage="denoise", weights=0, live=0, measured=260 * 2**20, settings={"compile": "full"})
        for _ in range(8)
    ]

    learnt = fit([*rows, *compiled], Factors.of("cpu"))

    assert learnt.added_by({"compile": "full"}) > 100 * 2**20
    assert learnt.added_by({"compile": "none"}) == 0
