"""Rough: stages with peaks of their own, many hidden crashes, and much that nothing explains.

12 knobs. A call is text, steps and decoding, one after the other; its memory is the largest of their peaks,
so that a knob of one stage does nothing while another stage is the largest. What no rule explains is a fixed
factor for each distinct setting of the knobs that touch a part, and one for each recipe. Figures are made up.
"""

from collections.abc import Mapping

import numpy as np

from autotune.knob import Touches, Value
from autotune.measurement import FailureKind
from autotune.objective import LATENCY, MEMORY, SIMILARITY, Limit
from tests.bench.problem import Floats, Problem
from tests.bench.problems.grid import GIB, Grid, Mask, Truth, as_problem, whole_grid

CHOICES: Mapping[str, tuple[Value, ...]] = {
    "dtype": ("bfloat16", "float16", "float32"),
    "quantization": ("none", "int8_weight_only", "int8_dynamic", "float8_dynamic", "nf4"),
    "quantization_text": ("none", "int8", "nf4"),
    "attention": ("sdpa", "flash", "sage"),
    "compile": ("none", "regional", "full", "max-autotune"),
    "compile_vae": (False, True),
    "offload": ("none", "model", "group"),
    "vae_tiling": (0, 512, 256),
    "tiny_vae": (False, True),
    "steps": (28, 20, 14),
    "cache": (0.0, 0.1, 0.2),
    "fuse_qkv": (False, True),
}
_TEXT = ("dtype", "quantization_text", "offload")
_STEP = ("dtype", "quantization", "attention", "compile", "offload", "cache", "fuse_qkv")
_DECODE = ("dtype", "compile_vae", "offload", "vae_tiling", "tiny_vae")
_LIKENESS = (
    *("dtype", "quantization", "quantization_text", "attention", "vae_tiling", "tiny_vae"),
    *("steps", "cache"),
)
_WEIGHTS = ("quantization", "quantization_text", "tiny_vae")  # they lie there in every stage
_ACTS_ON: Mapping[Touches, tuple[str, ...]] = {
    Touches.TEXT: _TEXT,
    Touches.STEP: (*_STEP, "steps"),
    Touches.DECODE: _DECODE,
    Touches.TEXT_MEMORY: (*_TEXT, *_WEIGHTS),
    Touches.STEP_MEMORY: (*_STEP, *_WEIGHTS),
    Touches.DECODE_MEMORY: (*_DECODE, *_WEIGHTS),
    Touches.LIKENESS: _LIKENESS,
}
TOUCHES: Mapping[str, frozenset[Touches]] = {
    knob: frozenset(part for part, knobs in _ACTS_ON.items() if knob in knobs) for knob in CHOICES
}
GOALS = (
    (LATENCY, MEMORY, SIMILARITY),
    (Limit(objective=MEMORY, bound=10 * GIB), Limit(objective=SIMILARITY, bound=0.80)),
)
PRESETS: tuple[Mapping[str, Value], ...] = (
    {"offload": "model", "vae_tiling": 512},
    {"compile": "regional", "attention": "flash", "offload": "model"},
    {"quantization": "int8_weight_only", "quantization_text": "int8", "compile": "regional"},
    {"quantization": "nf4", "quantization_text": "nf4", "vae_tiling": 256},
    {"tiny_vae": True, "steps": 20, "cache": 0.1, "offload": "model"},
    {"offload": "group", "vae_tiling": 256},
)
NOISE = {"latency_s": 0.015, "memory_bytes": 0.003, "similarity": 0.001, "cold_s": 0.03, "seconds": 0.03}
_STEP_S, _TEXT_S, _DECODE_S = 0.21, 0.45, 1.3
_DENOISER_PARAMETERS, _TEXT_PARAMETERS, _VAE_PARAMETERS = 2.6, 2.0, 0.08  # thousand millions
_CAP_GIB = 16.0


def rough() -> Problem:
    """Return the problem; it takes a second or two."""
    every = whole_grid(CHOICES)
    grid = every.only(_is_valid(every))
    return as_problem("rough", grid, _truth(grid), touches=TOUCHES, goals=GOALS, presets=PRESETS, noise=NOISE)


