"""Known GPUs: what a card offers, for a plan that is made where the card is not.

Memory is `memory.total` as nvidia-smi prints it (NVML's total), which is less than the number on the box;
taken from outputs of nvidia-smi in public repositories. Compute capabilities are those of
https://developer.nvidia.com/cuda-gpus, bandwidths those of NVIDIA's data sheets and product pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autotune.errors import PlanError, UnknownName
from autotune.knob import Situation
from autotune.target import Target
from autotune.units import format_bytes

_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A card as its maker and its driver describe it.

    Attributes:
        name: How a user names it, such as "rtx-4060".
        title: How it calls itself, such as "NVIDIA GeForce RTX 4060".
        memory_bytes: NVML's total.
        compute_capability: Such as (8, 9).
        bandwidth_gb_s: Memory bandwidth in 10^9 bytes a second.
    """

    name: str
    title: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    bandwidth_gb_s: int

    @property
    def usable_bytes(self) -> int:
        """What a program may count on: a margin of 256 MiB or 3 % is left to driver and allocator.

        >>> format_bytes(known_gpu("rtx-4060").usable_bytes)
        '7.75 GiB'
        """
        return self.memory_bytes - max(256 * _MIB, self.memory_bytes * 3 // 100)

    @property
    def backends(self) -> frozenset[str]:
        """The dtypes and attention kernels of PyTorch that cards of this capability run.

        FlashAttention, cuDNN's attention and bfloat16 need compute capability 8.0.

        >>> sorted(known_gpu("t4").backends)
        ['efficient', 'fp16', 'math']
        """
        common = {"fp16", "math", "efficient"}
        return frozenset(
            common | ({"bf16", "flash", "cudnn"} if self.compute_capability >= (8, 0) else set())
        )


def known_gpu(name: str) -> Gpu:
    """Return the card of a name, however it is spelt.

    Raises:
        UnknownName: It is not in the table.

    >>> known_gpu("NVIDIA GeForce RTX 4060").name, known_gpu("RTX4060").name
    ('rtx-4060', 'rtx-4060')
    """
    wanted = _bare(name)
    for gpu in GPUS.values():
        if wanted in (_bare(gpu.name), _bare(gpu.title)):
            return gpu
    remedy = "'autotune plan --help' says how to give a memory size instead."
    raise UnknownName("GPU", name, GPUS, remedy=remedy)


def as_target(gpu: Gpu, here: Target) -> Target:
    """Return the target of a card that is not at hand, with the packages that are installed here.

    Args:
        gpu: The card.
        here: This machine.
    """
    libraries = {"triton": "with CUDA builds of torch", **here.libraries}
    return Target(
        device="cuda:0",
        name=gpu.title,
        memory_bytes=gpu.memory_bytes,
        compute_capability=gpu.compute_capability,
        cores=here.cores,
        libraries=libraries,
        backends=gpu.backends,
        has_compiler=True,
    )


def stand_in(here: Target, gpu: Gpu) -> Target:
    """Return this machine restricted to what a card has: its memory as a cap, nothing that it lacks.

    Args:
        here: The machine that will measure.
        gpu: The card that it stands in for.

    Raises:
        PlanError: It has less memory than the card.

    >>> here = Target(device="cuda:0", name="H200", memory_bytes=140 * 2**30, compute_capability=(9, 0))
    >>> stand_in(here, known_gpu("rtx-4060")).describe()
    'H200 (cuda:0, sm_89) under a cap of 7.75 GiB, for rtx-4060'
    """
    if here.memory_bytes < gpu.memory_bytes:
        has, needs = format_bytes(here.memory_bytes), format_bytes(gpu.memory_bytes)
        message = (
            f"{here.name or here.device} has {has} and cannot stand in for '{gpu.name}', which has {needs}. "
            "Name a smaller card, or leave out --target."
        )
        raise PlanError(message)
    if _bare(here.name) == _bare(gpu.title):
        return here
    changed = replace(here, memory_bytes=gpu.usable_bytes, stands_for=gpu.name)
    if here.compute_capability is None:
        return replace(changed, backends=here.backends - ({"bf16"} - gpu.backends))
    capability = min(here.compute_capability, gpu.compute_capability)
    return replace(changed, compute_capability=capability, backends=here.backends & gpu.backends)


def as_asked(situation: Situation, target: str) -> Situation:
    """Return the situation in which this machine stands in for the card of that name, "" for none.

    Raises:
        UnknownName: There is no such card in the table.
        PlanError: The machine has less memory than the card.
    """
    if not target:
        return situation
    return replace(situation, target=stand_in(situation.target, known_gpu(target)))


def _bare(name: str) -> str:
    """A name without maker, spaces and signs: what is left is compared."""
    words = re.sub(r"nvidia|geforce|tesla|quadro|generation|graphics|[^a-z0-9]", "", name.lower())
    return re.sub(r"sxm\d?|pcie|hbm\d\w?", "", words)


def _table(rows: str) -> Mapping[str, Gpu]:
    cards = {}
    for row in rows.strip().splitlines():
        name, title, mib, capability, bandwidth = (cell.strip() for cell in row.split("|"))
        major, minor = capability.split(".")
        cards[name] = Gpu(
            name=name,
            title=title,
            memory_bytes=int(mib) * _MIB,
            compute_capability=(int(major), int(minor)),
            bandwidth_gb_s=int(bandwidth),
        )
    return cards


GPUS: Mapping[str, Gpu] = _table("""
gtx-1080-ti      | NVIDIA GeForce GTX 1080 Ti       |  11264 |  6.1 |  484
gtx-1660-ti      | NVIDIA GeForce GTX 1660 Ti       |   6144 |  7.5 |  288
rtx-2060         | NVIDIA GeForce RTX 2060          |   6144 |  7.5 |  336
rtx-2080-ti      | NVIDIA GeForce RTX 2080 Ti       |  11264 |  7.5 |  616
rtx-3060         | NVIDIA GeForce RTX 3060          |  12288 |  8.6 |  360
rtx-3060-ti      | NVIDIA GeForce RTX 3060 Ti       |   8192 |  8.6 |  448
rtx-3070         | NVIDIA GeForce RTX 3070          |   8192 |  8.6 |  448
rtx-3080         | NVIDIA GeForce RTX 3080          |  10240 |  8.6 |  760
rtx-3090         | NVIDIA GeForce RTX 3090          |  24576 |  8.6 |  936
rtx-4060         | NVIDIA GeForce RTX 4060          |   8188 |  8.9 |  272
rtx-4060-ti      | NVIDIA GeForce RTX 4060 Ti       |   8188 |  8.9 |  288
rtx-4060-ti-16gb | NVIDIA GeForce RTX 4060 Ti 16GB  |  16380 |  8.9 |  288
rtx-4070         | NVIDIA GeForce RTX 4070          |  12282 |  8.9 |  504
rtx-4070-ti      | NVIDIA GeForce RTX 4070 Ti       |  12282 |  8.9 |  504
rtx-4070-ti-super| NVIDIA GeForce RTX 4070 Ti SUPER |  16376 |  8.9 |  672
rtx-4080         | NVIDIA GeForce RTX 4080          |  16376 |  8.9 |  717
rtx-4090         | NVIDIA GeForce RTX 4090          |  24564 |  8.9 | 1008
rtx-5060         | NVIDIA GeForce RTX 5060          |   8151 | 12.0 |  448
rtx-5060-ti      | NVIDIA GeForce RTX 5060 Ti       |  16311 | 12.0 |  448
rtx-5070         | NVIDIA GeForce RTX 5070          |  12227 | 12.0 |  672
rtx-5070-ti      | NVIDIA GeForce RTX 5070 Ti       |  16303 | 12.0 |  896
rtx-5080         | NVIDIA GeForce RTX 5080          |  16303 | 12.0 |  960
rtx-5090         | NVIDIA GeForce RTX 5090          |  32607 | 12.0 | 1792
rtx-a4000        | NVIDIA RTX A4000                 |  16376 |  8.6 |  448
rtx-a5000        | NVIDIA RTX A5000                 |  24564 |  8.6 |  768
rtx-a6000        | NVIDIA RTX A6000                 |  49140 |  8.6 |  768
rtx-6000-ada     | NVIDIA RTX 6000 Ada Generation   |  49140 |  8.9 |  960
t4               | Tesla T4                         |  15360 |  7.5 |  320
a10              | NVIDIA A10                       |  23028 |  8.6 |  600
a10g             | NVIDIA A10G                      |  23028 |  8.6 |  600
l4               | NVIDIA L4                        |  23034 |  8.9 |  300
l40s             | NVIDIA L40S                      |  46068 |  8.9 |  864
a100-40gb        | NVIDIA A100-SXM4-40GB            |  40960 |  8.0 | 1555
a100-80gb        | NVIDIA A100-SXM4-80GB            |  81920 |  8.0 | 2039
h100             | NVIDIA H100 80GB HBM3            |  81559 |  9.0 | 3350
h200             | NVIDIA H200                      | 143771 |  9.0 | 4800
b200             | NVIDIA B200                      | 183359 | 10.0 | 8000
rtx-pro-6000     | NVIDIA RTX PRO 6000 Blackwell    |  97887 | 12.0 | 1792
""")
