"""Groups: where weights can be offloaded in groups, and what diffusers has put on a module to do so."""

from typing import Any

from autotune.knob import Settings, Situation


def why_no_offload(situation: Situation) -> str:
    """Return why weights cannot be offloaded here at all, "" where they can."""
    if situation.target.kind not in ("cuda", "xpu"):
        return "weights can only be offloaded from a GPU"
    return "" if situation.target.has("accelerate") else "offloading needs the package 'accelerate'"


def why_no_groups(situation: Situation) -> str:
    """Return why the denoiser's weights cannot be offloaded in groups, "" where they can."""
    refused = "the denoiser's class refuses group offloading (_supports_group_offloading)"
    return why_no_offload(situation) or ("" if situation.blueprint.can("group_offload") else refused)


def is_grouped(settings: Settings) -> bool:
    """Whether these settings offload weights in groups."""
    return str(settings.get("offload", "none")).startswith("group_")


def quantized_formats(settings: Settings) -> tuple[str, ...]:
    """Return the formats in which these settings quantize weights, of whichever part."""
    # By name: a conflict that goes through all settings keeps a space from being searched knob by knob.
    names = ("quantization", "quantization_at_load", "quantization_text_encoder")
    return tuple(value for name in names if (value := str(settings.get(name, "none"))) != "none")


def has_torchao(settings: Settings) -> bool:
    """Whether these settings put weights into tensors of torchao."""
    names = ("quantization", "quantization_text_encoder")
    return any(settings.get(name, "none") != "none" for name in names)


def denoiser_of(pipeline: Any) -> Any:
    """Return the module that is run at every step."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def group_hooks(part: Any) -> list[Any]:
    """Return the hooks of a part that bring groups of weights to the device, one of each group."""
    found: dict[int, Any] = {}
    for module in part.modules():
        registry = getattr(module, "_diffusers_hook", None)
        hook = registry.get_hook("group_offloading") if registry is not None else None
        if hook is not None:
            found.setdefault(id(hook.group), hook)
    return list(found.values())


def passing_groups(part: Any) -> list[Any]:
    """Return the groups of a part that come and go while it runs: all but the one that stays throughout."""
    return [hook.group for hook in group_hooks(part) if hook.group.onload_leader is not part]


def bytes_of(tensors: list[Any]) -> int:
    """Return the bytes of the numbers in tensors."""
    return sum(int(tensor.numel()) * int(tensor.element_size()) for tensor in tensors)
