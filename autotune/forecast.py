"""Forecast: how much memory a recipe will need, stage by stage, before it is run.

Two figures each. The lower bound counts what must be there at once and nothing else, so that a recipe may be
refused unrun when it exceeds the budget. What is expected is the same with what a device was seen to add:
`learn` fits that to measured trials.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from autotune.factors import Factors, Seen, Stage, fit
from autotune.footprint import DECODE, DENOISE, ENCODE, Footprint, Run
from autotune.knob import Settings, Value
from autotune.measurement import Memory
from autotune.resident import (
    Amount,
    at_rest,
    decoding_format,
    encoders_of,
    exactly,
    is_unknown,
    largest,
    loaded,
    loading_format,
    parts_of,
    pictures_left,
    run_of,
    runs_in_engine,
    total,
)
from autotune.target import Target
from autotune.units import format_bytes

LOAD = "load"
STAGES = (LOAD, ENCODE, DENOISE, DECODE)

_COMPILED = {ENCODE: "compile_text_encoder", DENOISE: "compile", DECODE: "compile_vae"}
# Of the three tensors at the peak of an eager VAE, norm and activation become one: two thirds. Half is less
# than any fusion leaves.
_COMPILED_LEAST, _COMPILED_USUAL = 0.5, 0.67
_MERGED_LEAST = 0.25  # a share of the tokens goes through a share of the layers
_DOING = {LOAD: "loading", ENCODE: "encoding prompts", DENOISE: "denoising", DECODE: "decoding"}


@dataclass(frozen=True, kw_only=True)
class StageForecast:
    """Bytes on the device, or in the memory of the machine, while a stage runs.

    Attributes:
        weights: Of weights, as far as they are there during the stage.
        live: Of everything else that is alive at its peak.
        lower_bound: What is needed whatever the device adds.
        expected: What will be measured, by all that was learnt.
    """

    weights: int
    live: int
    lower_bound: int
    expected: int


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a recipe will need.

    Attributes:
        device: Stages on the device that computes; on a CPU that is the machine's memory.
        host: Stages in the memory of the machine; the same as `device` on a CPU.
        settings: Of the recipe.
        unknown: Parts in whose place the recipe puts others that were never weighed. The lower bound counts
            nothing of them; what is expected counts the pipeline's own, for want of better.
    """

    device: Mapping[str, StageForecast]
    host: Mapping[str, StageForecast]
    settings: Mapping[str, Value] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def lower_bound_bytes(self) -> int:
        """The least that the device must have."""
        return max(stage.lower_bound for stage in self.device.values())

    @property
    def expected_bytes(self) -> int:
        """The peak that is expected on the device."""
        return max(stage.expected for stage in self.device.values())

    @property
    def host_lower_bound_bytes(self) -> int:
        """The least that the machine must have."""
        return max(stage.lower_bound for stage in self.host.values())

    @property
    def host_expected_bytes(self) -> int:
        """The peak that is expected in the memory of the machine."""
        return max(stage.expected for stage in self.host.values())

    @property
    def peak_stage(self) -> str:
        """The stage that decides about the device: where memory must be saved."""
        return max(self.device, key=lambda name: self.device[name].expected)

    def why_not(self, limit_bytes: int | None, host_limit_bytes: int | None = None) -> str | None:
        """Return why a recipe need not be tried under these limits, None where it may fit.

        >>> stage = StageForecast(weights=9, live=1, lower_bound=10 * 2**30, expected=12 * 2**30)
        >>> Forecast(device={"decode": stage}, host={"decode": stage}).why_not(8 * 2**30)
        'forecast: at least 10 GiB while decoding, limit 8 GiB'
        """
        budgets = ((self.device, limit_bytes, ""), (self.host, host_limit_bytes, " of host memory"))
        for stages, limit, what in budgets:
            name = max(stages, key=lambda stage: stages[stage].lower_bound)
            least = stages[name].lower_bound
            if limit is not None and least > limit:
                needs = f"at least {format_bytes(least)}{what} while {_DOING[name]}"
                return f"forecast: {needs}, limit {format_bytes(limit)}"
        return None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "settings": dict(self.settings),
            "unknown": list(self.unknown),
            "lower_bound_bytes": self.lower_bound_bytes,
            "expected_bytes": self.expected_bytes,
            "host_lower_bound_bytes": self.host_lower_bound_bytes,
            "host_expected_bytes": self.host_expected_bytes,
            "stages": {name: asdict(stage) for name, stage in self.device.items()},
            "host_stages": {name: asdict(stage) for name, stage in self.host.items()},
        }


