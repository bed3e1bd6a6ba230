"""Peak memory that a trial adds to its machine, by stage: high-water marks while calls are timed.

On a CPU (Linux): what one call needs to have in memory at once. It is the kernel's high-water mark of one
extra, untimed call (`VmHWM`, reset by writing "5" to `/proc/self/clear_refs`), made while the allocator keeps
nothing that is freed. File-backed pages are subtracted, since the kernel can drop them, but for weights that
are used where they are mapped, since every call reads them again; and so is what the process inherited from
the fork server, since those pages are shared. Where processes were started meanwhile, such as compilers, the
peak is at least what all of them had together at one moment.

On CUDA: the allocator's reserved bytes plus what the process holds outside of it (context, libraries), over
its whole life. That is what NVML counts as the process's own. In a container, where it does not know the
process, it is what the device lost since before the process touched it, as long as nobody else uses the
device. Without NVML nobody knows: then all that is taken of the device is an upper bound, and is called so.
"""

import gc
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.measurement import Memory
from autotune.pipeline.allocator import allocator_share, keep_nothing, trim
from autotune.pipeline.nvml import foreign_processes, memory_bytes, own_bytes
from autotune.pipeline.process_memory import AnonymousSampler, anonymous_bytes, host_status, mapped_data

__all__ = [
    "ONE_CALL",
    "AnonymousSampler",
    "DeviceMemory",
    "HostMemory",
    "MemoryWatch",
    "host_status",
    "memory_warnings",
    "watch",
]

_CLEAR = Path("/proc/self/clear_refs")
ONE_CALL = "one call"
"""The stage whose peak is that of live memory alone."""
_HOST_DETAIL = ("anonymous_bytes", "rss_bytes", "children_bytes", "tree_bytes", "swap_bytes", "major_faults")


@dataclass(kw_only=True)
class HostMemory:
    """Watches a process's own memory from its birth on, stage by stage.

    Attributes:
        inherited_bytes: Anonymous memory that the process had when it was forked: shared with the server, not
            counted.
        stages: The peak of each finished stage above what was inherited, in bytes.
        seen: The largest figures of the process so far, as the kernel tells them, in bytes.
    """

    inherited_bytes: int = 0
    inherited_files: frozenset[str] = frozenset()
    mapped_bytes: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        """Take note of what was inherited and begin the first stage."""
        trim()  # what the server had freed and kept would be given back, and be missing, later
        self.inherited_bytes = anonymous_bytes(host_status())
        self.inherited_files = frozenset(mapped_data())
        _reset_peak()

    def finish(
        self, stage: str, *, sampled_bytes: int | None = None, helpers: AnonymousSampler | None = None
    ) -> None:
        """End a stage: note its peak under `stage` (the largest, when it is ended twice) and begin the next.

        Args:
            stage: The stage's name.
            sampled_bytes: Peak of anonymous memory from an `AnonymousSampler`, which is used instead of the
                high-water mark where weight files were mapped and released in between.
            helpers: The sampler that saw the processes which were started meanwhile.
        """
        status = host_status()
        own = anonymous_bytes(status)
        marked = status.get("VmHWM", 0) - status.get("RssFile", 0)
        peak = max(marked if sampled_bytes is None else sampled_bytes, own)
        self.stages[stage] = max(self.stages.get(stage, 0), peak - self.inherited_bytes, 0)
        seen = {"anonymous_bytes": max(sampled_bytes or 0, own), "swap_bytes": status.get("VmSwap", 0)}
        if "VmHWM" in status:
            seen["rss_bytes"] = status["VmHWM"]
        if helpers is not None:
            seen["anonymous_bytes"] = max(seen["anonymous_bytes"], helpers.peak_bytes)
            seen["children_bytes"] = helpers.children_bytes
            seen["tree_bytes"] = max(helpers.tree_bytes - self.inherited_bytes, 0)
        self.seen |= {name: max(amount, self.seen.get(name, 0)) for name, amount in seen.items()}
        _reset_peak()

    def weigh(self, action: Callable[[], object], kept_bytes: int = 0) -> None:
        """Note the peak of live memory of one more call, which nobody times.

        Nothing may be timed after it: see `keep_nothing`. Where the allocator is not glibc's there is no such
        stage.

        Args:
            action: Makes the call.
            kept_bytes: What the measuring itself holds meanwhile, such as pictures to be compared later: it
                is not the recipe's.
        """
        gc.collect()
        if not keep_nothing():
            return
        _reset_peak()
        self.stages.pop(ONE_CALL, None)
        action()
        self.finish(ONE_CALL)
        self.mapped_bytes = sum(
            size for file, size in mapped_data().items() if file not in self.inherited_files
        )
        self.stages[ONE_CALL] += self.mapped_bytes - kept_bytes

    def result(self) -> Memory:
        """Return the peak: of the extra call and of the stages before the calls, else of all stages.

        Processes that were started, such as those that compile, are in the detail and not in the peak: a
        recipe that runs from a warm cache starts none.
        """
        detail = {"children_bytes": 0, "tree_bytes": 0, "swap_bytes": 0, **self.seen}
        detail |= {"inherited_bytes": self.inherited_bytes, "mapped_bytes": self.mapped_bytes}
        detail |= {"process_bytes": max(self.stages.values(), default=0)}
        detail |= {"major_faults": resource.getrusage(resource.RUSAGE_SELF).ru_majflt}
        counted = ("load", "apply", ONE_CALL) if ONE_CALL in self.stages else tuple(self.stages)
        peak = max((self.stages.get(stage, 0) for stage in counted), default=0)
        return Memory(peak_bytes=peak, stages=dict(self.stages), detail=detail)


