"""A recipe as a plain diffusers script: for an app that should not depend on autotune.

The script holds the very source of each knob's `turn`, in the order in which a trial turned them, and before
them the files that several of them share (`autotune/knobs/_engines.py`), where one imports from such a file.
"""

import ast
import builtins
import dis
import importlib
import inspect
import json
import pprint
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import CodeType
from typing import Any

from autotune.errors import KnobError, UnknownName
from autotune.knob import Knob, Situation, Stage
from autotune.recipe import Recipe
from autotune.units import format_bytes, format_duration

_LINT = re.compile(
    r"  # (?:noqa|type: ignore)[^\n]*"
)  # words to our linters, which mean nothing in the script
# Knobs share files whose names begin with an underscore: they are pasted where a `turn` imports from them.
_SHARED = re.compile(r"^ *from (autotune\.knobs\._\w+) import (?:\([^)]*\)|[^\n(]*)\n\n?", re.MULTILINE)

_HEAD = '''\
#!/usr/bin/env python3
"""{title}

{facts}

    python {name} "a prompt" "another prompt" -o out.png --seed 0
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import DiffusionPipeline

MODEL = {model}
DEVICE = {device}
'''

_LOAD = '''

def load(model, device, prompts):
    """Return the pipeline with every setting of the recipe, and the arguments of its calls."""
    setup = SimpleNamespace(
        pipeline=None,
        device=device,
        loading={{}},
        call={{}},
        model_path=model,
        workload=SimpleNamespace(**{{**WORKLOAD, "prompts": tuple(prompts), "batch": len(prompts)}}),
        facts=FACTS,
        settings=SETTINGS,
        is_placed=False,
        notes={{}},
    )
{load_knobs}    loading = {{"dtype": torch.float32, "use_safetensors": True, {extra}**setup.loading}}
    if DiffusionPipeline.load_config(model{revision}).get("safety_checker", [None])[0]:
        loading |= {{"safety_checker": None, "requires_safety_checker": False}}
    setup.pipeline = DiffusionPipeline.from_pretrained(model, **loading)
    exact = {{"num_frames": setup.workload.frames, "use_resolution_binning": False}}
    setup.call |= taken(setup.pipeline, exact)
{place_knobs}    if not setup.is_placed:
        setup.pipeline.to(device)
{late_knobs}    call = {{
        "num_inference_steps": setup.workload.steps,
        "guidance_scale": setup.workload.guidance,
        "height": setup.workload.height_px,
        "width": setup.workload.width_px,
    }}
    return setup.pipeline, {{**taken(setup.pipeline, call), **setup.call}}


def taken(pipeline, wanted):
    """Return those arguments that a call of this pipeline takes."""
    names = inspect.signature(type(pipeline).__call__).parameters
    return {{name: value for name, value in wanted.items() if name in names}}
'''

_MAIN = '''

def main():
    """Make one picture, or clip, for each prompt."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("prompts", nargs="+", metavar="PROMPT")
    arguments.add_argument("-o", "--out", type=Path, default=Path("out.png"), help="out-1.png, … for several")
    arguments.add_argument("--seed", type=int, default=0, help="of the first picture; then one more each")
    arguments.add_argument("--device", default=DEVICE)
    arguments.add_argument("--model", default=MODEL, help="folder or hub id")
    given = arguments.parse_args()
    pipeline, call = load(given.model, given.device, given.prompts)
    seeds = range(given.seed, given.seed + len(given.prompts))
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    made = pipeline(**{"prompt": given.prompts, "generator": generators, "output_type": "pil", **call})
    pictures = made.frames if hasattr(made, "frames") else made.images
    for number, picture in enumerate(pictures, start=1):
        name = given.out.name if len(pictures) == 1 else f"{given.out.stem}-{number}{given.out.suffix}"
        save(picture, given.out.with_name(name))
        print(given.out.with_name(name))


def save(picture, file):
    """Write a picture, or the frames of a clip as one moving picture: .png, .webp or .gif."""
    if isinstance(picture, list):
        rest = {"save_all": True, "append_images": picture[1:], "loop": 0}
        picture[0].save(file, duration=1000 // FACTS.get("frames_per_s", 16), **rest)
    else:
        picture.save(file)


if __name__ == "__main__":
    main()
'''


def script_text(
    recipe: Recipe, knobs: Iterable[Knob], situation: Situation, *, model_path: str, name: str = "app.py"
) -> str:
    """Return the text of a script that makes pictures as the recipe does, with torch and diffusers alone.

    Args:
        recipe: What to write down.
        knobs: Every knob there is.
        situation: Where the recipe was tuned; its workload's size, steps and guidance are filled in.
        model_path: What the script gives to `from_pretrained`: a folder or a hub id.
        name: File name of the script, for its usage line.

    Raises:
        UnknownName: The recipe sets a knob that does not exist.
        KnobError: A knob's `turn` uses a name of its own file, so that its source cannot stand alone.
    """
    ordered = sorted(knobs, key=lambda knob: (knob.stage, knob.order, knob.name))
    known = {knob.name for knob in ordered}
    for setting in recipe.settings:
        if setting not in known:
            raise UnknownName("knob", setting, known, remedy="'autotune knobs' lists them all.")
    chosen = [knob for knob in ordered if knob.name in recipe.settings]
    settings = {knob.name: knob.domain(situation).default for knob in ordered} | dict(recipe.settings)
    head = _HEAD.format(
        title=f"Recipe {recipe.digest} of {_quotable(recipe.model)}, as a plain diffusers script.",
        facts=_quotable(_described(recipe)),
        name=_quotable(name),
        model=_literal(model_path),
        device=_literal(situation.target.device),
    )
    constants = (
        f"\nWORKLOAD = {_literal(_workload(situation, model_path))}\n"
        f"FACTS = {_literal(_plain(situation.blueprint.facts))}\nSETTINGS = {_literal(settings)}\n"
    )
    turns = "".join(f"\n\n{_turn_source(knob)}" for knob in chosen)
    shared = "".join(f"\n\n{_shared_source(name)}" for name in _shared_names(chosen))
    return head + constants + shared + turns + _load_source(recipe, chosen) + _MAIN


