"""Where a model's files are: in the package, in a local folder, on the hub, or nowhere: an architecture."""

import hashlib
import importlib.resources
import json
import re
from collections.abc import Callable
from pathlib import Path

from autotune.errors import ModelError
from autotune.pipeline.architectures import MARK, PREFIX, architecture_folder
from autotune.workload import Workload

_BLOCKS, _WHOLE_BYTES = 64, 64 * 2**20


def model_folder(workload: Workload) -> Path:
    """Return the folder of a model, downloading it from the hub when it is named by a hub id.

    Args:
        workload: Names the model, its revision and whether its code may run.

    Raises:
        ModelError: There is no such folder or hub id, it is no diffusers pipeline, or a weight file is
            damaged.
    """
    folder = _find(workload)
    check_folder(folder, workload.model)
    return folder


def config_folder(workload: Workload) -> Path:
    """Return the folder of a model of which only the configuration files are needed.

    Of a model on the hub these alone are fetched, a few kB, unless it is there as a whole.

    Args:
        workload: Names the model and its revision.

    Raises:
        ModelError: There is no such folder or hub id, or it is no diffusers pipeline.
    """
    folder = _local(workload.model) or _fetch(workload, _snapshot_of_configs)
    check_folder(folder, workload.model)
    return folder


def check_folder(folder: Path, name: str) -> None:
    """Refuse a folder that is no pipeline, or whose weights are damaged.

    Args:
        folder: The model's folder.
        name: What the user called it.

    Raises:
        ModelError: Says which file is missing or damaged.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        message = (
            f"'{name}' is no diffusers pipeline: it has no file 'model_index.json'. Name a folder that "
            "'pipeline.save_pretrained' wrote, a hub id such as 'owner/name', or 'demo'."
        )
        raise ModelError(message)
    try:
        json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"'{index}' cannot be read as JSON: {error}. Download the model again.") from error
    for file in sorted(folder.rglob("*.safetensors")):
        _check_weights(file)


def weights_digest(folder: Path) -> str:
    """Return twelve hex digits that change when the model's weights do.

    Small files are read whole; of large ones 64 blocks, evenly spread, so that 30 GB cost less than a second.

    Args:
        folder: The model's folder.
    """
    digest = hashlib.sha256()
    if (folder / MARK).is_file():  # the weights of an architecture follow from its configuration
        digest.update((folder / MARK).read_bytes())
    for file in sorted(folder.rglob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()}:{size};".encode())
        with file.open("rb") as weights:
            for number in range(_BLOCKS):
                weights.seek(
                    number * size // _BLOCKS if size > _WHOLE_BYTES else number * _WHOLE_BYTES // _BLOCKS
                )
                digest.update(weights.read(_WHOLE_BYTES // _BLOCKS))
    return digest.hexdigest()[:12]


def _find(workload: Workload) -> Path:
    return _local(workload.model) or _fetch(workload, _download)


def _local(name: str) -> Path | None:
    """The folder of a model that is on this machine; None for a hub id."""
    if name.startswith(PREFIX):
        return architecture_folder(name)
    if name == "demo":
        return Path(str(importlib.resources.files("autotune.demo"))) / "model"
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(
            f"There is no folder '{name}'. Name a diffusers folder, a hub id such as 'owner/name', or 'demo'."
        )
    return None


def _download(workload: Workload) -> str:
    from diffusers import DiffusionPipeline

    path: str = DiffusionPipeline.download(
        workload.model,
        revision=workload.revision or None,
        use_safetensors=True,
        trust_remote_code=workload.trust_remote_code,
    )
    return path


def _snapshot_of_configs(workload: Workload) -> str:
    from huggingface_hub import snapshot_download

    # Not the indices of weight files: a folder that has them is taken for one that has the weights.
    patterns = ["model_index.json", "*/*config.json", "*/tokenizer*.json", "*/vocab.json", "*/merges.txt"]
    patterns += ["*/spiece.model", "*/special_tokens_map.json", "*/added_tokens.json"]
    return snapshot_download(workload.model, revision=workload.revision or None, allow_patterns=patterns)


def _fetch(workload: Workload, get: Callable[[Workload], str]) -> Path:
    try:
        path = get(workload)
    except Exception as error:  # the hub's client raises a dozen unrelated types
        # Its first words say what matters; then come advice about its own arguments and stack traces.
        reason = re.split(r"[(\n]|\. ", str(error).strip())[0].strip() or "no reason given"
        message = (
            f"Model '{workload.model}' is neither a local folder nor could it be fetched from the hub "
            f"({type(error).__name__}: {reason}). Check the name and the network, or name a local folder."
        )
        raise ModelError(message) from error
    return Path(path)


def _check_weights(file: Path) -> None:
    from safetensors import safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            tensors.keys()
    except Exception as error:  # safetensors raises its own type, which is not exported everywhere
        message = f"Weight file '{file}' is damaged: {error}. Download or save the model again."
        raise ModelError(message) from error
