"""Weights: in which format the linear layers of a part really rest, for the proofs of what quantizes them."""

from collections.abc import Iterable, Iterator
from typing import Any

from autotune.knob import Settings, Situation
from autotune.units import format_bytes
from autotune.weight_bytes import is_quantized


def leaves(tensor: Any) -> Iterator[Any]:
    """Yield the plain tensors that a weight is made of: its numbers, then its scales, however nested."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from leaves(getattr(tensor, name))
        return
    yield tensor.detach()
    # bitsandbytes keeps its scales beside the numbers: of 4 bits in a state that may have one of its own.
    state = getattr(tensor, "quant_state", None)
    while state is not None:
        yield from (state.absmax, state.code)
        state = state.state2
    if getattr(tensor, "SCB", None) is not None:
        yield tensor.SCB


def stored_bytes(tensor: Any) -> int:
    """Return the bytes of a weight with its scales, as it rests."""
    return sum(int(leaf.numel()) * int(leaf.element_size()) for leaf in leaves(tensor))


def format_of(tensor: Any) -> str:
    """Return "int8", "float8", "int4", "nvfp4" or "mxfp8", and "" for a weight that is not quantized."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return ""
    kinds = [str(leaf.dtype).removeprefix("torch.") for leaf in leaves(tensor)]
    counts = [int(leaf.numel()) for leaf in leaves(tensor)]
    numbers = kinds[counts.index(max(counts))]
    if numbers.startswith("float8"):
        return "mxfp8" if "float8_e8m0fnu" in kinds else "float8"
    if numbers == "int8":
        return "int8"
    return "nvfp4" if "float8_e4m3fn" in kinds else "int4"


def linear_layers(part: Any) -> dict[str, Any]:
    """Return the linear layers of a part by their path."""
    import torch

    return {path: module for path, module in part.named_modules() if isinstance(module, torch.nn.Linear)}


def linear_bytes_of(part: Any) -> int:
    """Return the bytes of the weights of a part's linear layers, as they rest."""
    return sum(stored_bytes(module.weight) for module in linear_layers(part).values())


def denoisers_of(pipeline: Any) -> dict[str, Any]:
    """Return the modules that are run at every step, by their names: two where they take turns."""
    parts = {name: getattr(pipeline, name, None) for name in ("unet", "transformer", "transformer_2")}
    return {name: part for name, part in parts.items() if part is not None}


def why_no_int4(situation: Situation, parts: Iterable[str]) -> str:
    """Return why int4 cannot hold the weights of these parts on this device, "" where it can."""
    target, is_cpu = situation.target, situation.target.compute_capability is None
    if "bf16" not in target.backends:
        return "this device does not compute in bfloat16"
    if is_cpu and version_of(situation, "torchao") < (0, 18):
        return "on a CPU it needs torchao 0.18 or newer"
    if not is_cpu and not target.is_at_least(8):
        return "it needs a CUDA GPU of compute capability 8.0 or newer"
    shares = situation.blueprint.facts.get("int4_share_cpu" if is_cpu else "int4_share_cuda")
    known = [shares[part] for part in parts if part in shares] if isinstance(shares, dict) else []
    low = [share for share in known if isinstance(share, float) and share < 0.5]
    return "most of the linear layers have shapes that it stores no smaller than int8" if low else ""


def why_not_quantized(name: str, part: Any, value: str, kind: str) -> str | None:
    """Return what was found instead of the weights of a part in the format of `value`, or None.

    Args:
        name: What the part is called in the sentence.
        part: The module.
        value: A value of `quantization` or `quantization_text_encoder`.
        kind: Type of the device: "cpu" or "cuda".
    """
    layers = linear_layers(part)
    reached = [
        module.weight
        for path, module in layers.items()
        if is_quantized(value, path, module.out_features, module.in_features, kind=kind)
    ]
    if not reached:
        return f"None of the {len(layers)} linear layers of the {name} has a shape that {value} can hold."
    wanted = value.partition("_")[0]
    found = [weight for weight in reached if format_of(weight) == wanted]
    if len(found) < len(reached):
        share = sum(int(w.numel()) for w in found) / max(1, sum(int(w.numel()) for w in reached))
        return (
            f"{len(found)} of {len(reached)} linear layers of the {name} rest in {wanted}: "
            f"{share:.0%} of their weights."
        )
    dynamic = [weight for weight in found if getattr(weight, "act_quant_kwargs", None) is not None]
    if len(dynamic) != (len(found) if value.endswith("_dynamic") else 0):
        return f"{len(dynamic)} of {len(found)} quantized layers quantize their activations."
    plain = sum(int(w.numel()) * int(w.dtype.itemsize) for w in found)
    stored = sum(map(stored_bytes, found))
    if stored >= plain:
        return (
            f"The quantized weights take {format_bytes(stored)}, no less than {format_bytes(plain)} before."
        )
    return None