def _is_valid(g: Grid) -> Mask:
    compiled = ~g.has("compile", "none")
    valid = ~g.has("dtype", "float32") | (g.has("quantization", "none") & g.has("attention", "sdpa"))
    valid &= ~(g.has("offload", "group") & g.has("compile", "full", "max-autotune"))
    valid &= ~(g.has("quantization", "nf4") & g.has("compile", "max-autotune"))
    valid &= ~(g.is_on("fuse_qkv") & ~g.has("quantization", "none"))
    valid &= g.has("vae_tiling", 0) | ~g.is_on("tiny_vae")
    valid &= ~(g.is_on("compile_vae") & g.is_on("tiny_vae"))
    # A cache that skips blocks branches in Python: a whole graph cannot hold it.
    return np.asarray(valid & (g.has("cache", 0.0) | g.has("compile", "none", "regional") | ~compiled))


def _truth(g: Grid) -> Truth:
    everything = list(CHOICES)
    text_s, steps_s, decode_s = _parts(g)
    own = g.residual(everything, 0.05, seed=11)
    text_s = text_s * own * g.residual(_TEXT, 0.06, seed=12)
    steps_s = steps_s * own * g.residual(_STEP, 0.06, seed=13)
    decode_s = decode_s * own * g.residual(_DECODE, 0.06, seed=14)
    compiled = g.by("compile", 0.0, 18.0, 95.0, 280.0) + g.by("compile_vae", 0.0, 30.0)
    load, (text, step, decode) = _memory(g, np.ones(4))
    # A fixed error for each component, as a forecast has that counts it wrongly.
    errors = np.exp(np.random.default_rng(15).normal(0.0, 0.08, 4))
    foreseen, foreseen_peaks = _memory(g, errors)
    mine = g.residual(everything, 0.012, seed=16)
    return Truth(
        text_s=text_s,
        steps_s=steps_s,
        decode_s=decode_s,
        load_gib=load * mine,
        text_gib=text * mine * g.residual(_TEXT, 0.016, seed=17),
        steps_gib=step * mine * g.residual(_STEP, 0.016, seed=18),
        decode_gib=decode * mine * g.residual(_DECODE, 0.016, seed=19),
        similarity=_similarity(g),
        cold_s=10.0 + 0.6 * load + compiled + 1.3 * (text_s + steps_s + decode_s),
        forecast={"load": foreseen, "calls": np.maximum.reduce(foreseen_peaks)},
        failures=_failures(g),
        cap_gib=_CAP_GIB,
    )


def _parts(g: Grid) -> tuple[Floats, Floats, Floats]:
    """Seconds of text, of all steps and of decoding."""
    dtype = g.by("dtype", 1.02, 1.0, 2.3)
    compiled = ~g.has("compile", "none")
    plain = g.by("quantization", 1.0, 1.15, 1.08, 1.02, 1.38)
    fast = g.by("quantization", 1.0, 1.04, 0.86, 0.78, 1.16)
    step_s = _STEP_S * dtype * np.where(compiled, fast, plain) * g.by("attention", 1.0, 0.94, 0.82)
    gain = g.by("compile", 0.0, 0.19, 0.23, 0.28) * g.by("attention", 1.0, 1.0, 0.7)
    step_s = step_s * (1 - gain) * np.where(compiled, 1.0, g.by("fuse_qkv", 1.0, 0.965))
    step_s = step_s + g.by("offload", 0.0, 0.0, 0.035) * g.by("quantization", 1.0, 0.6, 0.6, 0.55, 0.4)
    evaluated = g.by("steps", 28.0, 20.0, 14.0) * g.by("cache", 1.0, 0.66, 0.49) + g.by(
        "cache", 0.0, 2.0, 3.0
    )
    text_s = _TEXT_S * dtype * g.by("quantization_text", 1.0, 1.25, 1.5) + g.by("offload", 0.0, 0.9, 0.5)
    steps_s = step_s * evaluated + g.by("offload", 0.0, 1.1, 0.2)
    decode_s = _DECODE_S * dtype * g.by("compile_vae", 1.0, 0.74) * g.by("vae_tiling", 1.0, 1.18, 1.5)
    decode_s = decode_s * g.by("tiny_vae", 1.0, 0.08) + g.by("offload", 0.0, 0.25, 0.2)
    return text_s, steps_s, decode_s