@dataclass(kw_only=True)
class DeviceMemory:
    """Watches a CUDA device's memory over the whole life of a process, stage by stage.

    Attributes:
        device: Torch device string.
        free_at_start: Bytes free on the device before this process touched it; None where NVML does not tell.
        outside_bytes: What the process holds on the device outside of the allocator, such as its context.
        is_bound: Whether `outside_bytes` is no more than an upper bound: all that is taken of the device,
            since nothing tells what of it is the process's own.
        stages: Peak reserved bytes of each finished stage.
        host: Watches the host's memory beside it: where offloaded weights rest.
    """

    device: str
    free_at_start: int | None = None
    outside_bytes: int = 0
    is_bound: bool = False
    stages: dict[str, int] = field(default_factory=dict)
    host: HostMemory = field(default_factory=HostMemory)

    def start(self, limit_bytes: int | None) -> None:
        """Create the context, measure it, and enforce a cap on the allocator.

        Args:
            limit_bytes: Memory that the whole process may take on the device, None for all of it. The
                allocator gets what the context leaves of it.

        Raises:
            BudgetError: The context alone takes the limit.
        """
        torch = _torch()
        self.host.start()
        # NVML sees the device before this process has a context; the driver's own call would create one
        # first.
        before = memory_bytes(self.device)
        self.free_at_start = before.free if before else None
        warm = torch.ones(256, 256, device=self.device)
        _ = warm @ warm
        _ = torch.nn.functional.conv2d(warm.view(1, 1, 256, 256), torch.ones(1, 1, 3, 3, device=self.device))
        torch.cuda.synchronize(self.device)
        del warm
        outside = self._outside(torch)
        if outside is None:
            free, total = torch.cuda.mem_get_info(self.device)
            outside, self.is_bound = int(total - free) - int(torch.cuda.memory_reserved(self.device)), True
        self.outside_bytes = outside
        torch.cuda.reset_peak_memory_stats(self.device)
        if limit_bytes is not None:
            total = int(torch.cuda.get_device_properties(self.device).total_memory)
            share = allocator_share(limit_bytes, self.outside_bytes, total)
            torch.cuda.set_per_process_memory_fraction(share, self.device)

    def finish(
        self, stage: str, *, sampled_bytes: int | None = None, helpers: AnonymousSampler | None = None
    ) -> None:
        """End a stage and note its peak of reserved bytes; nothing is reset, so graph pools stay counted.

        Args:
            stage: The stage's name.
            sampled_bytes: Of the host's memory, as `HostMemory.finish` takes it.
            helpers: As `HostMemory.finish` takes it.
        """
        torch = _torch()
        self.host.finish(stage, sampled_bytes=sampled_bytes, helpers=helpers)
        torch.cuda.synchronize(self.device)
        # What other processes take meanwhile would be counted as this one's: then the first figure stands.
        if not self.is_bound and (own_bytes(self.device) is not None or not foreign_processes(self.device)):
            self.outside_bytes = max(self.outside_bytes, self._outside(torch) or 0)
        self.stages[stage] = torch.cuda.max_memory_reserved(self.device) + self.outside_bytes

    def weigh(self, action: Callable[[], object], kept_bytes: int = 0) -> None:
        """Do nothing: the allocator's own figures, which cover every call, need no extra one."""

    def result(self) -> Memory:
        """Return the peak: reserved bytes plus what lies outside the allocator."""
        torch = _torch()
        stats, host = torch.cuda.memory_stats(self.device), self.host.result()
        pinned = torch.cuda.host_memory_stats().get("allocated_bytes.peak")
        driver = memory_bytes(self.device)
        detail = {
            "reserved_bytes": torch.cuda.max_memory_reserved(self.device),
            "allocated_bytes": torch.cuda.max_memory_allocated(self.device),
            "outside_at_most_bytes" if self.is_bound else "outside_bytes": self.outside_bytes,
            "alloc_retries": stats.get("num_alloc_retries"),
            "num_ooms": stats.get("num_ooms"),
            "host_bytes": host.peak_bytes,
            "pinned_bytes": pinned,
            "driver_reserved_bytes": driver.reserved if driver else None,
            **{name: amount for name, amount in host.detail.items() if name in _HOST_DETAIL},
        }
        known = {name: int(amount) for name, amount in detail.items() if amount is not None}
        peak = known["reserved_bytes"] + self.outside_bytes
        return Memory(peak_bytes=peak, stages=dict(self.stages), detail=known)

    def _outside(self, torch: Any) -> int | None:
        """Bytes that the process holds on the device and that the allocator does not; None if unknown."""
        reserved = int(torch.cuda.memory_reserved(self.device))
        own = own_bytes(self.device)
        if own is not None and own >= reserved:
            return own - reserved
        now = memory_bytes(self.device)
        if now is None or self.free_at_start is None:
            return None
        return max(self.free_at_start - now.free - reserved, 0)


