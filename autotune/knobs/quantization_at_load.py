"""quantization_at_load: the denoiser's weights quantized by diffusers while they are read."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._weights import denoisers_of, why_not_loaded_quantized

_GGUF = "the path of a .gguf file of this denoiser"


def domain(situation: Situation) -> Choice:
    """Offer the quantizers of diffusers that are installed and run on this device."""
    target, blueprint = situation.target, situation.blueprint
    part = blueprint.parts.get(blueprint.denoiser or "")
    why = ""
    if part is None or part.linear_share <= 0.1:
        why = "less than a tenth of the denoiser's weights is in layers that can be quantized"
    elif blueprint.facts.get("random_weights"):
        why = "an architecture has no weight files that could be quantized while they are read"

    def needing(package: str, more: str = "") -> str:
        return why or ("" if target.has(package) else f"it needs the package '{package}'") or more

    no_gpu = "" if target.kind in ("cuda", "xpu") else "diffusers refuses bitsandbytes without a GPU (0.42)"
    one_file = "" if blueprint.can("single_file") else "diffusers cannot read this denoiser from one file"
    if "transformer_2" in blueprint.parts:
        one_file = "two denoisers take turns here, and one file holds one"
    too_many = (
        "with quanto diffusers would quantize layers that this denoiser needs in 32 bits (seen with 0.42)"
    )
    too_many = too_many if blueprint.can("fp32_layers") else ""
    others: dict[Value, str] = {
        "bitsandbytes_int8": needing("bitsandbytes", no_gpu),
        "bitsandbytes_nf4": needing("bitsandbytes", no_gpu),
        "quanto_int8": needing("optimum-quanto", too_many),
        "quanto_float8": needing("optimum-quanto", too_many),
    }
    # diffusers will drop quanto in its version 1.0.
    rare = tuple(name for name in ("quanto_int8", "quanto_float8") if not others[name])
    no_file = needing("gguf", one_file)
    others |= {_GGUF: no_file} if no_file else {}
    choice = Choice.of("none", {name: reason for name, reason in others.items() if name not in rare})
    return replace(choice, on_request=rare, open_to="" if no_file else _GGUF)


def turn(setup: Setup, value: str) -> None:
    """Have the denoiser quantized while it is read, or read it from a file that is quantized already."""
    import pathlib

    import diffusers
    import torch

    index = diffusers.DiffusionPipeline.load_config(setup.model_path)
    denoisers = ("unet", "transformer", "transformer_2")
    names: list[str] = [name for name in denoisers if index.get(name, [None])[0]]
    dtype = setup.loading.get("dtype", torch.float32)
    if value.endswith(".gguf"):
        file = pathlib.Path(value).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"There is no file '{value}'. Give the path of a .gguf file.")
        with file.open("rb") as start:
            if start.read(4) != b"GGUF":
                raise ValueError(f"'{value}' is no GGUF file: it does not begin with these four letters.")
        kind = getattr(diffusers, index[names[0]][1])
        options = {"config": setup.model_path, "subfolder": names[0], "dtype": dtype}
        setup.loading[names[0]] = kind.from_single_file(
            str(file), quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype), **options
        )
        return
    if value == "bitsandbytes_int8":
        config = diffusers.BitsAndBytesConfig(load_in_8bit=True)
    elif value == "bitsandbytes_nf4":
        config = diffusers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    else:
        config = diffusers.QuantoConfig(weights_dtype=value.removeprefix("quanto_"))
    # Part by part: only so does it take configurations of every kind (diffusers 0.42).
    setup.loading["quantization_config"] = diffusers.PipelineQuantizationConfig(
        quant_mapping=dict.fromkeys(names, config)
    )


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what rearranges, casts or replaces weights that are no ordinary tensors any more."""
    value = str(settings.get("quantization_at_load", "none"))
    if value == "none":
        return None
    is_gguf, is_quanto = value.endswith(".gguf"), value.startswith("quanto_")
    if not is_gguf and not is_quanto and not value.startswith("bitsandbytes_"):
        return f"quantization_at_load = {value} is neither a format nor the path of a .gguf file."
    torch_says = "'Only Tensors of floating point and complex dtype can require gradients'"
    reasons: tuple[tuple[str, Value, str], ...] = (
        ("swap_denoiser", "own", "it quantizes the model's own denoiser, which is replaced by another"),
        ("quantization", "none", "torchao cannot quantize what is quantized already"),
        (
            "fuse_qkv",
            False,
            "the fused weights would be of full size, beside the quantized ones"
            if is_quanto
            else f"such weights cannot be fused ({torch_says}, seen with diffusers 0.42)",
        ),
        ("layerwise_casting", "none", "those weights are stored in 8 or fewer bits already"),
    )
    for name, default, reason in reasons:
        if settings.get(name, default) != default:
            return f"quantization_at_load does not go with {name}: {reason}."
    if settings.get("trace", False) and is_gguf:
        return (
            "quantization_at_load from a .gguf file does not go with trace: torch.jit.trace cannot record "
            "how its weights are unpacked ('INTERNAL ASSERT FAILED', aten::view, seen with torch 2.13)."
        )
    if settings.get("offload", "none") == "sequential" and (is_gguf or is_quanto):
        told = "KeyError: None" if is_gguf else "WeightQBytesTensor.__new__() missing arguments, #10526"
        return (
            "quantization_at_load does not go with offload = sequential: accelerate cannot make such weights "
            f"anew ({told}; seen with accelerate 1.15)."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the class of every linear weight of the denoiser, and weigh them."""
    import torch

    dtype = setup.loading.get("dtype", torch.float32)
    found = [
        why_not_loaded_quantized(name, part, value, int(dtype.itemsize))
        for name, part in denoisers_of(setup.pipeline).items()
    ]
    return next((sentence for sentence in found if sentence), None)


KNOB = Knob(
    name="quantization_at_load",
    summary="The denoiser's weights quantized by diffusers while they are read, or read from a .gguf file.",
    effect="Flux-dev and its T5: 36 GB, 12 s in bfloat16; 17 GB, 12 s in nf4; 24 GB, 27 s in 8 bits of "
    "bitsandbytes; 26 GB, 15 s from GGUF Q8_0 (Hugging Face, diffusers-quantization-benchmarks).",
    stage=Stage.LOAD,
    order=40,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
