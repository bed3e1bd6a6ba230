"""What a bare device does: products, copies, its context, its energy counter, and what asking NVML costs.

A program of its own, `python -m tests.gpu_check.trust_card DEVICE PART…`, so that nothing of it is left on
the card when trials run. Each part is one line of JSON on stdout: {"part": …, "found": …}. "context" must
come first, since it looks at the card before this process has touched it.
"""

import contextlib
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

_BEGAN_S = time.perf_counter()

import torch  # noqa: E402 - after the clock was read: its import is timed
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402 - as above

from autotune.demo import DEMO_PROMPTS, demo_model_path  # noqa: E402 - as above
from autotune.pipeline.energy import EnergyMeter  # noqa: E402 - as above
from autotune.pipeline.gpu_watch import GpuWatch  # noqa: E402 - as above
from autotune.pipeline.nvml import (  # noqa: E402 - as above
    ask,
    device_handle,
    foreign_processes,
    has_the_hosts_numbers,
    memory_bytes,
    own_bytes,
)

_IMPORTED_S = time.perf_counter() - _BEGAN_S
_NO_NVML = "NVML does not answer for this device"
Found = dict[str, Any]


def context(device: str) -> Found:
    """Return the bytes that the first steps on a device take outside of the allocator, and their seconds."""
    found: Found = {"import_s": _IMPORTED_S, "torch": torch.__version__}
    steps: dict[str, Callable[[], object]] = {
        "first tensor": lambda: torch.ones(256, 256, device=device),
        "product": lambda: torch.ones(256, 256, device=device) @ torch.ones(256, 256, device=device),
        "product, bf16": lambda: (one := torch.ones(256, 256, device=device, dtype=torch.bfloat16)) @ one,
        "convolution": lambda: torch.nn.functional.conv2d(
            torch.ones(1, 8, 64, 64, device=device), torch.ones(8, 8, 3, 3, device=device)
        ),
    }
    # A study tries these kernels once, to know what it may offer: what does that cost?
    kernels = [SDPBackend.MATH]
    if _is_cuda(device):
        kernels += [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]
    steps |= {f"attention, {kernel.name.lower()}": partial(_attend, device, kernel) for kernel in kernels}
    before, rows = memory_bytes(device), []
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        _wait(device)
        seconds, now = time.perf_counter() - start, memory_bytes(device)
        reserved = torch.cuda.memory_reserved(device) if _is_cuda(device) else 0
        delta = None if before is None or now is None else before.free - now.free
        rows.append({"step": name, "seconds": seconds, "delta_bytes": delta, "reserved_bytes": reserved})
    found["steps"] = rows
    if not _is_cuda(device):
        return found
    free, total = torch.cuda.mem_get_info(device)
    return found | {
        "torch_total_bytes": total,
        "torch_free_bytes": free,
        "nvml": None if before is None else before._asdict(),
        "own_bytes": own_bytes(device),
        "has_the_hosts_numbers": has_the_hosts_numbers(),
        "foreign_processes": foreign_processes(device),
        "card": _facts(device_handle(device)),
    }


def _attend(device: str, kernel: SDPBackend) -> None:
    query = torch.ones(1, 2, 16, 32, device=device, dtype=torch.bfloat16)
    with sdpa_kernel(kernel), contextlib.suppress(RuntimeError):  # a kernel that does not run here
        torch.nn.functional.scaled_dot_product_attention(query, query, query)


def _facts(handle: Any) -> Found:
    """What NVML tells of the card; None where it refuses."""
    watts = ask("nvmlDeviceGetEnforcedPowerLimit", handle)
    facts: Found = {
        "driver": ask("nvmlSystemGetDriverVersion"),
        "power_limit_w": None if watts is None else watts / 1e3,
        "persistence_mode": ask("nvmlDeviceGetPersistenceMode", handle),
        "max_sm_clock_mhz": ask("nvmlDeviceGetMaxClockInfo", handle, 1),
        "max_memory_clock_mhz": ask("nvmlDeviceGetMaxClockInfo", handle, 2),
        "pcie_generation": ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        "pcie_width": ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
    }
    return {name: fact.decode() if isinstance(fact, bytes) else fact for name, fact in facts.items()}


def products(device: str) -> Found:
    """Return the TFLOP/s (TOP/s of integers) of square products in each number format."""
    side, least_s = (8192, 0.3) if _is_cuda(device) else (384, 0.05)
    plain = torch.randn(side, side, device=device)
    whole = torch.randint(-100, 100, (side, side), device=device, dtype=torch.int8)
    one = torch.ones((), device=device)

    def multiply(dtype: torch.dtype) -> Callable[[], object]:
        matrix = plain.to(dtype)
        return lambda: matrix @ matrix

    def fp8() -> Callable[[], object]:
        left = plain.clamp(-4, 4).to(torch.float8_e4m3fn)
        right = left.t()  # of column order, as the product wants it
        return lambda: torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)

    kinds: dict[str, tuple[str, Callable[[], Callable[[], object]]]] = {
        "fp32": ("highest", lambda: multiply(torch.float32)),
        "tf32": ("high", lambda: multiply(torch.float32)),
        "fp16": ("highest", lambda: multiply(torch.float16)),
        "bf16": ("highest", lambda: multiply(torch.bfloat16)),
        "int8": ("highest", lambda: lambda: torch._int_mm(whole, whole.t())),
        "fp8": ("highest", fp8),
    }
    if not _is_cuda(device):
        del kinds["tf32"]
    speeds, why_not = {}, {}
    for name, (precision, make) in kinds.items():
        torch.set_float32_matmul_precision(precision)
        try:
            speeds[name] = 2 * side**3 / _seconds_each(device, make(), least_s) / 1e12
        except (RuntimeError, NotImplementedError, ValueError) as error:
            why_not[name] = str(error).strip().partition("\n")[0][:200]
    torch.set_float32_matmul_precision("highest")
    return {"side": side, "tera_per_s": speeds, "why_not": why_not}


