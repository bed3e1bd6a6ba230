"""quantization: the denoiser's matrix weights in 8 or 4 bits, for less memory and, compiled, more speed."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._weights import denoisers_of, version_of, why_no_int4, why_not_quantized, why_not_with


def domain(situation: Situation) -> Choice:
    """Offer what torchao can store on this device, where enough of the denoiser is matrix weights."""
    target, blueprint = situation.target, situation.blueprint
    part, is_cpu = blueprint.parts.get(blueprint.denoiser or ""), target.compute_capability is None
    why = "" if target.has("torchao") else "it needs the package 'torchao'"
    if part is None or part.linear_share <= 0.1:
        why = why or "less than a tenth of the denoiser's weights is in layers that can be quantized"
    no_bf16 = "" if "bf16" in target.backends else "this device does not compute in bfloat16"

    def from_capability(major: int, minor: int = 0) -> str:
        lacking = f"it needs a CUDA GPU of compute capability {major}.{minor} or newer"
        return why or ("" if target.is_at_least(major, minor) else lacking)

    reasons: dict[Value, str] = {
        "int8_weight_only": why,
        "int8_dynamic": why if is_cpu else from_capability(8),
        "float8_weight_only": why,
        "float8_dynamic": from_capability(8, 9),
        "int4_weight_only": why or why_no_int4(situation, [blueprint.denoiser or ""]),
        "nvfp4_weight_only": why or no_bf16,
        "nvfp4_dynamic": from_capability(10),
        "mxfp8_dynamic": from_capability(10),
    }
    # These are prototypes of torchao, whose names and results may change; and on a CPU float8 is unpacked for
    # each product: 6 × the time of int8, and less exact.
    rare = (
        "nvfp4_weight_only",
        "nvfp4_dynamic",
        "mxfp8_dynamic",
        *(["float8_weight_only"] if is_cpu else []),
    )
    choice = Choice.of("none", {v: reason for v, reason in reasons.items() if reason or v not in rare})
    return replace(choice, on_request=tuple(value for value in rare if not reasons[value]))


def turn(setup: Setup, value: str) -> None:
    """Quantize the denoiser's linear layers; also sets torchao's inductor flags in the whole process."""
    import torch
    import torchao.quantization as ao

    is_cpu = setup.device == "cpu"
    tiles = {"int8_dynamic": (8, 8), "int4_weight_only": (16, 32), "mxfp8_dynamic": (16, 32)}
    if value.startswith("nvfp4") or value == "float8_dynamic":
        tiles[value] = (16, 16)

    def is_reached(path: str, rows: int, columns: int) -> bool:
        # Layers that see one row a picture (embeddings, modulation) are too small to gain from quantized
        # activations, and the last one decides about the picture. What the kernels cannot take is left out:
        # torchao multiplies such int8 layers on the CPU, and leaves such float8 layers as they are.
        small = path == "proj_out" or any(word in path for word in ("emb", "norm", "adaln"))
        spared = value.endswith("_dynamic") and small
        spared = spared or (value.startswith(("int4", "nvfp4")) and path == "proj_out")
        # Tiles of 1024 columns at 9/16 byte a number: what fills little of them is no smaller than in int8.
        wasted = 9 * 1024 * -(-columns // 1024) >= 16 * columns
        padded = value == "int4_weight_only" and not is_cpu and wasted
        high, wide = tiles.get(value, (1, 1))
        return not spared and not padded and rows % high == 0 and columns % wide == 0

    def config(columns: int) -> object:
        if value == "int4_weight_only":
            group = 64 if columns % 64 == 0 else 32
            if not is_cpu:
                return ao.Int4WeightOnlyConfig(group_size=group, int4_packing_format="tile_packed_to_4d")
            from torchao.prototype.quantization.int4 import inference_workflow

            return inference_workflow.PrototypeInt4WeightOnlyConfig(group_size=group)
        if value == "float8_dynamic":
            # A scale a row: with one for all, a picture would depend on the others of its batch.
            return ao.Float8DynamicActivationFloat8WeightConfig(granularity=ao.PerRow())
        if value.startswith(("nvfp4", "mxfp8")):
            from torchao.prototype import mx_formats

            format_name = "NVFP4" if value.startswith("nvfp4") else "MX"
            kind = "WeightOnly" if value.endswith("weight_only") else f"DynamicActivation{format_name}Weight"
            return getattr(mx_formats, f"{format_name}{kind}Config")()
        return {
            "int8_weight_only": ao.Int8WeightOnlyConfig,
            "int8_dynamic": ao.Int8DynamicActivationInt8WeightConfig,
            "float8_weight_only": ao.Float8WeightOnlyConfig,
        }[value]()

    parts = [getattr(setup.pipeline, name, None) for name in ("unet", "transformer", "transformer_2")]
    for path, module in [pair for part in parts if part for pair in part.named_modules()]:
        if isinstance(module, torch.nn.Linear) and is_reached(path, module.out_features, module.in_features):
            # Layer by layer on the device: it is fast there, and only there the tiles of int4 can be made.
            module.to(setup.device)
            ao.quantize_(module, config(module.in_features))
            module.to("cpu")


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse formats of numbers that overflow or are not computed in, and what cannot read such weights."""
    value = str(settings.get("quantization", "none"))
    if value == "none":
        return None
    capability = situation.target.compute_capability
    if settings.get("trace", False) and value == "int8_dynamic":
        return (
            "quantization = int8_dynamic does not go with trace: torch.jit.trace cannot record its product "
            "('iter->isIntList() INTERNAL ASSERT FAILED', seen with torch 2.13). int8_weight_only does."
        )
    if settings.get("trace", False) and value.startswith("nvfp4"):
        return (
            f"quantization = {value} does not go with trace: these tensors lack an operation that tracing "
            "needs ('aten.expand', seen with torchao 0.18 on SD3 and Sana)."
        )
    if settings.get("trace", False) and value == "int4_weight_only" and capability is None:
        return (
            "quantization = int4_weight_only does not go with trace on a CPU: its recorded product fails "
            "when it is repeated ('failed in the TorchScript interpreter', seen with torch 2.13)."
        )
    is_old = capability is not None and capability < (8, 9) and version_of(situation, "torch") < (2, 13)
    if value.startswith("float8") and is_old and settings.get("compile", "none") != "none":
        return (
            f"quantization = {value} does not go with compile on a GPU older than compute capability 8.9: "
            "Triton has no such format there ('type fp8e4nv', pytorch #167082), which torch 2.13 avoids."
        )
    return why_not_with("quantization", settings, situation)


def applied(setup: Setup, value: str) -> str | None:
    """Weigh the layers that the format can hold, and look at whether activations are quantized too."""
    kind = setup.device.partition(":")[0]
    found = [
        why_not_quantized(name, part, value, kind) for name, part in denoisers_of(setup.pipeline).items()
    ]
    return next((sentence for sentence in found if sentence), None)


KNOB = Knob(
    name="quantization",
    summary="The denoiser's matrix weights in 8 or 4 bits; '_dynamic' computes in 8 too. Pays when compiled.",
    effect="Flux-dev, H100, with compile: 6.43 to 3.48 s (diffusers-torchao). Flux-dev and T5, uncompiled: "
    "36 GB, 12 s in bfloat16; 21 GB, 15 s in int8 or float8; 15 GB, 109 s in int4 (Hugging Face, "
    "diffusers-quantization-benchmarks).",
    stage=Stage.EDIT,
    order=50,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