MemoryWatch = HostMemory | DeviceMemory


def watch(device: str, limit_bytes: int | None) -> MemoryWatch:
    """Return a started watch for a device.

    Args:
        device: Torch device string.
        limit_bytes: Enforced on CUDA; on a CPU a limit is checked afterwards, by the study.

    Raises:
        BudgetError: On CUDA, where the context alone takes the limit.
    """
    if device.startswith("cuda"):
        on_device = DeviceMemory(device=device)
        on_device.start(limit_bytes)
        return on_device
    on_host = HostMemory()
    on_host.start()
    return on_host


def memory_warnings(memory: Memory) -> tuple[str, ...]:
    """Return sentences about a trial's memory, each with the name of its gate first.

    >>> memory_warnings(Memory(peak_bytes=9, detail={"alloc_retries": 0}))
    ()
    >>> memory_warnings(Memory(peak_bytes=9, detail={"alloc_retries": 2}))[0][:50]
    'tight: memory ran out 2 times; what torch kept for'
    """
    retries, refused = memory.detail.get("alloc_retries", 0), memory.detail.get("num_ooms", 0)
    if not retries and not refused:
        return ()
    count = max(retries, refused)
    times = "once" if count == 1 else f"{count} times"
    remedy = "what torch kept for later had to be given back, so calls may be faster with a larger limit."
    return (f"tight: memory ran out {times}; {remedy}",)


def _reset_peak() -> None:
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return  # without the reset a stage reports the largest peak so far: an upper bound


def _torch() -> Any:
    import torch

    return torch
