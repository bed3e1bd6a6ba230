"""Behaviour of NVML's questions, where there may be no GPU and where a stub stands in for one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pynvml
import pytest

from autotune.pipeline import nvml

GPU, SLICE = (
    "GPU-" + "-".join("1" * n for n in (8, 4, 4, 4, 12)),
    "MIG-" + "-".join("2" * n for n in (8, 4, 4, 4, 12)),
)
ASKED = """
import json
from autotune.pipeline import nvml
memory = nvml.memory_bytes("cuda:0")
handle = nvml.device_handle("cuda:0")
print(json.dumps({
    "uuid": nvml.device_uuid("cuda:0"),
    "board": nvml.ask("nvmlDeviceGetUUID", nvml.board_of(handle)),
    "memory": memory and list(memory),
    "own": nvml.own_bytes("cuda:0"),
    "foreign": nvml.foreign_processes("cuda:0"),
    "other": nvml.device_uuid("cuda:1"),
}))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with libraries that stand in for NVIDIA's driver."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).parent / "driver_stub.c"
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", folder / name, source], check=True)
    return folder


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("whole", {"uuid": GPU, "board": GPU, "memory": [1000, 600, 300, 100], "own": 250, "foreign": 1}),
        ("old", {"uuid": GPU, "board": GPU, "memory": [1000, 600, 400, None], "own": None, "foreign": 1}),
        ("slice", {"uuid": SLICE, "board": GPU, "memory": [100, 60, 30, 10], "own": None, "foreign": None}),
        (
            "nameless",
            {"uuid": SLICE, "board": GPU, "memory": [100, 60, 30, 10], "own": None, "foreign": None},
        ),
        ("slices", {"uuid": GPU, "board": None, "memory": None, "own": None, "foreign": None}),
        ("refuses", {"uuid": GPU, "board": None, "memory": None, "own": None, "foreign": None}),
    ],
)
def test_what_a_driver_does_not_tell_is_none(driver: Path, card: str, expected: dict[str, Any]) -> None:
    """A slice is told from its GPU, and what an old driver, a slice or a container refuses is no number."""
    environ = os.environ | {"LD_LIBRARY_PATH": str(driver), "CARD": card}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], capture_output=True, text=True, check=True, env=environ
    )

    if not nvml.has_the_hosts_numbers():
        expected |= {"own": None}
    assert json.loads(done.stdout) == expected | {"other": None}


@pytest.mark.parametrize("device", ["cpu", "cuda:4711"])
def test_a_device_that_is_not_there_has_no_handle(device: str) -> None:
    """A CPU, and a GPU that the machine does not have, are None and no error."""
    assert nvml.device_handle(device) is None
    assert nvml.device_uuid(device) is None


def test_a_refused_question_is_none() -> None:
    """A handle that is no handle, and a question of another version, are refused without an error."""
    assert nvml.ask(pynvml.nvmlDeviceGetUUID, None) is None
    assert nvml.ask("nvmlDeviceGetTheMeaningOfLife") is None
    assert nvml.ask(pynvml.nvmlDeviceGetHandleByUUID, "GPU-of-nobody") is None


def test_an_answer_is_passed_on() -> None:
    """Where there is a driver its version comes back, else None."""
    answer = nvml.ask(pynvml.nvmlSystemGetDriverVersion)

    assert answer is None or answer[0].isdigit()
