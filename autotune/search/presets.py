"""Presets: the recipes of the published guides, tried first wherever they are possible."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autotune.knob import Choice, Settings, Value
from autotune.space import SearchSpace, key

COUNT = 8
_HALF = ("float16", "bfloat16")
_BRAIN = ("bfloat16", "float16")

# A wish is a knob and the values that would do, the best first. A value that is not on offer is passed over,
# a wish without any is dropped, and of a recipe in conflict the last wishes are dropped until it is valid. So
# one list suits a CPU and every GPU. The most telling recipes come first: eight are taken.
_GUIDES: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    # diffusers, "Accelerate inference" and "Reduce memory usage"
    "half precision": {"dtype": _HALF},
    "half precision, channels last": {"dtype": _HALF, "channels_last": (True,)},
    # diffusers, "torch.compile": regional compilation costs a fraction of the time before the first picture
    "regional compile": {"dtype": _BRAIN, "channels_last": (True,), "compile": ("regional",)},
    # pytorch.org, "Accelerating Generative AI Part III: Diffusion, Fast", step by step
    "diffusion, fast": {
        "dtype": _BRAIN,
        "compile": ("full", "regional"),
        "compile_vae": (True,),
        "channels_last": (True,),
        "fuse_qkv": (True,),
    },
    # huggingface.co, "Exploring simple optimizations for SDXL": the smallest without offloading
    "small": {
        "dtype": _HALF,
        "prompt_embeds": ("precomputed",),
        "tiny_vae": (True,),
        "vae_slicing": (True,),
    },
    # diffusers, "Speed up inference": a scheduler that needs fewer steps, where approximate knobs are allowed
    "fewer steps": {"dtype": _HALF, "scheduler": ("dpmpp_2m", "unipc"), "steps": ()},
    "int8, fast": {
        "dtype": _BRAIN,
        "quantization": ("int8_dynamic",),
        "compile": ("full", "regional"),
        "compile_vae": (True,),
        "channels_last": (True,),
    },
    "Tiny AutoEncoder": {"dtype": _HALF, "tiny_vae": (True,)},
    "offloaded": {
        "dtype": _HALF,
        "offload": ("model",),
        "prompt_embeds": ("precomputed",),
        "vae_slicing": (True,),
    },
    "precomputed prompts": {"dtype": _HALF, "prompt_embeds": ("precomputed",)},
    "TF32": {"tf32": (True,), "channels_last": (True,)},
    "float32, channels last": {"channels_last": (True,)},
    "float32, compiled": {"compile": ("regional", "full"), "channels_last": (True,)},
    "int8 weights": {"dtype": _BRAIN, "quantization": ("int8_weight_only",)},
    "tiled": {"dtype": _HALF, "vae_tiling": (512, 256, 128, 64), "vae_slicing": (True,)},
    "fused": {"dtype": _HALF, "fuse_qkv": (True,)},
    "sliced attention": {"dtype": _HALF, "attention_slicing": ("auto",)},
    "no late guidance": {"dtype": _HALF, "guidance_cutoff": (0.6, 0.8, 0.4)},
    "sequentially offloaded": {"dtype": _HALF, "offload": ("sequential",), "vae_slicing": (True,)},
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe that is tried first: the value of every knob, and the name of where it comes from."""

    name: str
    settings: Settings


def presets(space: SearchSpace, count: int = COUNT) -> tuple[Preset, ...]:
    """Return the recipes to try first, the untuned baseline at their head, all distinct and valid here.

    The baseline is there even where the plan's values for knobs exclude it: everything is compared to it.
    """
    found = [Preset(name="untuned", settings=space.defaults)]
    known = {key(space.defaults)}
    for name, wishes in _GUIDES.items():
        if len(found) == count:
            break
        settings = _adapt(wishes, space)
        if settings is not None and key(settings) not in known:
            known.add(key(settings))
            found.append(Preset(name=name, settings=settings))
    return tuple(found)


def _adapt(wishes: Mapping[str, tuple[Value, ...]], space: SearchSpace) -> Settings | None:
    """The longest beginning of the wishes that is valid here, or None where there is none."""
    granted = list(_granted(wishes, space))
    # Where the plan leaves out a default, the first value that it wants stands in.
    base = {name: values[0] for name, values in space.choices.items()}
    for length in range(len(granted), 0, -1):
        settings = {**base, **dict(granted[:length])}
        if space.is_searched(settings):
            return settings
    return None


def _granted(wishes: Mapping[str, tuple[Value, ...]], space: SearchSpace) -> Iterator[tuple[str, Value]]:
    for name, values in wishes.items():
        offered = space.choices.get(name, ())
        wanted = values or _fewer(space.offered.get(name), offered)
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
