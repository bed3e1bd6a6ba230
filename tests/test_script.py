"""A recipe as a plain diffusers script: right order, nothing of autotune in it, and the same picture."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.blueprint import Blueprint
from autotune.demo import demo_model_path
from autotune.errors import KnobError, UnknownName
from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches
from autotune.knobs import all_knobs
from autotune.recipe import Recipe
from autotune.script import foreign_names, script_text
from autotune.target import Target
from autotune.workload import Workload

SITUATION = Situation(
    target=Target(device="cpu", backends=frozenset({"bf16"})),
    blueprint=Blueprint(
        pipeline_class="StableDiffusionPipeline", facts={"tiny_vae": "vae_tiny", "vae_scale_factor": 8}
    ),
    workload=Workload(model="demo", width_px=128, height_px=128, steps=6, guidance=3.0),
)
RECIPE = Recipe(
    model="demo",
    settings={"tiny_vae": True, "dtype": "bfloat16", "channels_last": True, "guidance_cutoff": 0.5},
    call={"steps": 6, "guidance": 3.0, "width_px": 128, "height_px": 128, "batch": 1},
    target={"name": "AMD EPYC", "libraries": {"torch": "2.13.0"}},
    measured={"latency_s": 0.5, "memory_bytes": 2**28, "similarity": 0.91},
    study="demo",
)
PROMPT = "a red house in the middle in a meadow by day with a rainbow"
BLOCKED = """
import importlib.abc, runpy, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "autotune":
            raise ImportError("autotune is blocked")
        return None
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LOADED = """
import sys, torch, autotune
recipe, prompt, out = sys.argv[1:]
pipe = autotune.load_pipeline(recipe, device="cpu", say=print)
generators = [torch.Generator("cpu").manual_seed(3)]
pipe(**{"prompt": [prompt], "generator": generators, **pipe.autotune_call}).images[0].save(out)
"""


def script(recipe: Recipe = RECIPE, knobs: tuple[Knob, ...] = (), **changes: Any) -> str:
    """The script of a recipe."""
    where = {"model_path": str(demo_model_path())} | changes
    return script_text(recipe, knobs or all_knobs(), SITUATION, **where)


def test_the_script_is_python_that_imports_no_autotune() -> None:
    """Only the standard library, torch and diffusers at the top; knobs import what they need inside."""
    tree = ast.parse(script())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= {*sys.stdlib_module_names, "torch", "diffusers"}


def test_knobs_are_turned_in_the_order_of_a_trial() -> None:
    """By stage and place: before loading, before placing, and last those of the call."""
    text = script()
    load = text[text.index("def load(") :]
    order = [
        "turn_dtype(setup, 'bfloat16')",
        "DiffusionPipeline.from_pretrained",
        "turn_tiny_vae(setup, True)",
        "turn_channels_last(setup, True)",
        "setup.pipeline.to(device)",
        "turn_guidance_cutoff(setup, 0.5)",
    ]

    assert sorted(order, key=load.index) == order


def test_only_what_the_recipe_sets_is_in_the_script() -> None:
    """Defaults are as diffusers ships them: there is nothing to turn."""
    functions = [node.name for node in ast.parse(script()).body if isinstance(node, ast.FunctionDef)]

    assert sorted([*(f"turn_{name}" for name in RECIPE.settings), "load", "taken", "main", "save"]) == sorted(
        functions
    )
    assert "def turn_" not in script(Recipe(model="demo"))


def test_the_header_says_what_was_measured_where() -> None:
    """Digest, settings, figures, machine and study."""
    doc = ast.get_docstring(ast.parse(script(name="fast.py"))) or ""

    assert f"Recipe {RECIPE.digest} of demo" in doc
    assert "latency 500 ms, memory 256 MiB, similarity 0.9100" in doc
    assert "On: AMD EPYC" in doc
    assert "study 'demo'" in doc
    assert 'python fast.py "a prompt"' in doc


def test_a_hostile_name_stays_inside_its_text() -> None:
    """A model's name cannot end the docstring or a string of the script."""
    hostile = Recipe(model='x"""; import os; os.abort() #', study='"""\nimport os')
    tree = ast.parse(script(hostile, model_path='a"b\\c\n'))

    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Import) and node.names[0].name == "os"
    ]


def test_a_revision_is_kept() -> None:
    """A hub id alone may mean other weights tomorrow."""
    assert "revision='abc'" in script(Recipe(model="x/y", revision="abc"), model_path="x/y")


