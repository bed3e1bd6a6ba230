"""Measures a footprint: weights, groups and live bytes of a model, without its weights and without a GPU."""

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from autotune.footprint import DECODE, DENOISE, ENCODE, SCHEMA_VERSION, Footprint, Run, Swap, Weights
from autotune.knob import Setup, Situation, Value
from autotune.knobs import vae_tiling
from autotune.pipeline import weightless
from autotune.pipeline.architectures import cache_folder
from autotune.pipeline.calls import call_arguments, fixed_arguments
from autotune.pipeline.live_bytes import FusedAttention, Record, watched
from autotune.pipeline.machine import read_target, resolve_device
from autotune.pipeline.models import config_folder
from autotune.pipeline.probe import situate
from autotune.pipeline.weighing import Groups, block_groups, layer_groups, stored_format, weigh
from autotune.workload import Call, Workload

_VERSION = 2  # of this method: a cached footprint of another one is measured again
_LIBRARIES = ("torch", "diffusers", "transformers")
_STEPS = 2  # some schedulers cannot make do with one; the second is not run again
_FORMATS = ("bfloat16", "float32")  # float16 needs what bfloat16 needs
_Manner = contextlib.AbstractContextManager[object]


@dataclass(kw_only=True)
class _Bench:
    """A pipeline without weights, and what is seen of its parts while it is called.

    Attributes:
        pipeline: The pipeline.
        modules: Its modules by name, the Tiny AutoEncoder as "vae_tiny", and those of `swaps`.
        swaps: What knobs can put into a part's place, by the name of its module.
        situation: With the workload's sizes resolved.
        mode: Of the fake tensors.
        layers, blocks: What each module brings along when layers or blocks are offloaded, by part.
        dtype: Number format of the weights now.
        pictures, guided: Of the call now.
        thorough: Whether all ways of attention and decoding are run in the call now.
        runs: What was seen.
        remarks: What could not be run.
    """

    pipeline: Any
    modules: dict[str, torch.nn.Module]
    situation: Situation
    mode: FakeTensorMode
    swaps: dict[str, Swap] = field(default_factory=dict)
    layers: dict[str, Groups] = field(default_factory=dict)
    blocks: dict[str, Groups] = field(default_factory=dict)
    dtype: str = ""
    pictures: int = 1
    guided: bool = True
    thorough: bool = False
    runs: dict[tuple[object, ...], Run] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)

    def note(self, part: str, variant: str, record: Record) -> None:
        """Keep the largest of the calls of a part."""
        layers, blocks = self.layers[part].brought[self.dtype], self.blocks[part].brought[self.dtype]
        always = self.blocks[part].always[self.dtype]
        run = Run(
            part=part,
            dtype=self.dtype,
            pictures=self.pictures,
            guided=self.guided,
            variant=variant,
            live=record.peak,
            by_layer=record.peak_with(layers),
            by_layer_ahead=record.peak_with(layers, ahead=True),
            by_block=always + record.peak_with(blocks),
            by_block_ahead=always + record.peak_with(blocks, ahead=True),
        )
        key = (part, self.dtype, self.pictures, self.guided, variant)
        known = self.runs.get(key)
        self.runs[key] = run if known is None or known.live < run.live else known


def survey(workload: Workload, device: str = "cpu") -> tuple[Footprint, Situation]:
    """Return the footprint and the situation of a workload, from its model's configuration files.

    A footprint that was measured once is kept in the user's cache.

    Args:
        workload: Names the model, the size and the batch.
        device: Torch device string of the situation's target; the footprint is of none.

    Raises:
        ModelError: The model cannot be found, or a part cannot be built.
        PlanError: The workload's size does not suit the model.
        DeviceError: The machine has no such device.
    """
    folder = config_folder(workload)
    situation = situate(folder, workload, read_target(resolve_device(device)))
    return kept_footprint(folder, situation), situation


