"""Behaviour of the probe: what is read of a machine and a model, and what is refused."""

from pathlib import Path

import pytest

from autotune.blueprint import Blueprint
from autotune.demo import demo_model_path
from autotune.errors import DeviceError, PlanError
from autotune.pipeline.machine import read_target, resolve_device
from autotune.pipeline.models import weights_digest
from autotune.pipeline.probe import read_blueprint
from autotune.pipeline.sizes import resolve_size
from autotune.workload import Workload

SCALE_32 = Blueprint(pipeline_class="X", facts={"vae_scale_factor": 32, "default_size_px": 64})


def test_the_models_own_size_is_filled_in() -> None:
    """A workload without a size gets the model's."""
    workload = resolve_size(Workload(model="m", height_px=96), SCALE_32)

    assert (64, 96) == (workload.width_px, workload.height_px)


def test_a_size_that_the_latents_cannot_have_is_refused() -> None:
    """The message says which multiples suit the model."""
    with pytest.raises(PlanError, match="use multiples of 32 px"):
        resolve_size(Workload(model="m", width_px=72, height_px=64), SCALE_32)


def test_a_model_without_a_size_asks_for_one() -> None:
    """Where the model does not tell its size, the user must."""
    with pytest.raises(PlanError, match="--size"):
        resolve_size(Workload(model="m"), Blueprint(pipeline_class="X"))


def test_parts_are_read_without_weights() -> None:
    """Parameters are counted from configurations, as many as the weight files hold."""
    from safetensors import safe_open

    folder = demo_model_path()
    blueprint = read_blueprint(folder, "demo")
    with safe_open(folder / "unet" / "diffusion_pytorch_model.safetensors", framework="pt") as weights:
        stored = sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118 - no iterator

    assert stored == blueprint.parts["unet"].parameters
    assert 0 < blueprint.parts["unet"].linear_share < 1
    assert blueprint.denoiser == "unet"
    assert blueprint.scheduler == "DDIMScheduler"
    assert blueprint.prediction == "v_prediction"


def test_a_changed_weight_changes_the_digest(tmp_path: Path) -> None:
    """One other byte, another name or another length makes other weights; other files do not."""
    file = tmp_path / "unet" / "model.safetensors"
    file.parent.mkdir()
    digests = []
    for content in (b"a" * 5_000_000, b"a" * 4_999_999 + b"b", b"a" * 4_999_999):
        file.write_bytes(content)
        digests.append(weights_digest(tmp_path))
    (tmp_path / "README.md").write_text("nothing", encoding="utf-8")

    assert digests[-1] == weights_digest(tmp_path)
    assert len(set(digests)) == 3


def test_the_machine_is_described() -> None:
    """Memory, cores and what really runs on the device are read, not assumed."""
    target = read_target("cpu")

    assert target.memory_bytes > 2**30
    assert target.cores >= 1
    assert "math" in target.backends
    assert "efficient" not in target.backends
    assert target.has("torch")


@pytest.mark.parametrize("device", ["gpu", "mps", "CPU", ""])
def test_an_unknown_device_is_refused(device: str) -> None:
    """Only devices that autotune can measure are accepted."""
    with pytest.raises(DeviceError, match="autotune runs on"):
        resolve_device(device)


def test_auto_is_a_device_that_exists() -> None:
    """Left to itself, autotune takes a device of this machine."""
    assert resolve_device("auto") in {"cpu", "cuda:0"}
