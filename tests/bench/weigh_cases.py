"""Measures what recipes need on this CPU, for the bench of the forecast: `python -m tests.bench.weigh_cases`.

Each case is a fork of its own that loads a model, turns the knobs and makes two calls of a step or two;
the second is weighed while the allocator gives back at once what is freed. What is there already is not
measured again: delete a line of studies/forecast-cpu/cases.jsonl to have it measured anew.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CASES = Path(__file__).parents[2] / "studies" / "forecast-cpu" / "cases.jsonl"

_DEMO: dict[str, Any] = {"model": "demo", "steps": 2, "prompts": ["a red house in the snow"]}
_BF16, _VANILLA = {"dtype": "bfloat16"}, {"attention": "vanilla"}


def cases() -> Iterator[dict[str, Any]]:
    """Yield what is to be measured: a workload and settings."""
    for side, batch in ((64, 4), (128, 4), (256, 2), (512, 1)):
        workload = _DEMO | {"width_px": side, "height_px": side, "batch": batch}
        recipes: list[dict[str, Any]] = [{}, _BF16, _VANILLA, {"prompt_embeds": "precomputed"}]
        recipes += [{"tiny_vae": True}, {"attention_slicing": "max"}]
        if side >= 256:
            recipes += [{"vae_tiling": side // 2}, _BF16 | {"vae_tiling": side // 2}]
        if batch > 1:
            recipes += [{"vae_slicing": True}, {"images_per_call": 1}]
        yield from ({"workload": workload, "settings": recipe} for recipe in recipes)
    for model, side in (("arch:sd15", 256), ("arch:sd15", 512), ("arch:sdxl", 256)):
        workload = {"model": model, "steps": 1, "batch": 1, "width_px": side, "height_px": side}
        recipes = [_BF16]
        if model == "arch:sd15":
            recipes += [{}, _VANILLA, {"prompt_embeds": "precomputed"}, {"vae_tiling": side // 2}]
            recipes += [{"fuse_qkv": True}, {"attention_slicing": "auto"}]
        yield from ({"workload": workload, "settings": recipe} for recipe in recipes)


def weigh(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case with what it took, measured in this process, which must be a fresh one."""
    import torch

    from autotune.knob import Situation
    from autotune.pipeline.calls import make_pictures
    from autotune.pipeline.load import apply_stages, begin_setup, load_stage
    from autotune.pipeline.machine import read_target
    from autotune.pipeline.memory import AnonymousSampler, HostMemory
    from autotune.pipeline.models import model_folder
    from autotune.pipeline.probe import situate
    from autotune.workload import Workload

    torch.set_num_threads(1)
    workload = Workload.from_json(case["workload"])
    folder, target = model_folder(workload), read_target("cpu")
    situation: Situation = situate(folder, workload, target)
    memory = HostMemory()
    memory.start()
    with AnonymousSampler() as sampler:
        setup = begin_setup(situation, case["settings"], device="cpu", model_path=str(folder))
        load_stage(setup, case["settings"])
    memory.finish("load", sampled_bytes=sampler.peak_bytes)
    with AnonymousSampler() as sampler:
        apply_stages(setup, case["settings"])
    memory.finish("apply", sampled_bytes=sampler.peak_bytes)
    call = situation.workload.calls()[0]
    make_pictures(setup, call)
    memory.finish("first call")
    memory.weigh(lambda: make_pictures(setup, call))
    found = memory.result()
    libraries = {name: target.libraries.get(name, "") for name in ("torch", "diffusers", "transformers")}
    return case | {
        "machine": target.name,
        "libraries": libraries,
        "memory": {
            "peak_bytes": found.peak_bytes,
            "stages": dict(found.stages),
            "detail": dict(found.detail),
        },
    }


def key(case: dict[str, Any]) -> str:
    """Return a text that names a case."""
    return json.dumps([case["workload"], case["settings"]], sort_keys=True)


def recorded() -> list[dict[str, Any]]:
    """Return the cases that were measured."""
    if not CASES.is_file():
        return []
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines() if line.strip()]


def weigh_apart(case: dict[str, Any]) -> str:
    """Return a case as a line of JSON, measured in a fork of this process; "" where that failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as answer:
                answer.write(json.dumps(weigh(case)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answer:
        line = answer.read()
    os.waitpid(child, 0)
    return line


def main() -> None:
    """Measure every case that is not there yet, each in a process of its own."""
    import diffusers
    import transformers  # noqa: F401 - imported once for all forks, as the trial server does

    for name in ("DiffusionPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline"):
        getattr(diffusers, name)  # diffusers imports its classes when they are first named
    CASES.parent.mkdir(parents=True, exist_ok=True)
    known = {key(case) for case in recorded()}
    for case in cases():
        if key(case) in known:
            continue
        began = time.monotonic()
        line = weigh_apart(case)
        if line:
            with CASES.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        took = f"{time.monotonic() - began:.0f} s"
        sys.stdout.write(f"{took}{'' if line else ', failed'}: {key(case)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