def _memory(g: Grid, errors: Floats) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """GiB while loading, and of the stages of a call.

    Args:
        g: The combinations.
        errors: Factors of the denoiser's weights, of the text encoder's, of what a step computes and of what
            decoding does: 1 for the truth.
    """
    plain = g.by("dtype", 2.0, 2.0, 4.0)
    small = g.by("quantization", 2.0, 1.06, 1.06, 1.03, 0.58)
    denoiser = _DENOISER_PARAMETERS * errors[0] * np.where(g.has("quantization", "none"), plain, small)
    small = g.by("quantization_text", 2.0, 1.05, 0.62)
    text = _TEXT_PARAMETERS * errors[1] * np.where(g.has("quantization_text", "none"), plain, small)
    vae = _VAE_PARAMETERS * plain * g.by("tiny_vae", 1.0, 0.05)
    wide = plain / 2.0
    step = 1.5 * wide * g.by("attention", 1.0, 0.97, 1.05) + g.by("compile", 0.0, 0.15, 0.5, 0.9)
    step = (step + g.by("cache", 0.0, 0.4, 0.4)) * g.by("fuse_qkv", 1.0, 1.06) * errors[2]
    tiled = g.by("vae_tiling", 5.2, 2.1, 0.8) * g.by("tiny_vae", 1.0, 0.12)
    decode = tiled * wide * g.by("compile_vae", 1.0, 1.12) * errors[3]
    everything = denoiser + text + vae

    def there(needed: Floats) -> Floats:
        """GiB of weights that lie on the card while one part of the model is needed."""
        places = g.by("offload", 0, 1, 2).astype(int)
        return np.asarray(np.choose(places, (everything, needed + 0.2, np.minimum(needed, 1.1) + 0.1)))

    peaks = (0.9 + there(text) + 0.15 * wide, 0.5 + there(denoiser) + step, 0.5 + there(vae) + decode)
    return 0.4 + there(np.maximum(denoiser, text)), peaks


def _similarity(g: Grid) -> Floats:
    lost = g.by("dtype", 0.008, 0.004, 0.0) + g.by("quantization", 0.0, 0.010, 0.038, 0.050, 0.075)
    lost = lost + g.by("quantization_text", 0.0, 0.006, 0.018) + g.by("attention", 0.0, 0.001, 0.016)
    skipped = g.by("cache", 0.0, 0.055, 0.13) * g.by("steps", 1.0, 1.15, 1.4)
    lost = lost + skipped + g.by("steps", 0.0, 0.03, 0.085) + g.by("tiny_vae", 0.0, 0.035)
    lost = lost + g.by("vae_tiling", 0.0, 0.003, 0.010)
    unexplained = np.abs(np.log(g.residual(_LIKENESS, 0.012, seed=20)))
    return np.asarray(1.0 - lost - unexplained)


def _failures(g: Grid) -> Mapping[FailureKind, Mask]:
    quantized = ~g.has("quantization", "none")
    crash = g.has("quantization", "int8_dynamic", "float8_dynamic") & g.has("offload", "group")
    crash |= g.has("quantization", "nf4") & g.has("compile", "full")
    crash |= g.has("attention", "sage") & g.has("compile", "max-autotune")
    not_applied = g.has("cache", 0.2) & g.has("compile", "regional") & quantized
    corrupt = g.has("dtype", "float16") & g.is_on("compile_vae") & g.has("vae_tiling", 256)
    no_kernel = g.has("dtype", "float16") & g.has("quantization", "float8_dynamic") & ~g.is_on("fuse_qkv")
    no_kernel &= g.has("attention", "sage")
    return {
        FailureKind.UNSUPPORTED: no_kernel,
        FailureKind.NOT_APPLIED: not_applied,
        FailureKind.CRASH: crash,
        FailureKind.CORRUPT_PICTURE: corrupt,
    }