def kept_footprint(folder: Path, situation: Situation) -> Footprint:
    """Return the footprint of a model from the user's cache, or measure it and keep it there."""
    file = cache_folder() / "footprints" / f"{_digest(folder, situation)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return Footprint.from_json(json.loads(file.read_text(encoding="utf-8")))
    found = measure(folder, situation)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs seconds only
        _write(file, json.dumps(found.to_json()))
    return found


def measure(folder: Path, situation: Situation) -> Footprint:
    """Return the footprint of a model whose configuration files are known.

    Args:
        folder: A diffusers folder; weight files are only asked for their number format.
        situation: Sizes resolved; its target is not looked at.

    Raises:
        ModelError: A part cannot be built.
    """
    import diffusers

    components, options = weightless.build_parts(folder)
    cls: Any = getattr(diffusers, situation.blueprint.pipeline_class)
    modules = {name: part for name, part in components.items() if isinstance(part, torch.nn.Module)}
    tiny = _tiny_vae(folder, situation)
    if tiny is not None:
        modules["vae_tiny"] = weightless.build_module(tiny.parent, "AutoencoderTiny")
    others = _other_denoisers(folder, situation, modules)
    modules |= {name: module for name, (_, module) in others.items()}
    layers = {name: layer_groups(module) for name, module in modules.items()}
    blocks = {name: block_groups(module) for name, module in modules.items()}
    weights = {
        name: replace(
            weigh(module, layers[name], blocks[name]),
            stage=stage_of(name),
            stored=stored_format(folder / name),
        )
        for name, module in modules.items()
    }
    pipeline = weightless.build_pipeline(cls, components, options)
    pipeline.set_progress_bar_config(disable=True)
    bench = _Bench(
        pipeline=pipeline,
        modules=modules,
        situation=situation,
        mode=FakeTensorMode(allow_non_fake_inputs=True),
        swaps={name: swap for name, (swap, _) in others.items()},
        layers=layers,
        blocks=blocks,
    )
    _run_all(bench)
    workload, blueprint = situation.workload, situation.blueprint
    sequence = str(getattr(cls, "model_cpu_offload_seq", None) or "")
    return Footprint(
        pipeline_class=blueprint.pipeline_class,
        weights={name: part for name, part in weights.items() if name not in others},
        runs=tuple(run for run in bench.runs.values() if run.part not in others),
        swaps=_swaps(bench, weights),
        pictures=workload.batch,
        picture_bytes=4 * 3 * workload.width_px * workload.height_px * max(workload.frames, 1),
        # Most pipelines do not look at what their VAE's configuration says.
        force_upcast=blueprint.can("vae_upcast") and bool(blueprint.facts.get("force_upcast", False)),
        offload_order=tuple(name for name in sequence.split("->") if name in modules),
        versions=_versions(),
        remarks=tuple(bench.remarks),
    )


def _run_all(bench: _Bench) -> None:
    """Call the pipeline for every number format, number of pictures and kind of guidance."""
    batch, can_guide = bench.situation.workload.batch, bench.situation.blueprint.can("cfg")
    fewer = [count for count in range(1, batch) if batch % count == 0]
    guided = can_guide and bench.situation.workload.guidance > 1
    for dtype in _FORMATS:
        bench.dtype = dtype
        for module in bench.modules.values():
            weightless.give_fake_weights(module, dtype, bench.mode)
        for pictures in (batch, *fewer):
            bench.pictures, bench.guided, bench.thorough = pictures, True, True
            _call(bench, guidance=bench.situation.workload.guidance)
        if guided:
            bench.pictures, bench.guided, bench.thorough = batch, False, False
            _call(bench, guidance=1.0)
    if not guided:  # what is never guided is the same with and without
        known = bench.runs.items()
        bench.runs |= {(*key[:3], False, key[4]): replace(run, guided=False) for key, run in known}


