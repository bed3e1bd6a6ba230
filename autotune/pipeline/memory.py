"""Peak memory that a trial adds to its machine, by stage: high-water marks while calls are timed.

On a CPU (Linux): what one call needs to have in memory at once. It is the kernel's high-water mark of one
extra, untimed call (`VmHWM`, reset by writing "5" to `/proc/self/clear_refs`), made while the allocator keeps
nothing that is freed. File-backed pages are subtracted, since the kernel can drop them, but for weights that
are used where they are mapped, since every call reads them again; and so is what the process inherited from
the fork server, since those pages are shared. On CUDA: the allocator's reserved bytes plus what the device
lost outside of it (context, libraries), over the whole life of the process.
"""

import gc
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from autotune.measurement import Memory
from autotune.pipeline.allocator import keep_nothing, trim

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_MAPS = Path("/proc/self/smaps")
_SAMPLE_S = 0.01
ONE_CALL = "one call"
"""The stage whose peak is that of live memory alone."""


def host_status() -> dict[str, int]:
    """Return the process's memory counters in bytes, such as "VmHWM" and "RssAnon"; empty without /proc."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if line.startswith(("Vm", "Rss")))
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


@dataclass(kw_only=True)
class HostMemory:
    """Watches a process's own memory from its birth on, stage by stage.

    Attributes:
        inherited_bytes: Anonymous memory that the process had when it was forked: shared with the server, not
            counted.
        stages: The peak of each finished stage above what was inherited, in bytes.
    """

    inherited_bytes: int = 0
    inherited_files: frozenset[str] = frozenset()
    mapped_bytes: int = 0
    stages: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        """Take note of what was inherited and begin the first stage."""
        trim()  # what the server had freed and kept would be given back, and be missing, later
        self.inherited_bytes = _anonymous(host_status())
        self.inherited_files = frozenset(_mapped_data())
        _reset_peak()

    def finish(self, stage: str, *, sampled_bytes: int | None = None) -> None:
        """End a stage: note its peak under `stage` (the largest, when it is ended twice) and begin the next.

        Args:
            stage: The stage's name.
            sampled_bytes: Peak of anonymous memory from an `AnonymousSampler`, which is used instead of the
                high-water mark where weight files were mapped and released in between.
        """
        status = host_status()
        marked = status.get("VmHWM", 0) - status.get("RssFile", 0)
        peak = (
            marked if sampled_bytes is None else max(sampled_bytes, _anonymous(status))
        ) - self.inherited_bytes
        self.stages[stage] = max(self.stages.get(stage, 0), peak, 0)
        _reset_peak()

    def weigh(self, action: Callable[[], object]) -> None:
        """Note the peak of live memory of one more call, which nobody times.

        Nothing may be timed after it: see `keep_nothing`. Where the allocator is not glibc's there is no such
        stage.

        Args:
            action: Makes the call.
        """
        gc.collect()
        if not keep_nothing():
            return
        _reset_peak()
        action()
        self.finish(ONE_CALL)
        self.mapped_bytes = sum(
            size for file, size in _mapped_data().items() if file not in self.inherited_files
        )
        self.stages[ONE_CALL] += self.mapped_bytes

    def result(self) -> Memory:
        """Return the peak: of the extra call and of the stages before the calls, else of all stages."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        detail = {"children_bytes": children, "inherited_bytes": self.inherited_bytes}
        detail |= {"swap_bytes": host_status().get("VmSwap", 0), "mapped_bytes": self.mapped_bytes}
        detail |= {"process_bytes": max(self.stages.values(), default=0)}
        counted = ("load", "apply", ONE_CALL) if ONE_CALL in self.stages else tuple(self.stages)
        peak = max((self.stages.get(stage, 0) for stage in counted), default=0)
        return Memory(peak_bytes=peak, stages=dict(self.stages), detail=detail)


class AnonymousSampler:
    """Samples anonymous memory every 10 ms while nothing is being timed: for the stages that map files."""

    def __init__(self) -> None:
        """Prepare; sampling starts on entering the context."""
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, _anonymous(host_status()))


