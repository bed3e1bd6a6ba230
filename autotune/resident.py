"""Resident: what the parts of a pipeline weigh in a recipe, before anything runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from autotune.footprint import DECODE, DENOISE, ENCODE, Footprint, Run, Weights
from autotune.knob import Settings
from autotune.weight_bytes import is_quantized, linear_bytes

_HALVES = ("float16", "bfloat16")
_ENGINES = {DENOISE: ("engine", "engine_denoiser"), DECODE: ("engine_vae",), ENCODE: ("engine_text_encoder",)}


@dataclass(frozen=True)
class Amount:
    """Bytes: the least that there can be, and what there usually is."""

    least: int = 0
    usual: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Return both together."""
        return Amount(self.least + other.least, self.usual + other.usual)

    def times(self, least: float, usual: float) -> "Amount":
        """Return a share of it, which need not be the same for both.

        >>> Amount(100, 100).times(0.5, 2)
        Amount(least=50, usual=200)
        """
        return Amount(int(self.least * least), int(self.usual * usual))


def exactly(amount_bytes: int) -> Amount:
    """Return an amount that is known.

    >>> exactly(7) + exactly(1)
    Amount(least=8, usual=8)
    """
    return Amount(amount_bytes, amount_bytes)


def largest(amounts: Iterable[Amount]) -> Amount:
    """Return the largest of amounts that are not there at the same time.

    >>> largest([Amount(1, 9), Amount(3, 4)]), largest([])
    (Amount(least=3, usual=9), Amount(least=0, usual=0))
    """
    listed = list(amounts)
    return Amount(max((a.least for a in listed), default=0), max((a.usual for a in listed), default=0))


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of amounts."""
    return sum(amounts, Amount())


def loading_format(settings: Settings) -> str:
    """Return the number format in which every part is loaded."""
    return str(settings.get("dtype", "float32"))


def decoding_format(settings: Settings, footprint: Footprint) -> str:
    """Return the number format in which pictures are decoded.

    >>> sdxl = Footprint(pipeline_class="X", force_upcast=True)
    >>> decoding_format({"dtype": "float16"}, sdxl), decoding_format({"dtype": "bfloat16"}, sdxl)
    ('float32', 'bfloat16')
    """
    dtype, upcast = loading_format(settings), settings.get("vae_upcast", "auto")
    is_tiny = bool(settings.get("tiny_vae", False))
    if upcast == "float32" or (dtype == "float16" and footprint.force_upcast and upcast == "auto"):
        return dtype if is_tiny else "float32"
    return dtype


def parts_of(settings: Settings, footprint: Footprint, stage: str | None = None) -> tuple[str, ...]:
    """Return the parts that the pipeline holds while it makes pictures, of one stage or all."""
    is_tiny = bool(settings.get("tiny_vae", False)) and "vae_tiny" in footprint.weights
    left_out = {"vae"} if is_tiny else {"vae_tiny"}
    if settings.get("prompt_embeds", "live") == "precomputed":
        left_out |= {name for name, part in footprint.weights.items() if part.stage == ENCODE}
    return tuple(
        name
        for name, part in footprint.weights.items()
        if name not in left_out and (stage is None or part.stage == stage)
    )


def encoders_of(footprint: Footprint) -> tuple[str, ...]:
    """Return the text encoders, whether or not they stay."""
    return tuple(name for name, part in footprint.weights.items() if part.stage == ENCODE)


def loaded(settings: Settings, footprint: Footprint) -> Amount:
    """Return what all files come to in the memory of the machine, before any knob has changed a part."""
    dtype, parts = loading_format(settings), footprint.weights.items()
    is_smaller = settings.get("quantization_at_load", "none") != "none"
    amounts = []
    for name, part in parts:
        whole = _mapped(part, dtype) if name != "vae_tiny" else Amount()
        is_certain = not (is_smaller and part.stage == DENOISE)
        amounts.append(whole if is_certain else Amount(0, whole.usual))
    return total(amounts)


def _mapped(part: Weights, dtype: str) -> Amount:
    """What a part takes in the memory of the machine as it was loaded.

    Weights in their files' own format are mapped from there, and none of them is read before a call.
    """
    return Amount() if part.stored == dtype else exactly(part.sizes.get(dtype, 0))


def at_rest(name: str, settings: Settings, footprint: Footprint, *, kind: str) -> Amount:
    """Return what a part weighs once all knobs have been turned.

    Args:
        name: The part.
        settings: Of the recipe.
        footprint: Of the model.
        kind: Type of the device: "cpu" or "cuda".
    """
    part = footprint.weights[name]
    dtype = loading_format(settings)
    if name == "vae" and settings.get("vae_upcast", "auto") == "float32":
        dtype = "float32"
    size = part.sizes.get(dtype, 0)
    width = 2 if dtype in _HALVES else 4
    fused = part.fused_numbers * width if part.stage == DENOISE and settings.get("fuse_qkv", False) else 0
    amount = exactly(size + fused)
    if part.stage == DENOISE and settings.get("layerwise_casting", "none") != "none":
        amount = exactly(size + fused - part.cast_numbers * (width - 1))
    saved = _saved(part, settings, width=width, kind=kind)
    if saved is None or is_unknown(name, settings, footprint):
        return Amount(0, amount.usual)
    # Fused projections may be quantized too: in the least, they are then left out.
    amount = Amount(max(amount.least - saved - (fused if saved else 0), 0), max(amount.usual - saved, 0))
    is_mapped = kind == "cpu" and part.stored == dtype  # rows of embeddings that nobody reads stay on disk
    return Amount(0, amount.usual) if is_mapped or runs_in_engine(part.stage, settings) else amount


def runs_in_engine(stage: str, settings: Settings) -> bool:
    """Whether a stage is computed by something else than torch, which manages its own memory."""
    names = (
        name for name in _ENGINES.get(stage, ()) if settings.get(name, "none") not in ("none", "torch", False)
    )
    return next(names, None) is not None


def is_unknown(name: str, settings: Settings, footprint: Footprint) -> bool:
    """Whether another part, which was not weighed, stands in a part's place."""
    if name == "vae" and settings.get("tiny_vae", False) and "vae_tiny" not in footprint.weights:
        return True
    knobs = (f"swap_{name}", f"swap_{_role(footprint.weights[name])}")
    return any(settings.get(knob, "own") not in ("own", "none", "", False) for knob in knobs)


