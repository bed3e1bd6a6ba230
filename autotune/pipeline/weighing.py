"""Weighing: bytes of a module in each number format, in all and by what offloading moves at once."""

import contextlib
import copy
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from autotune.footprint import Linear, Weights
from autotune.pipeline.weightless import element_bytes, kept_in_fp32

FORMATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What modules bring to the device while they run, and what is there all the time, by number format.

    Attributes:
        brought: Path of a module to its bytes.
        always: Bytes of what belongs to none of them.
    """

    brought: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    always: Mapping[str, int] = field(default_factory=dict)


def weigh(module: torch.nn.Module, layers: Groups, blocks: Groups) -> Weights:
    """Return the weights of a module whose parameters need no memory; its stage is left open.

    Args:
        module: Is left as it is.
        layers, blocks: What `layer_groups` and `block_groups` return for it.
    """
    return Weights(
        stage="",
        class_name=type(module).__name__,
        sizes={name: sum(sizes_of(module, name).values()) for name in FORMATS},
        largest_layer={name: max(layers.brought[name].values(), default=0) for name in FORMATS},
        largest_block={name: max(blocks.brought[name].values(), default=0) for name in FORMATS},
        unmatched=dict(blocks.always),
        linears=_linears(module),
        cast_numbers=_cast_numbers(module),
        fused_numbers=_fused_numbers(module),
    )


def sizes_of(module: torch.nn.Module, dtype: str) -> dict[int, int]:
    """Return the bytes of each parameter and buffer by its identity, in a number format; tied ones once."""
    kept, sizes = kept_in_fp32(module, dtype), {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        words = name.split(".")
        own = "float32" if any(word in words for word in kept) else dtype
        width = element_bytes(own) if tensor.is_floating_point() else tensor.element_size()
        sizes[id(tensor)] = tensor.numel() * width
    return sizes


def stored_format(folder: Path) -> str:
    """Return the number format of a part's weight files, from the header of the first; "" without files."""
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    for file in sorted(folder.glob("*.safetensors")):
        with contextlib.suppress(OSError, ValueError), file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
            formats = [entry["dtype"] for key, entry in header.items() if key != "__metadata__"]
            return names.get(max(set(formats), key=formats.count), "") if formats else ""
    return ""


def layer_groups(module: torch.nn.Module) -> Groups:
    """Return what each layer brings by itself: sequential offloading, and group offloading by leaves."""
    brought = {}
    for dtype in FORMATS:
        sizes = sizes_of(module, dtype)
        own = {path: _total(_direct(child), sizes) for path, child in module.named_modules()}
        brought[dtype] = {path or ".": size for path, size in own.items() if size}
    return Groups(brought=brought, always=dict.fromkeys(FORMATS, 0))


def block_groups(module: torch.nn.Module) -> Groups:
    """Return what each block brings by itself, by diffusers' own rules: they are asked, on a copy."""
    copied = copy.deepcopy(module).to("meta")  # it needs no memory, and its hooks stay its own
    groups = _diffusers_groups(copied)
    brought: dict[str, dict[str, int]] = {}
    always: dict[str, int] = {}
    for dtype in FORMATS:
        sizes = sizes_of(copied, dtype)
        by_path = {path: _total(tensors, sizes) for path, tensors in groups.items()}
        brought[dtype] = {path: size for path, size in by_path.items() if path}
        always[dtype] = by_path.get("", 0) if groups else sum(sizes.values())
    return Groups(brought=brought, always=always)


def _diffusers_groups(module: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """The tensors of each group by the path of the module that brings them; {} where blocks are not known."""
    from diffusers.hooks import apply_group_offloading

    if not getattr(module, "_supports_group_offloading", True):
        return {}
    nowhere = torch.device("meta")
    with contextlib.suppress(Exception):  # what cannot be grouped stays whole
        apply_group_offloading(
            module,
            onload_device=torch.device("cpu"),
            offload_device=nowhere,
            offload_type="block_level",
            num_blocks_per_group=1,
        )
    paths = {id(child): path for path, child in module.named_modules()}
    found: dict[int, tuple[str, list[torch.Tensor]]] = {}
    for child in module.modules():
        registry: Any = getattr(child, "_diffusers_hook", None)
        hook = registry.get_hook("group_offloading") if registry is not None else None
        if hook is None or id(hook.group) in found:
            continue
        tensors = [tensor for part in hook.group.modules for tensor in _all(part)]
        tensors += [*hook.group.parameters, *hook.group.buffers]
        found[id(hook.group)] = (paths[id(hook.group.onload_leader)], tensors)
    return dict(found.values())


def _linears(module: torch.nn.Module) -> tuple[Linear, ...]:
    """The linear layers; those whose names differ in numbers only, and that have one shape, are one entry."""
    counts: Counter[tuple[str, int, int]] = Counter()
    for path, child in module.named_modules():
        if isinstance(child, torch.nn.Linear):
            words = [word for word in path.split(".") if not word.isdigit()]
            counts[".".join(words), child.out_features, child.in_features] += 1
    return tuple(
        Linear(path=path, rows=rows, columns=columns, count=count)
        for (path, rows, columns), count in sorted(counts.items())
    )


def _total(tensors: Iterable[torch.Tensor], sizes: Mapping[int, int]) -> int:
    return sum(sizes[key] for key in {id(tensor) for tensor in tensors} if key in sizes)


def _all(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _direct(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _fused_numbers(module: torch.nn.Module) -> int:
    """How many parameters fusing the attention projections adds."""
    if not hasattr(module, "fuse_qkv_projections"):
        return 0
    fused = copy.deepcopy(module)
    before = sum(weight.numel() for weight in fused.parameters())
    try:
        fused.fuse_qkv_projections()
    except Exception:  # noqa: BLE001 - a family whose attention cannot be fused
        return 0
    return sum(weight.numel() for weight in fused.parameters()) - before


def _cast_numbers(module: torch.nn.Module) -> int:
    """How many parameters layerwise casting would store in 8 bits: diffusers is asked, on a copy."""
    if not hasattr(module, "enable_layerwise_casting"):
        return 0
    cast: Any = copy.deepcopy(module)
    try:
        cast.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    except Exception:  # noqa: BLE001 - a class that cannot be cast
        return 0
    return sum(weight.numel() for weight in cast.parameters() if weight.dtype == torch.float8_e4m3fn)
