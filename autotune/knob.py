"""Knob: one inference setting, complete in one file of `autotune/knobs/`."""

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

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

    Attributes:
        values: What a search tries, the default first.
        why: Why there is nothing to choose; "" where there is.
        lacking: Values that the knob knows but does not offer here, each with the reason.
        on_request: Values that are only tried when the plan names them: they fetch foreign code, or are of
            use to few.
        open_to: What the plan may name beside the values, such as "a folder or hub id of another UNet"; ""
            when the values are all there is.
    """

    values: tuple[Value, ...]
    why: str = ""
    lacking: Mapping[Value, str] = field(default_factory=dict)
    on_request: tuple[Value, ...] = ()
    open_to: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty or repeating choice; 1 and 1.0 are the same value, 1 and True are not.

        Raises:
            KnobError: There is no value, a value twice, or one that no file can hold.
        """
        named = (*self.values, *self.on_request)
        if not self.values or len({(isinstance(v, bool), v) for v in named}) != len(named):
            raise KnobError(f"A choice needs at least one value and no repeats, not {named!r}.")
        if any(isinstance(v, float) and not math.isfinite(v) for v in named):
            raise KnobError(f"A choice holds finite numbers only, not {named!r}.")

    @classmethod
    def of(cls, default: Value, others: Mapping[Value, str]) -> Self:
        """Return the choice of a default and of those other values whose reason against them is "".

        >>> Choice.of("none", {"flash": "", "sage": "it needs the package 'sageattention'"})
        Choice(values=('none', 'flash'), why='', lacking={'sage': "it needs the package ...
        >>> Choice.of(False, {True: "TF32 needs a CUDA GPU"}).why
        'TF32 needs a CUDA GPU'
        """
        offered = tuple(value for value, reason in others.items() if not reason)
        lacking = {value: reason for value, reason in others.items() if reason}
        why = "" if offered else "; ".join(dict.fromkeys(lacking.values()))
        return cls((default, *offered), why=why, lacking=lacking)

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

    def takes(self, value: Value) -> bool:
        """Whether a plan or a recipe may name this value: it is offered, on request, or the choice is open.

        >>> Choice(("own",), open_to="a folder").takes("models/small"), Choice((False,)).takes(0)
        (True, False)
        """
        known = any(is_same(value, other) for other in (*self.values, *self.on_request))
        is_free = bool(self.open_to) and isinstance(value, str) and bool(value.strip())
        return known or (is_free and value not in self.lacking)

    def with_requested(self, values: Iterable[Value]) -> Self:
        """Return the choice with what the plan names of `on_request` and of what it is open to.

        >>> Choice(("sdpa",), why="no other runs here", on_request=("hub",)).with_requested(["hub"]).values
        ('sdpa', 'hub')
        """
        named = [value for value in values if not any(is_same(value, own) for own in self.values)]
        more = tuple(value for value in dict.fromkeys(named) if self.takes(value))
        left = tuple(value for value in self.on_request if not any(is_same(value, own) for own in more))
        why = "" if more else self.why
        return replace(self, values=(*self.values, *more), why=why, on_request=left)


def is_same(a: Value, b: Value) -> bool:
    """Whether two values are equal in value and in kind: 8 is 8.0, True is not 1.

    >>> is_same(8, 8.0), is_same(True, 1)
    (True, False)
    """
    return a == b and isinstance(a, bool) == isinstance(b, bool)


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
        draw: For a model without weights: returns a part of a class, with random weights of a number format,
            from the folder of its configuration. None for a model that has weights.
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
    draw: Callable[[Any, str, Any], Any] | None = None


def always_compatible(settings: Settings, situation: Situation) -> str | None:
    """Say that no combination is refused: the `conflict` of a knob that knows none."""
    del settings, situation
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
        steps_alike: True for a knob that changes the result where it treats all steps of a call alike, so
            that few of them tell how long many take. One that does not change the result always does.
        is_exact: True when it promises the very same bits of every picture, on the same device.
        domain: The values on offer in a situation, default first.
        turn: Sets the value. Stands alone: it imports what it needs inside, and uses no other name of its
            file, so that its source can be exported as part of a plain diffusers script. What several knobs
            need stands in a file of `autotune/knobs` whose name begins with an underscore, and which imports
            nothing of autotune: `turn` imports from it, and the script holds that file as well. Never called
            for the default, which by definition is what diffusers does when nothing is said.
        conflict: A sentence for the user when these settings cannot go together, else None. Only consulted by
            the knob that knows; must look at its own value first, with `settings.get(name, default)`. Where
            it holds for some versions or some pipelines only, it asks the situation. It names the upstream
            issue and the versions it was seen with.
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
    steps_alike: bool = False
    is_exact: bool = False
    domain: Callable[[Situation], Choice]
    turn: Callable[[Setup, Any], None]
    conflict: Callable[[Settings, Situation], str | None] = always_compatible
    applied: Callable[[Setup, Any], str | None]

    def __post_init__(self) -> None:
        """Refuse a knob without a name or a summary.

        Raises:
            KnobError: One of them is missing.
        """
        if not self.name.isidentifier() or not self.summary.strip():
            raise KnobError(f"Knob '{self.name}' needs an identifier as its name and a summary.")