def copies(device: str) -> Found:
    """Return the GB/s of copies between host and device, and within the device."""
    size = 2**30 if _is_cuda(device) else 2**25
    there, here = torch.empty(size, dtype=torch.uint8, device=device), torch.empty(size, dtype=torch.uint8)
    here.fill_(1)  # its pages are there before they are copied
    other = torch.empty_like(there)
    kinds: dict[str, Callable[[], object]] = {"within": lambda: other.copy_(there)}
    if _is_cuda(device):
        pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        pinned.fill_(1)
        kinds |= {
            "to the device, pageable": lambda: there.copy_(here),
            "to the device, pinned": lambda: there.copy_(pinned, non_blocking=True),
            "to the host, pageable": lambda: here.copy_(there),
            "to the host, pinned": lambda: pinned.copy_(there, non_blocking=True),
        }
    speeds = {name: size / _seconds_each(device, copy, 0.2, most=20) / 1e9 for name, copy in kinds.items()}
    return {"size_bytes": size, "gb_per_s": speeds}


def energy(device: str) -> Found:
    """Return every step of the energy counter under load and at rest, and joules beside power times time."""
    meter, handle = EnergyMeter(device), device_handle(device)
    work = _work(device)
    if not meter.has_counter:
        work()
        return {"impossible": "no energy counter can be read"}
    found: Found = {}
    for name, seconds, load in (("load", 3.0, work), ("rest", 2.0, lambda: time.sleep(0.001))):
        found[name] = _readings(lambda: ask("nvmlDeviceGetTotalEnergyConsumption", handle), load, seconds)
    meter.start()
    with GpuWatch(device) as watch:
        start = time.perf_counter()
        while time.perf_counter() - start < 6.0:
            work()
        joules, seconds = meter.joules(), time.perf_counter() - start
    return found | {"joules": joules, "seconds": seconds, "mean_w": watch.result().power_w}


def _readings(read: Callable[[], Any], load: Callable[[], object], seconds: float) -> list[tuple[float, Any]]:
    """The moments at which a counter was seen to change, and what it was then."""
    found: list[tuple[float, Any]] = []
    start = time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        value = read()
        if not found or found[-1][1] != value:
            found.append((round(now, 5), value))
        load()
    return found


def _work(device: str) -> Callable[[], object]:
    """A piece of work of some milliseconds, which is over when it returns."""
    side = 8192 if _is_cuda(device) else 256
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16)

    def work() -> None:
        _ = matrix @ matrix
        _wait(device)

    return work


def sampling(device: str) -> Found:
    """Return the seconds of the same work with NVML asked ten times a second and without, in turn."""
    import diffusers

    is_cuda = _is_cuda(device)
    large = torch.randn(4096 if is_cuda else 256, 4096 if is_cuda else 256, device=device)
    small = torch.randn(64, 64, device=device)
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(str(demo_model_path()))
    pipeline.to(device, torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    steps = 10 if is_cuda else 2

    def repeat(action: Callable[[], object], times: int) -> Callable[[], object]:
        return lambda: [action() for _ in range(times)]

    kinds: dict[str, Callable[[], object]] = {
        "large kernels": repeat(lambda: large @ large, 150 if is_cuda else 5),
        "small kernels": repeat(lambda: small @ small, 40_000 if is_cuda else 500),
        "calls": repeat(lambda: pipeline(DEMO_PROMPTS[0], num_inference_steps=steps), 3 if is_cuda else 1),
    }
    found: Found = {}
    for name, action in kinds.items():
        action()
        _wait(device)
        plain, watched = [], []
        for _ in range(5 if is_cuda else 2):
            plain.append(_seconds_of(device, action))
            with GpuWatch(device):
                watched.append(_seconds_of(device, action))
        cost = statistics.median(watched) / statistics.median(plain) - 1
        found[name] = {"plain_s": plain, "watched_s": watched, "cost": cost}
    return found if device_handle(device) is not None else {"impossible": _NO_NVML}


def _seconds_each(device: str, action: Callable[[], object], least_s: float, most: int = 1000) -> float:
    """Seconds of one of many repetitions, after two that are not timed; they take `least_s` or more."""
    action()
    once_s = max(_seconds_of(device, action), 1e-6)
    times = min(max(int(least_s / once_s), 3), most)
    return _seconds_of(device, lambda: [action() for _ in range(times)]) / times


def _seconds_of(device: str, action: Callable[[], object]) -> float:
    _wait(device)
    start = time.perf_counter()
    action()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if _is_cuda(device):
        torch.cuda.synchronize(device)


def _is_cuda(device: str) -> bool:
    return device.startswith("cuda")


PARTS: dict[str, Callable[[str], Found]] = {
    "context": context,
    "products": products,
    "copies": copies,
    "energy": energy,
    "sampling": sampling,
}


def main(device: str, *parts: str) -> None:
    """Measure parts and print a line of JSON for each as soon as it is known."""
    if not _is_cuda(device):
        torch.set_num_threads(1)
    for name in parts:
        start = time.perf_counter()
        try:
            found = PARTS[name](device)
        except Exception as error:  # noqa: BLE001 - one part that fails must not take the others along
            traceback.print_exc()
            found = {"failure": f"{type(error).__name__}: {error}"[:500]}
        found["took_s"] = round(time.perf_counter() - start, 2)
        sys.stdout.write(json.dumps({"part": name, "found": found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
