"""engine_vae: another program than PyTorch decodes pictures: OpenVINO, ONNX Runtime or TensorRT."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the engines that are installed and run on this device, for a decoder that they can hold."""
    from autotune.knobs._engine_facts import engines

    blueprint, why_none = situation.blueprint, ""
    if "vae" not in blueprint.parts:
        why_none = "this pipeline has no VAE"
    elif not blueprint.can("plain_decoder"):
        name = blueprint.parts["vae"].class_name or "this VAE"
        why_none = (
            f"the decoder of {name} keeps features from frame to frame or draws noise, which no engine can"
        )
    return engines(situation, why_none)


def turn(setup: Setup, value: str) -> None:
    """Put the engine in the place of the decoder inside of the VAE; slices and tiles are cut as before."""
    from autotune.knobs._engines import put_engine

    put_engine(setup.pipeline.vae.decoder, value, setup.notes.setdefault("engine_vae", {}))


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what an engine cannot be built from, and what it does itself."""
    value = str(settings.get("engine_vae", "torch"))
    if value == "torch":
        return None
    if settings.get("dtype", "float32") == "bfloat16" and value in ("openvino", "onnxruntime"):
        seen = {
            "openvino": "OpenVINO 2026.4: no GroupNormalization of bfloat16 in 32 bits; take openvino_bf16",
            "onnxruntime": "ONNX Runtime 1.31: no Conv of bfloat16",
        }
        return f"engine_vae = {value} does not go with dtype = bfloat16 ({seen[value]})."
    others: tuple[tuple[str, object, str], ...] = (
        ("compile_vae", False, "the engine runs what would be compiled"),
        ("offload", "none", "its hooks bring weights to the VAE, and the engine has a copy of its own"),
        ("channels_last_vae", False, "the engine chooses its own layout"),
    )
    for name, default, reason in others:
        if settings.get(name, default) != default:
            return f"engine_vae = {value} does not go with {name}: {reason}."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Count the calls that the engine answered, and watch every layer of the decoder in one more."""
    from autotune.knobs._engine_facts import why_not_answered

    return why_not_answered(setup.pipeline.vae.decoder, setup.notes.get("engine_vae", {}), value)


KNOB = Knob(
    name="engine_vae",
    summary="Which program decodes pictures; another than 'torch' is built at the first call of each shape.",
    stage=Stage.COMPILE,
    order=50,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
