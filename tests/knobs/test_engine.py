"""Engines: what they answer, when they are built, where the weights are then, and what nobody is told."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.utils import BaseOutput

from autotune.blueprint import Part
from autotune.knob import Situation
from autotune.knobs import knob_named
from autotune.knobs._engine_facts import why_not_answered
from autotune.knobs._engines import answer_by, keep_on_disk, put_engine, trace_builder
from autotune.pipeline.probe import read_blueprint
from autotune.target import Target
from tests.knobs.places import CPU, FLUX, HERE, HOPPER, NOTHING, UNET, choice
from tests.knobs.workbench import difference, pictures_of, situation_of, turned

PACKAGES = {"openvino": "2026.4", "onnxruntime": "1.31", "onnx": "1.23", "onnxscript": "0.7"}
FULL = replace(CPU, libraries={**CPU.libraries, **PACKAGES})
GPU = replace(
    HOPPER, libraries={**HOPPER.libraries, **PACKAGES, "onnxruntime-gpu": "1.31", "torch-tensorrt": "2"}
)
DECODER = replace(UNET, abilities=UNET.abilities | {"plain_decoder"})
ON_CPU = ("openvino", "openvino_bf16", "onnxruntime")
DROPPED = """
import gc, signal, sys, threading
from pathlib import Path
import torch
from autotune.knobs import _engines

def engine():
    script = {}
    exec(Path(_engines.__file__).read_text(encoding="utf-8"), script)
    module = torch.nn.Linear(4, 4)
    script["put_engine"](module, "openvino", {})
    module(torch.zeros(1, 4))
    return module

def drop():
    held.pop(0)
    gc.collect()

held = [engine() for _ in range(int(sys.argv[1]))]
while held:
    if sys.argv[2] == "elsewhere":
        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
    else:
        drop()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""


@dataclass
class Sample(BaseOutput):
    """A result as the models of diffusers give it."""

    sample: torch.Tensor


class Mixer(torch.nn.Module):
    """A denoiser in small: keyword arguments, a dictionary among them, numbers, and two kinds of results."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(8, 8)
        self.norm = torch.nn.GroupNorm(2, 4)
        self.runs = 0

    def forward(
        self,
        sample: Any,
        timestep: Any,
        *,
        more: dict[str, Any],
        scale: float = 1.0,
        return_dict: bool = True,
    ) -> Any:
        """Mix what comes in."""
        self.runs += 1
        mixed = self.norm(self.inner(sample)) * scale + timestep.to(sample.dtype) + more["ids"]
        return Sample(sample=mixed) if return_dict else (mixed,)


def call_of(batch: int = 2, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """Arguments of a call."""
    generator = torch.Generator().manual_seed(batch)
    return {
        "sample": torch.randn(batch, 4, 8, generator=generator).to(dtype),
        "timestep": torch.tensor(3),
        "more": {"ids": torch.randn(batch, 1, 1, generator=generator).to(dtype)},
    }


@pytest.fixture
def quick() -> tuple[Mixer, dict[str, Any]]:
    """A module whose calls the quickest of the engines answers, and what it is told."""
    module, seen = Mixer(), {}  # type: ignore[var-annotated]
    answer_by(module, trace_builder(), seen)
    return module, seen


def test_an_engine_answers_as_the_module_would(quick: tuple[Mixer, dict[str, Any]]) -> None:
    """The same values, in the same form: a result of diffusers, or a tuple."""
    module, seen = quick
    as_object = module(**call_of())
    as_tuple = module(**call_of(), return_dict=False)
    expected = Mixer()(**call_of()).sample

    assert isinstance(as_object, Sample)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(expected, as_object.sample)
    assert torch.equal(expected, as_tuple[0])
    assert 2 == seen["answered"]


def test_an_engine_is_built_once_for_each_kind_of_call(quick: tuple[Mixer, dict[str, Any]]) -> None:
    """Other shapes, and other numbers, need another; other values do not."""
    module, seen = quick
    for arguments in (call_of(2), call_of(1), call_of(2), {**call_of(1), "scale": 2.0}):
        assert torch.equal(Mixer()(**arguments).sample, module(**arguments).sample)

    assert 3 == len(seen["engines"])
    assert 4 == seen["answered"]
    assert 3 == module.runs, "PyTorch ran the module besides the three times that it was recorded"


def test_the_proof_finds_layers_that_still_run(quick: tuple[Mixer, dict[str, Any]]) -> None:
    """Whoever puts the old forward back is found out, and so is an engine of another kind."""
    module, seen = quick
    assert why_not_answered(module, seen, "trace") == "No call was answered by an engine."

    module(**call_of())
    assert why_not_answered(module, seen, "trace") is None
    assert "TopLevelTracedModule" in str(why_not_answered(module, seen, "openvino"))

    del module.forward
    assert why_not_answered(module, seen, "trace") == "PyTorch itself still runs 2 layers in a call."


def test_weights_on_disk_are_the_same_weights() -> None:
    """They are read from the mapped file, before and after the release, and may be written to."""
    module, plain = Mixer(), Mixer()
    before = module.inner.weight.data_ptr()
    release = keep_on_disk(module)
    release()

    assert module.inner.weight.data_ptr() != before
    assert torch.equal(plain.inner.weight, module.inner.weight)
    with torch.no_grad():
        module.inner.weight += 1
    release()
    assert torch.equal(plain.inner.weight + 1, module.inner.weight)


@pytest.mark.parametrize("engine", [pytest.param(name, marks=pytest.mark.slow) for name in ON_CPU])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_every_engine_answers_a_small_module(engine: str, dtype: torch.dtype) -> None:
    """In 32 bits to rounding, in bfloat16 to its rounding, whatever the module's own precision is."""
    module, seen = Mixer().to(dtype), {}  # type: ignore[var-annotated]
    put_engine(module, engine, seen)
    with torch.inference_mode():
        found = module(**call_of(dtype=dtype)).sample
        expected = Mixer().to(dtype)(**call_of(dtype=dtype)).sample

    assert expected.dtype == found.dtype
    assert difference(expected.float(), found.float()) < (0.05 if engine == "openvino_bf16" else 0.01)
    assert why_not_answered(module, seen, engine) is None