@dataclass(kw_only=True)
class DeviceMemory:
    """Watches a CUDA device's memory over the whole life of a process, stage by stage.

    Attributes:
        device: Torch device string.
        free_at_start: Bytes free on the device before this process touched it.
        stages: Peak reserved bytes of each finished stage.
        host: Watches the host's memory beside it: where offloaded weights rest.
    """

    device: str
    free_at_start: int = 0
    outside_bytes: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    host: HostMemory = field(default_factory=HostMemory)

    def start(self, limit_bytes: int | None) -> None:
        """Create the context, measure it, and enforce a cap on the allocator.

        Args:
            limit_bytes: Memory that the whole process may take on the device, None for all of it. The
                allocator gets what the context leaves of it.
        """
        torch = _torch()
        self.host.start()
        # NVML sees the device before this process has a context; the driver's own call would create one
        # first.
        self.free_at_start = _nvml_free(torch, self.device)
        warm = torch.ones(256, 256, device=self.device)
        _ = warm @ warm
        _ = torch.nn.functional.conv2d(warm.view(1, 1, 256, 256), torch.ones(1, 1, 3, 3, device=self.device))
        torch.cuda.synchronize(self.device)
        del warm
        self.outside_bytes = self._outside(torch)
        torch.cuda.reset_peak_memory_stats(self.device)
        if limit_bytes is not None:
            total = torch.cuda.get_device_properties(self.device).total_memory
            share = max(limit_bytes - self.outside_bytes, 0) / total
            torch.cuda.set_per_process_memory_fraction(min(share, 1.0), self.device)

    def finish(self, stage: str, *, sampled_bytes: int | None = None) -> None:
        """End a stage and note its peak of reserved bytes; nothing is reset, so graph pools stay counted.

        Args:
            stage: The stage's name.
            sampled_bytes: Of the host's memory, as `HostMemory.finish` takes it.
        """
        torch = _torch()
        self.host.finish(stage, sampled_bytes=sampled_bytes)
        torch.cuda.synchronize(self.device)
        self.outside_bytes = max(self.outside_bytes, self._outside(torch))
        self.stages[stage] = torch.cuda.max_memory_reserved(self.device) + self.outside_bytes

    def weigh(self, action: Callable[[], object]) -> None:
        """Do nothing: the allocator's own figures, which cover every call, need no extra one."""

    def result(self) -> Memory:
        """Return the peak: reserved bytes plus what lies outside the allocator."""
        torch = _torch()
        stats = torch.cuda.memory_stats(self.device)
        detail = {
            "reserved_bytes": torch.cuda.max_memory_reserved(self.device),
            "allocated_bytes": torch.cuda.max_memory_allocated(self.device),
            "outside_bytes": self.outside_bytes,
            "alloc_retries": int(stats.get("num_alloc_retries", 0)),
            "host_bytes": self.host.result().peak_bytes,
            "pinned_bytes": int(torch.cuda.host_memory_stats().get("allocated_bytes.peak", 0)),
        }
        peak = detail["reserved_bytes"] + self.outside_bytes
        return Memory(peak_bytes=peak, stages=dict(self.stages), detail=detail)

    def _outside(self, torch: Any) -> int:
        """Bytes that left the device since the start and that the allocator does not hold."""
        used = self.free_at_start - _nvml_free(torch, self.device)
        return max(used - int(torch.cuda.memory_reserved(self.device)), 0)


MemoryWatch = HostMemory | DeviceMemory


def watch(device: str, limit_bytes: int | None) -> MemoryWatch:
    """Return a started watch for a device.

    Args:
        device: Torch device string.
        limit_bytes: Enforced on CUDA; on a CPU a limit is checked afterwards, by the study.
    """
    if device.startswith("cuda"):
        on_device = DeviceMemory(device=device)
        on_device.start(limit_bytes)
        return on_device
    on_host = HostMemory()
    on_host.start()
    return on_host


def _anonymous(status: dict[str, int]) -> int:
    return status.get("RssAnon", 0) + status.get("RssShmem", 0)


def _mapped_data() -> dict[str, int]:
    """Return the resident bytes of each file that this process has mapped as data, not as a library.

    diffusers and transformers use weights where they are mapped when the file has them in the right format.
    """
    found: dict[str, int] = {}
    libraries, file = set(), ""
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        head, *rest = line.split(None, 5)
        if not head.endswith(":"):  # a new mapping: addresses, rights, offset, device, inode, file
            file = rest[4] if len(rest) == 5 and rest[4].startswith("/") else ""
            if "x" in rest[0] or ".so" in file:
                libraries.add(file)
        elif file and head in ("Rss:", "Anonymous:"):
            size = int(rest[0]) * 1024
            found[file] = found.get(file, 0) + (size if head == "Rss:" else -size)
    return {file: size for file, size in found.items() if file not in libraries}


def _reset_peak() -> None:
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return  # without the reset a stage reports the largest peak so far: an upper bound


def _torch() -> Any:
    import torch

    return torch


def _nvml_free(torch: Any, device: str) -> int:
    """Bytes free on the device, without creating a CUDA context where NVML is there."""
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}" if torch.cuda.is_initialized() else None
        index = torch.device(device).index or 0
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid) if uuid else pynvml.nvmlDeviceGetHandleByIndex(index)
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)
    except pynvml.NVMLError:  # MIG, containers and missing drivers fail each in their own way
        return int(torch.cuda.mem_get_info(device)[0])
