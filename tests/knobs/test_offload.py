"""Offloading, as dry runs from the CPU to the CPU: hooks, groups and files are those of a GPU's pipeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.knob import Setup, Situation, Stage, Value
from autotune.knobs import knob_named
from autotune.pipeline.load import TurnError, turn_knobs, why_not_applied
from autotune.space import build_space
from tests.knobs.conftest import FAMILIES
from tests.knobs.places import CPU, HOPPER, LIBRARIES, NOTHING, UNET, WORKLOAD, choice
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

pytestmark = [pytest.mark.filterwarnings("ignore")]
Folders = Callable[[str], Path]
Situations = Callable[[str], Situation]
Baselines = Callable[[str], tuple[Setup, torch.Tensor]]
ON = True
KNOBS = ("offload", "offload_blocks", "offload_stream", "offload_low_cpu_mem", "offload_disk")
BLOCKS = replace(
    UNET, abilities=UNET.abilities | {"group_offload", "block_lists"}, facts={"denoiser_blocks": 38}
)
THERE = Situation(target=HOPPER, blueprint=BLOCKS, workload=WORKLOAD)
EVERYWHERE: tuple[dict[str, Value], ...] = (
    {"offload": "group_leaf"},
    {"offload": "group_block", "offload_disk": True},
)
SOMEWHERE: tuple[dict[str, Value], ...] = (
    {"offload": "model"},
    {"offload": "group_block"},
    {"offload": "group_block", "offload_blocks": 2},
    {"offload": "group_leaf", "offload_disk": True},
)
DRY_RUNS = [(model, settings) for model in FAMILIES for settings in EVERYWHERE]
DRY_RUNS += [(model, settings) for model in ("stable_diffusion", "flux", "wan") for settings in SOMEWHERE]


@pytest.mark.parametrize(("model", "settings"), DRY_RUNS, ids=str)
def test_offloaded_weights_draw_the_same_pictures(
    model: str, settings: dict[str, Value], folder_of: Folders
) -> None:
    """On every family, to the last bit where weights stay in memory; the next call draws the same again."""
    clip = {"frames": 9, "batch": 1} if model in ("ltx", "wan") else {}
    setup = turned(folder_of(model), situation_of(folder_of(model), **clip), {})
    reference = pictures_of(setup)
    found = [knob_named(name).applied(setup, value) for name, value in settings.items()]
    # The same pipeline is turned: weights of another one lie elsewhere, and a CPU adds by alignment.
    turn_knobs(setup, settings, (Stage.PLACE,))
    pictures = pictures_of(setup)

    assert all(found)
    assert setup.is_placed
    assert why_not_applied(setup, settings) is None
    if settings["offload"] != "model" and "offload_disk" not in settings:
        assert torch.equal(reference, pictures)
    else:  # these put the weights elsewhere
        assert difference(reference, pictures) < 1e-5
    assert difference(pictures, pictures_of(setup)) < 1e-5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("offload", ("none", "model", "group_block", "group_leaf", "sequential")),
        ("offload_blocks", (1, 2, 4, 8)),
        ("offload_stream", ("none", "stream", "record_stream")),
        ("offload_low_cpu_mem", (False, True)),
        ("offload_disk", (False, True)),
    ],
)
def test_a_gpu_is_offered_everything_and_a_cpu_nothing(name: str, expected: tuple[Value, ...]) -> None:
    """The reasons say which of the two it is: the device, a package, or the model."""
    assert expected == choice(name, HOPPER, BLOCKS).values
    assert "only be offloaded from a GPU" in choice(name, CPU, BLOCKS).why
    assert "'accelerate'" in choice(name, replace(HOPPER, libraries={}), BLOCKS).why


def test_a_model_that_has_no_groups_says_so() -> None:
    """Each value that is not offered has its own reason."""
    lacking = choice("offload", HOPPER, UNET).lacking
    no_blocks = replace(UNET, abilities=UNET.abilities | {"group_offload"})

    assert "refuses group offloading" in lacking["group_leaf"]
    assert "no list of blocks" in choice("offload", HOPPER, no_blocks).lacking["group_block"]
    assert "in which order" in choice("offload", HOPPER, NOTHING).lacking["model"]
    few = replace(BLOCKS, facts={"denoiser_blocks": 5})
    assert (1, 2) == choice("offload_blocks", HOPPER, few).values
    assert "its longest list has 5" in choice("offload_blocks", HOPPER, few).lacking[4]


REFUSED: list[tuple[str, dict[str, Value], str]] = [
    ("offload", {"offload": "sequential", "quantization_at_load": "quanto_int8"}, "#10526"),
    ("offload", {"offload": "group_leaf", "quantization_at_load": "quanto_int8"}, "#12610"),
    (
        "offload",
        {"offload": "group_block", "quantization": "int8_weight_only", "compile": "regional"},
        "group_leaf does",
    ),
    ("offload_blocks", {"offload": "group_leaf", "offload_blocks": 2}, "needs offload = group_block"),
    (
        "offload_blocks",
        {"offload": "group_block", "offload_blocks": 2, "offload_stream": "stream"},
        "resets it to 1",
    ),
    ("offload_stream", {"offload": "model", "offload_stream": "stream"}, "needs offload = group_"),
    ("offload_low_cpu_mem", {"offload": "group_leaf", "offload_low_cpu_mem": True}, "needs offload_stream"),
    (
        "offload_low_cpu_mem",
        {"offload_low_cpu_mem": True, "offload_stream": "stream", "offload_disk": True},
        "not in host memory",
    ),
    (
        "offload_low_cpu_mem",
        {"offload_low_cpu_mem": True, "offload_stream": "stream", "quantization": "int8_dynamic"},
        "#14433",
    ),
    ("offload_disk", {"offload": "sequential", "offload_disk": True}, "needs offload = group_"),
    (
        "offload_disk",
        {"offload": "group_leaf", "offload_disk": True, "quantization": "int8_weight_only"},
        "safetensors",
    ),
]


@pytest.mark.parametrize(("name", "settings", "words"), REFUSED)
def test_what_cannot_be_offloaded_together_is_refused(
    name: str, settings: dict[str, Value], words: str
) -> None:
    """By the knob that knows, with a reason that names the other."""
    sentence = str(knob_named(name).conflict(settings, THERE))

    assert words in sentence
    assert name in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    "settings",
    [
        {"offload": "model", "quantization_at_load": "quanto_int8"},
        {"offload": "group_leaf", "quantization": "int8_weight_only", "compile": "regional"},
        {"offload": "group_block", "offload_blocks": 4},
        {"offload": "group_block", "offload_stream": "record_stream", "offload_low_cpu_mem": True},
        {"offload": "group_leaf", "offload_stream": "stream", "quantization": "int8_weight_only"},
        {"offload": "group_leaf", "offload_stream": "stream", "offload_disk": True},
    ],
)
def test_what_goes_together_is_allowed(settings: dict[str, Value]) -> None:
    """The neighbours of what is refused."""
    assert [None] * len(KNOBS) == [knob_named(name).conflict(settings, THERE) for name in KNOBS]


def test_conflicts_that_hold_for_some_machines_only() -> None:
    """Older tensors of torchao cannot be pinned; without streams files are read to the first GPU."""
    old = replace(THERE, target=replace(HOPPER, libraries=LIBRARIES | {"torchao": "0.17.0"}))
    streamed = {"offload": "group_leaf", "offload_stream": "stream", "quantization": "int8_weight_only"}
    second = replace(THERE, target=replace(HOPPER, device="cuda:1"))
    on_disk: dict[str, Value] = {"offload": "group_leaf", "offload_disk": True}

    assert "#13281" in str(knob_named("offload_stream").conflict(streamed, old))
    assert "needs offload_stream" in str(knob_named("offload_disk").conflict(on_disk, second))
    assert knob_named("offload_disk").conflict({**on_disk, "offload_stream": "stream"}, second) is None


def test_valid_offloading_recipes_are_as_many_as_can_differ() -> None:
    """Sub-knobs add nothing where they could not act."""
    space = build_space([knob_named(name) for name in KNOBS], THERE)
    found = list(space.valid())

    # none, model, sequential; leaf and block: 2 without streams, 2 · 3 with; block alone: 3 sizes, twice
    assert 3 + 2 * (2 + 2 * 3) + 3 * 2 == len(found)
    assert len({tuple(settings.items()) for settings in found}) == len(found)


@pytest.mark.parametrize("value", ["stream", "record_stream"])
def test_streams_reach_diffusers_which_refuses_them_on_a_cpu(
    value: str, folder_of: Folders, situated: Situations
) -> None:
    """The error is that of diffusers, under the name of the knob that asked."""
    settings: dict[str, Value] = {"offload": "group_leaf", "offload_stream": value}

    with pytest.raises(TurnError, match=r"Knob 'offload' could not be set.*requires an onload device"):
        turned(folder_of("flux"), situated("flux"), settings)


def test_files_are_gone_with_the_pipeline(folder_of: Folders, situated: Situations) -> None:
    """A folder of its own for each pipeline, and for each part, whose groups may have the same names."""
    settings: dict[str, Value] = {"offload": "group_leaf", "offload_disk": True}
    setups = [turned(folder_of("flux"), situated("flux"), settings) for _ in range(2)]
    folders = [Path(setup.pipeline.offload_folder.name) for setup in setups]

    assert folders[0] != folders[1]
    assert {"text_encoder", "text_encoder_2", "transformer"} == {part.name for part in folders[0].iterdir()}
    for setup in setups:
        setup.pipeline.offload_folder.cleanup()
    assert not any(folder.exists() for folder in folders)


def test_proofs_find_what_was_not_done(folder_of: Folders, situated: Situations, untuned: Baselines) -> None:
    """The other kind of groups, whole parts, no stream, no files."""
    plain, _ = untuned("flux")
    setup = turned(folder_of("flux"), situated("flux"), {"offload": "group_block"})
    pictures_of(setup)
    found: dict[tuple[str, Any], str] = {
        ("offload", "group_leaf"): "grouped by block_level",
        ("offload", "model"): "no CpuOffload hook",
        ("offload_blocks", 2): "has 1 blocks",
        ("offload_stream", "stream"): "is fetched while another",
        ("offload_low_cpu_mem", True): "has a copy in host memory",
        ("offload_disk", True): "0 of the",
    }

    assert "grouped by nothing" in str(knob_named("offload").applied(plain, "group_leaf"))
    for (name, value), words in found.items():
        assert words in str(knob_named(name).applied(setup, value)), name


def test_offloading_layers_is_proved_by_their_hooks(folder_of: Folders, situated: Situations) -> None:
    """The hooks that a GPU's pipeline would get are put on by hand here."""
    from accelerate import cpu_offload

    setup = turned(folder_of("stable_diffusion"), situated("stable_diffusion"), {})
    cpu_offload(setup.pipeline.unet, torch.device("cpu"))

    assert knob_named("offload").applied(setup, "sequential") is None


def test_weights_that_two_parts_share_are_saved_once(folder_of: Folders, situated: Situations) -> None:
    """T5 knows its embedding under two names: were it in two groups, the second file would hold rubbish."""
    settings: dict[str, Value] = {"offload": "group_leaf", "offload_disk": True}
    setup = turned(folder_of("pixart"), situated("pixart"), settings)
    encoder = setup.pipeline.text_encoder

    assert encoder.shared is encoder.encoder.embed_tokens
    assert torch.isfinite(pictures_of(setup)).all()