def why_not_loaded_quantized(name: str, part: Any, value: str, bytes_each: int) -> str | None:
    """Return what was found instead of weights that diffusers quantized while it read them, or None.

    Args:
        name: What the part is called in the sentence.
        part: The module.
        value: A value of `quantization_at_load`.
        bytes_each: Bytes of a number that is not quantized.
    """
    # Layers that a class declares unfit for few bits stay as they were; convolutions became layers later.
    spared = getattr(part, "_keep_in_fp32_modules", None) or ()
    later = {f"{path}.mod" for path, m in part.named_modules() if type(m).__name__ == "PermuteSandwich"}
    layers = {
        path: module
        for path, module in linear_layers(part).items()
        if path not in later and not any(word in path for word in spared)
    }
    found = [module for module in layers.values() if _is_loaded_as(value, module.weight)]
    # A file holds some layers in full, as its maker chose.
    if not found or (len(found) < len(layers) and not value.endswith(".gguf")):
        return f"{len(found)} of {len(layers)} linear layers of the {name} hold weights as of {value}."
    plain = sum(int(module.out_features) * int(module.in_features) for module in found) * bytes_each
    stored = sum(layer_bytes(module) for module in found)
    if stored >= plain:
        return f"The quantized weights take {format_bytes(stored)}, not less than {format_bytes(plain)}."
    return None


def layer_bytes(module: Any) -> int:
    """Return the bytes of a linear layer's weight with its scales, as it rests."""
    scales = getattr(getattr(module, "state", None), "SCB", None)
    if scales is None or getattr(module.weight, "SCB", None) is not None:
        return stored_bytes(module.weight)
    # The 8 bits of bitsandbytes: the first call moves the scales from the weight to the layer.
    return stored_bytes(module.weight) + int(scales.numel()) * int(scales.element_size())


def _is_loaded_as(value: str, weight: Any) -> bool:
    if value.endswith(".gguf"):
        return getattr(weight, "quant_type", None) is not None and not weight.is_floating_point()
    if value.startswith("quanto_"):
        is_quanto = type(weight).__module__.startswith("optimum.quanto")
        return is_quanto and format_of(weight) == value.removeprefix("quanto_")
    return type(weight).__name__ == ("Int8Params" if value.endswith("int8") else "Params4bit")


def why_not_with(name: str, settings: Settings, situation: Situation) -> str | None:
    """Return why a format of torchao does not go with the other settings, or None when it does.

    Args:
        name: The knob that quantizes: "quantization" or "quantization_text_encoder".
        settings: The other settings beside its own.
        situation: Where; the versions of the libraries are asked.
    """
    value, offload = str(settings.get(name, "none")), str(settings.get("offload", "none"))
    if value == "none":
        return None
    dtype_trouble = _why_not_computed(name, value, str(settings.get("dtype", "float32")))
    if dtype_trouble:
        return dtype_trouble
    if offload == "sequential":
        return (
            f"{name} does not go with offload = sequential: accelerate casts each weight as it brings it in, "
            "which torchao's tensors refuse in torch.inference_mode ('aten.to', seen with accelerate 1.15 "
            "and torchao 0.18). group_leaf does."
        )
    if offload.startswith("group_") and value.startswith("nvfp4"):
        return (
            f"{name} = {value} does not go with offload = {offload}: these tensors cannot be exchanged in "
            "place ('aten._has_compatible_shallow_copy_type', seen with torchao 0.18)."
        )
    return None


_WHY_BFLOAT16 = {
    "int4_weight_only": "on a GPU torchao packs nothing else, and on a CPU its product is 77 × as slow in "
    "float32",
    "float8_dynamic": "torchao scales the rows of nothing else",
    "nvfp4_dynamic": "the kernels of torchao compute in nothing else",
    "mxfp8_dynamic": "the kernels of torchao compute in nothing else",
}


def _why_not_computed(name: str, value: str, dtype: str) -> str | None:
    """Return why weights in a format cannot be multiplied with activations of a dtype, or None."""
    if value.startswith("int8") and dtype == "float16":
        return (
            f"{name} does not go with dtype = float16: torchao multiplies by the 8-bit weights before it "
            "scales them, which overflows (torchao 0.18, int8_tensor.py). Use bfloat16."
        )
    if dtype != "bfloat16" and value in _WHY_BFLOAT16:
        return f"{name} = {value} needs dtype = bfloat16: {_WHY_BFLOAT16[value]} (seen with torchao 0.18)."
    if dtype == "float16" and value == "nvfp4_weight_only":
        return f"{name} = {value} does not go with dtype = float16: torchao 0.18 does not convert that."
    return None


def version_of(situation: Situation, library: str) -> tuple[int, ...]:
    """Return the first two numbers of a library's version; () where it is not known.

    >>> from autotune.blueprint import Blueprint
    >>> from autotune.target import Target
    >>> from autotune.workload import Workload
    >>> target = Target(device="cpu", libraries={"torch": "2.13.0+cpu"})
    >>> here = Situation(target=target, blueprint=Blueprint(pipeline_class="X"), workload=Workload(model="m"))
    >>> version_of(here, "torch"), version_of(here, "torchao")
    ((2, 13), ())
    """
    numbers = situation.target.libraries.get(library, "").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())
