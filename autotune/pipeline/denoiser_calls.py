"""Calls of the denoiser: watched without leaving a trace, described as JSON and tensors, made again."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

NAMES = ("unet", "transformer", "transformer_2")
"""What a pipeline may call its denoiser; Wan 2.2 has two, which take turns."""


class UndescribableError(Exception):
    """A call holds a value that is neither a tensor nor plain JSON."""


def denoisers(pipeline: Any) -> dict[str, Any]:
    """Return the parts of a pipeline that are run at every step, by name."""
    parts = {name: getattr(pipeline, name, None) for name in NAMES}
    return {name: part for name, part in parts.items() if part is not None}


def why_unwatchable(part: Any) -> str:
    """Return why the calls of a denoiser cannot be watched, "" when they can."""
    if isinstance(part, torch.nn.Module):
        return ""
    return f"The denoiser is a {type(part).__name__}, which is no module of PyTorch."


@contextmanager
def watched(module: Any, around: Callable[[Callable[..., Any], Any, Any], Any]) -> Iterator[None]:
    """Let a function make the calls of a module while inside.

    Neither the pipeline's attribute is replaced, which offloading would lose sight of, nor is a hook of the
    module registered, of which compiled code would be compiled again: PyTorch looks for `_compiled_call_impl`
    before any of that, and there a compiled module keeps its compiled self.

    Args:
        module: Of PyTorch, compiled or not.
        around: Is given the function that makes the call, its positional and its named arguments, and returns
            what the call returned.
    """
    attributes = vars(module)  # not by setattr, which a module from `torch.compile` hands to what it wraps
    name = "_compiled_call_impl"
    was_there, before = name in attributes, attributes.get(name)
    plain = module._call_impl if before is None else before  # noqa: SLF001 - there is no public way

    def watch(*args: Any, **kwargs: Any) -> Any:
        return around(plain, args, kwargs)

    attributes[name] = watch
    try:
        yield
    finally:
        if was_there:
            attributes[name] = before
        else:
            attributes.pop(name, None)


def describe(value: Any, tensors: list[Tensor]) -> Any:
    """Return the form of a value as plain JSON; the tensors within are put into a list, in order.

    Args:
        value: Tensors, None, numbers, words and truth values, in lists, tuples and dictionaries.
        tensors: Is extended.

    Raises:
        UndescribableError: It holds something else.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if type(value) in (list, tuple):
        return {type(value).__name__: [describe(item, tensors) for item in value]}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"dict": {key: describe(item, tensors) for key, item in value.items()}}
    raise UndescribableError(f"The denoiser is given a {type(value).__name__}, which cannot be written down.")


def rebuild(form: Mapping[str, Any], tensors: list[Tensor]) -> Any:
    """Return the value that `describe` was given."""
    ((kind, content),) = form.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "value":
        return content
    if kind == "dict":
        return {key: rebuild(item, tensors) for key, item in content.items()}
    items = [rebuild(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def why_other_form(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Return where two forms differ, "" where they are alike; numbers may change from step to step.

    >>> why_other_form({"dict": {"a": {"value": 1.5}}}, {"dict": {"a": {"value": 2.5}}})
    ''
    >>> why_other_form({"dict": {"a": {"value": None}}}, {"dict": {"a": {"tensor": 0}}})
    "'a' is a value here and a tensor there"
    """
    ((kind, content),), ((other, expected),) = ours.items(), theirs.items()
    if kind != other:
        return f"it is a {kind} here and a {other} there"
    if kind == "dict":
        if content.keys() != expected.keys():
            return f"'{min(content.keys() ^ expected.keys())}' is given on one side only"
        found = ((f"'{key}'", why_other_form(content[key], expected[key])) for key in content)
    elif kind in ("list", "tuple"):
        if len(content) != len(expected):
            return f"{len(content)} values are given here and {len(expected)} there"
        pairs = zip(content, expected, strict=True)
        found = ((f"value {place}", why_other_form(a, b)) for place, (a, b) in enumerate(pairs))
    else:
        are_numbers = type(content) in (int, float) and type(content) is type(expected)
        alike = kind == "tensor" or are_numbers or content == expected
        return "" if alike else f"it is {content!r} here and {expected!r} there"
    return next(
        (why.replace("it", name, 1) if why.startswith("it ") else why for name, why in found if why), ""
    )


def like(tensor: Tensor, example: Tensor, device: torch.device) -> Tensor:
    """Return a fresh copy of a tensor in the dtype and with the strides of an example.

    Compiled code looks at both, and at whether a tensor was made in inference mode, as this one is where the
    function is called in it.

    Args:
        tensor: Any.
        example: The same shape; its values do not matter, so that it may lie on the device "meta".
        device: Where the copy is to be.

    Raises:
        ValueError: The dtype cannot hold the values, or the example repeats values where the tensor has
            several.
    """
    cast = tensor.to(example.dtype)
    if not example.is_floating_point() and not torch.equal(cast.to(tensor.dtype), tensor):
        raise ValueError(f"{tensor.dtype} values do not fit into {example.dtype}")
    once = cast
    for dim, (size, stride) in enumerate(zip(example.shape, example.stride(), strict=True)):
        if size > 1 and stride == 0:
            once = once.narrow(dim, 0, 1)
    if not torch.equal(once.expand(example.shape), cast):
        raise ValueError("one value is repeated here where the reference has several")
    strides = [stride or 1 for stride in example.stride()]
    copy = torch.empty_strided(once.shape, strides, dtype=example.dtype, device=device)
    return copy.copy_(once).expand(example.shape)
