"""What is compiled, how and what with: domains, refused combinations, and proofs that look at what ran."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from autotune.blueprint import Blueprint, Part
from autotune.knob import Settings, Setup, Situation, Value
from autotune.knobs import all_knobs, knob_named
from autotune.pipeline.load import why_not_applied
from autotune.script import foreign_names
from autotune.target import Target
from tests.knobs.places import BARE, CPU, FLUX, HOPPER, NOTHING, TURING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
OFF = False
GPU = Situation(target=HOPPER, blueprint=UNET, workload=WORKLOAD)
ON_CPU = Situation(target=CPU, blueprint=UNET, workload=WORKLOAD)
FLUX_ON_GPU = replace(GPU, blueprint=FLUX)
CACHED = replace(FLUX, abilities=FLUX.abilities | {"step_cache", "block_lists"})
PIXART = Blueprint(
    pipeline_class="PixArtSigmaPipeline",
    parts={"transformer": Part(class_name="PixArtTransformer2DModel")},
    abilities=frozenset({"block_lists"}),
)
MODES = ("default", "max-autotune-no-cudagraphs", "reduce-overhead", "max-autotune")


@pytest.mark.parametrize(
    ("name", "target", "blueprint", "expected"),
    [
        ("compile", CPU, UNET, ("none", "regional", "full")),
        ("compile", CPU, PIXART, ("none", "regional", "full")),
        ("compile", CPU, replace(PIXART, abilities=frozenset()), ("none", "full")),
        ("compile", BARE, UNET, ("none",)),
        ("compile", CPU, NOTHING, ("none",)),
        ("compile_vae", CPU, UNET, (False, True)),
        ("compile_vae", BARE, UNET, (False,)),
        ("compile_vae", CPU, NOTHING, (False,)),
        ("compile_text_encoder", CPU, UNET, (False, True)),
        ("compile_text_encoder", BARE, UNET, (False,)),
        ("compile_text_encoder", CPU, PIXART, (False,)),
        ("compile_mode", HOPPER, UNET, MODES),
        ("compile_mode", CPU, UNET, ("default",)),
        ("compile_mode", BARE, UNET, ("default",)),
        ("compile_mode", TURING, UNET, ("default",)),
        ("compile_flags", HOPPER, UNET, ("none", "diffusion_fast")),
        ("compile_flags", CPU, UNET, ("none", "freezing")),
        ("compile_flags", BARE, UNET, ("none",)),
        ("compile_backend", HOPPER, UNET, ("inductor", "cudagraphs")),
        ("compile_backend", CPU, UNET, ("inductor",)),
        ("compile_dynamic", CPU, UNET, ("auto", "true", "false")),
        ("compile_dynamic", CPU, FLUX, ("auto",)),
        ("compile_dynamic", BARE, UNET, ("auto",)),
        ("compile_fullgraph", HOPPER, PIXART, (True, False)),
        ("compile_fullgraph", CPU, CACHED, (True, False)),
        ("compile_fullgraph", CPU, PIXART, (True,)),
        ("compile_fullgraph", CPU, UNET, (True,)),
        ("compile_fullgraph", BARE, UNET, (True,)),
    ],
)
def test_what_a_machine_and_a_model_are_offered(
    name: str, target: Target, blueprint: Blueprint, expected: tuple[Value, ...]
) -> None:
    """The default comes first; what is lacking has a reason."""
    found = choice(name, target, blueprint)

    assert expected == found.values
    assert all(found.lacking.values())
    assert bool(found.why) == (len(expected) == 1)


def test_what_is_of_use_to_few_is_there_on_request() -> None:
    """Timing kernels on a CPU, and graphs for sizes that this workload does not have."""
    assert ("max-autotune-no-cudagraphs",) == choice("compile_mode", CPU, UNET).on_request
    assert ("true", "false") == choice("compile_dynamic", CPU, FLUX).on_request
    assert ("true", "false") == choice("compile_dynamic", CPU, UNET, guidance=1.0).on_request
    assert () == choice("compile_mode", HOPPER, UNET).on_request


FULL: Settings = {"compile": "full"}
BLOCKS: Settings = {"compile": "regional"}
REFUSED: list[tuple[str, Situation, dict[str, Value], str]] = [
    ("compile", GPU, {**BLOCKS, "offload": "sequential"}, "accelerate #3885"),
    ("compile", GPU, {**FULL, "engine": "openvino"}, "engine = openvino"),
    ("compile", GPU, {**FULL, "trace": True}, "trace"),
    ("compile_vae", GPU, {"compile_vae": True, "offload": "sequential"}, "accelerate #3885"),
    ("compile_vae", GPU, {"compile_vae": True, "engine_vae": "openvino"}, "engine_vae = openvino"),
    (
        "compile_text_encoder",
        GPU,
        {"compile_text_encoder": True, "prompt_embeds": "precomputed"},
        "pointless",
    ),
    (
        "compile_text_encoder",
        GPU,
        {"compile_text_encoder": True, "offload": "sequential"},
        "accelerate #3885",
    ),
    ("compile_text_encoder", GPU, {"compile_text_encoder": True, "offload": "group_leaf"}, "each layer"),
    ("compile_mode", GPU, {"compile_mode": "reduce-overhead", "compile": "none"}, "needs compile"),
    ("compile_mode", GPU, {"compile_mode": "max-autotune-no-cudagraphs"}, "needs compile"),
    ("compile_mode", GPU, {"compile_mode": "reduce-overhead", **BLOCKS}, "pytorch #152887"),
    ("compile_mode", GPU, {"compile_mode": "max-autotune", **BLOCKS}, "pytorch #152887"),
    ("compile_mode", GPU, {"compile_mode": "max-autotune", **FULL, "offload": "model"}, "diffusers #8879"),
    ("compile_mode", GPU, {"compile_mode": "reduce-overhead", **FULL, "guidance_cutoff": 0.6}, "batch"),
    ("compile_mode", GPU, {"compile_mode": "max-autotune", **FULL, "step_cache": "pab:2"}, "step_cache"),
    ("compile", GPU, {**FULL, "deep_cache": 2}, "'regional' does"),
    ("compile_mode", GPU, {"compile_mode": "max-autotune", **FULL, "compile_dynamic": "true"}, "one size"),
    ("compile_mode", ON_CPU, {"compile_mode": "max-autotune-no-cudagraphs", **FULL}, "freezing"),
    ("compile_flags", GPU, {"compile_flags": "diffusion_fast"}, "needs compile"),
    (
        "compile_flags",
        GPU,
        {"compile_flags": "diffusion_fast", **FULL, "compile_backend": "cudagraphs"},
        "options of inductor",
    ),
    ("compile_flags", ON_CPU, {"compile_flags": "freezing", **BLOCKS}, "needs compile = full"),
    ("compile_backend", GPU, {"compile_backend": "cudagraphs"}, "needs compile"),
    ("compile_backend", GPU, {"compile_backend": "cudagraphs", **BLOCKS}, "pytorch #152887"),
    (
        "compile_backend",
        GPU,
        {"compile_backend": "cudagraphs", **FULL, "compile_mode": "max-autotune"},
        "options of inductor",
    ),
    ("compile_dynamic", GPU, {"compile_dynamic": "true"}, "needs compile"),
    ("compile_dynamic", GPU, {"compile_dynamic": "false", **FULL}, "pointless"),
    ("compile_fullgraph", GPU, {"compile_fullgraph": False}, "needs compile"),
    ("compile_fullgraph", GPU, {"compile_fullgraph": False, **FULL}, "pointless"),
    ("compile_fullgraph", GPU, {"compile_fullgraph": False, **BLOCKS, "offload": "model"}, "pointless"),
    ("compile_fullgraph", GPU, {**FULL, "offload": "model"}, "accelerate #3885"),
    ("compile_fullgraph", GPU, {**BLOCKS, "offload": "model", "compile_vae": True}, "accelerate #3885"),
    ("compile_fullgraph", GPU, {"compile_text_encoder": True, "offload": "model"}, "accelerate #3885"),
    ("compile_fullgraph", FLUX_ON_GPU, {**BLOCKS, "offload": "group_block"}, "diffusers 0.42"),
    ("compile_fullgraph", GPU, {**BLOCKS, "offload": "group_leaf"}, "diffusers 0.42"),
    ("compile_fullgraph", FLUX_ON_GPU, {**BLOCKS, "step_cache": "first_block:0.1"}, "torch.compiler.disable"),
    ("compile_fullgraph", FLUX_ON_GPU, {**FULL, "step_cache": "pab:2"}, "branches on the timestep"),
    ("compile_fullgraph", FLUX_ON_GPU, {**FULL, "attention": "dispatch:xformers"}, "xformers #765"),
]
ALLOWED: list[tuple[str, Situation, dict[str, Value]]] = [
    ("compile", GPU, {**BLOCKS, "offload": "model"}),
    ("compile_vae", GPU, {"compile_vae": True, "offload": "group_leaf"}),
    ("compile_text_encoder", GPU, {"compile_text_encoder": True}),
    ("compile_mode", GPU, {"compile_mode": "max-autotune-no-cudagraphs", **BLOCKS}),
    ("compile_mode", GPU, {"compile_mode": "max-autotune", **FULL, "guidance_cutoff": 0.0}),
    ("compile_mode", ON_CPU, {"compile_mode": MODES[1], **FULL, "compile_flags": "freezing"}),
    ("compile_flags", GPU, {"compile_flags": "diffusion_fast", "compile_vae": True}),
    ("compile_flags", ON_CPU, {"compile_flags": "freezing", **FULL}),
    ("compile_backend", GPU, {"compile_backend": "cudagraphs", **FULL}),
    ("compile_dynamic", GPU, {"compile_dynamic": "true", **FULL, "guidance_cutoff": 0.6}),
    ("compile_dynamic", FLUX_ON_GPU, {"compile_dynamic": "true", **FULL}),
    ("compile_fullgraph", GPU, {**FULL}),
    ("compile_fullgraph", GPU, {**BLOCKS, "offload": "group_block"}),
    ("compile", GPU, {**BLOCKS, "deep_cache": 3}),
    ("compile_fullgraph", GPU, {"compile_fullgraph": False, **FULL, "offload": "model"}),
    ("compile_fullgraph", FLUX_ON_GPU, {"compile_fullgraph": False, **BLOCKS, "step_cache": "pab:2"}),
]


@pytest.mark.parametrize(("name", "situation", "settings", "words"), REFUSED)
def test_a_conflict_is_said_by_the_knob_that_knows(
    name: str, situation: Situation, settings: Settings, words: str
) -> None:
    """The sentence names the knob and the reason."""
    sentence = knob_named(name).conflict(settings, situation)

    assert sentence is not None
    assert words in sentence
    assert sentence.startswith(name)
    assert sentence.endswith(".")


@pytest.mark.parametrize(("name", "situation", "settings"), ALLOWED)
def test_what_goes_together_is_allowed(name: str, situation: Situation, settings: Settings) -> None:
    """The neighbours of each refused combination are not refused with it."""
    assert knob_named(name).conflict(settings, situation) is None


def test_every_turn_stands_alone() -> None:
    """Its source is pasted into scripts."""
    turns = [knob.turn for knob in all_knobs() if knob.name.startswith("compile")]

    assert 8 == len(turns)
    assert [set()] * 8 == [foreign_names(turn) for turn in turns]


@pytest.mark.parametrize("scope", ["regional", "full"])
def test_arguments_of_all_knobs_reach_the_compiler_together(
    scope: str, folder_of: Folders, situated: Situations
) -> None:
    """Mode and options are one set of options; nothing is compiled until it is called."""
    settings: dict[str, Value] = {
        "compile": scope,
        "compile_mode": "max-autotune",
        "compile_flags": "diffusion_fast",
        "compile_vae": True,
        "quantization": "int8_dynamic",
    }
    setup = turned(folder_of("pixart"), situated("pixart"), settings, backend="inductor")

    from autotune.knobs._compiling import compiled_parts, options_of

    carried = {name: options_of(compiler) for name, _, compiler in compiled_parts(setup.pipeline)}
    decoder = carried.pop("VAE")
    denoiser = next(iter(carried.values()))
    assert denoiser["max_autotune"]
    assert denoiser["conv_1x1_as_mm"]
    assert denoiser["triton.cudagraphs"]
    assert denoiser["force_fuse_int_mm_with_mul"]
    assert not denoiser["epilogue_fusion"]
    assert decoder["max_autotune"]
    assert decoder["conv_1x1_as_mm"]
    assert "triton.cudagraphs" not in decoder
    assert knob_named("compile_mode").applied(setup, "max-autotune") is None
    assert "No graph of" in str(knob_named("compile_flags").applied(setup, "diffusion_fast"))
    assert "no graph of it was made" in str(knob_named("compile").applied(setup, scope))
    assert "no graph of it was made" in str(knob_named("compile_vae").applied(setup, ON))


def test_a_mode_that_was_lost_is_found(folder_of: Folders, situated: Situations) -> None:
    """Compiled without the mode, the denoiser does not carry its options."""
    setup = turned(folder_of("pixart"), situated("pixart"), {"compile": "regional"}, backend="inductor")

    for mode in MODES[1:]:
        assert "does not carry" in str(knob_named("compile_mode").applied(setup, mode))


def test_a_denoiser_without_blocks_is_not_compiled_by_regions(
    folder_of: Folders, situated: Situations
) -> None:
    """There is nothing to compile one by one: an error instead of a silent nothing."""
    setup = turned(folder_of("pixart"), situated("pixart"), {})
    setup.pipeline.transformer.transformer_blocks = torch.nn.Identity()

    with pytest.raises(ValueError, match="has no list of blocks"):
        knob_named("compile").turn(setup, "regional")


def test_both_denoisers_of_a_pipeline_are_compiled(folder_of: Folders, situated: Situations) -> None:
    """Wan 2.2 has two, which take turns; one that is left plain is found out."""
    setup = turned(folder_of("pixart"), situated("pixart"), {})
    first = setup.pipeline.transformer
    setup.pipeline.transformer_2 = type(first).from_config(first.config)
    knob_named("compile").turn(setup, "full")

    assert setup.pipeline.transformer_2._compiled_call_impl is not None
    setup.pipeline.transformer_2._compiled_call_impl = None
    assert "No module" in str(knob_named("compile").applied(setup, "full"))


@pytest.mark.parametrize(("value", "other"), [("true", "false"), ("false", "true")])
def test_graphs_of_open_and_of_fixed_sizes_are_told_apart(
    value: str, other: str, folder_of: Folders, situated: Situations
) -> None:
    """By what the compiled versions demand of their inputs."""
    settings: dict[str, Value] = {"compile": "regional", "compile_dynamic": value}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)
    pictures_of(setup)
    knob = knob_named("compile_dynamic")

    assert knob.applied(setup, value) is None
    assert "inputs of" in str(knob.applied(setup, other))


def test_one_graph_serves_both_batches(folder_of: Folders, situated: Situations) -> None:
    """Guidance that is dropped midway halves the batch: with open sizes nothing is compiled anew."""
    made = {}
    for value in ("true", "false"):
        counters.clear()
        torch._dynamo.reset()
        settings: dict[str, Value] = {
            "compile": "regional",
            "compile_dynamic": value,
            "guidance_cutoff": 0.6,
        }
        setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), settings)
        pictures_of(setup)
        assert why_not_applied(setup, settings) is None
        made[value] = counters["stats"]["unique_graphs"]

    assert made["false"] == 2 * made["true"]


def test_weights_that_became_constants_are_told_apart(folder_of: Folders, situated: Situations) -> None:
    """Frozen, a compiled version holds for one set of weights; otherwise for any of their shape."""
    knob = knob_named("compile_flags")
    frozen: dict[str, Value] = {"compile": "full", "compile_flags": "freezing"}
    plain = turned(folder_of("pixart"), situated("pixart"), FULL)
    pictures_of(plain)

    assert "are not constants" in str(knob.applied(plain, "freezing"))
    torch._dynamo.reset()
    setup = turned(folder_of("pixart"), situated("pixart"), frozen)
    pictures_of(setup)
    assert knob.applied(setup, "freezing") is None


def test_a_graph_that_breaks_is_an_error_unless_it_may(
    folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """A dry run of offloading: its hook breaks the whole graph, not the blocks."""
    folder, situation = folder_of("pixart"), situated("pixart")
    whole: dict[str, Value] = {"compile": "full", "offload": "model"}
    broken: dict[str, Value] = {**whole, "compile_fullgraph": False}
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"CpuOffload\.pre_forward"):
        pictures_of(turned(folder, situation, whole))
    counters.clear()
    setup = turned(folder, situation, broken)

    assert torch.equal(untuned("pixart")[1], pictures_of(setup))
    assert why_not_applied(setup, broken) is None


def test_a_break_that_never_came_is_found(folder_of: Folders, situated: Situations) -> None:
    """Allowed to break, but whole."""
    counters.clear()
    settings: dict[str, Value] = {"compile": "regional", "compile_fullgraph": False}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)
    pictures_of(setup)

    assert "No graph was broken" in str(knob_named("compile_fullgraph").applied(setup, OFF))


@pytest.mark.parametrize("model", ["stable_diffusion_xl"])
def test_text_encoders_are_compiled_whole_and_say_the_same(
    model: str, folder_of: Folders, situated: Situations, untuned: Baselines
) -> None:
    """Hidden states included, which SDXL asks for."""
    settings: dict[str, Value] = {"compile_text_encoder": True}
    setup = turned(folder_of(model), situated(model), settings)
    knob = knob_named("compile_text_encoder")

    assert "no graph of it was made" in str(knob.applied(setup, ON))
    assert difference(untuned(model)[1], pictures_of(setup)) < 1e-4
    assert knob.applied(setup, ON) is None


def test_the_backend_is_what_the_denoisers_graphs_were_given_to(
    folder_of: Folders, situated: Situations
) -> None:
    """The recorder itself needs a GPU: here the name is followed to where torch keeps it."""
    setup = turned(folder_of("pixart"), situated("pixart"), {"compile": "regional"})
    pictures_of(setup)
    knob = knob_named("compile_backend")

    assert knob.applied(setup, "eager") is None
    assert "were given to eager" in str(knob.applied(setup, "cudagraphs"))
    knob.turn(setup, "cudagraphs")
    assert "cudagraphs" == setup.notes["compile_arguments"]["backend"]


@pytest.mark.slow
def test_generated_kernels_draw_the_same_pictures(folder_of: Folders, untuned: Baselines) -> None:
    """The real code generator, on the repeated blocks: within rounding of what runs uncompiled."""
    situation = situation_of(folder_of("pixart"))
    setup = turned(folder_of("pixart"), situation, {"compile": "regional"}, backend="inductor")

    assert difference(untuned("pixart")[1], pictures_of(setup)) < 1e-3
    assert knob_named("compile").applied(setup, "regional") is None
