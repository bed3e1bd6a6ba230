"""engine: another program than PyTorch runs the denoiser: OpenVINO, ONNX Runtime or TensorRT."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the engines that are installed and run on this device."""
    from autotune.knobs._engine_facts import engines

    has_none = situation.blueprint.denoiser is None
    return engines(situation, "this pipeline has no denoiser that is known here" if has_none else "")


def turn(setup: Setup, value: str) -> None:
    """Put the engine in the place of the denoiser's `forward`; built at the first call of each shape."""
    from autotune.knobs._engines import put_engine

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    put_engine(part, value, setup.notes.setdefault("engine", {}))


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what an engine cannot be built from, what would not be seen, and what it does itself."""
    value = str(settings.get("engine", "torch"))
    if value == "torch":
        return None
    if settings.get("dtype", "float32") == "bfloat16" and value in ("openvino", "onnxruntime"):
        seen = {
            "openvino": "OpenVINO 2026.4: no GroupNormalization of bfloat16 in 32 bits; take openvino_bf16",
            "onnxruntime": "ONNX Runtime 1.31: no Conv of bfloat16",
        }
        return f"engine = {value} does not go with dtype = bfloat16 ({seen[value]})."
    hidden = "its work is done in the Python code of the denoiser, which an engine does not run"
    copied = "the engine has a copy of the weights, made as they were"
    tensors = "its weights are tensors of a kind of their own, which no engine reads"
    itself = "the engine chooses its own kernels"
    others: tuple[tuple[str, object, str], ...] = (
        ("compile", "none", "the engine runs what would be compiled"),
        ("offload", "none", f"its hooks bring weights to the denoiser, and {copied}"),
        ("quantization", "none", tensors),
        ("quantization_at_load", "none", tensors),
        ("layerwise_casting", "none", f"its hooks cast weights layer by layer, and {copied}"),
        ("attention", "sdpa", itself),
        ("attention_slicing", "none", itself),
        ("channels_last", False, itself),
        ("step_cache", "none", hidden),
        ("deep_cache", 0, hidden),
        ("token_merging", 0.0, hidden),
        ("trace", False, "it is another way to run the denoiser"),
    )
    for name, default, reason in others:
        if settings.get(name, default) != default:
            return f"engine = {value} does not go with {name}: {reason}."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Count the calls that the engine answered, and watch every layer of the denoiser in one more."""
    from autotune.knobs._engine_facts import why_not_answered

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    return why_not_answered(part, setup.notes.get("engine", {}), value)


KNOB = Knob(
    name="engine",
    summary=(
        "Which program runs the denoiser; another than 'torch' is built at the first call of each shape, and "
        "the weights it replaces stay in a file."
    ),
    effect=(
        "SD 1.5, 512², Sapphire Rapids: 32.3 s in 32 bits, 4.7 s with OpenVINO in bfloat16 and fixed sizes "
        "(Hugging Face blog, 2023-03)."
    ),
    stage=Stage.COMPILE,
    order=40,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
