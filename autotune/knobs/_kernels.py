"""Kernels: what each back end of diffusers' attention dispatcher needs, as in diffusers 0.42.1.

From `diffusers/models/attention_dispatch.py`: `_check_attention_backend_requirements` for the packages, the
`constraints` of each back end for the rest.
"""

from dataclasses import dataclass

from autotune.knob import Situation
from autotune.target import Target


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What one back end of the dispatcher needs.

    Attributes:
        package: The distribution that brings it, "" for PyTorch itself.
        version: The oldest version of it that diffusers takes.
        capability: The least compute capability.
        generation: The only major compute capability that it is written for, 0 for any.
        head_dims: The widths of heads that it takes, () for any up to `widest_head`.
        widest_head: The widest head that it takes.
        takes_mask: Whether attention may carry a mask of numbers.
        is_16_bit: Whether it computes in 16 bits only.
        fetches: Whether its code is fetched from the hub: only tried when a plan names it.
        other_device: The device without which it is nothing, where that is no CUDA GPU.
    """

    package: str = ""
    version: str = "0"
    capability: tuple[int, int] = (0, 0)
    generation: int = 0
    head_dims: tuple[int, ...] = ()
    widest_head: int = 256
    takes_mask: bool = False
    is_16_bit: bool = True
    fetches: bool = False
    other_device: str = ""


KERNELS = {
    "flash": Kernel(package="flash-attn", version="2.6.3", capability=(8, 0)),
    "flash_varlen": Kernel(package="flash-attn", version="2.6.3", capability=(8, 0)),
    "_flash_3": Kernel(package="flash_attn_3", generation=9),
    "_flash_varlen_3": Kernel(package="flash_attn_3", generation=9),
    "sage": Kernel(package="sageattention", version="2.1.1", capability=(8, 0), widest_head=128),
    "sage_varlen": Kernel(package="sageattention", version="2.1.1", capability=(8, 0), widest_head=128),
    "_sage_qk_int8_pv_fp8_cuda": Kernel(
        package="sageattention", version="2.1.1", capability=(9, 0), widest_head=128
    ),
    "_sage_qk_int8_pv_fp8_cuda_sm90": Kernel(
        package="sageattention", version="2.1.1", generation=9, widest_head=128
    ),
    "_sage_qk_int8_pv_fp16_cuda": Kernel(
        package="sageattention", version="2.1.1", capability=(8, 0), widest_head=128
    ),
    "_sage_qk_int8_pv_fp16_triton": Kernel(
        package="sageattention", version="2.1.1", capability=(8, 0), widest_head=128
    ),
    "xformers": Kernel(package="xformers", version="0.0.29", takes_mask=True, is_16_bit=False),
    "flash_hub": Kernel(package="kernels", version="0.12", capability=(8, 0), fetches=True),
    "flash_varlen_hub": Kernel(package="kernels", version="0.12", capability=(8, 0), fetches=True),
    "_flash_3_hub": Kernel(package="kernels", version="0.12", generation=9, fetches=True),
    "_flash_3_varlen_hub": Kernel(package="kernels", version="0.12", generation=9, fetches=True),
    "flash_4_hub": Kernel(package="kernels", version="0.12.3", capability=(9, 0), fetches=True),
    "sage_hub": Kernel(package="kernels", version="0.12", capability=(8, 0), widest_head=128, fetches=True),
    "sage_blackwell_hub": Kernel(
        package="kernels", version="0.12", capability=(10, 0), head_dims=(64, 128), fetches=True
    ),
    "aiter_fa2_hub": Kernel(other_device="an AMD GPU"),
    "_native_npu": Kernel(other_device="an Ascend NPU"),
    "_native_xla": Kernel(other_device="a TPU"),
}
"""Every back end of the dispatcher but PyTorch's own kernels and `flex`."""


def why_not_here(kernel: Kernel, situation: Situation) -> str:
    """Return why a kernel cannot be used here, "" where it can."""
    target, blueprint = situation.target, situation.blueprint
    if kernel.other_device:
        return f"it needs {kernel.other_device}"
    return (
        why_not_on(kernel, target)
        or why_not_these_heads(kernel.widest_head, situation, only=kernel.head_dims)
        or ("" if kernel.takes_mask or not blueprint.can("attention_mask") else NO_MASK)
    )


NO_MASK = "the denoiser's attention carries a mask of numbers, which this kernel does not take"


def why_not_on(kernel: Kernel, target: Target) -> str:
    """Return why a kernel does not run on a machine, "" where it does."""
    if target.kind != "cuda":
        return "it needs a CUDA GPU"
    if not target.has(kernel.package):
        return f"it needs the package '{kernel.package}'"
    have = target.libraries[kernel.package]
    if _numbers(have) < _numbers(kernel.version):
        return f"it needs '{kernel.package}' {kernel.version} or newer, and {have} is installed"
    if kernel.generation and (target.compute_capability or (0, 0))[0] != kernel.generation:
        return f"it is written for compute capability {kernel.generation}.x alone"
    if not target.is_at_least(*kernel.capability):
        return f"it needs compute capability {'.'.join(map(str, kernel.capability))}"
    return ""


def why_not_these_heads(widest: int, situation: Situation, *, only: tuple[int, ...] = ()) -> str:
    """Return why a kernel cannot compute the denoiser's heads, "" where it can or their width is unknown."""
    found = situation.blueprint.facts.get("head_dims")
    widths = [width for width in found if isinstance(width, int)] if isinstance(found, list) else []
    if only and any(width not in only for width in widths):
        return f"it takes heads of {' or '.join(map(str, only))} numbers, and the denoiser's have {widths}"
    if widths and max(widths) > widest:
        return f"it takes heads of up to {widest} numbers, and the denoiser's have up to {max(widths)}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, in order: (2, 6, 3) of "2.6.3.post1"."""
    release = version.partition("+")[0]
    return tuple(int(part) for part in release.split(".") if part.isdigit())
