"""Workload: what a trial makes - pictures of these prompts, this size, this many steps - and never how."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

from autotune.errors import PlanError
from autotune.form import why_misshapen, why_unknown_key


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the pipeline: `batch` prompts, each with the seed of its first latents."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The pictures that every trial of a study makes.

    Attributes:
        model: "demo", a local diffusers folder, or a hub id.
        revision: Hub revision, or "" for the default one.
        prompts: The prompts, used in turn.
        seeds: Every prompt is drawn once from each seed.
        width_px, height_px: Size of a picture; 0 means the model's own.
        steps: Denoising steps of the untuned baseline.
        guidance: Classifier-free guidance scale.
        batch: Pictures made by one call; for a model of video, clips.
        frames: Frames of a clip, 0 for as many as the pipeline makes when it is told nothing; a model of
            pictures takes 0 only.
        trust_remote_code: Whether code from the model's repository may run.
    """

    model: str
    revision: str = ""
    prompts: tuple[str, ...] = ("a photograph of an astronaut riding a horse",)
    seeds: tuple[int, ...] = (0,)
    width_px: int = 0
    height_px: int = 0
    steps: int = 20
    guidance: float = 5.0
    batch: int = 1
    frames: int = 0
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        """Refuse a workload that makes nothing.

        Raises:
            PlanError: A field is empty, negative or not of the right kind.
        """
        fault = why_misshapen(self)
        _require(fault is None, fault)
        object.__setattr__(
            self, "guidance", float(self.guidance)
        )  # 5 and 5.0 are one workload, with one digest
        _require(self.model.strip(), "'model' is empty. Name 'demo', a folder or a hub id.")
        _require(
            self.prompts and all(p.strip() for p in self.prompts),
            "'prompts' is empty or holds an empty one. Give at least one prompt.",
        )
        _require(self.seeds, "'seeds' is empty. Give at least one seed.")
        _require(self.steps >= 1, f"'steps' is {self.steps}. It must be 1 or more.")
        _require(self.batch >= 1, f"'batch' is {self.batch}. It must be 1 or more.")
        _require(self.guidance >= 0, f"'guidance' is {self.guidance}. It must be 0 or more.")
        _require(self.frames >= 0, f"'frames' is {self.frames}. It must be 0 or more.")
        for name, size in (("width_px", self.width_px), ("height_px", self.height_px)):
            _require(
                size >= 0 and size % 8 == 0, f"'{name}' is {size}. It must be a multiple of 8, in pixels."
            )

    @property
    def digest(self) -> str:
        """Twelve hex digits that name the pictures: equal workloads share their reference pictures."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def calls(self) -> tuple[Call, ...]:
        """Return the distinct calls, each of exactly `batch` pictures; the last is filled up from the start.

        >>> w = Workload(model="demo", prompts=("a", "b", "c"), seeds=(7,), batch=2)
        >>> [(c.prompts, c.seeds) for c in w.calls()]
        [(('a', 'b'), (7, 7)), (('c', 'a'), (7, 7))]
        """
        pictures = [(prompt, seed) for seed in self.seeds for prompt in self.prompts]
        count = -(-len(pictures) // self.batch)
        padded = [pictures[i % len(pictures)] for i in range(count * self.batch)]
        chunks = [padded[i * self.batch : (i + 1) * self.batch] for i in range(count)]
        return tuple(
            Call(prompts=tuple(p for p, _ in chunk), seeds=tuple(s for _, s in chunk)) for chunk in chunks
        )

    def widened(self, pictures: int) -> Self:
        """Return this workload with as many further seeds as it needs to make so many distinct pictures.

        >>> Workload(model="demo", prompts=("a", "b"), seeds=(7,)).widened(5).seeds
        (7, 8, 9)
        """
        count = -(-pictures // len(self.prompts))
        fresh = itertools.count(max(self.seeds) + 1)
        return replace(self, seeds=(*self.seeds, *itertools.islice(fresh, max(count - len(self.seeds), 0))))

    def to_json(self) -> dict[str, object]:
        """Return plain JSON types, accepted by `from_json`."""
        return {**asdict(self), "prompts": list(self.prompts), "seeds": list(self.seeds)}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Build a workload from what `to_json` returned.

        Raises:
            PlanError: It names no model, has a key that does not exist or a value that cannot be.

        >>> w = Workload(model="demo", prompts=("a",))
        >>> Workload.from_json(w.to_json()) == w
        True
        """
        unknown = why_unknown_key(data, [field.name for field in fields(cls)], where=" in [workload]")
        _require(unknown is None, unknown)
        _require("model" in data, "it names no 'model'. Name 'demo', a folder or a hub id.")
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**data, **lists})  # type: ignore[arg-type]


def _require(holds: object, message: str | None) -> None:
    if not holds:
        raise PlanError(f"The workload cannot run: {message}")
