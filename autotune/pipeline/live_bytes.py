"""Live bytes: runs modules without memory for their weights, and counts what would be alive at each moment.

A module's parameters become fake tensors, which have shapes and no storage. Under `LiveBytes` every
operation adds the storages it makes and takes them away when they die: the same figures as on a device whose
allocator never wastes anything, hence a bound from below. It counts real tensors just as well, which is how
it is tested.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BLOCK_BYTES = 512  # CUDA's caching allocator rounds up to these


@dataclass(kw_only=True)
class Moment:
    """A stretch between two moments at which a module begins or ends.

    Attributes:
        path: The module that ends the stretch by beginning or ending; "" at the very end.
        begins: Whether it begins.
        peak: The most live bytes of the stretch.
    """

    path: str
    begins: bool
    peak: int


@dataclass(kw_only=True)
class Record:
    """What one call came to.

    Attributes:
        peak: The most live bytes.
        moments: The call cut at the beginning and the end of every module.
    """

    peak: int = 0
    moments: list[Moment] = field(default_factory=list)

    def peak_with(self, groups: Mapping[str, int], *, ahead: bool = False) -> int:
        """Return the most live bytes when modules bring their weights along while they run.

        Args:
            groups: Path of a module to the bytes that it brings.
            ahead: Whether the next group is brought while one runs.
        """
        order = [moment.path for moment in self.moments if moment.begins and moment.path in groups]
        running: dict[str, int] = {}
        begun, most = 0, 0
        for moment in self.moments:
            extra = groups[order[begun]] if ahead and running and begun < len(order) else 0
            most = max(most, moment.peak + sum(running.values()) + extra)
            if moment.path not in groups:
                continue
            if moment.begins:
                running[moment.path] = groups[moment.path]
                begun += 1
            else:
                running.pop(moment.path, None)
        return most


class LiveBytes(TorchDispatchMode):
    """Counts the storages that the operations under it make, as long as they live."""

    def __init__(self, weights: Iterable[torch.Tensor] = ()) -> None:
        """Begin.

        Args:
            weights: Tensors whose storages are not counted.
        """
        super().__init__()
        self.record = Record()
        self._live = self._stretch = 0
        self._ends: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._sizes: dict[int, int] = {_key(tensor.untyped_storage()): 0 for tensor in weights}

    def count(self, tensors: Iterable[object]) -> None:
        """Add the storages of tensors that were not seen before."""
        for tensor in tensors:
            if isinstance(tensor, torch.Tensor):
                self._add(tensor)

    def mark(self, path: str, *, begins: bool) -> None:
        """Cut the record where a module begins or ends."""
        self.record.moments.append(Moment(path=path, begins=begins, peak=self._stretch))
        self._stretch = self._live

    def finish(self) -> Record:
        """Return the record."""
        self.mark("", begins=False)
        return self.record

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it returns."""
        out = func(*args, **(kwargs or {}))
        self.count(tree_leaves(out))
        return out

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = _key(storage)
        if key in self._sizes:
            return
        size = -(-storage.nbytes() // _BLOCK_BYTES) * _BLOCK_BYTES
        self._sizes[key] = size
        self._live += size
        self._stretch = max(self._stretch, self._live)
        self.record.peak = max(self.record.peak, self._live)
        self._ends[key] = weakref.ref(storage, lambda _end: self._drop(key))

    def _drop(self, key: int) -> None:
        self._live -= self._sizes.pop(key, 0)
        self._ends.pop(key, None)


def _key(storage: torch.UntypedStorage) -> int:
    return int(storage._cdata)  # noqa: SLF001 - the only name that two views of one storage share


class FusedAttention(TorchFunctionMode):
    """Attention as a fused kernel computes it: the result and one number a row, never the scores.

    Fake tensors on a CPU take the path that holds them, whatever a GPU would do.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace scaled_dot_product_attention; pass on all else."""
        given = kwargs or {}
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **given)
        names = ("query", "key", "value")
        query, _, value = (args[i] if i < len(args) else given[name] for i, name in enumerate(names))
        rows = torch.empty(query.shape[:-1], dtype=torch.float32, device=query.device)
        result = torch.empty(*query.shape[:-1], value.shape[-1], dtype=query.dtype, device=query.device)
        del rows
        return result


def watched(
    module: torch.nn.Module, call: Callable[[], object], arguments: Iterable[object] = ()
) -> tuple[Record, Any]:
    """Return what a call of a module needs beside its weights, and what it returns.

    Args:
        module: Its parameters and buffers are not counted; its children's beginnings and ends are noted.
        call: Runs it.
        arguments: Tensors that it is given: they are alive as long as it runs.
    """
    live = LiveBytes([*module.parameters(), *module.buffers()])
    live.count(arguments)
    with _noted(module, live), live, torch.no_grad():
        result = call()
    return live.finish(), result


@contextmanager
def _noted(module: torch.nn.Module, live: LiveBytes) -> Iterator[None]:
    """Mark the beginning and the end of every child that has weights, and of the module itself."""
    handles = []
    for path, child in module.named_modules():
        if next(child.parameters(), None) is None and next(child.buffers(), None) is None:
            continue
        handles.append(child.register_forward_pre_hook(_marker(live, path, begins=True)))
        handles.append(child.register_forward_hook(_marker(live, path, begins=False)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _marker(live: LiveBytes, path: str, *, begins: bool) -> Callable[..., None]:
    def mark(*_: object) -> None:
        live.mark(path or ".", begins=begins)

    return mark
