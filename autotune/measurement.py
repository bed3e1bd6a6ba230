"""Outcome = Measurement | Pruned | Failure: the JSON that both sides of the process border speak."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeAlias

from autotune.samples import median, quantile

SCHEMA_VERSION = 1


class FailureKind(enum.StrEnum):
    """Why a trial has no measurement."""

    REJECTED = "rejected"  # a knob refused the value, or diffusers raised while it was turned
    OUT_OF_MEMORY = "out of memory"
    OVER_BUDGET = "over budget"
    TIMEOUT = "timeout"
    CRASH = "crash"  # the process died or raised while making pictures
    NOT_APPLIED = "not applied"  # a knob was silently ignored
    CORRUPT_PICTURE = "corrupt picture"  # NaN, black or flat
    UNSUPPORTED = "unsupported"  # this machine or version cannot do it
    CANCELLED = "cancelled"  # the user stopped it: no evidence about the recipe


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Seconds of the parts of one call, from one extra profiled call.

    Attributes:
        text_s: Text encoding.
        steps_s: Each denoising step, scheduler included.
        decode_s: Decoding the latents.
        total_s: The whole call.
    """

    text_s: float
    steps_s: tuple[float, ...]
    decode_s: float
    total_s: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes that the trial added to its machine.

    Attributes:
        peak_bytes: What must fit. On a CPU: the live memory of one call, weights included, or what loading
            and turning knobs took where that is more, above what the trial inherited at its fork. On CUDA:
            reserved by the allocator plus what lies outside it, the largest over the trial's whole life.
        stages: The peak of each stage ("load", "apply", "first call", "calls", and on a CPU "one call", which
            holds live memory alone), in bytes.
        detail: Further figures, such as "children_bytes" (the most that all processes that it started, such
            as those that compile, took together; not in the peak), "tree_bytes" (they and the trial),
            "process_bytes" (the largest that the process took, with what its allocator kept for later),
            "mapped_bytes" (of the peak, weights used where their file is mapped), "allocated_bytes"; on CUDA
            "host_bytes", the peak of the host memory beside the device's, and "pinned_bytes", of it pinned by
            torch, "cap_bytes", the limit that was enforced, and "alloc_retries".
    """

    peak_bytes: int
    stages: Mapping[str, int] = field(default_factory=dict)
    detail: Mapping[str, int] = field(default_factory=dict)


UNRELATED = 0.30
"""HaarPSI below which two pictures show different things."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How near the trial's pictures are to the reference pictures.

    Attributes:
        haarpsi: HaarPSI of every pair of pictures, 0 to 1, in the order of the workload's calls; of clips, of
            eight frames of each, evenly spread.
        psnr_db: PSNR of every pair in dB; 100 means equal to 8 bits or better.
        ms_ssim: MS-SSIM of every pair, 0 to 1; empty where the pictures are too small for its five scales.
        ratios: Median over the pairs of candidate to reference, 1 where nothing is lost: "sharpness",
            "contrast", "chroma", "level". They hold where pairs no longer match.
        step_error: Relative L2 error of the denoiser at each of some steps of the reference, given the very
            inputs of the reference: free of the chaos by which pictures drift apart. Empty where it is not
            defined.
        why_no_step_error: Why `step_error` is empty; "" where it is not.
        flaws: What is wrong with pictures that the score hides, or why it is low, a sentence each that
            begins with a word: "seam: …", "shifted: …", "softer: …", "diverged: …".
        is_exact: Whether every picture is the reference to the last bit; None where nobody looked.
        sha256: Of every picture in 8 bits, in the order of `haarpsi`.
        extras: Figures of metrics with the user's own weights, as differences from the reference.
    """

    haarpsi: tuple[float, ...]
    psnr_db: tuple[float, ...] = ()
    ms_ssim: tuple[float, ...] = ()
    ratios: Mapping[str, float] = field(default_factory=dict)
    step_error: tuple[float, ...] = ()
    why_no_step_error: str = ""
    flaws: tuple[str, ...] = ()
    is_exact: bool | None = None
    sha256: tuple[str, ...] = ()
    extras: Mapping[str, float] = field(default_factory=dict)

    @property
    def p10(self) -> float:
        """The similarity that nine of ten pairs reach."""
        return quantile(self.haarpsi, 0.1)

    @property
    def minimum(self) -> float:
        """The similarity of the worst pair."""
        return min(self.haarpsi)

    @property
    def divergence_rate(self) -> float:
        """Share of the pairs that show different things.

        >>> Likeness(haarpsi=(0.99, 0.2, 0.98, 0.97)).divergence_rate
        0.25
        """
        return sum(value < UNRELATED for value in self.haarpsi) / len(self.haarpsi)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a trial came to when it worked: all raw samples, nothing but facts.

    Attributes:
        calls_s: Wall seconds of every timed call that counts.
        warmup_s: Wall seconds of the calls before it settled; the first one holds compilation. Where short
            calls were made before it, it is what it would have taken first: the first short call, and by how
            much a whole call takes longer than the second.
        discarded_s: Wall seconds of timed calls that do not count, since something outside the trial
            disturbed them; `conditions` says what.
        phases_s: Wall seconds of the trial's phases: "fork", "load", "apply", "short calls", "first call",
            "settle", "timing", "parts", "memory", "likeness", "step error"; "waiting" for the device is none.
        conditions: What the machine did while calls were timed: see `pipeline.conditions`. Figures that
            cannot be read are None.
        energy_j: Joules of one call, None where no counter tells.
        compile_cache: Where compiled code came from: "cold" (compiled here), "hit" (from the study's cache),
            or "" where nothing is compiled.
        batch: Pictures, or clips, made by one call.
        parts: Seconds of the parts of one call.
        memory: Peak memory.
        likeness: Nearness to the reference pictures.
        pictures: File names (relative to the trial's folder) of the pictures that were scored; a clip's shows
            its first, middle and last frame side by side.
        warnings: Sentences about this measurement, each begins with the name of the gate that fired:
            "noisy", "drifting", "outliers", "disturbed", "throttled", "swapped", "shared", "leaking" or
            "tight".
        environment: Fingerprint of machine and software.
    """

    calls_s: tuple[float, ...]
    warmup_s: tuple[float, ...] = ()
    discarded_s: tuple[float, ...] = ()
    phases_s: Mapping[str, float] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    energy_j: float | None = None
    compile_cache: str = ""
    batch: int = 1
    parts: Parts | None = None
    memory: Memory
    likeness: Likeness
    pictures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def latency_s(self) -> float:
        """Median wall seconds of one call, which makes `batch` pictures."""
        return median(self.calls_s)

    @property
    def memory_bytes(self) -> int:
        """Peak memory in bytes."""
        return self.memory.peak_bytes

    @property
    def host_memory_bytes(self) -> int:
        """Peak memory of the host in bytes: beside that of a GPU; on a CPU, `memory_bytes`."""
        return int(self.memory.detail.get("host_bytes", self.memory.peak_bytes))

    @property
    def similarity(self) -> float:
        """Median HaarPSI over the pairs, 0 to 1 (1 is identical)."""
        return median(self.likeness.haarpsi)

    @property
    def clock_mhz(self) -> float | None:
        """Mean clock of the device while calls were timed, in MHz; None where nobody could read it."""
        clock = self.conditions.get("sm_clock_mhz")
        return float(clock) if isinstance(clock, int | float) and clock > 0 else None

    @property
    def cold_s(self) -> float:
        """Wall seconds from the fork to the end of the first call: what a restart costs."""
        return sum(self.phases_s.get(name, 0.0) for name in ("fork", "load", "apply", "first call"))

    @property
    def figures(self) -> dict[str, float]:
        """What objectives are made of, by name, in seconds, bytes and joules; without what is not known."""
        known = {
            "latency_s": self.latency_s,
            "cold_s": self.cold_s,
            "memory_bytes": float(self.memory_bytes),
            "host_memory_bytes": float(self.host_memory_bytes),
            "similarity": self.similarity,
        }
        return known if self.energy_j is None else known | {"energy_j": self.energy_j}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `outcome_from_json`."""
        return {"outcome": "measurement", "schema_version": SCHEMA_VERSION, **_plain(asdict(self))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a measurement from what `to_json` returned."""
        fields = {key: value for key, value in data.items() if key not in ("outcome", "schema_version")}
        for name in ("calls_s", "warmup_s", "discarded_s", "pictures", "warnings"):
            fields[name] = tuple(fields.get(name, ()))
        parts, likeness = fields.get("parts"), fields["likeness"]
        fields["parts"] = Parts(**{**parts, "steps_s": tuple(parts["steps_s"])}) if parts else None
        fields["memory"] = Memory(**fields["memory"])
        known = {key: value for key, value in likeness.items() if key in Likeness.__dataclass_fields__}
        lists = {key: tuple(value) for key, value in known.items() if isinstance(value, list | tuple)}
        fields["likeness"] = Likeness(**{**known, **lists})
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What a trial came to when it did not work: data, never an exception across the process border.

    Attributes:
        kind: Why.
        message: What happened, for the user.
        phase: Where: "load", "apply", "first call", "settle", "timing", "parts", "memory", "likeness".
        knob: The knob that was being turned, or "".
        log: The end of what the trial printed.
        phases_s: Wall seconds of the phases that were finished.
        environment: Fingerprint of machine and software, as far as it was taken.
    """

    kind: FailureKind
    message: str
    phase: str = ""
    knob: str = ""
    log: str = ""
    phases_s: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `outcome_from_json`."""
        return {"outcome": "failure", "schema_version": SCHEMA_VERSION, **_plain(asdict(self))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a failure from what `to_json` returned.

        >>> failure = Failure(kind=FailureKind.TIMEOUT, message="took more than 10 s")
        >>> Failure.from_json(failure.to_json()) == failure
        True
        """
        fields = {key: value for key, value in data.items() if key not in ("outcome", "schema_version")}
        return cls(**{**fields, "kind": FailureKind(fields["kind"])})


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a trial came to that was stopped early, since it cannot reach the front any more.

    Attributes:
        latency_at_least_s: Lower bound of the seconds of one call; 0 where nothing is known.
        memory_at_least_bytes: Lower bound of its peak memory.
        rival: Digest of the recipe that is better, "" where it is a limit that the recipe cannot keep.
        message: How it was seen, for the user.
        figures: What it would have come to, as far as that is told by few steps or by the first pictures: by
            the names of `Observation.figures`.
        warmup_s: Wall seconds of the calls that were finished.
        phases_s: Wall seconds of the phases that were finished.
        environment: Fingerprint of machine and software.
    """

    latency_at_least_s: float
    memory_at_least_bytes: int
    rival: str
    message: str
    figures: Mapping[str, float] = field(default_factory=dict)
    warmup_s: tuple[float, ...] = ()
    phases_s: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `outcome_from_json`."""
        return {"outcome": "pruned", "schema_version": SCHEMA_VERSION, **_plain(asdict(self))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build what `to_json` returned.

        >>> pruned = Pruned(latency_at_least_s=2.5, memory_at_least_bytes=9, rival="0f3a", message="slow")
        >>> Pruned.from_json(pruned.to_json()) == pruned
        True
        """
        fields = {key: value for key, value in data.items() if key not in ("outcome", "schema_version")}
        return cls(**{**fields, "warmup_s": tuple(fields.get("warmup_s", ()))})


Outcome: TypeAlias = Measurement | Pruned | Failure


def outcome_from_json(data: Mapping[str, Any]) -> Outcome:
    """Build the outcome that `to_json` of any kind wrote.

    >>> outcome_from_json(Failure(kind=FailureKind.CRASH, message="signal 11").to_json()).kind.value
    'crash'
    """
    if data["outcome"] == "failure":
        return Failure.from_json(data)
    return Pruned.from_json(data) if data["outcome"] == "pruned" else Measurement.from_json(data)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, enum.Enum) else value
