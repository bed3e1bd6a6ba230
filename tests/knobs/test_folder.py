"""The folder of knobs is the list of knobs: what breaks the contract is refused, with its place."""

import importlib
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import autotune.knobs
from autotune.errors import KnobError, UnknownName
from autotune.knob import Knob, Stage
from autotune.knobs import (
    all_knobs,
    checked,
    in_turning_order,
    knob_named,
    knobs_of_entry_points,
    knobs_of_package,
)
from autotune.script import foreign_names

SOUND = """
from autotune.knob import Choice, Knob, Stage
KNOB = Knob(
    name="{name}", summary="S.", stage=Stage.CALL, touches=frozenset(), domain=id, turn=print, applied=print
)
"""


def test_every_file_of_the_folder_is_a_knob() -> None:
    """A listing of the folder, without its hidden files, is the list of knobs."""
    files = {path.stem for path in Path(autotune.knobs.__path__[0]).glob("[!_]*.py")}

    assert files == {knob.name for knob in all_knobs()}


def test_knobs_come_in_the_order_in_which_they_are_turned() -> None:
    """What must precede something else does: fuse, quantize, lay out, choose kernels, place, compile."""
    expected = [
        *("tf32", "fp16_accumulation", "dtype"),
        *("scheduler", "vae_upcast", "tiny_vae", "prompt_embeds"),
        *("conv1x1_to_linear", "fuse_qkv", "quantization"),
        *("channels_last", "channels_last_vae", "layerwise_casting", "attention"),
        *("attention_slicing", "vae_slicing", "vae_tiling"),
        "offload",
        *("compile_mode", "compile_flags", "compile_backend", "compile_dynamic", "compile_fullgraph"),
        *("compile", "compile_vae", "compile_text_encoder"),
        *("steps", "guidance_cutoff"),
    ]

    assert expected == [knob.name for knob in all_knobs() if knob.name in expected]


def test_listing_the_knobs_does_not_import_torch() -> None:
    """Whoever only wants names, such as the command line, does not wait for torch."""
    code = (
        "import sys, autotune.knobs as k; print(len(k.all_knobs()), {'torch', 'diffusers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert f"{len(all_knobs())} set()" == done.stdout.strip()


@pytest.mark.parametrize("knob", all_knobs(), ids=lambda knob: knob.name)
def test_turn_stands_alone(knob: Knob) -> None:
    """The source of `turn` uses nothing else of its file, so that it can be pasted into a plain script."""
    assert set() == foreign_names(knob.turn)


@pytest.mark.parametrize("knob", all_knobs(), ids=lambda knob: knob.name)
def test_a_knob_says_what_it_does(knob: Knob) -> None:
    """Summary and effect are sentences, and a knob that changes the result says that likeness is touched."""
    assert knob.summary.endswith(".")
    assert knob.effect == "" or knob.effect.endswith(".")
    assert knob.touches
    assert not knob.changes_result or "likeness" in knob.touches


def test_a_knob_is_found_by_its_name() -> None:
    """The name is the file's."""
    assert knob_named("vae_tiling").stage == Stage.EDIT


def test_an_unknown_name_gets_the_nearest() -> None:
    """A slip of the pen is answered with what was probably meant."""
    with pytest.raises(UnknownName, match="Did you mean 'attention'"):
        knob_named("atention")


def test_a_sound_file_is_found_and_a_hidden_one_is_not(folder_with: ModuleType) -> None:
    """Files whose name starts with an underscore hold what knobs share."""
    _write(folder_with, "zoom", SOUND.format(name="zoom"))
    _write(folder_with, "_shared", "x = 1")

    assert ["zoom"] == [knob.name for knob in knobs_of_package(folder_with)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", "has no KNOB"),
        ("KNOB = 'zoom'", "has a str where a Knob is needed"),
        (SOUND.format(name="boom"), "holds knob 'boom'. Name the file boom.py"),
        (
            SOUND.format(name="zoom").replace("turn=print", "turn=None"),
            "'turn' of knob 'zoom' is not a function",
        ),
        (
            SOUND.format(name="zoom").replace("turn=print", "turn=id, conflict=id"),
            r"'turn' of knob 'zoom' cannot be called as turn\(setup, value\)",
        ),
        (SOUND.format(name=" "), "needs an identifier"),
    ],
)
def test_a_broken_file_raises(folder_with: ModuleType, source: str, words: str) -> None:
    """Nothing is skipped in silence: the message names the file and what is wrong."""
    _write(folder_with, "zoom", source)

    with pytest.raises(KnobError, match=words):
        list(knobs_of_package(folder_with))


def test_two_knobs_of_one_name_raise() -> None:
    """A stranger cannot replace a knob by accident."""
    knob = knob_named("steps")

    with pytest.raises(KnobError, match="Two knobs are called 'steps'"):
        in_turning_order([knob, knob])


def test_an_entry_point_adds_a_knob() -> None:
    """Another package's knob is held to the same check."""
    point = EntryPoint(name="steps", value="autotune.knobs.steps:KNOB", group="autotune.knobs")

    assert [knob_named("steps")] == list(knobs_of_entry_points([point]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("autotune.knobs.nowhere:KNOB", "cannot be loaded: No module named"),
        ("autotune.knobs.steps:LEVER", "cannot be loaded: .*LEVER"),
        ("autotune.knobs.steps:turn", "has a function where a Knob is needed"),
    ],
)
def test_a_broken_entry_point_raises(value: str, words: str) -> None:
    """The message names the entry point, so that its package can be mended or removed."""
    point = EntryPoint(name="zoom", value=value, group="autotune.knobs")

    with pytest.raises(KnobError, match=f"'zoom = {value}'.*{words}"):
        list(knobs_of_entry_points([point]))


def test_what_is_no_knob_is_named_with_its_place() -> None:
    """The place comes first in the message."""
    with pytest.raises(KnobError, match=r"^here has no KNOB"):
        checked(None, where="here")


@pytest.fixture
def folder_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable package without knobs, of a name of its own."""
    name = f"strangers_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text('"""Knobs of a stranger."""')
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _write(package: ModuleType, name: str, source: str) -> None:
    (Path(package.__path__[0]) / f"{name}.py").write_text(source)
    importlib.invalidate_caches()