def _role(part: Weights) -> str:
    return {DENOISE: "denoiser", DECODE: "vae", ENCODE: "text_encoder"}.get(part.stage, part.class_name)


def _saved(part: Weights, settings: Settings, *, width: int, kind: str) -> int | None:
    """What quantization takes off a part; None where that cannot be told."""
    names: tuple[str, ...]
    if part.stage == DENOISE:
        names = ("quantization", "quantization_at_load")
    elif part.stage == ENCODE:
        names = ("quantization_text_encoder",)
    else:
        return 0
    values = [str(settings[name]) for name in names if settings.get(name, "none") != "none"]
    if not values:
        return 0
    saved = 0
    for layer in part.linears:
        rows, columns = layer.rows, layer.columns
        try:
            if is_quantized(values[0], layer.path, rows, columns, kind=kind):
                each = linear_bytes(values[0], rows, columns, bytes_each=width, kind=kind)
                saved += layer.count * (rows * columns * width - each)
        except KeyError:
            return None
    return saved


def run_of(name: str, variant: str, settings: Settings, footprint: Footprint, dtype: str) -> Run | None:
    """Return the run of a part that a recipe comes to."""
    pictures = _pictures(settings, footprint)
    is_sliced = footprint.weights[name].stage == DECODE and bool(settings.get("vae_slicing", False))
    guided = settings.get("guidance_cutoff", 1.0) != 0
    return footprint.run(name, variant, dtype, pictures=1 if is_sliced else pictures, guided=guided)


def _pictures(settings: Settings, footprint: Footprint) -> int:
    """Pictures that one call of the pipeline makes."""
    asked = settings.get("images_per_call", 0)
    return int(asked) if isinstance(asked, int) and asked > 0 else footprint.pictures


def pictures_left(settings: Settings, footprint: Footprint) -> int:
    """Pictures of a call that are finished and wait while the last one is decoded."""
    return _pictures(settings, footprint) - 1 if settings.get("vae_slicing", False) else 0
