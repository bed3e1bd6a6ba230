"""Engines: programs outside of PyTorch's own interpreter that answer the calls of a module in its place.

`answer_by` puts an engine in the place of a module's `forward`. The engine is built when a call comes, from
the module as it is then, for the shapes of that call; a call of other shapes builds another one. The builders
below it know one engine each. An exported script holds this file as it stands: it uses nothing of autotune.
"""

from collections.abc import Callable
from typing import Any

Build = Callable[[Any, list[Any]], tuple[Any, Callable[[list[Any]], list[Any]]]]
"""From a module that takes tensors by position, and tensors to try it with, to the engine and to a function
that answers such tensors."""


def answer_by(module: Any, build: Build, seen: dict[str, Any], *, in_float32: bool = False) -> None:
    """Let an engine answer the calls of a module from now on.

    Args:
        module: Its `forward` is replaced.
        build: Makes the engine.
        seen: Is told what happens: "engines" that were built, calls "answered", and an "example" of a call,
            whose tensors have shapes and no values.
        in_float32: Whether the engine takes and gives 32 bits only, whatever the module computes in.
    """
    import torch
    from torch.utils import _pytree

    plain, ready = module.forward, {}
    seen |= {"engines": [], "answered": 0}

    def forward(*args: Any, **kwargs: Any) -> Any:
        leaves, form = _pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        fixed = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        shapes = [(tuple(tensor.shape), tensor.dtype, str(tensor.device)) for tensor in tensors]
        key = repr((form, fixed, shapes))
        if key not in ready:
            # Under inference_mode tensors keep no record of their changes, which exporting a module needs.
            with torch.inference_mode(mode=False), torch.no_grad():
                normal = [tensor.detach().clone() for tensor in tensors]
                flat, outcome = by_position(module, plain, (leaves, form), in_float32=in_float32)
                engine, answer = build(flat, [as_taken(tensor) for tensor in normal])
            seen["engines"].append(engine)
            seen["example"] = _pytree.tree_unflatten([as_example(leaf) for leaf in leaves], form)
            ready[key] = answer, outcome
        answer, outcome = ready[key]
        found = answer([as_taken(tensor).detach().contiguous() for tensor in tensors])
        seen["answered"] += 1
        results = [tensor.to(dtype) for tensor, dtype in zip(found, outcome["dtypes"], strict=True)]
        return _pytree.tree_unflatten(results, outcome["form"])

    def as_taken(tensor: Any) -> Any:
        return tensor.float() if in_float32 and tensor.is_floating_point() else tensor

    def as_example(leaf: Any) -> Any:
        return leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf

    module.forward = forward


