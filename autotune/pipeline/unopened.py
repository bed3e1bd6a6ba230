"""Unopened: what packages ask about a GPU while they are imported is answered by NVML, which opens none.

A process that has opened a GPU cannot fork others that use it. Yet torchao looks for Triton's devices and for
the compute capability while it is imported, bitsandbytes and xformers for the latter (seen with torchao 0.18,
bitsandbytes 0.50), and torch would open the device to tell them.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

Capability = tuple[int, int]

_QUESTION = """
import pynvml
pynvml.nvmlInit()
for index in range(pynvml.nvmlDeviceGetCount()):
    print(*pynvml.nvmlDeviceGetCudaComputeCapability(pynvml.nvmlDeviceGetHandleByIndex(index)))
"""
_ANSWER_S = 60.0


def capabilities() -> list[Capability]:
    """Return every GPU's compute capability, as a process of its own hears from NVML; [] without NVML."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2 and "".join(row).isdigit()]


@contextmanager
def answered_by_nvml(ask: Callable[[], list[Capability]] = capabilities) -> Iterator[None]:
    """Answer what is asked about compute capabilities inside, without opening a GPU.

    Where NVML does not answer, torch has no GPU inside, since it would have to open one to find it. The
    devices are counted in NVML's order, which matters on machines with different GPUs alone.

    Args:
        ask: Returns the compute capability of every GPU.
    """
    import torch

    if torch.version.cuda is None:
        yield
        return
    # Before anything is replaced: it keeps functions of torch.cuda under names of its own.
    from torch._dynamo import device_interface

    found = ask()
    kept = torch.cuda.is_available, torch.cuda.get_device_capability
    if found:
        torch.cuda.get_device_capability = lambda device=None: found[min(_index(device), len(found) - 1)]
        facts = [SimpleNamespace(major=major, minor=minor) for major, minor in found]
        device_interface.caching_worker_current_devices["cuda"] = 0
        device_interface.caching_worker_device_properties["cuda"] = facts
    else:
        torch.cuda.is_available = lambda: False
    try:
        yield
    finally:
        torch.cuda.is_available, torch.cuda.get_device_capability = kept
        device_interface.caching_worker_current_devices.pop("cuda", None)
        device_interface.caching_worker_device_properties.pop("cuda", None)


def _index(device: Any) -> int:
    """The number of a device, in any of the ways in which torch is told one.

    >>> _index(None), _index(1), _index("cuda"), _index("cuda:2")
    (0, 1, 0, 2)
    """
    if isinstance(device, str):
        return int(device.partition(":")[2] or 0)
    number = getattr(device, "idx", getattr(device, "index", device))  # torch.cuda.device, torch.device
    return number if isinstance(number, int) else 0
