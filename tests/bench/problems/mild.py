"""Mild: a text-to-image model on a large card, whose effects are nearly a product of single ones.

13 knobs, some of which mean something only beside another; rules for what is valid, hidden crashes, and
residuals of a percent or two that nothing explains. The figures are made up in the size of published ones.
"""

from collections.abc import Mapping

import numpy as np

from autotune.knob import Touches, Value
from autotune.measurement import FailureKind
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from tests.bench.problem import Floats, Problem
from tests.bench.problems.grid import GIB, Grid, Mask, Truth, as_problem, whole_grid

CHOICES: Mapping[str, tuple[Value, ...]] = {
    "dtype": ("float16", "bfloat16", "float32"),
    "tf32": (False, True),
    "quantization": ("none", "int8_weight_only", "int8_dynamic", "float8_dynamic", "nf4"),
    "quantize_text": (False, True),
    "attention": ("sdpa", "vanilla", "flash", "sage"),
    "attention_slicing": ("none", "max"),
    "compile": ("none", "default", "reduce-overhead", "max-autotune"),
    "regional": (False, True),
    "offload": ("none", "model", "sequential", "group"),
    "stream": (False, True),
    "vae_tiling": (False, True),
    "channels_last": (False, True),
    "cache": (0.0, 0.1, 0.2),
}
_TEXT = frozenset({Touches.TEXT, Touches.TEXT_MEMORY})
_STEP = frozenset({Touches.STEP, Touches.STEP_MEMORY})
_DECODE = frozenset({Touches.DECODE, Touches.DECODE_MEMORY})
_LIKENESS = frozenset({Touches.LIKENESS})
_PLACES = frozenset({Touches.TEXT_MEMORY, Touches.STEP_MEMORY, Touches.DECODE_MEMORY})  # what lies there
_EVERYTHING = frozenset(Touches)
TOUCHES: Mapping[str, frozenset[Touches]] = {
    "dtype": _EVERYTHING,
    "tf32": frozenset({Touches.TEXT, Touches.STEP, Touches.DECODE}),
    "quantization": _TEXT | _STEP | _PLACES | _LIKENESS,  # of the text encoder too, where that is asked for
    "quantize_text": _TEXT | _PLACES | _LIKENESS,
    "attention": _STEP | _LIKENESS,
    "attention_slicing": _STEP,
    "compile": _STEP | _LIKENESS,
    "regional": _STEP,
    "offload": _EVERYTHING - _LIKENESS,
    "stream": _EVERYTHING - _LIKENESS,
    "vae_tiling": _DECODE | _LIKENESS,
    "channels_last": frozenset({Touches.STEP, Touches.DECODE, Touches.DECODE_MEMORY}),
    "cache": _STEP | _LIKENESS,
}
GOALS = (
    (LATENCY, MEMORY, SIMILARITY),
    (Limit(objective=MEMORY, bound=12 * GIB), Limit(objective=SIMILARITY, bound=0.80)),
)
PRESETS: tuple[Mapping[str, Value], ...] = (
    {"dtype": "bfloat16", "offload": "model", "vae_tiling": True},
    {"offload": "sequential", "vae_tiling": True},
    {
        "attention": "flash",
        "compile": "default",
        "regional": True,
        "offload": "model",
        "channels_last": True,
    },
    {
        "dtype": "bfloat16",
        "quantization": "int8_weight_only",
        "quantize_text": True,
        "compile": "default",
        "regional": True,
        "vae_tiling": True,
        "channels_last": True,
    },
    {"dtype": "bfloat16", "quantization": "nf4", "quantize_text": True, "offload": "model"},
    {"offload": "group", "stream": True, "vae_tiling": True, "cache": 0.1},
)
NOISE = {"latency_s": 0.015, "memory_bytes": 0.003, "similarity": 0.001, "cold_s": 0.03, "seconds": 0.03}
_STEPS, _STEP_S, _TEXT_S, _DECODE_S = 28, 0.3, 0.25, 0.7
_DENOISER_PARAMETERS, _TEXT_PARAMETERS, _VAE_PARAMETERS = 3.2, 2.3, 0.08  # thousand millions
_CAP_GIB = 24.0


def mild() -> Problem:
    """Return the problem; it takes about a second."""
    every = whole_grid(CHOICES)
    grid = every.only(_is_valid(every))
    return as_problem("mild", grid, _truth(grid), touches=TOUCHES, goals=GOALS, presets=PRESETS, noise=NOISE)