@pytest.mark.slow
def test_an_engine_follows_the_batch_of_a_cut_guidance(folder_of: Callable[[str], Path]) -> None:
    """Half of the batch is gone from then on: a second engine is built, and the pictures are the same."""
    folder = folder_of("stable_diffusion")
    situation = situation_of(folder)
    reference = pictures_of(turned(folder, situation, {"guidance_cutoff": 0.4}))
    setup = turned(folder, situation, {"guidance_cutoff": 0.4, "engine": "openvino"})

    assert difference(reference, pictures_of(setup)) < 1e-4
    assert 2 == len(setup.notes["engine"]["engines"])


@pytest.mark.slow
def test_openvino_tells_nobody() -> None:
    """Its package for telling is not imported, in a fresh interpreter in which it would be."""
    code = (
        "import sys, torch; from autotune.knobs._engines import openvino_builder; openvino_builder('f32');"
        "from openvino.tools.ovc import telemetry_utils as t;"
        "print(t.tm.__name__, [n for n, m in sys.modules.items() if 'openvino_telemetry' in n and m])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "openvino.tools.ovc.telemetry_stub []" == done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("count", "where"), [("2", "here"), ("1", "elsewhere")])
def test_ctrl_c_is_heard_after_openvino_is_gone(count: str, where: str) -> None:
    """Whoever drops pipelines one after the other, or in another thread, also those of a script read anew."""
    command = [sys.executable, "-W", "ignore", "-c", DROPPED, count, where]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    assert (0, "heard") == (done.returncode, done.stdout.strip()), done.stderr


@pytest.mark.parametrize(
    ("name", "target", "blueprint", "expected"),
    [
        ("engine", FULL, UNET, ("torch", *ON_CPU)),
        ("engine", FULL, FLUX, ("torch", *ON_CPU)),
        ("engine", FULL, NOTHING, ("torch",)),
        ("engine", CPU, UNET, ("torch",)),
        ("engine", GPU, UNET, ("torch", "onnxruntime", "tensorrt")),
        ("engine", HOPPER, UNET, ("torch",)),
        ("engine_vae", FULL, DECODER, ("torch", *ON_CPU)),
        ("engine_vae", FULL, UNET, ("torch",)),
        ("engine_vae", FULL, NOTHING, ("torch",)),
        ("engine_vae", GPU, DECODER, ("torch", "onnxruntime", "tensorrt")),
    ],
)
def test_what_a_machine_is_offered(
    name: str, target: Target, blueprint: Any, expected: tuple[str, ...]
) -> None:
    """What is installed and runs on the device."""
    assert expected == choice(name, target, blueprint).values


@pytest.mark.parametrize(
    ("target", "value", "words"),
    [
        (CPU, "openvino", "pip install 'autotune[openvino]'"),
        (CPU, "onnxruntime", "it needs 'onnxruntime', 'onnx', 'onnxscript'"),
        (FULL, "tensorrt", "GPUs of NVIDIA"),
        (GPU, "openvino_bf16", "CPUs and on GPUs of Intel"),
        (HOPPER, "onnxruntime", "'onnxruntime-gpu'"),
        (HOPPER, "tensorrt", "'torch-tensorrt'"),
    ],
)
def test_what_is_lacking_is_named(target: Target, value: str, words: str) -> None:
    """With what to install."""
    assert words in choice("engine", target, UNET).lacking[value]


def test_a_decoder_that_remembers_is_refused(folder_of: Callable[[str], Path]) -> None:
    """Wan decodes frame by frame, with features of the frame before."""
    wan = read_blueprint(folder_of("wan"), "wan")

    assert "keeps features from frame to frame" in choice("engine_vae", FULL, wan).why
    assert "openvino" in choice("engine", FULL, wan).values
    assert read_blueprint(folder_of("ltx"), "ltx").can("plain_decoder")


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "openvino", "dtype": "bfloat16"},
        {"engine": "onnxruntime", "dtype": "bfloat16"},
        {"engine": "openvino", "compile": "full"},
        {"engine": "openvino", "offload": "model"},
        {"engine": "openvino", "quantization": "int8_weight_only"},
        {"engine": "openvino", "quantization_at_load": "bnb_nf4"},
        {"engine": "openvino", "layerwise_casting": "float8_e4m3fn"},
        {"engine": "openvino", "attention": "vanilla"},
        {"engine": "openvino", "attention_slicing": "auto"},
        {"engine": "openvino", "channels_last": True},
        {"engine": "openvino", "step_cache": "first_block:0.1"},
        {"engine": "openvino", "deep_cache": 3},
        {"engine": "openvino", "token_merging": 0.5},
        {"engine": "openvino", "trace": True},
        {"engine_vae": "onnxruntime", "dtype": "bfloat16"},
        {"engine_vae": "openvino", "compile_vae": True},
        {"engine_vae": "openvino", "offload": "model"},
        {"engine_vae": "openvino", "channels_last_vae": True},
    ],
    ids=str,
)
def test_what_does_not_go_together(settings: dict[str, Any]) -> None:
    """A sentence that names both knobs; neither alone is in the way."""
    (name, value), (other, _) = settings.items()
    said = knob_named(name).conflict(settings, HERE)

    assert said is not None
    assert said.startswith(f"{name} = {value} does not go with {other}")
    assert said.endswith(".")
    assert knob_named(name).conflict({name: value}, HERE) is None
    assert knob_named(name).conflict({other: settings[other]}, HERE) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "openvino_bf16", "dtype": "bfloat16"},
        {"engine": "onnxruntime", "dtype": "float16", "guidance_cutoff": 0.4, "fuse_qkv": True},
        {"engine_vae": "openvino", "vae_tiling": 512, "vae_slicing": True, "tiny_vae": True},
        {"engine": "openvino", "engine_vae": "openvino", "compile_vae": False},
    ],
    ids=str,
)
def test_what_goes_together(settings: dict[str, Any]) -> None:
    """All of these were tried."""
    situation = Situation(target=FULL, blueprint=DECODER, workload=HERE.workload)
    for name in ("engine", "engine_vae"):
        assert knob_named(name).conflict(settings, situation) is None


def test_a_decoder_that_draws_noise_is_not_plain(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    """LTX-Video 0.9.1 and later: an engine would draw other noise than PyTorch, or the same one each time."""
    import json
    import shutil

    shutil.copytree(folder_of("ltx"), tmp_path / "ltx")
    file = tmp_path / "ltx" / "vae" / "config.json"
    config = json.loads(file.read_text())
    config["decoder_inject_noise"] = [True, *config["decoder_inject_noise"][1:]]
    file.write_text(json.dumps(config))

    assert not read_blueprint(tmp_path / "ltx", "ltx").can("plain_decoder")
    assert replace(FLUX, parts={"vae": Part(class_name="X")}).can("plain_decoder") is False