@dataclass(frozen=True, kw_only=True)
class _Need:
    """Weights and the rest of one stage."""

    weights: Amount
    live: Amount = field(default_factory=Amount)


def forecast(
    settings: Settings, footprint: Footprint, target: Target, factors: Factors | None = None
) -> Forecast:
    """Return what a recipe will need.

    Args:
        settings: Its settings; what is left out has its default. Knobs that are not known here are taken to
            need nothing.
        footprint: Of the model and the workload.
        target: The device that computes.
        factors: What was learnt on it; None for a device that was never measured.
    """
    known, kind = factors or Factors.of(target.kind), target.kind
    held, left = footprint.with_swaps(settings)
    sizes = {name: at_rest(name, left, held, kind=kind) for name in held.weights}
    needs = {stage: _need(stage, left, held, sizes) for stage in (ENCODE, DENOISE, DECODE)}
    unknown = tuple(name for name in parts_of(left, held) if is_unknown(name, left, held))
    from_files = _Need(weights=loaded(settings, footprint))  # the pipeline's own, before any is swapped
    if kind == "cpu":
        needs = {LOAD: from_files, **needs}
        device = {name: _staged(name, need, known, settings) for name, need in needs.items()}
        return Forecast(device=device, host=device, settings=settings, unknown=unknown)
    needs = {LOAD: _Need(weights=_placed(left, held, sizes)), **needs}
    device = {name: _staged(name, need, known, settings) for name, need in needs.items()}
    waiting = _Need(weights=_waiting(left, held, sizes))
    on_host = {LOAD: from_files, **dict.fromkeys((ENCODE, DENOISE, DECODE), waiting)}
    plain = Factors.of("cpu")
    host = {name: _staged(name, need, plain, {}) for name, need in on_host.items()}
    return Forecast(device=device, host=host, settings=settings, unknown=unknown)


def learn(pairs: Iterable[tuple[Forecast, Memory]], kind: str, before: Factors | None = None) -> Factors:
    """Return what measured trials of one device teach.

    Args:
        pairs: What was forecast, with or without factors, and what was measured.
        kind: Type of the device.
        before: What was known without these; by default what is assumed of any such device.
    """
    seen = [row for made, memory in pairs for row in seen_in(made, memory)]
    return fit(seen, before or Factors.of(kind))


def seen_in(made: Forecast, memory: Memory) -> list[Seen]:
    """Return the stages of a trial that were both forecast and measured: none where a part is unknown.

    A trial tells its peak while loading and that of its calls, which is the peak of the stage that needs
    most. On a CPU there is a call that was made for its memory alone; in older studies there is none, and
    their calls hold what the allocator kept as well.
    """
    if made.unknown:
        return []
    measured = memory.stages
    called = measured.get("one call", 0) or max(measured.get(name, 0) for name in ("first call", "calls"))
    name = max((ENCODE, DENOISE, DECODE), key=lambda stage: made.device[stage].expected)
    rows = [(stage, amount) for stage, amount in ((name, called), (LOAD, measured.get(LOAD, 0))) if amount]
    return [
        Seen(
            stage=stage,
            weights=made.device[stage].weights,
            live=made.device[stage].live,
            measured=amount,
            settings={} if stage == LOAD else made.settings,
        )
        for stage, amount in rows
    ]


