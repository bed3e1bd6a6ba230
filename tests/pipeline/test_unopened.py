"""What packages ask about a GPU while they are imported opens none, and is forgotten afterwards."""

import subprocess
import sys

import pytest
import torch

from autotune.pipeline.unopened import answered_by_nvml, capabilities

CUDA_BUILD = """
import torch
from torch._dynamo import device_interface
from autotune.pipeline.unopened import answered_by_nvml

torch.version.cuda = "13.0"
torch.cuda.is_available = lambda: True
opened = []
torch.cuda.get_device_capability = lambda device=None: opened.append(device)
worker = device_interface.CudaInterface.Worker
with answered_by_nvml(lambda: [(9, 0), (8, 6)]):
    named = (None, 1, "cuda:1", torch.device("cuda:0"), torch.cuda.device(1))
    print([torch.cuda.get_device_capability(device) for device in named])
    print(worker.get_device_properties().major)
with answered_by_nvml(lambda: []):
    print(torch.cuda.is_available())
torch.cuda.get_device_capability("afterwards")
print(opened, torch.cuda.is_available(), dict(device_interface.caching_worker_device_properties))
"""


@pytest.mark.slow
def test_a_gpu_is_told_and_not_opened() -> None:
    """Inside, NVML answers however a device is named, without it there is none; then torch answers."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CUDA_BUILD], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == [
        "[(9, 0), (8, 6), (8, 6), (9, 0), (8, 6)]",
        "9",
        "False",
        "['afterwards'] True {}",
    ]


def test_a_torch_without_cuda_is_left_alone() -> None:
    """Nothing is asked where no GPU can be opened."""
    if torch.version.cuda is not None:
        pytest.skip("this torch has CUDA")
    asked = torch.cuda.get_device_capability
    with answered_by_nvml(lambda: [(9, 0)]):
        assert torch.cuda.get_device_capability is asked


@pytest.mark.slow
def test_nvml_is_asked_in_another_process() -> None:
    """The answer is a list of pairs, empty without a driver."""
    assert all(major >= 3 and minor >= 0 for major, minor in capabilities())