def _call(bench: _Bench, *, guidance: float) -> None:
    """Call the pipeline once, its modules standing in for themselves."""
    setup = Setup(workload=bench.situation.workload, settings={}, device="cpu", pipeline=bench.pipeline)
    asked = bench.situation.workload.calls()[0]
    call = Call(prompts=asked.prompts[: bench.pictures], seeds=asked.seeds[: bench.pictures])
    arguments = call_arguments(setup, call) | fixed_arguments(setup) | {"num_inference_steps": _STEPS}
    if "guidance_scale" in arguments:
        arguments["guidance_scale"] = guidance
    with contextlib.ExitStack() as stack:
        for name, module in bench.modules.items():
            stage = stage_of(name)
            if stage and name != "vae_tiny":
                method = "decode" if stage == DECODE else "forward"
                stand_in = _stand_in(bench, name, getattr(module, method))
                stack.enter_context(weightless.replaced(module, method, stand_in))
        stack.enter_context(torch.no_grad())
        stack.enter_context(warnings.catch_warnings(action="ignore"))  # of schedulers, about so few steps
        with contextlib.suppress(weightless.CallEnded):
            bench.pipeline(**arguments)


def stage_of(part: str) -> str:
    """Return when a part runs, "" for one that no picture needs.

    >>> stage_of("text_encoder_2"), stage_of("transformer"), stage_of("vae"), stage_of("safety_checker")
    ('encode', 'denoise', 'decode', '')
    """
    if part.startswith("text_encoder"):
        return ENCODE
    if part in ("unet", "transformer", "transformer_2"):
        return DENOISE
    return DECODE if part in ("vae", "vae_tiny") else ""