def _is_valid(g: Grid) -> Mask:
    full, half = g.has("dtype", "float32"), g.has("dtype", "float16", "bfloat16")
    valid = full | ~g.is_on("tf32")
    valid &= ~g.has("quantization", "none") | ~g.is_on("quantize_text")
    valid &= g.has("attention", "vanilla") | g.has("attention_slicing", "none")
    valid &= g.has("compile", "default", "max-autotune") | ~g.is_on("regional")
    valid &= g.has("offload", "group") | ~g.is_on("stream")
    valid &= half | (g.has("quantization", "none") & g.has("attention", "sdpa", "vanilla"))
    valid &= ~g.has("compile", "reduce-overhead") | g.has("offload", "none")
    sequential = g.has("offload", "sequential")
    valid &= ~sequential | (g.has("compile", "none") & g.has("quantization", "none"))
    tuned = g.has("compile", "max-autotune")
    valid &= ~tuned | (g.has("attention_slicing", "none") & ~g.has("quantization", "nf4"))
    breaks_graphs = g.has("compile", "reduce-overhead", "max-autotune") & ~g.is_on("regional")
    return np.asarray(valid & (g.has("cache", 0.0) | ~breaks_graphs))


def _truth(g: Grid) -> Truth:
    text_s, steps_s, decode_s = _parts(g)
    unexplained = g.residual(list(CHOICES), 0.015, seed=1)
    text_s, steps_s, decode_s = text_s * unexplained, steps_s * unexplained, decode_s * unexplained
    compiled = g.by("compile", 0.0, 60.0, 80.0, 260.0) * g.by("regional", 1.0, 0.3)
    weights, peaks = _memory(g, (1.0, 1.0, 1.0, 1.0))
    mine = g.residual(list(CHOICES), 0.004, seed=2)
    foreseen, foreseen_peaks = _memory(g, (1.06, 0.93, 1.09, 0.91))
    return Truth(
        text_s=text_s,
        steps_s=steps_s,
        decode_s=decode_s,
        load_gib=weights * mine,
        text_gib=peaks[0] * mine,
        steps_gib=peaks[1] * mine,
        decode_gib=peaks[2] * mine,
        similarity=_similarity(g),
        cold_s=8.0 + 0.5 * weights + compiled + 1.2 * (text_s + steps_s + decode_s),
        forecast={"load": foreseen, "calls": np.maximum.reduce(foreseen_peaks)},
        failures=_failures(g),
        cap_gib=_CAP_GIB,
    )


def _parts(g: Grid) -> tuple[Floats, Floats, Floats]:
    """Seconds of text, of all steps and of decoding."""
    half, tf32 = g.by("dtype", 1.0, 1.03, 2.9), g.by("tf32", 1.0, 0.55)
    quantized = g.by("quantization", 1.0, 1.12, 0.97, 0.88, 1.33)
    compiled = ~g.has("compile", "none")
    # Without a compiler, quantizing costs more than it brings.
    quantized = np.where(compiled, 1 + (quantized - 1) * np.where(quantized > 1, 0.4, 1.7), quantized)
    attention = g.by("attention", 1.0, 1.55, 0.965, 0.87) * g.by("attention_slicing", 1.0, 1.4)
    gain = g.by("compile", 0.0, 0.20, 0.25, 0.29) * g.by("dtype", 1.0, 1.0, 0.5)
    gain = gain * g.by("quantization", 1.0, 1.0, 1.0, 1.0, 0.3) * g.by("attention", 1.0, 1.0, 1.0, 0.8)
    speed = (
        1 - gain + 0.025 * g.is_on("regional") - np.where(compiled, 0.012, 0.008) * g.is_on("channels_last")
    )
    step_s = _STEP_S * half * tf32 * quantized * attention * speed * g.by("cache", 1.0, 0.64, 0.47)
    text_s = _TEXT_S * half * tf32 * np.where(g.is_on("quantize_text"), 1.4, 1.0)
    decode_s = _DECODE_S * half * tf32 * g.by("channels_last", 1.0, 0.96) * g.by("vae_tiling", 1.0, 1.45)
    denoiser, text, vae = _weights(g)
    streamed = g.is_on("stream")
    group = np.where(streamed, 0.005, 0.025)
    text_s = text_s + text * np.where(g.has("offload", "group"), group, g.by("offload", 0.0, 0.12, 0.1, 0.0))
    each_step = denoiser * np.where(g.has("offload", "group"), group, g.by("offload", 0.0, 0.0, 0.08, 0.0))
    once = denoiser * g.by("offload", 0.0, 0.12, 0.0, 0.0)
    decode_s = decode_s + vae * g.by("offload", 0.0, 0.2, 0.3, 0.2)
    return text_s, _STEPS * (step_s + each_step) + once, decode_s


