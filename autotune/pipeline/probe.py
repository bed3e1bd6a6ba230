"""What there is: the machine as a Target, and the model as a Blueprint, from its configuration files."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from autotune.blueprint import Blueprint, Json, Part
from autotune.errors import ModelError
from autotune.knob import Situation
from autotune.pipeline.architectures import is_architecture, other_denoisers
from autotune.pipeline.machine import read_target, resolve_device
from autotune.pipeline.models import model_folder, weights_digest
from autotune.pipeline.sizes import resolve_size, size_facts
from autotune.target import Target
from autotune.weight_bytes import is_quantized
from autotune.workload import Workload

# The Tiny AutoEncoder that its author publishes for each family's latents: github.com/madebyollin/taesd
_TINY_VAES = {
    "StableDiffusionPipeline": "madebyollin/taesd",
    "StableDiffusionXLPipeline": "madebyollin/taesdxl",
    "StableDiffusion3Pipeline": "madebyollin/taesd3",
    "FluxPipeline": "madebyollin/taef1",
    "PixArtAlphaPipeline": "madebyollin/taesd",  # it has the VAE of Stable Diffusion 1
    "PixArtSigmaPipeline": "madebyollin/taesdxl",  # it has the VAE of SDXL
}
_FP16_FIX = "madebyollin/sdxl-vae-fp16-fix"


def probe(workload: Workload, device: str) -> Situation:
    """Return machine, model and workload as facts; the workload's sizes are filled in.

    Args:
        workload: Names the model.
        device: Torch device string.

    Raises:
        ModelError: The model cannot be found or read.
        DeviceError: The machine has no such device.
        PlanError: The workload's size does not suit the model.
    """
    target = read_target(resolve_device(device))
    folder = model_folder(workload)
    situation = situate(folder, workload, target)
    # Hashed here, once for a study, and not by each of its trials.
    facts = {**situation.blueprint.facts, "weights": weights_digest(folder)}
    return replace(situation, blueprint=replace(situation.blueprint, facts=facts))


def situate(folder: Path, workload: Workload, target: Target) -> Situation:
    """Return what knobs look at, for a model whose folder is known; the workload's sizes are filled in.

    Args:
        folder: The model's folder.
        workload: What is made.
        target: The machine.

    Raises:
        ModelError: A part's configuration is missing or cannot be understood.
        PlanError: The workload's size does not suit the model.
    """
    blueprint = read_blueprint(folder, workload.model)
    return Situation(target=target, blueprint=blueprint, workload=resolve_size(workload, blueprint))


def read_blueprint(folder: Path, name: str) -> Blueprint:
    """Return the facts of a model, from its configuration files.

    Args:
        folder: The model's folder.
        name: What the user called it.

    Raises:
        ModelError: A part's configuration is missing or cannot be understood.
    """
    import diffusers

    index: dict[str, Any] = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    class_name = str(index.get("_class_name", ""))
    pipeline_class = getattr(diffusers, class_name, None)
    if pipeline_class is None:
        lacking = f"'{name}' is a '{class_name}', which diffusers {diffusers.__version__} does not have."
        raise ModelError(f"{lacking} Update diffusers.")

    modules = {part: _module(folder, part, entry, name) for part, entry in index.items() if _is_part(entry)}
    built = {part: module for part, module in modules.items() if isinstance(module, torch.nn.Module)}
    if not built:
        raise ModelError(f"'{name}' has no part with weights. It is no pipeline that can be tuned.")
    scheduler, prediction = _scheduler(folder)
    facts = _facts(folder, pipeline_class, built)
    return Blueprint(
        pipeline_class=class_name,
        parts={part: _part(module) for part, module in built.items()},
        abilities=frozenset(_abilities(pipeline_class, built, facts)),
        scheduler=scheduler,
        prediction=prediction,
        facts=facts,
    )


def _is_part(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)


def _module(folder: Path, part: str, entry: list[str], name: str) -> torch.nn.Module | None:
    """Build a part without memory for its weights; None for tokenizers, schedulers and the like."""
    library, class_name = entry
    try:
        if library == "diffusers":
            return _diffusers_module(folder / part, class_name)
        if library == "transformers":
            return _transformers_module(folder / part, class_name)
    except Exception as error:  # a config can be wrong in any way
        raise ModelError(
            f"Part '{part}' of '{name}' cannot be built from its configuration: {error}."
        ) from error
    return None


def _diffusers_module(folder: Path, class_name: str) -> torch.nn.Module | None:
    import diffusers

    cls: Any = getattr(diffusers, class_name)
    if not issubclass(cls, torch.nn.Module):
        return None
    config = cls.load_config(str(folder))
    with torch.device("meta"):
        module: torch.nn.Module = cls.from_config(config)
    return module


def _transformers_module(folder: Path, class_name: str) -> torch.nn.Module | None:
    import transformers

    cls: Any = getattr(transformers, class_name)
    if not hasattr(cls, "config_class") or not hasattr(cls, "forward"):
        return None
    config = cls.config_class.from_pretrained(str(folder))
    with torch.device("meta"):
        module: torch.nn.Module = cls(config)
    return module


def _part(module: torch.nn.Module) -> Part:
    total = sum(p.numel() for p in module.parameters())
    stored = total + sum(b.numel() for b in module.buffers())
    linear = sum(m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Linear))
    conv = sum(m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Conv2d))
    share = max(total, 1)
    return Part(
        class_name=type(module).__name__,
        parameters=total,
        bytes_fp32=4 * stored,
        linear_share=round(linear / share, 4),
        conv_share=round(conv / share, 4),
    )


def _scheduler_config(folder: Path) -> dict[str, Any]:
    file = folder / "scheduler" / "scheduler_config.json"
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return config


def _scheduler(folder: Path) -> tuple[str, str]:
    config = _scheduler_config(folder)
    name, prediction = str(config.get("_class_name", "")), str(config.get("prediction_type", "epsilon"))
    # Sana and Wan ship solvers made for noise, told to follow a flow.
    is_flow = name.startswith("FlowMatch") or prediction == "flow_prediction" or config.get("use_flow_sigmas")
    return name, "flow" if is_flow else prediction


def _facts(folder: Path, pipeline_class: Any, modules: dict[str, torch.nn.Module]) -> dict[str, Json]:
    class_name = pipeline_class.__name__
    facts: dict[str, Json] = {}
    if is_architecture(folder):
        facts |= {"random_weights": True, "denoisers": {**other_denoisers(folder)}}
    denoiser = next((name for name in ("unet", "transformer") if name in modules), None)
    vae: Any = modules.get("vae")
    if denoiser:
        facts["denoiser"] = denoiser
    facts["dynamic_shifting"] = bool(_scheduler_config(folder).get("use_dynamic_shifting", False))
    if vae is not None:
        size = getattr(vae.config, "sample_size", 0)
        facts["force_upcast"] = bool(getattr(vae.config, "force_upcast", False))
        facts["vae_sample_size"] = int(size[0] if isinstance(size, (list, tuple)) else size or 0)
    facts |= size_facts(pipeline_class, modules.get(denoiser or ""), vae)
    facts |= {f"int4_share_{kind}": _int4_shares(modules, kind) for kind in ("cpu", "cuda")}
    return facts | _tiny_vae(folder, class_name) | _fp16_fix(folder, class_name)


def _attention(denoiser: Any) -> dict[str, Json]:
    """The widths of the denoiser's attention heads, and the length of its longest list of blocks."""
    layers = [m for m in denoiser.modules() if isinstance(getattr(m, "to_q", None), torch.nn.Linear)]
    widths = {m.to_q.out_features // int(m.heads) for m in layers if getattr(m, "heads", 0)}
    blocks = [len(m) for m in denoiser.children() if isinstance(m, torch.nn.ModuleList)]
    return {"head_dims": [*sorted(widths)], "denoiser_blocks": max(blocks, default=0)}


def _int4_shares(modules: dict[str, torch.nn.Module], kind: str) -> dict[str, Json]:
    """For each part, the share of its linear weights that has shapes which int4 can hold on such a device."""
    shares: dict[str, Json] = {}
    for name, module in modules.items():
        linear = {path: m for path, m in module.named_modules() if isinstance(m, torch.nn.Linear)}
        held = {
            path: m.weight.numel()
            for path, m in linear.items()
            if is_quantized("int4_weight_only", path, m.out_features, m.in_features, kind=kind)
        }
        if linear:
            shares[name] = round(sum(held.values()) / sum(m.weight.numel() for m in linear.values()), 4)
    return shares


def _tiny_vae(folder: Path, class_name: str) -> dict[str, Json]:
    if (folder / "vae_tiny" / "config.json").is_file():
        return {"tiny_vae": str(folder / "vae_tiny")}
    known = _TINY_VAES.get(class_name)
    if known is None:
        return {}
    cached = _cached(known)
    return {"tiny_vae": cached} if cached else {"tiny_vae_hint": known}


def _fp16_fix(folder: Path, class_name: str) -> dict[str, Json]:
    """Where the VAE of SDXL that does not overflow in float16 is found: beside the model, or in the cache."""
    if (folder / "vae_fp16_fix" / "config.json").is_file():
        return {"vae_fp16_fix": str(folder / "vae_fp16_fix")}
    cached = _cached(_FP16_FIX) if class_name == "StableDiffusionXLPipeline" else ""
    return {"vae_fp16_fix": cached} if cached else {}


def _cached(model: str) -> str:
    """The folder of a model of one part in the hub's local cache; "" when it or its weights are not there."""
    from huggingface_hub import try_to_load_from_cache

    names = ("config.json", "diffusion_pytorch_model.safetensors")
    files = [file for name in names if isinstance(file := try_to_load_from_cache(model, name), str)]
    return str(Path(files[0]).parent) if len(files) == len(names) else ""


def _abilities(pipeline_class: Any, modules: dict[str, torch.nn.Module], facts: dict[str, Json]) -> list[str]:
    denoiser: Any = modules.get(str(facts.get("denoiser")))
    vae: Any = modules.get("vae")
    processors = list(getattr(denoiser, "attn_processors", {}).values())
    arguments = inspect.signature(pipeline_class.__call__).parameters
    encode = getattr(pipeline_class, "encode_prompt", None)
    encoding = inspect.signature(encode).parameters if encode is not None else {}
    seen = {
        "attention_slicing": hasattr(denoiser, "set_attention_slice"),
        "attention_dispatcher": any(hasattr(processor, "_attention_backend") for processor in processors),
        "attn_processor_2_0": bool(processors)
        and all(type(p).__name__ == "AttnProcessor2_0" for p in processors),
        # Sana has nothing to fuse, and the processors of LTX do not use what was fused (diffusers 0.42).
        "fuse_qkv": hasattr(denoiser, "fuse_qkv_projections")
        and not type(denoiser).__name__.startswith(("Sana", "LTX")),
        "attention_mask": facts.get("denoiser") == "transformer"
        and "encoder_attention_mask" in inspect.signature(denoiser.forward).parameters,
        "repeated_blocks": bool(getattr(denoiser, "_repeated_blocks", None)),
        "block_lists": any(isinstance(m, torch.nn.ModuleList) for m in _children(denoiser)),
        "single_file": hasattr(type(denoiser), "from_single_file"),
        "fp32_layers": _keeps_layers(denoiser),
        "group_offload": bool(getattr(denoiser, "_supports_group_offloading", False)),
        "layerwise_casting": hasattr(denoiser, "enable_layerwise_casting"),
        "step_cache": hasattr(denoiser, "enable_cache"),
        "current_timestep": hasattr(pipeline_class, "current_timestep"),
        "conv_1x1": any(_is_product(module) for module in denoiser.modules()) if denoiser else False,
        "vae_upcast": "force_upcast" in inspect.getsource(pipeline_class.__call__),
        "vae_slicing": hasattr(vae, "enable_slicing"),
        "vae_tiling": hasattr(vae, "enable_tiling"),
        "plain_decoder": _has_plain_decoder(vae),
        "tiny_vae": "tiny_vae" in facts,
        "encode_prompt": hasattr(pipeline_class, "encode_prompt") and "prompt_embeds" in arguments,
        # Not by the property of that name, which PixArt lacks; Flux has the argument, and guides otherwise.
        "cfg": "guidance_scale" in arguments and "do_classifier_free_guidance" in encoding,
        "step_callback": "callback_on_step_end" in arguments,
        "model_offload": getattr(pipeline_class, "model_cpu_offload_seq", None) is not None,
    }
    return [name for name, is_seen in seen.items() if is_seen]


def _keeps_layers(denoiser: Any) -> bool:
    """Whether the denoiser's class wants some of its linear layers in 32 bits, whatever the others are in."""
    words = set(getattr(denoiser, "_keep_in_fp32_modules", None) or ())
    named = denoiser.named_modules() if words else ()
    return any(isinstance(m, torch.nn.Linear) and words & set(path.split(".")) for path, m in named)


def _is_product(module: torch.nn.Module) -> bool:
    """Whether a module is a convolution that is a matrix product at each pixel."""
    is_plain = isinstance(module, torch.nn.Conv2d) and module.groups == 1
    return is_plain and (module.kernel_size, module.stride) == ((1, 1), (1, 1))


def _has_plain_decoder(vae: Any) -> bool:
    """Whether the VAE's decoder is a function of its tensors alone: it remembers and draws nothing."""
    decoder = getattr(vae, "decoder", None)
    if not isinstance(decoder, torch.nn.Module):
        return False
    draws = any(getattr(vae.config, "decoder_inject_noise", None) or ())
    return "feat_cache" not in inspect.signature(decoder.forward).parameters and not draws


def _children(module: Any) -> list[Any]:
    return list(module.children()) if isinstance(module, torch.nn.Module) else []