def _stand_in(bench: _Bench, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    stage, known = stage_of(name), dict[tuple[torch.Size, ...], Any]()

    def answer(*args: Any, **kwargs: Any) -> Any:
        shapes = tuple(tensor.shape for tensor in weightless.tensors_of((args, kwargs)))
        if shapes in known:
            return weightless.as_zeros(known[shapes])
        result = None
        for part, variant, manner in _ways(bench, stage, name):
            method = "decode" if stage == DECODE else "forward"
            function = run if part == name else getattr(bench.modules[part], method)
            given, named = weightless.as_fake((args, kwargs), bench.mode)
            try:
                with bench.mode, manner:
                    tensors = weightless.tensors_of((given, named))
                    record, made = watched(
                        bench.modules[part],
                        lambda f=function, a=given, k=named: f(*a, **k),  # type: ignore[misc]
                        tensors,
                    )
            except Exception as error:
                if result is None:
                    raise
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                bench.remarks[f"{part}, {variant} in {bench.dtype} could not be run: {reason}"] = None
                continue
            bench.note(part, variant, record)
            result = made if result is None else result
        if stage == DECODE:
            raise weightless.CallEnded
        known[shapes] = result
        return weightless.as_zeros(result)

    return answer


def _ways(bench: _Bench, stage: str, name: str) -> Iterator[tuple[str, str, _Manner]]:
    """The ways to run a part, the plain one first, and then those to run what can take its place."""
    yield from ((name, *way) for way in _variants(bench, stage, name))
    if stage == DECODE and bench.thorough and "vae_tiny" in bench.modules:
        yield "vae_tiny", "tiny", FusedAttention()
    for other in (other for other, swap in bench.swaps.items() if swap.part == name):
        yield from ((other, *way) for way in _variants(bench, stage, other))


def _variants(bench: _Bench, stage: str, name: str) -> Iterator[tuple[str, _Manner]]:
    """The ways to run one module, the plain one first."""
    module: Any = bench.modules[name]
    if stage == ENCODE:
        yield "whole", FusedAttention()
        return
    if stage == DECODE:
        yield "whole", FusedAttention()
        if bench.thorough:
            for tile in vae_tiling.domain(bench.situation).values[1:]:
                yield f"tile_{tile}", _tiled(bench, tile)
        return
    yield "fused", FusedAttention()
    if not bench.thorough or bench.pictures != bench.situation.workload.batch:
        return
    from diffusers.models.attention_processor import AttnProcessor
    from torch.nn.attention import SDPBackend, sdpa_kernel

    yield "math", sdpa_kernel(SDPBackend.MATH)
    if bench.situation.blueprint.can("attn_processor_2_0"):
        yield "vanilla", _processors(module, lambda: module.set_attn_processor(AttnProcessor()))
    if bench.situation.blueprint.can("attention_slicing") and bench.dtype == _FORMATS[0]:
        for size in ("auto", "max"):
            yield f"slices_{size}", _processors(module, lambda s=size: module.set_attention_slice(s))  # type: ignore[misc]


@contextlib.contextmanager
def _processors(module: Any, install: Callable[[], None]) -> Iterator[None]:
    """Other attention processors for a while; fused kernels stay where they are used."""
    before = dict(module.attn_processors)
    install()
    try:
        with FusedAttention():
            yield
    finally:
        module.set_attn_processor(before)


@contextlib.contextmanager
def _tiled(bench: _Bench, tile: Value) -> Iterator[None]:
    """Decode in tiles for a while, as the knob says it."""
    vae = bench.pipeline.vae
    before = {name: value for name, value in vars(vae).items() if "tile" in name or "tiling" in name}
    workload = bench.situation.workload
    setup = Setup(
        workload=workload,
        settings={},
        device="cpu",
        pipeline=bench.pipeline,
        facts=bench.situation.blueprint.facts,
    )
    vae_tiling.turn(setup, int(tile))
    try:
        with FusedAttention():
            yield
    finally:
        vars(vae).update(before)


def _tiny_vae(folder: Path, situation: Situation) -> Path | None:
    """The configuration of the Tiny AutoEncoder: beside the model, or in the hub's cache."""
    named = str(situation.blueprint.facts.get("tiny_vae", ""))
    files = (folder / named / "config.json", Path(named) / "config.json") if named else ()
    return next(filter(Path.is_file, files), None)


def _other_denoisers(
    folder: Path, situation: Situation, modules: Mapping[str, torch.nn.Module]
) -> dict[str, tuple[Swap, torch.nn.Module]]:
    """The denoisers that an architecture's folder holds beside its own, by a name for each."""
    known, part = situation.blueprint.facts.get("denoisers"), situation.blueprint.denoiser
    if not isinstance(known, dict) or part is None:
        return {}
    class_name = type(modules[part]).__name__
    return {
        f"{part}, {value}": (
            Swap(knob="swap_denoiser", value=value, part=part),
            weightless.build_module(folder / str(where), class_name),
        )
        for value, where in known.items()
    }


def _swaps(bench: _Bench, weights: Mapping[str, Weights]) -> tuple[Swap, ...]:
    """What can take a part's place, as it was weighed and run; without what could not be run at all."""
    filled = (
        replace(
            swap,
            weights=replace(weights[name], stage=stage_of(swap.part)),
            runs=tuple(replace(run, part=swap.part) for run in bench.runs.values() if run.part == name),
        )
        for name, swap in bench.swaps.items()
    )
    return tuple(swap for swap in filled if swap.runs)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {library: version(library) for library in _LIBRARIES}


def _digest(folder: Path, situation: Situation) -> str:
    """Name what a footprint depends on: configurations, workload, versions and the method."""
    workload, tiny = situation.workload, _tiny_vae(folder, situation)
    parts: list[object] = [_VERSION, SCHEMA_VERSION, _versions()]
    parts += [workload.width_px, workload.height_px, workload.batch, workload.frames, workload.guidance > 1]
    parts += [max(map(len, workload.prompts))]  # some tokenizers pad to the longest prompt
    for file in sorted(folder.rglob("*.json")):
        parts.append(file.relative_to(folder).as_posix())
        parts.append(hashlib.sha256(file.read_bytes()).hexdigest())
    parts.append("" if tiny is None else hashlib.sha256(tiny.read_bytes()).hexdigest())
    parts += [f"{file.name}:{stored_format(file.parent)}" for file in sorted(folder.glob("*/*.safetensors"))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).replace(file)
