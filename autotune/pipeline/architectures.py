"""Full-size architectures without weights: a card can be tuned for a model before it is downloaded.

A folder is written that holds what a diffusers folder holds, but for the weights; `random_weights` draws
those when a trial loads it. Latency and memory are those of the real model; its pictures mean nothing.
"""

import contextlib
import hashlib
import importlib.resources
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from autotune.errors import UnknownName

PREFIX = "arch:"
MARK = "architecture.json"
"""A file of this name marks a folder without weights."""
_LAYOUT = 2  # raised when something else is written for the same description
_DENOISERS = "denoisers"
"""The subfolder with the configurations of denoisers that can take the place of the model's own."""


def architecture_names() -> tuple[str, ...]:
    """Return the models that there are, such as "arch:sdxl"."""
    return tuple(f"{PREFIX}{name}" for name in _table()["models"])


def is_architecture(folder: Path) -> bool:
    """Whether a model's folder is one of these: it has configurations and no weights."""
    return (folder / MARK).is_file()


def architecture_folder(model: str) -> Path:
    """Return the folder of an architecture, written to the user's cache when it is not there.

    Args:
        model: Such as "arch:sdxl".

    Raises:
        UnknownName: There is no such architecture.
    """
    name = model.removeprefix(PREFIX)
    models = _table()["models"]
    if name not in models:
        raise UnknownName("architecture", model, architecture_names())
    text = json.dumps(_described(name), sort_keys=True, indent=1)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = cache_folder() / "architectures" / f"{name}-{digest}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{name}-"))
        try:
            _write(fresh, name)
            (fresh / MARK).write_text(text, encoding="utf-8")
            with contextlib.suppress(OSError):  # another process was faster: its folder is the same
                fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def other_denoisers(folder: Path) -> dict[str, str]:
    """Return the denoisers that fit an architecture beside its own, such as a distilled one.

    Args:
        folder: Of the architecture.

    Returns:
        Where in the folder each one's configuration is, by its name: {"arch:small": "denoisers/small"}.
    """
    found = sorted(file.parent.name for file in (folder / _DENOISERS).glob("*/config.json"))
    return {f"{PREFIX}{name}": f"{_DENOISERS}/{name}" for name in found}


def cache_folder() -> Path:
    """Return where autotune keeps what can be made again: `$XDG_CACHE_HOME/autotune`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "autotune"


@cache
def _table() -> dict[str, Any]:
    file = importlib.resources.files("autotune.pipeline") / "architectures.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _described(name: str) -> dict[str, Any]:
    """All that the folder of a model is made of, with the versions that write it."""
    import diffusers
    import transformers

    model = _table()["models"][name]
    modules = {**model["parts"], **model.get("denoisers", {})}
    parts = {part: module_config(module) for part, module in modules.items()}
    versions = {"diffusers": diffusers.__version__, "transformers": transformers.__version__}
    return {"name": name, "model": model, "parts": parts, "versions": versions, "layout": _LAYOUT}


def module_config(name: str) -> dict[str, Any]:
    """Return a module's class and configuration, with what it takes over from another filled in."""
    own = {key: None if value == "none" else value for key, value in _table()["modules"][name].items()}
    like = str(own.pop("like", ""))
    return {**(module_config(like) if like else {}), **own}


def build_module(config: Mapping[str, Any]) -> Any:
    """Return a module without memory for its weights."""
    import diffusers
    import torch
    import transformers

    options = {key: value for key, value in config.items() if key != "class"}
    with torch.device("meta"):
        if hasattr(diffusers, config["class"]):
            return getattr(diffusers, config["class"]).from_config(options)
        cls = getattr(transformers, config["class"])
        return cls(cls.config_class(**options))


def _write(folder: Path, name: str) -> None:
    """Write configurations, tokenizers and scheduler; of the weights only those of the Tiny AutoEncoder."""
    import diffusers

    from autotune.pipeline import letters
    from autotune.pipeline.random_weights import draw_tiny_vae

    model = _table()["models"][name]
    index: dict[str, Any] = {"_class_name": model["pipeline"], "_diffusers_version": diffusers.__version__}
    index |= model.get("options", {})
    for part, module_name in model["parts"].items():
        module = build_module(module_config(module_name))
        is_diffusers = hasattr(diffusers, type(module).__name__)
        (module.save_config if is_diffusers else module.config.save_pretrained)(folder / part)
        index[part] = ["diffusers" if is_diffusers else "transformers", type(module).__name__]
    for other, module_name in model.get("denoisers", {}).items():
        build_module(module_config(module_name)).save_config(folder / _DENOISERS / other)
    makers = {"clip": letters.clip_tokenizer, "t5": letters.t5_tokenizer}
    for part, kind in model["tokenizers"].items():
        tokenizer = makers[kind]()
        tokenizer.save_pretrained(folder / part)
        index[part] = ["transformers", type(tokenizer).__name__]
    options = {key: value for key, value in model["scheduler"].items() if key != "class"}
    getattr(diffusers, model["scheduler"]["class"])(**options).save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", model["scheduler"]["class"]]
    tiny = {key: value for key, value in module_config(model["tiny_vae"]).items() if key != "class"}
    draw_tiny_vae(tiny).save_pretrained(folder / "vae_tiny")
    (folder / "model_index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