def _staged(name: str, need: _Need, factors: Factors, changed: Mapping[str, Value]) -> StageForecast:
    added = factors.stages.get(name, Stage())
    # Not asked for nothing: settings may be such that each look at them counts.
    extra = factors.added_by(changed) if factors.settings and name != LOAD else 0
    least = need.weights.least + need.live.least
    usual = need.weights.usual + added.factor * need.live.usual + added.constant + extra
    return StageForecast(
        weights=need.weights.usual,
        live=need.live.usual,
        lower_bound=least,
        expected=max(round(usual), least),
    )


def _need(stage: str, settings: Settings, footprint: Footprint, sizes: Mapping[str, Amount]) -> _Need:
    """What a stage needs on the device, by the rule of offloading."""
    offload = str(settings.get("offload", "none"))
    if stage == ENCODE and settings.get("prompt_embeds", "live") == "precomputed":
        # They are encoded before anything else is placed, with all encoders on the device.
        encoders = encoders_of(footprint)
        lives = [_live(name, settings, footprint) for name in encoders]
        return _Need(weights=total(sizes[name] for name in encoders), live=largest(lives))
    names = parts_of(settings, footprint, stage)
    resting = parts_of(settings, footprint)
    if offload == "none":
        return _Need(
            weights=total(sizes[name] for name in resting) + _upcast(stage, settings, footprint),
            live=largest(_live(name, settings, footprint) for name in names),
        )
    if offload == "model":
        moved = set(footprint.offload_order)
        stay = total(sizes[name] for name in resting if name not in moved)
        with_weights = [
            (sizes[name] + _upcast(stage, settings, footprint), _live(name, settings, footprint))
            for name in names
        ]
        return _most(stay, with_weights)
    return _in_pieces(stage, settings, footprint, sizes)


def _in_pieces(stage: str, settings: Settings, footprint: Footprint, sizes: Mapping[str, Amount]) -> _Need:
    """What a stage needs where layers or blocks are moved one by one."""
    offload, names = str(settings.get("offload")), parts_of(settings, footprint, stage)
    grouped = offload.startswith("group_")
    is_moved = {
        name: not grouped or footprint.weights[name].stage in (ENCODE, DENOISE)
        for name in parts_of(settings, footprint)
    }
    stay = total(sizes[name] for name, moves in is_moved.items() if not moves)
    pieces = []
    for name in names:
        live = _live(name, settings, footprint)
        if not is_moved[name]:
            pieces.append((_upcast(stage, settings, footprint), live))
            continue
        by_block = offload == "group_block" and stage == DENOISE
        pieces.append((_on_loan(name, settings, footprint, sizes, by_block=by_block), live))
    return _most(stay, pieces)


def _on_loan(
    name: str, settings: Settings, footprint: Footprint, sizes: Mapping[str, Amount], *, by_block: bool
) -> Amount:
    """The weights of a part that are on the device when it needs most, in addition to what is alive."""
    run = _run(name, settings, footprint)
    whole = footprint.weights[name].sizes.get(loading_format(settings), 0)
    if run is None or not whole:
        return Amount()
    is_streamed = settings.get("offload_stream", "none") != "none"
    if by_block:
        least, usual = run.by_block, run.by_block_ahead if is_streamed else run.by_block
        more = int(settings.get("offload_blocks", 1)) - 1
        usual += more * footprint.weights[name].largest_block.get(loading_format(settings), 0)
    else:
        least, usual = run.by_layer, run.by_layer_ahead if is_streamed else run.by_layer
    share = sizes[name].usual / whole
    scaled = round((usual - run.live) * share)
    # Where weights are smaller than in the run, the peak may lie elsewhere: what is alive must be there.
    return Amount(least - run.live if sizes[name].least >= whole else 0, max(scaled, 0))


def _most(stay: Amount, pieces: Iterable[tuple[Amount, Amount]]) -> _Need:
    """The need of the part that needs most, of those that take turns."""
    listed = list(pieces) or [(Amount(), Amount())]
    weights, live = max(listed, key=lambda pair: (pair[0] + pair[1]).usual)
    least = largest(a + b for a, b in listed).least - live.least
    return _Need(weights=Amount(stay.least + max(least, 0), (stay + weights).usual), live=live)


