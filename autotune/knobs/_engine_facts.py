"""What the knobs of engines share beside the engines: where each one runs, and the proof that it answered."""

from typing import Any

from autotune.knob import Choice, Situation

# The kind of object that each engine is, and the package that it comes from.
_KINDS = {
    "openvino": ("CompiledModel", "openvino"),
    "openvino_bf16": ("CompiledModel", "openvino"),
    "onnxruntime": ("InferenceSession", "onnxruntime"),
    "tensorrt": ("GraphModule", "torch"),
    "trace": ("TopLevelTracedModule", "torch"),
}


def engines(situation: Situation, why_none: str) -> Choice:
    """Return the engines that a situation offers; `why_none` is a reason against all of them, or ""."""
    target = situation.target
    is_gpu = target.kind == "cuda"
    why_openvino = why_onnx = why_tensorrt = ""
    if is_gpu:
        why_openvino = "OpenVINO runs on CPUs and on GPUs of Intel"
    elif not target.has("openvino"):
        why_openvino = "it needs the package 'openvino': pip install 'autotune[openvino]'"
    runtimes = ("onnxruntime-gpu",) if is_gpu else ("onnxruntime", "onnxruntime-gpu")
    missing = [name for name in ("onnx", "onnxscript") if not target.has(name)]
    if not any(target.has(name) for name in runtimes):
        missing.insert(0, runtimes[0])
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        extra = "" if is_gpu else ": pip install 'autotune[onnx]'"
        why_onnx = f"it needs {names}{extra}"
    if not is_gpu:
        why_tensorrt = "TensorRT runs on GPUs of NVIDIA"
    elif not target.has("torch-tensorrt"):
        why_tensorrt = "it needs the package 'torch-tensorrt': pip install 'autotune[tensorrt]'"
    return Choice.of(
        "torch",
        {
            "openvino": why_none or why_openvino,
            "openvino_bf16": why_none or why_openvino,
            "onnxruntime": why_none or why_onnx,
            "tensorrt": why_none or why_tensorrt,
        },
    )


def why_not_answered(module: Any, seen: dict[str, Any], engine: str) -> str | None:
    """Return what shows that a module's calls are not answered by an engine, or None when they are.

    One more call is made, of the shapes that were seen first, while every layer of the module is watched.
    """
    if not seen.get("answered"):
        return "No call was answered by an engine."
    kind, package = _KINDS[engine]
    for built in seen["engines"]:
        if type(built).__name__ != kind or not type(built).__module__.startswith(package):
            return f"The calls are answered by a {type(built).__name__} of {type(built).__module__}."
    before, (args, kwargs) = seen["answered"], _values(seen["example"], module)
    ran = _layers_that_run(module, args, kwargs)
    if ran:
        return f"PyTorch itself still runs {ran} layers in a call."
    if seen["answered"] != before + 1:
        return "A call was answered, but not by the engine."
    if engine == "openvino_bf16":
        return _why_not_bfloat16(seen["engines"][0])
    return None


def _values(example: Any, module: Any) -> Any:
    """The arguments of a call with zeros for the values of its tensors, where the module's weights are."""
    import torch
    from torch.utils import _pytree

    device = next(module.parameters()).device

    def filled(leaf: Any) -> Any:
        return torch.zeros_like(leaf, device=device) if isinstance(leaf, torch.Tensor) else leaf

    return _pytree.tree_map(filled, example)


def _layers_that_run(module: Any, args: Any, kwargs: Any) -> int:
    """How many times PyTorch runs a layer below a module in one call of it."""
    import torch

    ran: list[Any] = []

    def note(layer: Any, _arguments: Any) -> None:
        ran.append(layer)

    handles = [layer.register_forward_pre_hook(note) for layer in module.modules() if layer is not module]
    try:
        with torch.inference_mode():
            module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return len(ran)


def _why_not_bfloat16(engine: Any) -> str | None:
    """What OpenVINO's own account of its operations says against 16 bits."""
    kinds = [
        node.get_rt_info()["runtimePrecision"].astype(str) for node in engine.get_runtime_model().get_ops()
    ]
    halves = sum(kind == "bf16" for kind in kinds)
    return None if halves else f"OpenVINO computes none of its {len(kinds)} operations in bfloat16."
