"""A synthetic pipeline: knobs, a situation and a runner that computes what real ones measure."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotune.blueprint import Blueprint
from autotune.budget import Budget
from autotune.job import Job, Protocol
from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome, Parts
from autotune.plan import Plan
from autotune.target import Target
from autotune.workload import Workload

MIB = 2**20
VALUES: Mapping[str, tuple[Value, ...]] = {
    "dtype": ("float32", "bfloat16", "float16"),
    "channels_last": (False, True),
    "attention_slicing": ("none", "auto", "max"),
    "vae_tiling": (0, 256, 512),
    "vae_slicing": (False, True),
    "fuse_qkv": (False, True),
    "quantization": ("none", "int8_weight_only", "int8_dynamic"),
    "prompt_embeds": ("live", "precomputed"),
    "compile": ("none", "regional", "full"),
    "steps": (20, 16, 12, 8),
}
ALONE = Protocol(baseline_every=0, confirm_rounds=0)
"""Trials and the noise floor only: nothing is measured again."""
SITUATION = Situation(
    target=Target(device="cpu", name="Abacus", memory_bytes=2**34, cores=2),
    blueprint=Blueprint(pipeline_class="StableDiffusionPipeline"),
    workload=Workload(model="demo", width_px=64, height_px=64, steps=20),
)


def knobs(values: Mapping[str, tuple[Value, ...]] = VALUES) -> tuple[Knob, ...]:
    """Return one knob for each name, with conflicts like those of real ones."""
    return tuple(_knob(name, offered) for name, offered in values.items())


def plan(**changes: Any) -> Plan:
    """Return a plan for the synthetic pipeline."""
    fields: dict[str, Any] = {
        "study": "first",
        "workload": Workload(model="demo"),
        "budget": Budget(trials=20),
        "memory_limit_bytes": 900 * MIB,
        "min_similarity": 0.9,
        "protocol": ALONE,
        "sampler": "tpe",  # it proposes in no time; tests of the surrogate name it
    }
    return Plan(**fields | changes)


def runner(events: list[str] | None = None) -> Callable[[Job], Outcome]:
    """Return a runner that notes each job in `events` and computes its outcome."""

    def run(job: Job) -> Outcome:
        if events is not None:
            events.append(f"run {job.role} {job.recipe.describe()}")
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.txt").write_text(f"drew {job.recipe.describe()}\n")
        (folder / "0.png").write_bytes(PNG)
        settings = {**{name: offered[0] for name, offered in VALUES.items()}, **job.recipe.settings}
        return outcome(settings)

    return run


def outcome(settings: Settings) -> Outcome:
    """Return what a recipe comes to: the same for the same settings, failures of many kinds among them."""
    failure = _failure(settings)
    return failure if failure is not None else measurement(settings)


def measurement(settings: Settings) -> Measurement:
    """Return the figures of a recipe, near to additive in the logarithm, as real ones are."""
    speed = {"float32": 1.0, "bfloat16": 0.55, "float16": 0.5}[str(settings["dtype"])]
    speed *= {"none": 1.0, "regional": 0.8, "full": 0.7}[str(settings["compile"])]
    speed *= {"none": 1.0, "int8_weight_only": 1.1, "int8_dynamic": 0.85}[str(settings["quantization"])]
    speed *= {"none": 1.0, "auto": 1.15, "max": 1.3}[str(settings["attention_slicing"])]
    speed *= (0.93 if settings["channels_last"] else 1.0) * (0.97 if settings["fuse_qkv"] else 1.0)
    speed *= int(settings["steps"]) / 20
    memory = 1200 * (1.0 if settings["dtype"] == "float32" else 0.55)
    memory *= {0: 1.0, 256: 0.7, 512: 0.8}[int(settings["vae_tiling"])]
    memory *= (0.9 if settings["vae_slicing"] else 1.0) * (1.06 if settings["fuse_qkv"] else 1.0)
    memory *= 0.85 if settings["prompt_embeds"] == "precomputed" else 1.0
    memory *= 0.8 if settings["quantization"] != "none" else 1.0
    memory *= {"none": 1.0, "regional": 1.1, "full": 1.25}[str(settings["compile"])]
    likeness = 1.0 - {"float32": 0.0, "bfloat16": 0.03, "float16": 0.01}[str(settings["dtype"])]
    likeness -= {"none": 0.0, "int8_weight_only": 0.03, "int8_dynamic": 0.06}[str(settings["quantization"])]
    likeness -= {0: 0.0, 256: 0.02, 512: 0.01}[int(settings["vae_tiling"])] + (
        20 - int(settings["steps"])
    ) * 0.006
    latency_s = speed * 2.0 * (1 + _noise(settings) * 0.02)
    return Measurement(
        calls_s=tuple(latency_s * (1 + 0.001 * i) for i in range(5)),
        warmup_s=(latency_s * 3,),
        phases_s={
            "fork": 0.01,
            "load": 0.5,
            "apply": 0.1,
            "first call": latency_s * 3,
            "replayed": latency_s * 9,
        },
        parts=Parts(text_s=0.01, steps_s=(latency_s / 20,) * 20, decode_s=0.1, total_s=latency_s),
        memory=Memory(peak_bytes=round(memory * MIB)),
        likeness=Likeness(haarpsi=(likeness,)),
        pictures=("0.png",),
    )


def _failure(settings: Settings) -> Failure | None:
    bfloat, full = settings["dtype"] == "bfloat16", settings["compile"] == "full"
    cases = {
        FailureKind.CRASH: full and settings["vae_tiling"] == 512,
        FailureKind.OUT_OF_MEMORY: full and settings["dtype"] == "float32" and settings["fuse_qkv"],
        FailureKind.TIMEOUT: full and settings["attention_slicing"] == "max",
        FailureKind.CORRUPT_PICTURE: bfloat
        and settings["quantization"] == "int8_dynamic"
        and settings["vae_slicing"],
        FailureKind.NOT_APPLIED: settings["attention_slicing"] != "none" and settings["fuse_qkv"],
        FailureKind.UNSUPPORTED: settings["quantization"] == "int8_weight_only"
        and settings["dtype"] == "float16",
    }
    kind = next((kind for kind, holds in cases.items() if holds), None)
    if kind is None:
        return None
    return Failure(
        kind=kind,
        message=f"A synthetic {kind.value}.",
        phase="first call",
        log="Traceback\nBoom",
        phases_s={"replayed": 1.0},
    )


def _noise(settings: Settings) -> float:
    """A fixed number between 0 and 1 for each recipe."""
    return int(hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:6], 16) / 2**24


def _knob(name: str, offered: tuple[Value, ...]) -> Knob:
    def domain(situation: Situation) -> Choice:
        return Choice(offered)

    def turn(setup: Setup, value: Value) -> None:
        raise AssertionError("The synthetic runner turns no knobs.")

    def conflict(settings: Settings, _situation: Situation) -> str | None:
        if name == "compile" and settings[name] != "none" and settings["attention_slicing"] == "auto":
            return "Automatic slicing cannot be compiled."
        if name == "quantization" and settings[name] != "none" and settings["fuse_qkv"]:
            return "Quantized projections cannot be fused."
        return None

    def applied(setup: Setup, value: Value) -> str | None:
        return None

    return Knob(
        name=name,
        summary="A synthetic knob.",
        stage=Stage.CALL if name == "steps" else Stage.EDIT,
        touches=frozenset(Touches),
        changes_result=name == "steps",
        domain=domain,
        turn=turn,
        conflict=conflict if {"attention_slicing", "fuse_qkv"} <= VALUES.keys() else lambda *_: None,
        applied=applied,
    )


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000"
    "05000146ff2b0f0000000049454e44ae426082"
)
