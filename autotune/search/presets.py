"""Presets: the recipes of the published guides, tried first wherever they are possible."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autotune.knob import Choice, Settings, Value
from autotune.space import SearchSpace, key

COUNT = 8
_BEFORE_EARLIER = 2
_HALF = ("float16", "bfloat16")
_BRAIN = ("bfloat16", "float16")

# A wish is a knob and the values that would do, the best first. A value that is not on offer is passed over,
# and a wish without any is dropped; where that is the first one, which the recipe is about, the recipe goes
# with it. Of a recipe in conflict the last wishes are dropped until it is valid. So one list suits a CPU and
# every GPU. The most telling recipes come first: eight are taken.
_GUIDES: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    # diffusers, "Accelerate inference" and "Reduce memory usage"
    "half precision": {"dtype": _HALF},
    "channels last, half precision": {"channels_last": (True,), "channels_last_vae": (True,), "dtype": _HALF},
    # diffusers, "torch.compile": regional compilation costs a fraction of the time before the first picture
    "regional compile": {
        "compile": ("regional",),
        "dtype": _BRAIN,
        "channels_last": (True,),
        "channels_last_vae": (True,),
    },
    # pytorch.org, "Accelerating Generative AI Part III: Diffusion, Fast", step by step
    "diffusion, fast": {
        "compile": ("full", "regional"),
        "dtype": _BRAIN,
        "compile_vae": (True,),
        "channels_last": (True,),
        "channels_last_vae": (True,),
        "fuse_qkv": (True,),
        "conv1x1_to_linear": (True,),
        "compile_flags": ("diffusion_fast",),
    },
    # huggingface.co, "Exploring simple optimizations for SDXL": the smallest without offloading
    "small": {"prompt_embeds": ("precomputed",), "dtype": _HALF, "tiny_vae": (True,), "vae_slicing": (True,)},
    # diffusers, "Speed up inference": a scheduler that needs fewer steps, where approximate knobs are allowed
    "fewer steps": {"steps": (), "scheduler": ("dpmpp_2m", "unipc"), "dtype": _HALF},
    "int8, fast": {
        "quantization": ("int8_dynamic",),
        "dtype": _BRAIN,
        "compile": ("full", "regional"),
        "compile_vae": (True,),
        "channels_last": (True,),
        "channels_last_vae": (True,),
    },
    # docs.openvino.ai, notebook "Text-to-Image Generation with Stable Diffusion and OpenVINO"
    "OpenVINO": {"engine": ("openvino",), "engine_vae": ("openvino",)},
    # diffusers, "Caching methods"; github.com/horseee/DeepCache: where approximate knobs are allowed
    "cached steps": {"step_cache": ("first_block:0.1",), "dtype": _BRAIN},
    "cached blocks": {"deep_cache": (3, 2), "dtype": _HALF},
    "Tiny AutoEncoder": {"tiny_vae": (True,), "dtype": _HALF, "vae_slicing": (True,)},
    "CUDA graphs": {"compile_mode": ("reduce-overhead",), "compile": ("full", "regional"), "dtype": _BRAIN},
    # github.com/sayakpaul/diffusers-torchao: products in 8-bit floating point, compiled
    "float8, fast": {
        "quantization": ("float8_dynamic",),
        "dtype": ("bfloat16",),
        "compile": ("full", "regional"),
        "compile_vae": (True,),
    },
    "offloaded": {"offload": ("model",), "dtype": _HALF, "vae_slicing": (True,)},
    # diffusers, "Reduce memory usage": weights come in groups while the one before computes
    "offloaded in groups": {
        "offload": ("group_leaf",),
        "dtype": _HALF,
        "offload_stream": ("record_stream", "stream"),
        "vae_slicing": (True,),
    },
    "precomputed prompts": {"prompt_embeds": ("precomputed",), "dtype": _HALF},
    "TF32": {"tf32": (True,), "channels_last": (True,), "channels_last_vae": (True,)},
    "channels last": {"channels_last": (True,), "channels_last_vae": (True,)},
    "float32, compiled": {
        "compile": ("regional", "full"),
        "channels_last": (True,),
        "channels_last_vae": (True,),
    },
    "int8 weights": {"quantization": ("int8_weight_only",), "dtype": _BRAIN},
    "tiled": {"vae_tiling": (512, 256, 128, 64), "dtype": _HALF, "vae_slicing": (True,)},
    "8-bit storage": {"layerwise_casting": ("float8_e4m3fn",), "dtype": _BRAIN},
    "fused": {"fuse_qkv": (True,), "dtype": _HALF},
    "sliced attention": {"attention_slicing": ("auto", "max"), "dtype": _HALF},
    "one by one": {"images_per_call": (1,), "dtype": _HALF},
    "traced": {"trace": (True,), "dtype": _HALF, "channels_last": (True,)},
    "merged tokens": {"token_merging": (0.5, 0.3), "dtype": _HALF},
    "no late guidance": {"guidance_cutoff": (0.6, 0.8, 0.4), "dtype": _HALF},
    "sequentially offloaded": {"offload": ("sequential",), "dtype": _HALF, "vae_slicing": (True,)},
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe that is tried first: the value of every knob, and the name of where it comes from."""

    name: str
    settings: Settings