def _weights(g: Grid) -> tuple[Floats, Floats, Floats]:
    """GiB of the weights of the denoiser, the text encoder and the VAE."""
    plain = g.by("dtype", 2.0, 2.0, 4.0)
    small = np.where(g.has("quantization", "none"), plain, g.by("quantization", 2.0, 1.06, 1.06, 1.03, 0.58))
    text = np.where(g.is_on("quantize_text"), small, plain)
    return _DENOISER_PARAMETERS * small, _TEXT_PARAMETERS * text, _VAE_PARAMETERS * plain


def _memory(
    g: Grid, errors: tuple[float, float, float, float]
) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """GiB while loading, and of the stages of a call.

    Args:
        g: The combinations.
        errors: Factors of the denoiser's weights, of the text encoder's, of what a step computes and of what
            decoding does: 1 for the truth; a forecast is off by a fixed one each.
    """
    denoiser, text, vae = _weights(g)
    denoiser, text = denoiser * errors[0], text * errors[1]
    wide = g.by("dtype", 1.0, 1.0, 2.0)
    sliced = g.has("attention_slicing", "max")
    step = 1.9 * wide * np.where(g.has("attention", "vanilla"), np.where(sliced, 1.05, 2.2), 1.0)
    step = step + g.by("compile", 0.0, 0.2, 1.1, 0.5) + g.by("cache", 0.0, 0.45, 0.45)
    decode = g.by("vae_tiling", 4.6, 0.9) * wide * g.by("channels_last", 1.0, 0.94)
    everything = denoiser + text + vae
    held = 0.9 + 0.6 * g.is_on("stream")

    def there(needed: Floats) -> Floats:
        """GiB of weights that lie on the card while one part of the model is needed."""
        by_offload = (everything, needed + 0.2, np.full_like(needed, 0.4), np.minimum(held, needed + 0.2))
        return np.asarray(np.choose(g.by("offload", 0, 1, 2, 3).astype(int), by_offload))

    load = 0.5 + there(np.maximum(denoiser, text))
    peaks = (
        0.8 + there(text),
        0.5 + there(denoiser) + step * errors[2],
        0.5 + there(vae) + decode * errors[3],
    )
    return load, peaks


def _similarity(g: Grid) -> Floats:
    lost = g.by("dtype", 0.0, 0.013, 0.003) + g.by("quantization", 0.0, 0.012, 0.045, 0.055, 0.085)
    of_text = g.by("quantization", 0.0, 0.006, 0.012, 0.016, 0.030)
    lost = lost + of_text * g.is_on("quantize_text") + g.by("attention", 0.0, 0.001, 0.002, 0.020)
    skipped = g.by("cache", 0.0, 0.07, 0.16)
    rough = g.has("quantization", "int8_dynamic", "float8_dynamic", "nf4")
    lost = lost + skipped * np.where(rough, 1.25, 1.0) + g.by("compile", 0.0, 0.003, 0.003, 0.003)
    lost = lost + g.by("vae_tiling", 0.0, 0.007)
    return np.asarray(1.0 - lost - np.abs(np.log(g.residual(list(CHOICES), 0.002, seed=3))))


def _failures(g: Grid) -> Mapping[FailureKind, Mask]:
    dynamic = g.has("quantization", "int8_dynamic", "float8_dynamic")
    streamed, nf4 = g.is_on("stream"), g.has("quantization", "nf4")
    crash = (dynamic & streamed) | (nf4 & g.has("offload", "model") & ~g.has("compile", "none"))
    tuned_sage = g.has("attention", "sage") & g.has("compile", "max-autotune")
    no_kernel = g.has("dtype", "float16") & g.has("quantization", "float8_dynamic")
    return {
        FailureKind.UNSUPPORTED: no_kernel,
        FailureKind.CRASH: crash,
        FailureKind.CORRUPT_PICTURE: tuned_sage,
    }
