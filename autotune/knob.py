"""Knob: one inference setting, complete in one file of `autotune/knobs/`."""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autotune.blueprint import Blueprint, Json
from autotune.errors import KnobError
from autotune.target import Target
from autotune.workload import Workload

Value: TypeAlias = bool | int | float | str
Settings: TypeAlias = Mapping[str, Value]


class Stage(enum.IntEnum):
    """When a knob is turned; the order inside a stage is `Knob.order`."""

    LOAD = 0  # arguments of from_pretrained, and process-wide flags
    EDIT = 1  # changes or replaces modules
    PLACE = 2  # which device holds what, when, in which layout
    COMPILE = 3  # wraps finished modules
    CALL = 4  # arguments of each call


class Touches(enum.StrEnum):
    """What a knob acts on; the sampler models each of these apart."""

    TEXT = "text"
    STEP = "step"
    DECODE = "decode"
    TEXT_MEMORY = "text_memory"
    STEP_MEMORY = "step_memory"
    DECODE_MEMORY = "decode_memory"
    LIKENESS = "likeness"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a knob may look at to say what it offers: where, of what, making what."""

    target: Target
    blueprint: Blueprint
    workload: Workload


@dataclass(frozen=True)
class Choice:
    """The values that a knob offers in a situation; the first is the default, "as diffusers ships it".

    A choice of one value says that there is nothing to offer here, and `why` says why.
    """

    values: tuple[Value, ...]
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty or repeating choice; 1 and 1.0 are the same value, 1 and True are not.

        Raises:
            KnobError: There is no value, a value twice, or one that no file can hold.
        """
        if not self.values or len({(isinstance(v, bool), v) for v in self.values}) != len(self.values):
            raise KnobError(f"A choice needs at least one value and no repeats, not {self.values!r}.")
        if any(isinstance(v, float) and not math.isfinite(v) for v in self.values):
            raise KnobError(f"A choice holds finite numbers only, not {self.values!r}.")

    @property
    def default(self) -> Value:
        """The value that leaves everything as diffusers ships it.

        >>> Choice((False, True)).default
        False
        """
        return self.values[0]

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to choose.

        >>> Choice((False,), why="no VAE").is_fixed
        True
        """
        return len(self.values) == 1


@dataclass(kw_only=True)
class Setup:
    """A pipeline in the making: what knobs turn, stage by stage.

    Attributes:
        workload: What is made; sizes, steps and guidance are filled in, never 0.
        facts: `Blueprint.facts` of the model.
        settings: Every knob's value in this recipe, defaults included.
        device: Torch device string on which the pipeline will run.
        model_path: The model's folder (or hub id) as it will be given to `from_pretrained`.
        loading: Keyword arguments of `from_pretrained`; knobs of stage LOAD fill it.
        pipeline: The diffusers pipeline; None until it is loaded.
        call: Keyword arguments of every call of the pipeline.
        is_placed: Set by a knob that has put the pipeline on its device itself (offloading).
        notes: Evidence that knobs leave for their own `applied`.
    """

    workload: Workload
    settings: Settings
    device: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    model_path: str = ""
    loading: dict[str, Any] = field(default_factory=dict)
    pipeline: Any = None
    call: dict[str, Any] = field(default_factory=dict)
    is_placed: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


def always_compatible(settings: Settings) -> str | None:
    """Say that no combination is refused: the `conflict` of a knob that knows none."""
    del settings
    return None


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One setting, complete in one file.

    Attributes:
        name: Its name everywhere: recipes, plans, tables.
        summary: One sentence for the user: what it does and what it costs.
        effect: A published figure for its effect, with its source; "" when there is none.
        stage: When it is turned.
        order: Place inside the stage, smallest first.
        touches: What it acts on.
        changes_result: True when it changes *what* is computed (steps, scheduler, guidance): off unless the
            plan allows approximate knobs.
        domain: The values on offer in a situation, default first.
        turn: Sets the value. Stands alone: it imports what it needs inside, and uses no other name of its
            file, so that its source can be exported as part of a plain diffusers script. Never called for the
            default, which by definition is what diffusers does when nothing is said.
        conflict: A sentence for the user when these settings cannot go together, else None. Only consulted by
            the knob that knows; must look at its own value first.
        applied: Called after the first picture was made, for values other than the default: None when the
            value provably took effect, else a sentence that says what was found instead.
    """

    name: str
    summary: str
    effect: str = ""
    stage: Stage
    order: int = 50
    touches: frozenset[Touches]
    changes_result: bool = False
    domain: Callable[[Situation], Choice]
    turn: Callable[[Setup, Any], None]
    conflict: Callable[[Settings], str | None] = always_compatible
    applied: Callable[[Setup, Any], str | None]

    def __post_init__(self) -> None:
        """Refuse a knob without a name or a summary.

        Raises:
            KnobError: One of them is missing.
        """
        if not self.name.isidentifier() or not self.summary.strip():
            raise KnobError(f"Knob '{self.name}' needs an identifier as its name and a summary.")