def foreign_names(turn: Any) -> set[str]:  # noqa: ANN401 - any function
    """Return the names that a function takes from its file, builtins left out: none, when it stands alone.

    >>> foreign_names(foreign_names) >= {"_globals_of"}
    True
    """
    return {name for name in _globals_of(turn.__code__) if not hasattr(builtins, name)}


def _globals_of(code: CodeType) -> set[str]:
    names = {
        step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return names.union(*map(_globals_of, inner))


def _turn_source(knob: Knob) -> str:
    """The source of a knob's `turn`, renamed for a file that holds several."""
    foreign = sorted(foreign_names(knob.turn))
    if foreign:
        raise KnobError(
            f"Knob '{knob.name}' cannot be exported as a script: its 'turn' uses {', '.join(foreign)} from "
            "its file. Export the recipe as .json and load it with autotune.load_pipeline."
        )
    source = _SHARED.sub("", _LINT.sub("", textwrap.dedent(inspect.getsource(knob.turn))))
    return re.sub(r"\bdef \w+\(", f"def {_turn_name(knob)}(", source, count=1).rstrip() + "\n"


def _shared_names(chosen: list[Knob]) -> list[str]:
    """The files that the knobs' turns import from, in order, each once."""
    found = [name for knob in chosen for name in _SHARED.findall(inspect.getsource(knob.turn))]
    return list(dict.fromkeys(found))


def _shared_source(name: str) -> str:
    """The source of a file that knobs share, without its docstring."""
    source = inspect.getsource(importlib.import_module(name))
    body = ast.parse(source).body
    if any("autotune" in ast.unparse(node) for node in ast.walk(ast.parse(source)) if _is_import(node)):
        raise KnobError(f"{name} imports from autotune, so that no knob that uses it can be exported.")
    lines = source.splitlines()[body[0].end_lineno :]
    return _LINT.sub("", "\n".join(lines)).strip() + "\n"


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _load_source(recipe: Recipe, chosen: list[Knob]) -> str:
    stages = ((Stage.LOAD,), (Stage.EDIT, Stage.PLACE), (Stage.COMPILE, Stage.CALL))
    load, place, late = (
        _calls(recipe, [knob for knob in chosen if knob.stage in wanted]) for wanted in stages
    )
    revision = f", revision={_literal(recipe.revision)}" if recipe.revision else ""
    extra = f'"revision": {_literal(recipe.revision)}, ' if recipe.revision else ""
    return _LOAD.format(load_knobs=load, place_knobs=place, late_knobs=late, revision=revision, extra=extra)


def _calls(recipe: Recipe, knobs: list[Knob]) -> str:
    return "".join(f"    {_turn_name(knob)}(setup, {recipe.settings[knob.name]!r})\n" for knob in knobs)


def _turn_name(knob: Knob) -> str:
    return f"turn_{knob.name}"


def _described(recipe: Recipe) -> str:
    """Settings, figures and machine, a line each."""
    lines = [f"Settings: {recipe.describe()}"]
    measured = recipe.measured
    figures = [
        f"{label} {show(measured[name])}"
        for name, label, show in (
            ("latency_s", "latency", format_duration),
            ("memory_bytes", "memory", format_bytes),
            ("similarity", "similarity", "{:.4f}".format),
        )
        if isinstance(measured.get(name), (int, float))
    ]
    if figures:
        lines.append(f"Measured: {', '.join(figures)} (a call of {recipe.call.get('batch', 1)})")
    if recipe.target:
        lines.append(f"On: {recipe.target.get('name') or recipe.target.get('device', 'an unknown machine')}")
        libraries = recipe.target.get("libraries", {})
        lines.append(f"With: {', '.join(f'{library} {version}' for library, version in libraries.items())}")
    if recipe.study:
        lines.append(f"From: study '{recipe.study}' of autotune")
    return "\n".join(lines)


def _workload(situation: Situation, model_path: str) -> dict[str, Any]:
    """The workload without its prompts, which the script takes from its command line."""
    kept = {name: value for name, value in asdict(situation.workload).items() if name != "prompts"}
    return kept | {"model": model_path}


def _plain(facts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Facts as plain Python, whatever mapping they came in."""
    return json.loads(json.dumps(dict(facts)))


def _literal(value: object) -> str:
    return pprint.pformat(value, width=100, sort_dicts=False)


def _quotable(text: str) -> str:
    """Text that can stand in a docstring: it neither ends it nor escapes."""
    return text.replace("\\", "/").replace('"""', "'''")