def by_position(
    module: Any, plain: Callable[..., Any], call: tuple[list[Any], Any], *, in_float32: bool
) -> tuple[Any, dict[str, Any]]:
    """Return a module that takes the tensors of a call and returns those of its result, each by position.

    What else the call says (numbers, None, the form of its arguments) is fixed. The dictionary beside it is
    filled when the module runs: the "form" of the result, and the "dtypes" of its tensors.
    """
    import torch
    from torch.utils import _pytree

    leaves, form = call
    outcome: dict[str, Any] = {}

    class ByPosition(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            given = iter(tensors)
            full = [next(given).to(leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            args, kwargs = _pytree.tree_unflatten(full, form)
            results, outcome["form"] = _pytree.tree_flatten(plain(*args, **kwargs))
            outcome["dtypes"] = [result.dtype for result in results]
            return tuple(result.float() if in_float32 else result for result in results)

    return ByPosition().eval(), outcome


def places_of(module: Any) -> list[int]:
    """Return where in memory a module's weights lie: elsewhere, once others have taken their place."""
    return [tensor.data_ptr() for tensor in module.state_dict().values()]


def keep_on_disk(module: Any) -> Callable[[], None]:
    """Move a module's weights from memory into a file without a name that is mapped, and return a release.

    An engine has a copy of its own, and these are read again only to build another: the release says to the
    system that it may drop them from memory until then. Weights on a GPU stay where they are.
    """
    import mmap
    import tempfile

    import torch

    weights = {path: tensor for path, tensor in module.state_dict().items() if tensor.numel()}
    if not weights or any(tensor.device.type != "cpu" for tensor in weights.values()):
        return lambda: None
    with tempfile.TemporaryFile() as file:
        offsets = {}
        for path, tensor in weights.items():
            offsets[path] = file.tell() + -file.tell() % 64
            file.seek(offsets[path])
            file.write(tensor.detach().contiguous().flatten().view(torch.uint8).numpy())
        file.flush()
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    mapped = {
        path: torch.frombuffer(mapping, dtype=tensor.dtype, count=tensor.numel(), offset=offsets[path]).view(
            tensor.shape
        )
        for path, tensor in weights.items()
    }
    del tensor, weights
    module.load_state_dict(mapped, assign=True, strict=False)

    def release() -> None:
        page_out = 21  # MADV_PAGEOUT of Linux 5.4, which Python 3.11 has no name for: nothing written is lost
        try:
            mapping.madvise(page_out)
        except (OSError, AttributeError):
            return  # an older kernel, or no Linux: the pages stay until memory is short

    return release


def put_engine(module: Any, name: str, seen: dict[str, Any]) -> None:
    """Let an engine answer the calls of a module, with the module's own weights out of the way.

    Args:
        module: Its `forward` is replaced.
        name: "openvino", "openvino_bf16", "onnxruntime" or "tensorrt".
        seen: Is told what happens, as `answer_by` says.
    """
    if name == "tensorrt":
        answer_by(module, tensorrt_builder(), seen)
        return
    precision = "bf16" if name == "openvino_bf16" else "f32"
    build = onnxruntime_builder() if name == "onnxruntime" else openvino_builder(precision)
    kept: dict[str, Any] = {}

    def build_and_release(flat: Any, tensors: list[Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
        # Not when the knob is turned: a pipeline may cast its VAE for each decode.
        if kept.get("places") != places_of(module):
            kept["release"] = keep_on_disk(module)
            kept["places"] = places_of(module)
        built = build(flat, tensors)
        kept["release"]()
        return built

    answer_by(module, build_and_release, seen, in_float32=True)


def openvino_core() -> Any:
    """Return OpenVINO's `Core`: the same one in the whole process, until its end.

    Importing OpenVINO tells its makers so, unless its package for that is missing: in this process it is.

    A `Core` that works on the CPU sets a stack for the signal handlers of its thread. Once it and its engines
    are gone, that stack is unmapped and the one before it is set (OpenVINO 2026.4). Gone in another thread,
    or the first of two before the second, they leave an unmapped stack set: Python dies of the next Ctrl-C.
    """
    import sys

    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    # Kept by OpenVINO itself: an app may read this file more than once. Of two threads the first counts.
    kept, name = vars(openvino), "_core_of_autotune"
    return kept[name] if name in kept else kept.setdefault(name, openvino.Core())


def openvino_builder(precision: str) -> Build:
    """Return a builder for OpenVINO on the CPU, which computes in "f32" or "bf16"."""
    import warnings

    import torch

    core = openvino_core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and "BF16" not in able:
        raise NotImplementedError(f"OpenVINO computes in {', '.join(able)} on this CPU, not in bfloat16.")

    def build(flat: Any, tensors: list[Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
        import openvino

        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        # From an export, not from the module: with that OpenVINO leaks 100 MiB each time (torch 2.13).
        program = torch.export.export(flat, tuple(tensors), strict=False)
        aten = torch.ops.aten
        for node in program.graph.find_nodes(op="call_function", target=aten.empty_like.default):
            node.target = (
                aten.zeros_like.default
            )  # OpenVINO 2026.4 does not know how to leave values open (Wan)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec", FutureWarning)  # torch's, of itself
            graph = openvino.convert_model(program)
        engine = core.compile_model(graph, "CPU", options)
        request = engine.create_infer_request()

        def answer(tensors: list[Any]) -> list[Any]:
            # Its results lie in memory that the next call writes to.
            found = request.infer([tensor.numpy() for tensor in tensors], share_inputs=True)
            return [torch.from_numpy(array).clone() for array in found.values()]

        return engine, answer

    return build


def onnxruntime_builder() -> Build:
    """Return a builder for ONNX Runtime, on the CPU or on the GPU on which the tensors are."""
    import tempfile
    import warnings
    from pathlib import Path

    import onnxruntime
    import torch

    onnxruntime.disable_telemetry_events()

    def build(flat: Any, tensors: list[Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors: it warns of each constant that it does not compute ahead
        device = tensors[0].device
        provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
        program = torch.export.export(flat, tuple(tensors), strict=False)
        as_onnx_wants(program)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec", FutureWarning)  # torch's, of itself
            path = Path(folder) / "model.onnx"
            # Not optimised here: onnxscript 0.7 drops "+ 1e-15", without which Sana divides by zero.
            how = {"dynamo": True, "optimize": False, "external_data": True, "verbose": False}
            torch.onnx.export(program, f=path, **how)
            engine = onnxruntime.InferenceSession(path, options, providers=[provider])
        if engine.get_providers()[0] != provider:
            raise RuntimeError(f"ONNX Runtime has no {provider} here, only {engine.get_providers()}.")

        def answer(tensors: list[Any]) -> list[Any]:
            binding = engine.io_binding()

            def at(tensor: Any) -> tuple[Any, ...]:
                kind = torch.empty(0, dtype=tensor.dtype).numpy().dtype
                place = tensor.device  # a timestep may lie on the CPU while all else is on a GPU
                return place.type, place.index or 0, kind, tuple(tensor.shape), tensor.data_ptr()

            for node, tensor in zip(engine.get_inputs(), tensors, strict=True):
                binding.bind_input(node.name, *at(tensor))
            found = [torch.empty(node.shape, device=device) for node in engine.get_outputs()]
            for node, tensor in zip(engine.get_outputs(), found, strict=True):
                binding.bind_output(node.name, *at(tensor))
            if device.type == "cuda":
                torch.cuda.synchronize(device)  # it has a stream of its own
            engine.run_with_iobinding(binding)
            return found

        return engine, answer

    return build


def as_onnx_wants(program: Any) -> None:
    """Say in an exported program what is understood in PyTorch but an error in ONNX (torch 2.13)."""
    import torch

    graph, aten = program.graph, torch.ops.aten
    for node in graph.find_nodes(op="call_function", target=aten.squeeze.dim):
        # To PyTorch it is nothing to squeeze a dimension that is not 1.
        source, dim = node.args
        if source.meta["val"].shape[dim] != 1:
            node.replace_all_uses_with(source)
    joins = [node for node in graph.nodes if node.target in (aten.cat.default, aten.concat.default)]
    for node in joins:
        # PyTorch joins tensors of several precisions in the highest of them.
        dtype, pieces = node.meta["val"].dtype, list(node.args[0])
        for place, piece in enumerate(pieces):
            if piece.meta["val"].dtype != dtype:
                with graph.inserting_before(node):
                    pieces[place] = graph.call_function(aten.to.dtype, (piece, dtype))
                pieces[place].meta["val"] = piece.meta["val"].to(dtype)
        node.args = (pieces, *node.args[1:])


def tensorrt_builder() -> Build:
    """Return a builder for TensorRT, which computes in the precision of the module."""
    import torch
    import torch_tensorrt

    def build(flat: Any, tensors: list[Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
        device = tensors[0].device
        tensors = [tensor.to(device) for tensor in tensors]  # a timestep may lie on the CPU
        program = torch.export.export(flat, tuple(tensors), strict=False)
        engine = torch_tensorrt.dynamo.compile(program, tensors, use_explicit_typing=True)
        names = {type(part).__name__ for part in engine.modules()}
        if not any("TensorRT" in name for name in names):
            raise RuntimeError(f"Torch-TensorRT left everything to PyTorch: {', '.join(sorted(names))}.")

        def answer(tensors: list[Any]) -> list[Any]:
            return list(engine(*(tensor.to(device) for tensor in tensors)))

        return engine, answer

    return build


def trace_builder() -> Build:
    """Return a builder that records the operations of one call, and repeats them without Python."""
    import warnings

    import torch

    def build(flat: Any, tensors: list[Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
        with warnings.catch_warnings():
            # Its sizes are meant to be fixed, and that PyTorch no longer develops it is known.
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
            warnings.filterwarnings("ignore", "`torch.jit", category=DeprecationWarning)
            engine = torch.jit.trace(flat, tuple(tensors), check_trace=False, strict=False)

        def answer(tensors: list[Any]) -> list[Any]:
            return list(engine(*tensors))

        return engine, answer

    return build
