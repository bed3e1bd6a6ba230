"""Footprint: what a model weighs and what its stages need while they run, as facts that a forecast needs."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from autotune.knob import Settings, Value

SCHEMA_VERSION = 2

ENCODE, DENOISE, DECODE = "encode", "denoise", "decode"


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Linear layers of one shape, whose names differ in numbers only.

    Attributes:
        path: Their name without numbers, such as "transformer_blocks.ff.net.proj".
        rows, columns: Their `out_features` and `in_features`.
        count: How many there are.
    """

    path: str
    rows: int
    columns: int
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One part of a pipeline at rest.

    Attributes:
        stage: When it runs: "encode", "denoise" or "decode"; "" for a part that no picture needs.
        class_name: Its class.
        sizes: Bytes of its parameters and buffers by number format ("float32", "float16", "bfloat16"), tied
            weights once, and what the class keeps in 32 bits in 32 bits.
        largest_layer: Bytes of the largest single layer, by number format.
        largest_block: Bytes of the largest group of diffusers' group offloading by blocks, by number format.
        unmatched: Bytes that stay on the device during a whole call when blocks are offloaded, by format.
        linears: Its linear layers: what quantization reaches.
        cast_numbers: Parameters that layerwise casting stores in 8 bits.
        fused_numbers: Parameters that fusing the query, key and value projections adds.
        stored: Number format of its files, "" where they were not looked at.
    """

    stage: str
    class_name: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    largest_layer: Mapping[str, int] = field(default_factory=dict)
    largest_block: Mapping[str, int] = field(default_factory=dict)
    unmatched: Mapping[str, int] = field(default_factory=dict)
    linears: tuple[Linear, ...] = ()
    cast_numbers: int = 0
    fused_numbers: int = 0
    stored: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The most that one call of a part needs at once beside its weights, and together with those on loan.

    Attributes:
        part: Name of the part.
        dtype: Number format of weights and activations.
        pictures: Pictures (or clips) of the pipeline call.
        guided: Whether classifier-free guidance was on.
        variant: How: "fused", "vanilla", "math", "slices_auto" and "slices_max" for attention; "whole",
            "tile_512" and "tiny" for decoding.
        live: Bytes of all tensors but the weights, arguments and results included.
        by_layer: The same and the weights of the layers that run at that moment: sequential offloading.
        by_layer_ahead: The same and the next layer's.
        by_block: The same with the weights of the running block, and of what belongs to no block.
        by_block_ahead: The same and the next block's.
    """

    part: str
    dtype: str
    pictures: int
    guided: bool
    variant: str
    live: int
    by_layer: int = 0
    by_layer_ahead: int = 0
    by_block: int = 0
    by_block_ahead: int = 0


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Another part that a knob puts into the place of one of the pipeline's own, weighed and run there.

    Attributes:
        knob, value: The setting that does it.
        part: Name of the pipeline's own.
        weights: Of the other.
        runs: Of the other, under the name of the pipeline's own.
    """

    knob: str
    value: str
    part: str
    weights: Weights = field(default_factory=lambda: Weights(stage=""))
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """A model for one workload, measured without weights and without a device.

    Attributes:
        pipeline_class: Class of the pipeline.
        weights: Its parts by name, "vae_tiny" for the Tiny AutoEncoder where one is known.
        runs: What was run.
        swaps: What knobs can put into a part's place, as far as it is known beforehand.
        pictures: Pictures of a call of the workload.
        picture_bytes: Bytes of one finished picture (or clip) in 32 bits.
        force_upcast: Whether the pipeline decodes in 32 bits where the VAE is float16.
        offload_order: The parts in the order in which they take turns on the device when whole parts are
            offloaded; what is not among them stays.
        versions: Of the libraries that it was measured with.
        remarks: What could not be run, as sentences: the forecast is a bound from below there.
    """

    pipeline_class: str
    weights: Mapping[str, Weights] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    swaps: tuple[Swap, ...] = ()
    pictures: int = 1
    picture_bytes: int = 0
    force_upcast: bool = False
    offload_order: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def run(self, part: str, variant: str, dtype: str, *, pictures: int, guided: bool) -> Run | None:
        """Return the run that comes nearest to what is asked for without exceeding it; None without any.

        16 bits stand for either format. A variant that was not run is replaced by the one that needs least.

        >>> small = Run(part="unet", dtype="bfloat16", pictures=1, guided=True, variant="fused", live=7)
        >>> model = Footprint(pipeline_class="X", runs=(small,))
        >>> model.run("unet", "math", "float16", pictures=4, guided=True).live
        7
        >>> model.run("unet", "fused", "float32", pictures=1, guided=False) is None
        True
        """
        halves = ("float16", "bfloat16")
        formats = halves if dtype in halves else ("float32", *halves)
        fit = [
            run
            for run in self.runs
            if run.part == part and run.dtype in formats and run.pictures <= pictures and run.guided <= guided
        ]
        if not fit:
            return None

        def nearness(run: Run) -> tuple[bool, int, bool, bool, int]:
            same = (run.variant == variant, run.pictures, run.guided == guided)
            return (*same, run.dtype in (halves if dtype in halves else (dtype,)), -run.live)

        return max(fit, key=nearness)

    def with_swaps(self, settings: Settings) -> tuple["Footprint", dict[str, Value]]:
        """Return the footprint with the parts that settings swap in, and the settings that are left to apply.

        >>> small = Swap(knob="swap", value="b", part="unet", weights=Weights(stage="x"))
        >>> model = Footprint(pipeline_class="X", weights={"unet": Weights(stage="y")}, swaps=(small,))
        >>> held, left = model.with_swaps({"swap": "b", "dtype": "float16"})
        >>> held.weights["unet"].stage, left
        ('x', {'dtype': 'float16'})
        >>> model.with_swaps({"swap": "c"}) == (model, {"swap": "c"})
        True
        """
        held, left = self, dict(settings)
        for swap in self.swaps:
            if left.get(swap.knob) == swap.value:
                others = (run for run in held.runs if run.part != swap.part)
                weights = {**held.weights, swap.part: swap.weights}
                held = replace(held, weights=weights, runs=(*others, *swap.runs))
                del left[swap.knob]
        return held, left

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        plain = asdict(self)
        lists = {name: list(plain[name]) for name in ("runs", "swaps", "offload_order", "remarks")}
        for part in (*plain["weights"].values(), *(swap["weights"] for swap in plain["swaps"])):
            part["linears"] = list(part["linears"])
        for swap in plain["swaps"]:
            swap["runs"] = list(swap["runs"])
        return {"schema_version": SCHEMA_VERSION, **plain, **lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a footprint from what `to_json` returned.

        >>> footprint = Footprint(pipeline_class="X", weights={"vae": Weights(stage="decode")})
        >>> Footprint.from_json(footprint.to_json()) == footprint
        True
        """
        fields = {name: value for name, value in data.items() if name != "schema_version"}
        fields["weights"] = {name: _weights(part) for name, part in data["weights"].items()}
        fields["runs"] = _runs(data["runs"])
        fields["swaps"] = tuple(
            Swap(**{**swap, "weights": _weights(swap["weights"]), "runs": _runs(swap["runs"])})
            for swap in data["swaps"]
        )
        for name in ("offload_order", "remarks"):
            fields[name] = tuple(data.get(name, ()))
        return cls(**fields)


def _weights(data: Mapping[str, Any]) -> Weights:
    return Weights(**{**data, "linears": tuple(Linear(**layer) for layer in data["linears"])})


def _runs(data: Iterable[Mapping[str, Any]]) -> tuple[Run, ...]:
    return tuple(Run(**run) for run in data)
