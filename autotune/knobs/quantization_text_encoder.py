"""quantization_text_encoder: the text encoders' matrix weights in 8 or 4 bits, for less memory."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._weights import why_no_int4, why_not_quantized, why_not_with


def domain(situation: Situation) -> Choice:
    """Offer it where torchao is installed and there is a text encoder of matrix weights."""
    target, parts = situation.target, situation.blueprint.parts
    is_cpu = target.compute_capability is None
    encoders = {name: part for name, part in parts.items() if name.startswith("text_encoder")}
    why = "" if target.has("torchao") else "it needs the package 'torchao'"
    if not any(part.linear_share > 0.1 for part in encoders.values()):
        why = why or "this pipeline has no text encoder whose weights can be quantized"
    # Encoders run once a picture, so that nothing is gained by computing in 8 bits as well.
    others: dict[Value, str] = {
        "int8_weight_only": why,
        "float8_weight_only": why,
        "int4_weight_only": why or why_no_int4(situation, list(encoders)),
    }
    # On a CPU float8 is unpacked for each product: 6 × the time of int8, and less exact.
    rare = ("float8_weight_only",) * (is_cpu and not why)
    choice = Choice.of("none", {value: reason for value, reason in others.items() if value not in rare})
    return replace(choice, on_request=rare)


def turn(setup: Setup, value: str) -> None:
    """Quantize the linear layers of every text encoder; embeddings stay as they are."""
    import torch
    import torchao.quantization as ao

    is_cpu = setup.device == "cpu"

    def config(columns: int) -> object:
        if value == "int4_weight_only":
            group = 64 if columns % 64 == 0 else 32
            if not is_cpu:
                return ao.Int4WeightOnlyConfig(group_size=group, int4_packing_format="tile_packed_to_4d")
            from torchao.prototype.quantization.int4 import inference_workflow

            return inference_workflow.PrototypeInt4WeightOnlyConfig(group_size=group)
        return ao.Int8WeightOnlyConfig() if value == "int8_weight_only" else ao.Float8WeightOnlyConfig()

    def is_reached(rows: int, columns: int) -> bool:
        padded = not is_cpu and 9 * 1024 * -(-columns // 1024) >= 16 * columns
        return value != "int4_weight_only" or (rows % 16 == 0 and columns % 32 == 0 and not padded)

    for name, part in setup.pipeline.components.items():
        if not name.startswith("text_encoder") or part is None:
            continue
        for module in list(part.modules()):
            if isinstance(module, torch.nn.Linear) and is_reached(module.out_features, module.in_features):
                # Layer by layer on the device: it is fast there, and only there tiles of int4 can be made.
                module.to(setup.device)
                ao.quantize_(module, config(module.in_features))
                module.to("cpu")


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what drops the encoders, and number formats in which the products overflow."""
    name = "quantization_text_encoder"
    if settings.get(name, "none") == "none":
        return None
    if settings.get("prompt_embeds", "live") == "precomputed":
        return f"{name} is pointless with prompt_embeds = precomputed, which drops the text encoders."
    return why_not_with(name, settings, situation)


def applied(setup: Setup, value: str) -> str | None:
    """Weigh the layers of every text encoder that the format can hold."""
    components = setup.pipeline.components.items()
    encoders = {name: part for name, part in components if name.startswith("text_encoder") and part}
    kind = setup.device.partition(":")[0]
    found = [why_not_quantized(name, part, value, kind) for name, part in encoders.items()]
    return next((sentence for sentence in found if sentence), None if found else "There is no text encoder.")


KNOB = Knob(
    name="quantization_text_encoder",
    summary="The text encoders' matrix weights in 8 or 4 bits: the rest of a picture is made as before.",
    effect="T5-XXL, 16 bits: 8.9 to 4.6 GiB in 8 bits, 2.7 GiB in int4 (computed).",
    stage=Stage.EDIT,
    order=55,
    touches=frozenset({Touches.TEXT, Touches.TEXT_MEMORY, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
