"""Weightless: a pipeline whose parts have shapes and no weights, and whose own code runs for real.

Every pipeline knows best what it gives its denoiser and its decoder. So its call is run as it is, on real
and small tensors, while each part stands in for itself: it is run with fake tensors, watched, and answers
zeros of the right shapes. No family needs a table of its own.
"""

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_map

from autotune.errors import ModelError
from autotune.pipeline import letters

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class CallEnded(Exception):  # noqa: N818 - not an error: the decoder has been seen, and what follows is small
    """Ends a pipeline's call after its decoder ran."""


def build_parts(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the components and options of a pipeline from its configuration files alone.

    Modules get real buffers and parameters on the meta device.

    Args:
        folder: A diffusers folder; weight files are not looked at.

    Raises:
        ModelError: A part cannot be built from its configuration.
    """
    index: dict[str, Any] = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}
    options = {name: value for name, value in index.items() if not isinstance(value, list) and name[0] != "_"}
    unused = ("safety_checker", "feature_extractor", "image_encoder")
    components = {
        name: None if name in unused else _component(folder, name, entry) for name, entry in entries.items()
    }
    if "safety_checker" in components:
        options["requires_safety_checker"] = False
    return components, options


def build_pipeline(cls: Any, components: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return a pipeline of all that its class wants to be made of; what its folder does not name is left out.

    Args:
        cls: Its class.
        components, options: What `build_parts` returned.
    """
    wanted = inspect.signature(cls.__init__).parameters
    needed = {name for name, given in wanted.items() if given.default is given.empty and name != "self"}
    known = {name: value for name, value in {**components, **options}.items() if name in wanted}
    return cls(**{**dict.fromkeys(needed), **known})


def build_module(folder: Path, class_name: str, library: str = "diffusers") -> torch.nn.Module:
    """Return a module with real buffers and parameters without memory.

    Args:
        folder: Holds its config.json.
        class_name: Its class.
        library: "diffusers" or "transformers".
    """
    import diffusers
    import transformers
    from accelerate import init_empty_weights

    cls: Any = getattr(diffusers if library == "diffusers" else transformers, class_name)
    with init_empty_weights(include_buffers=False):
        if hasattr(cls, "load_config"):
            module: torch.nn.Module = cls.from_config(cls.load_config(str(folder)))
        else:
            module = cls(cls.config_class.from_pretrained(str(folder)))
    if hasattr(module, "tie_weights"):
        module.tie_weights()  # without memory, every name got a weight of its own
    return module.eval()


def kept_in_fp32(module: torch.nn.Module, dtype: str) -> tuple[str, ...]:
    """Return words in the names of parameters that loading leaves in 32 bits, as their class demands.

    diffusers keeps them in every format of 16 bits, transformers most of them in float16 only.
    """
    if dtype == "float32":
        return ()
    always = getattr(module, "_keep_in_fp32_modules_strict", None) or ()
    declared = getattr(module, "_keep_in_fp32_modules", None) or ()
    is_transformers = type(module).__module__.startswith("transformers")
    return tuple(always) + (tuple(declared) if dtype == "float16" or not is_transformers else ())


def give_fake_weights(module: torch.nn.Module, dtype: str, mode: FakeTensorMode) -> None:
    """Replace every parameter and buffer by a fake one of a number format; tied weights stay tied."""
    kept, made = kept_in_fp32(module, dtype), {}
    with mode:
        for path, owner in module.named_modules():
            parameters, buffers = owner._parameters, owner._buffers  # noqa: SLF001 - so that ties survive
            for store in (parameters, buffers):
                for name, tensor in list(store.items()):
                    if tensor is None:
                        continue
                    if id(tensor) not in made:
                        words = f"{path}.{name}".split(".")
                        own = torch.float32 if any(word in words for word in kept) else _DTYPES[dtype]
                        own = own if tensor.is_floating_point() else tensor.dtype
                        fake = torch.empty(tensor.shape, dtype=own, device="cpu")
                        made[id(tensor)] = (tensor, fake)
                    fake = made[id(tensor)][1]
                    is_parameter = store is parameters
                    store[name] = torch.nn.Parameter(fake, requires_grad=False) if is_parameter else fake


def as_fake(arguments: Any, mode: FakeTensorMode) -> Any:
    """Return arguments with every real tensor replaced by a fake one of its shape."""

    def convert(value: object) -> object:
        is_real = isinstance(value, torch.Tensor) and not isinstance(value, FakeTensor)
        return mode.from_tensor(value) if is_real else value

    return tree_map(convert, arguments)


def as_zeros(result: Any) -> Any:
    """Return a result with every fake tensor replaced by real zeros of its shape."""
    return tree_map(
        lambda value: torch.zeros(value.shape, dtype=value.dtype) if isinstance(value, FakeTensor) else value,
        result,
    )


@contextlib.contextmanager
def replaced(module: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Have a module's method answered by another function for a while."""
    setattr(module, name, function)
    try:
        yield
    finally:
        delattr(module, name)


def _component(folder: Path, name: str, entry: list[str | None]) -> Any:
    import diffusers
    import transformers

    library, class_name = entry
    if library not in ("diffusers", "transformers") or class_name is None:
        return None
    try:
        cls: Any = getattr(diffusers if library == "diffusers" else transformers, class_name)
        if issubclass(cls, torch.nn.Module):
            return build_module(folder / name, class_name, library)
        if name.startswith("tokenizer"):
            return _tokenizer(folder / name, cls)
        return cls.from_pretrained(str(folder / name))
    except Exception as error:  # a configuration can be wrong in any way
        message = f"Part '{name}' of '{folder}' cannot be built from its configuration: {error}."
        raise ModelError(message) from error


def _tokenizer(folder: Path, cls: Any) -> Any:
    """A tokenizer; one token a letter where its vocabulary is missing: only the padded length counts."""
    try:
        return cls.from_pretrained(str(folder))
    except Exception:  # noqa: BLE001 - whatever a folder without vocabulary makes it raise
        return letters.clip_tokenizer() if "CLIP" in cls.__name__ else letters.t5_tokenizer()


def tensors_of(arguments: Any) -> list[torch.Tensor]:
    """Return the tensors among arguments, however deep."""
    found: list[torch.Tensor] = []
    tree_map(lambda value: found.append(value) if isinstance(value, torch.Tensor) else None, arguments)
    return found


def element_bytes(dtype: str) -> int:
    """Return the bytes of a number of a format.

    >>> element_bytes("bfloat16")
    2
    """
    return _DTYPES[dtype].itemsize