def presets(space: SearchSpace, count: int = COUNT, *, earlier: Sequence[Preset] = ()) -> tuple[Preset, ...]:
    """Return the recipes to try first, the untuned baseline at their head, all distinct and valid here.

    The baseline is there even where the plan's values for knobs exclude it: everything is compared to it.

    Args:
        space: What is valid.
        count: How many at most.
        earlier: What was best in earlier studies; tried right after the two most telling of the guides.
    """
    found = [Preset(name="untuned", settings=space.defaults)]
    known = {key(space.defaults)}
    guides = _guides(space)
    for preset in itertools.chain(itertools.islice(guides, _BEFORE_EARLIER), earlier, guides):
        if len(found) >= count:
            break
        if key(preset.settings) not in known:
            known.add(key(preset.settings))
            found.append(preset)
    return tuple(found)


def _guides(space: SearchSpace) -> Iterator[Preset]:
    for name, wishes in _GUIDES.items():
        settings = _adapt(wishes, space)
        if settings is not None:
            yield Preset(name=name, settings=settings)


def _adapt(wishes: Mapping[str, tuple[Value, ...]], space: SearchSpace) -> Settings | None:
    """The longest beginning of the wishes that is valid here, or None where the first cannot be had."""
    granted = list(_granted(wishes, space))
    if not granted or granted[0][0] != next(iter(wishes)):
        return None
    # Where the plan leaves out a default, the first value that it wants stands in.
    base = {name: values[0] for name, values in space.choices.items()}
    for length in range(len(granted), 0, -1):
        settings = {**base, **dict(granted[:length])}
        if space.is_searched(settings):
            return settings
    return None


def _granted(wishes: Mapping[str, tuple[Value, ...]], space: SearchSpace) -> Iterator[tuple[str, Value]]:
    is_cpu = space.situation.target.kind == "cpu"
    for place, (name, values) in enumerate(wishes.items()):
        offered = space.choices.get(name, ())
        wanted = values or _fewer(space.offered.get(name), offered)
        if is_cpu and name == "dtype":
            # Most CPUs compute 16 bits no faster than 32, and emulate float16 several times slower: 16 bits
            # are tried once, by the preset that is about them, so that they do not hide what the others gain.
            wanted = () if place else tuple(sorted(wanted, key=lambda value: value == "float16"))
        value = next((value for value in wanted if value in offered), None)
        if value is not None:
            yield name, value


def _fewer(choice: Choice | None, offered: tuple[Value, ...]) -> tuple[Value, ...]:
    """The number nearest to half the default, for a knob whose values depend on the workload."""
    numbers = [value for value in offered if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if choice is None or not isinstance(choice.default, (int, float)) or len(numbers) < 2:
        return ()
    half = choice.default / 2
    return (min(numbers, key=lambda number: abs(number - half)),)
