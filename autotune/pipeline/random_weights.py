"""A pipeline from a folder without weights: drawn at random, the same for every trial and every dtype."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autotune.errors import ModelError

# A prime, so that no row of a weight begins where another did: else they would repeat one another.
_BLOCK = 1_048_573
_SEED = 0
_IGNORED = ("use_safetensors", "safety_checker", "requires_safety_checker", "trust_remote_code")


def draw_pipeline(folder: Path, loading: Mapping[str, Any]) -> Any:
    """Return the pipeline of an architecture, on the CPU, as `from_pretrained` would have loaded it.

    Args:
        folder: As `architectures.architecture_folder` wrote it.
        loading: Keyword arguments meant for `from_pretrained`: only a dtype can be followed.

    Raises:
        ModelError: Something else was asked for, such as quantization while loading.
    """
    import diffusers

    foreign = sorted(set(loading) - {"dtype", *_IGNORED})
    if foreign or not isinstance(loading.get("dtype", torch.float32), torch.dtype):
        what = ", ".join(foreign) or "a dtype for each part"
        raise ModelError(f"An architecture has no weight files: it cannot be loaded with {what}.")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    dtype = loading.get("dtype", torch.float32)
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list)}
    components = {name: _component(folder / name, entry, dtype) for name, entry in entries.items()}
    options = {
        name: value for name, value in index.items() if name not in entries and not name.startswith("_")
    }
    if index["_class_name"] == "StableDiffusionPipeline":
        components |= {"safety_checker": None, "feature_extractor": None}
        options["requires_safety_checker"] = False
    return getattr(diffusers, index["_class_name"])(**components, **options)


def draw_part(cls: Any, folder: str, dtype: torch.dtype) -> Any:
    """Return a part with random weights, on the CPU, as `from_pretrained` would have loaded it.

    Args:
        cls: Its class, of diffusers or transformers.
        folder: Holds its config.json.
        dtype: Of its weights, but for those that the class keeps in 32 bits.
    """
    return _without_weights(cls, Path(folder), dtype)


def draw_tiny_vae(options: Mapping[str, Any]) -> Any:
    """Return a Tiny AutoEncoder with random weights, whose pictures are no more flat than others.

    It has no norms, so that torch's own initialisation leaves next to nothing of its input after some thirty
    layers: such pictures would be taken for a failure. The last layer is scaled until the brightness of
    pictures from latents of a common size spreads by 0.15 around 0.5. Reckoned in 64 bits and rounded, so
    that every machine gets the same weights.

    Args:
        options: Of its class.
    """
    import diffusers

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        tiny: Any = diffusers.AutoencoderTiny(**options).eval().double()
        latents = 2 * torch.randn(1, tiny.config.latent_channels, 16, 16, dtype=torch.float64)
        pictures = tiny.decode(latents).sample / 2 + 0.5
        gain = (0.15 / pictures.std((0, 2, 3))).round(decimals=3)
        last = tiny.decoder.layers[-1]
        last.weight *= gain[:, None, None, None]
        last.bias.copy_((last.bias - pictures.mean((0, 2, 3)).round(decimals=6)) * gain + 0.5)
    return tiny.float()


def draw_weights(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Give memory and values to the parameters of a module that was built without: small normal numbers.

    Norms keep 1 and 0, matrices get the spread of torch's own initialisation, 1 / sqrt(3 × inputs). The same
    numbers are drawn whatever the dtype, and rounded.

    Args:
        module: Its parameters are on the meta device, its buffers are real.
        dtype: Of its floating-point parameters, but for those that the class keeps in 32 bits.
    """
    block = torch.randn(_BLOCK, generator=torch.Generator("cpu").manual_seed(_SEED)).repeat(2)
    drawn: dict[int, torch.nn.Parameter] = {}  # tied weights stay tied
    kept = _kept_in_fp32(module, dtype)
    for path, owner in module.named_modules():
        for name, weight in list(owner._parameters.items()):  # noqa: SLF001 - tied and None as they are
            if weight is None:
                continue
            if id(weight) not in drawn:
                is_kept = any(word in f"{path}.{name}" for word in kept)
                values = torch.empty(weight.shape, dtype=torch.float32 if is_kept else dtype)
                _fill(values, _scale(owner, name, weight), block[len(drawn) * 7_919 % _BLOCK :])
                drawn[id(weight)] = torch.nn.Parameter(values, requires_grad=False)
            owner._parameters[name] = drawn[id(weight)]  # noqa: SLF001 - as above


def _component(folder: Path, entry: list[str | None], dtype: torch.dtype) -> Any:
    import diffusers
    import transformers

    library, class_name = entry
    if library is None or class_name is None:
        return None
    cls: Any = getattr(diffusers if library == "diffusers" else transformers, class_name)
    if not issubclass(cls, torch.nn.Module):
        return cls.from_pretrained(str(folder))
    return _without_weights(cls, folder, dtype)


def _without_weights(cls: Any, folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    from accelerate import init_empty_weights

    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # as from_pretrained does: buffers are made in it
    try:
        with init_empty_weights(include_buffers=False):
            if hasattr(cls, "load_config"):
                module: torch.nn.Module = cls.from_config(cls.load_config(str(folder)))
            else:
                module = cls(cls.config_class.from_pretrained(str(folder)))
    finally:
        torch.set_default_dtype(default)
    if hasattr(module, "tie_weights"):
        module.tie_weights()  # made without memory, every name got a weight of its own
    draw_weights(module, dtype)
    return module.eval()


def _kept_in_fp32(module: torch.nn.Module, dtype: torch.dtype) -> list[str]:
    """Words in the names of parameters that the class wants in 32 bits: transformers' only in float16."""
    if dtype == torch.float32:
        return []
    always = [*(getattr(module, "_keep_in_fp32_modules_strict", None) or ())]
    declared = [*(getattr(module, "_keep_in_fp32_modules", None) or ())]
    is_transformers = type(module).__module__.startswith("transformers")
    return always + (declared if dtype == torch.float16 or not is_transformers else [])


def _scale(owner: torch.nn.Module, name: str, weight: torch.Tensor) -> float | None:
    """The spread of a parameter's values; None for one that is all ones."""
    if "Norm" in type(owner).__name__ and name == "weight":
        return None
    if name == "bias":
        return 0.0
    if isinstance(owner, torch.nn.Embedding):
        return 0.02
    inputs = weight[0].numel() if weight.dim() > 1 else weight.numel()
    return float((3 * max(inputs, 1)) ** -0.5)


def _fill(values: torch.Tensor, scale: float | None, block: torch.Tensor) -> None:
    """Fill with the first numbers of a block, over and over."""
    if not scale:
        values.fill_(1.0 if scale is None else 0.0)
        return
    flat = values.view(-1)
    piece = (block[: min(len(flat), _BLOCK)] * scale).to(values.dtype)
    whole = len(flat) // len(piece) * len(piece)
    flat[:whole].view(-1, len(piece)).copy_(piece)
    flat[whole:].copy_(piece[: len(flat) - whole])
