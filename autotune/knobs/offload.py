"""offload: keep weights in host memory and bring them to the GPU when needed, for models that do not fit."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._groups import (
    denoiser_of,
    group_hooks,
    is_grouped,
    passing_groups,
    quantized_formats,
    why_no_groups,
    why_no_offload,
)


def domain(situation: Situation) -> Choice:
    """Offer it on accelerators; on a CPU there is nowhere to offload to."""
    can, why, groups = situation.blueprint.can, why_no_offload(situation), why_no_groups(situation)
    no_order = "" if can("model_offload") else "the pipeline does not say in which order its parts run"
    no_blocks = "" if can("block_lists") else "the denoiser has no list of blocks"
    others: dict[Value, str] = {"model": why or no_order, "group_block": groups or no_blocks}
    return Choice.of("none", others | {"group_leaf": groups, "sequential": why})


def turn(setup: Setup, value: str) -> None:
    """Bring parts ("model"), blocks, or single layers to the device only while they run."""
    import os

    import torch
    from diffusers.hooks import apply_group_offloading

    pipeline = setup.pipeline
    setup.is_placed = True
    if value == "model":
        pipeline.enable_model_cpu_offload(device=setup.device)
        return
    if value == "sequential":
        pipeline.enable_sequential_cpu_offload(device=setup.device)
        return
    options = {"num_blocks_per_group": 1, **setup.notes.get("offload_options", {})}
    disk = options.pop("offload_to_disk_path", None)
    # Part by part: the pipeline's own method would give text encoders blocks, which they do not have, would
    # put the VAE into groups that its `decode` passes by, and would let parts overwrite each other's files.
    for name, part in pipeline.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        is_denoiser = name.startswith(("unet", "transformer"))
        if not is_denoiser and not name.startswith("text_encoder"):
            part.to(setup.device)
            continue
        if disk:
            options["offload_to_disk_path"] = os.path.join(disk, name)  # noqa: PTH118 - the script's imports
            first: dict[int, torch.nn.Module] = {}
            for path, module in list(part.named_modules()):
                for weight in module.parameters(recurse=False):
                    # Embeddings that share one weight (T5) must be one module: as two groups, the second
                    # would save what is left after the first has freed it (diffusers 0.42: wrong pictures).
                    same = first.setdefault(id(weight), module)
                    if same is not module:
                        part.set_submodule(path, same)
        level = "block_level" if is_denoiser and value == "group_block" else "leaf_level"
        apply_group_offloading(part, torch.device(setup.device), offload_type=level, **options)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what cannot be moved: weights that a quantizer keeps in tensors of its own kind."""
    value, formats = str(settings.get("offload", "none")), quantized_formats(settings)
    if value in ("group_block", "group_leaf", "sequential") and any("quanto" in name for name in formats):
        issue = "diffusers #10526" if value == "sequential" else "diffusers #12610"
        return f"offload = {value} does not go with weights of quanto, of which it moves one half ({issue})."
    is_quantized = settings.get("quantization", "none") != "none"
    if value == "group_block" and is_quantized and settings.get("compile", "none") != "none":
        return (
            "offload = group_block does not go with quantization and compile at once: torch cannot swap the "
            "quantized weights of a compiled block (seen with diffusers 0.42, torchao 0.18). group_leaf does."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the hooks on the denoiser and at where its weights rest after a picture."""
    part = denoiser_of(setup.pipeline)
    if is_grouped({"offload": value}):
        levels = {str(hook.config.offload_type.value) for hook in group_hooks(part)}
        wanted = f"{value.removeprefix('group_')}_level"
        if levels != {wanted}:
            return f"The denoiser's weights are grouped by {', '.join(sorted(levels)) or 'nothing'}."
        if not passing_groups(part):
            return "All weights of the denoiser are in one group, which stays while it runs."
    else:
        hooks = [type(module._hf_hook).__name__ for module in part.modules() if hasattr(module, "_hf_hook")]  # noqa: SLF001
        wanted = "CpuOffload" if value == "model" else "AlignDevicesHook"
        if wanted not in hooks:
            return f"The denoiser has no {wanted} hook among its {len(hooks)}."
    resting = {weight.device.type for weight in part.parameters()}
    expected = {"cpu", "meta"} if value == "sequential" else {"cpu"}
    if not resting <= expected:
        return f"The denoiser's weights rest on {', '.join(sorted(resting))} between pictures."
    return None


KNOB = Knob(
    name="offload",
    summary="Keeps weights in host memory: 'model' moves whole parts, 'group_' and 'sequential' move pieces.",
    effect="SDXL, batch 4, A100: 21.7 GB resident, 20.2 GB 'model', 19.9 GB and 4.5 × the time 'sequential' "
    "(Hugging Face SDXL blog). Wan-14B, H100, a step: 4602 ms, 4918 ms in groups (diffusers #11605).",
    stage=Stage.PLACE,
    order=50,
    touches=frozenset(set(Touches) - {Touches.LIKENESS}),
    is_exact=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