@pytest.mark.parametrize("knob", all_knobs(), ids=lambda knob: knob.name)
def test_each_knob_can_be_exported(knob: Knob) -> None:
    """Its `turn` stands alone: every name in it is its own, or Python's."""
    assert set() == foreign_names(knob.turn)


def test_a_knob_that_does_not_stand_alone_is_named() -> None:
    """Better no script than one that fails in the user's app."""
    knob = Knob(
        name="leaning",
        summary="Uses a name of this file.",
        stage=Stage.EDIT,
        touches=frozenset({Touches.STEP}),
        domain=lambda _situation: Choice((False, True)),
        turn=_leaning_turn,
        applied=lambda _setup, _value: None,
    )

    with pytest.raises(
        KnobError, match="Knob 'leaning' cannot be exported as a script: its 'turn' uses json"
    ):
        script(Recipe(model="demo", settings={"leaning": True}), (knob,))


def _leaning_turn(setup: Setup, value: object) -> None:
    setup.notes["x"] = [json.dumps(value) for _ in range(2)]


def test_an_unknown_knob_is_named() -> None:
    """A recipe from elsewhere may set what is not there."""
    with pytest.raises(UnknownName, match="Did you mean 'dtype'"):
        script(Recipe(model="demo", settings={"dtyp": "x"}))


def test_what_knobs_share_is_in_the_script_once() -> None:
    """A file that several turns import from stands before them, and nothing of autotune is imported."""
    recipe = Recipe(model="demo", settings={"engine": "openvino", "engine_vae": "onnxruntime", "trace": True})
    text = script(recipe)

    assert 1 == text.count("def put_engine(")
    assert text.index("def put_engine(") < text.index("def turn_engine(")
    assert not re.search(r"^ *(from|import) autotune", text, re.MULTILINE)
    compile(text, "app.py", "exec")


def test_only_what_is_imported_is_shared() -> None:
    """A recipe without engines does not carry them."""
    assert "def put_engine(" not in script()


@pytest.mark.slow
def test_a_script_with_an_engine_runs(tmp_path: Path) -> None:
    """In a fresh interpreter that cannot import autotune; the engine draws what PyTorch draws."""
    plain = Recipe(model="demo", settings={"steps": 2}, call=RECIPE.call)
    engine = Recipe(model="demo", settings={"steps": 2, "engine": "openvino"}, call=RECIPE.call)
    for name, recipe in (("plain", plain), ("engine", engine)):
        (tmp_path / f"{name}.py").write_text(script(recipe))
        run = [sys.executable, "-c", BLOCKED, f"{name}.py", PROMPT, "-o", f"{name}.png", "--seed", "3"]
        subprocess.run(run, cwd=tmp_path, check=True, timeout=240)

    assert _psnr_db(tmp_path / "plain.png", tmp_path / "engine.png") > 60


@pytest.mark.slow
def test_the_script_makes_the_picture_that_autotune_makes(tmp_path: Path) -> None:
    """In a fresh interpreter that cannot import autotune; more than 60 dB alike."""
    recipe = Recipe(
        model="demo", settings={"tiny_vae": True, "channels_last": True, "steps": 4}, call=RECIPE.call
    )
    (tmp_path / "recipe.json").write_text(recipe.to_json_text())
    (tmp_path / "app.py").write_text(script(recipe))
    root = Path(__file__).parents[1]
    run = [sys.executable, "-c", BLOCKED, "app.py", PROMPT, "-o", "script.png", "--seed", "3"]
    subprocess.run(run, cwd=tmp_path, check=True, timeout=240)
    load = [sys.executable, "-c", LOADED, "recipe.json", PROMPT, "loaded.png"]
    subprocess.run(
        load, cwd=tmp_path, check=True, timeout=240, env={**_environment(), "PYTHONPATH": str(root)}
    )

    assert _psnr_db(tmp_path / "script.png", tmp_path / "loaded.png") > 60


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _psnr_db(one: Path, other: Path) -> float:
    import math

    import numpy as np
    from PIL import Image

    pixels = [np.asarray(Image.open(file).convert("RGB"), dtype=np.float64) / 255 for file in (one, other)]
    error = float(np.mean((pixels[0] - pixels[1]) ** 2))
    assert pixels[0].std() > 0.02, "the picture is flat"
    return 100.0 if error == 0 else -10 * math.log10(error)
