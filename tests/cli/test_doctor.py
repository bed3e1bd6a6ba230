"""`autotune doctor`: what is there, what is not, and what to do about it."""

import json
import shutil
from pathlib import Path

import pytest

from autotune.cli.checks import (
    compiler_check,
    demo_check,
    disk_check,
    hub_check,
    is_whole,
    package_check,
    python_check,
)
from autotune.demo import demo_model_path
from autotune.knobs import all_knobs
from tests.cli.conftest import Cli


@pytest.mark.slow
def test_this_machine_can_tune(call: Cli) -> None:
    """Every check has a state, and nothing essential is missing where the tests run."""
    done = call("doctor", "--device", "cpu", "--json")
    found = json.loads(done.stdout)

    assert (0, True) == (done.returncode, found["ok"]), found
    names = [check["name"] for check in found["checks"]]
    assert {"python", "torch", "diffusers", "optuna", "device", "compiler", "disk", "hub", "demo model"} <= {
        *names
    }
    assert all(check["remedy"] for check in found["checks"] if check["state"] != "ok")
    assert [knob.name for knob in all_knobs()] == list(found["knobs"])
    assert "float32" == found["knobs"]["dtype"]["values"][0]
    assert found["knobs"]["offload"]["why"]


@pytest.mark.slow
def test_every_knob_answers_for_a_card_that_is_not_here(call: Cli) -> None:
    """And for a model that was never downloaded; the reasons stand beside the values."""
    done = call("doctor", "arch:flux-dev", "--device", "cpu", "--target", "t4")
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}

    assert done.returncode == 0, done.stderr
    assert "Knobs for arch:flux-dev on Tesla T4 (cuda:0, 15 GiB, sm_75):" in done.stdout
    assert "float16" in lines["dtype"]
    assert "bfloat16" not in lines["dtype"].partition("not offered")[0] or "bfloat16:" in lines["dtype"]


@pytest.mark.slow
def test_a_device_that_is_not_there_is_essential(call: Cli) -> None:
    """Exit code 1, and the line says which."""
    done = call("doctor", "--device", "gaudi")

    assert done.returncode == 1
    assert "missing  device" in done.stdout
    assert "Something essential is missing." in done.stdout


def test_a_package_that_is_missing_has_a_remedy() -> None:
    """Essential ones are missing, others a warning."""
    assert package_check("no-such-package", is_essential=True).state == "missing"
    assert package_check("no-such-package").state == "warn"
    assert package_check("no-such-package").remedy == "pip install 'no-such-package'"


def test_no_network_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo model and local folders need none."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert ("warn", "switched off by HF_HUB_OFFLINE") == (hub_check().state, hub_check().found)


def test_no_compiler_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All but torch.compile works without."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    assert compiler_check().state == "warn"
    assert "apt install g++" in compiler_check().remedy


def test_the_rest_is_fine_here(tmp_path: Path) -> None:
    """Python, the demo model, and a figure for the disk."""
    assert (python_check().state, demo_check().state) == ("ok", "ok")
    assert "free in" in disk_check(tmp_path).found


def test_a_weight_file_that_was_cut_short_is_found(tmp_path: Path) -> None:
    """By its length alone, without reading it whole."""
    whole = next(demo_model_path().rglob("*.safetensors"))
    copy = tmp_path / "copy.safetensors"
    shutil.copy(whole, copy)
    assert is_whole(copy)

    copy.write_bytes(whole.read_bytes()[:-100])
    assert not is_whole(copy)
    copy.write_bytes(b"")
    assert not is_whole(copy)
    copy.write_bytes((2).to_bytes(8, "little") + b"[[")
    assert not is_whole(copy)