def _live(name: str, settings: Settings, footprint: Footprint) -> Amount:
    """What is alive beside the weights when a part runs."""
    run = _run(name, settings, footprint)
    if run is None:
        return Amount()
    amount, stage = exactly(run.live), footprint.weights[name].stage
    if settings.get(_COMPILED.get(stage, ""), "none") not in ("none", False):
        amount = amount.times(_COMPILED_LEAST, _COMPILED_USUAL)
    if stage == DENOISE and settings.get("token_merging", 0.0):
        amount = amount.times(_MERGED_LEAST, 1.0)
    if runs_in_engine(stage, settings) or is_unknown(name, settings, footprint):
        amount = Amount(0, amount.usual)
    waiting = footprint.picture_bytes * pictures_left(settings, footprint) if stage == DECODE else 0
    return amount + Amount(0, waiting)


def _run(name: str, settings: Settings, footprint: Footprint) -> Run | None:
    stage = footprint.weights[name].stage
    dtype = decoding_format(settings, footprint) if stage == DECODE else loading_format(settings)
    return run_of(name, _variant(name, stage, settings), settings, footprint, dtype)


def _variant(name: str, stage: str, settings: Settings) -> str:
    """The way in which a part runs, as the footprint calls it."""
    if stage == ENCODE:
        return "whole"
    if stage == DECODE:
        tile = settings.get("vae_tiling", 0)
        return "tiny" if name == "vae_tiny" else f"tile_{tile}" if tile else "whole"
    slices = settings.get("attention_slicing", "none")
    if slices != "none":
        return f"slices_{slices}"
    attention = str(settings.get("attention", "sdpa"))
    if attention == "vanilla":
        return "vanilla"
    return "math" if attention.endswith("math") else "fused"


def _upcast(stage: str, settings: Settings, footprint: Footprint) -> Amount:
    """What the VAE's weights grow by while it decodes in more bits than it rests in."""
    part = footprint.weights.get("vae")
    is_plain = part is not None and not settings.get("tiny_vae", False)
    if stage != DECODE or part is None or not is_plain:
        return Amount()
    rests = "float32" if settings.get("vae_upcast", "auto") == "float32" else loading_format(settings)
    runs = decoding_format(settings, footprint)
    more = max(part.sizes.get(runs, 0) - part.sizes.get(rests, 0), 0)
    # Another VAE may be one that is not upcast.
    is_other = runs_in_engine(stage, settings) or is_unknown("vae", settings, footprint)
    return Amount(0 if is_other else more, more)


def _placed(settings: Settings, footprint: Footprint, sizes: Mapping[str, Amount]) -> Amount:
    """What is on the device once everything is in its place and nothing runs."""
    offload, names = str(settings.get("offload", "none")), parts_of(settings, footprint)
    if offload == "none":
        return total(sizes[name] for name in names)
    if offload == "model":
        return total(sizes[name] for name in names if name not in footprint.offload_order)
    if offload.startswith("group_"):
        return total(sizes[name] for name in names if footprint.weights[name].stage not in (ENCODE, DENOISE))
    return Amount()


def _waiting(settings: Settings, footprint: Footprint, sizes: Mapping[str, Amount]) -> Amount:
    """What waits in the memory of the machine while the device computes."""
    offload, names = str(settings.get("offload", "none")), parts_of(settings, footprint)
    if offload == "none" or settings.get("offload_disk", False):
        return Amount()
    if offload.startswith("group_"):
        names = tuple(name for name in names if footprint.weights[name].stage in (ENCODE, DENOISE))
    whole = total(sizes[name] for name in names)
    is_pinned = settings.get("offload_stream", "none") != "none" and not settings.get(
        "offload_low_cpu_mem", False
    )
    # Pinned copies cannot be dropped. Others may still be pages of the weight files, and one part is away.
    away = max((sizes[name].usual for name in names), default=0) if offload == "model" else 0
    return Amount(whole.least if is_pinned else 0, whole.usual - away)
