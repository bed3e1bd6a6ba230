"""quantization: the denoiser's matrix weights in 8 bits, for half the memory and, compiled, more speed."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where torchao is installed and enough of the denoiser is matrix weights."""
    blueprint = situation.blueprint
    if not situation.target.has("torchao"):
        return Choice(("none",), why="it needs the package 'torchao'")
    if blueprint.denoiser is None or blueprint.parts[blueprint.denoiser].linear_share <= 0.1:
        return Choice(
            ("none",), why="less than a tenth of the denoiser's weights is in layers that can be quantized"
        )
    capability = situation.target.compute_capability
    has_int8 = capability is None or situation.target.is_at_least(8, 0)
    return Choice(("none", "int8_weight_only", *(("int8_dynamic",) if has_int8 else ())))


def turn(setup: Setup, value: str) -> None:
    """Quantize the denoiser's linear layers; also sets torchao's inductor flags in the whole process."""
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, quantize_

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer

    def is_worthwhile(module: torch.nn.Module, path: str) -> bool:
        # Layers that see one row a picture (embeddings, modulation) are too small to gain from 8-bit
        # activations, and the last one decides about the picture.
        small = path == "proj_out" or any(word in path for word in ("emb", "norm", "adaln"))
        return isinstance(module, torch.nn.Linear) and not small and module.in_features % 8 == 0

    if value == "int8_weight_only":
        quantize_(part, Int8WeightOnlyConfig())
    else:
        quantize_(part, Int8DynamicActivationInt8WeightConfig(), filter_fn=is_worthwhile)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse float16, in which the products overflow."""
    if settings.get("quantization", "none") == "none" or settings.get("dtype", "float32") != "float16":
        return None
    return (
        "quantization does not go with dtype = float16: torchao multiplies by the 8-bit weights before it "
        "scales them, which overflows (torchao 0.18, int8_tensor.py). Use bfloat16."
    )


def applied(setup: Setup, value: str) -> str | None:
    """Count the linear weights that are 8-bit tensors, and look at whether activations are quantized too."""
    import torch

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    weights = [module.weight for module in part.modules() if isinstance(module, torch.nn.Linear)]
    quantized = [weight for weight in weights if type(weight).__module__.startswith("torchao.")]
    share = sum(map(_numbers, quantized)) / max(1, sum(map(_numbers, weights)))
    wanted = 1.0 if value == "int8_weight_only" else 0.3
    if share < wanted:
        return (
            f"{len(quantized)} of {len(weights)} linear layers are quantized: {share:.0%} of their weights."
        )
    dynamic = [weight for weight in quantized if getattr(weight, "act_quant_kwargs", None) is not None]
    if (value == "int8_dynamic") != bool(dynamic):
        return f"{len(dynamic)} of {len(quantized)} quantized layers quantize their activations."
    return None


def _numbers(weight: object) -> int:
    return int(weight.numel())  # type: ignore[attr-defined]


KNOB = Knob(
    name="quantization",
    summary="The denoiser's matrix weights in 8 bits; 'int8_dynamic' computes in 8 bits. Pays when compiled.",
    effect="Flux-dev, H100, with compile: 6.43 to 3.48 s (diffusers-torchao); weights take 0.52 of 16 bits.",
    stage=Stage.EDIT,
    order=50,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
