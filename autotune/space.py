"""SearchSpace: every valid recipe for a situation, and why each other value and combination is refused."""

import functools
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autotune.combinations import Conflict, Count, count_valid, draw_valid, every_valid
from autotune.counting import Counter, TooLargeError, share_without
from autotune.errors import KnobError, PlanError, SpaceError, UnknownName
from autotune.knob import Choice, Knob, Settings, Situation, Value, is_same
from autotune.recipe import Recipe, canonical

_WAYS = 10_000  # down the tree of choices, to estimate how many are valid: about three seconds
_DRAWS = 1_000  # to estimate the share that a forecast refuses
_ATTEMPTS = 200  # to draw what a forecast does not refuse
_FEW = 2_000  # valid combinations: each of them is forecast


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Knobs, what each offers here, and which combinations are valid.

    Attributes:
        knobs: All knobs, in the order in which they are turned.
        situation: Where, of what, making what.
        offered: What each knob offers here, its default first.
        choices: The values that are searched: `offered`, narrowed by the plan.
        why_fixed: For each knob with a single value, why.
        refuse: Why full settings are not worth a trial here, or None: a forecast that exceeds the budget. It
            is like one more knob's conflict, and never refuses the untuned baseline, which runs all the same.
    """

    knobs: tuple[Knob, ...]
    situation: Situation
    offered: Mapping[str, Choice]
    choices: Mapping[str, tuple[Value, ...]]
    why_fixed: Mapping[str, str]
    refuse: Callable[[Settings], str | None] | None = None

    @property
    def defaults(self) -> dict[str, Value]:
        """The untuned baseline: every knob as diffusers ships it."""
        return {name: choice.default for name, choice in self.offered.items()}

    @property
    def combinations(self) -> int:
        """How many combinations there are before conflicts are looked at."""
        return math.prod(len(values) for values in self.choices.values())

    def complete(self, settings: Settings) -> dict[str, Value]:
        """Return a value for every knob: the given ones, defaults for the rest.

        A value is spelt as its knob offers it, 8 for 8.0, so that a recipe has one digest.

        Raises:
            UnknownName: A setting names no knob.
        """
        _check_names(settings, self.offered)
        given = {name: _as_offered(value, self.offered[name].values) for name, value in settings.items()}
        return {**self.defaults, **given}

    def recipe(self, settings: Settings) -> Recipe:
        """Return the recipe of these settings: defaults left out."""
        defaults, workload = self.defaults, self.situation.workload
        kept = {
            name: value
            for name, value in self.complete(settings).items()
            if not is_same(value, defaults[name])
        }
        return Recipe(model=workload.model, revision=workload.revision, settings=kept)

    def why_not(self, settings: Settings) -> str | None:
        """Return why these settings cannot be run here, or None when they can."""
        full = self.complete(settings)
        for name, value in full.items():
            if not _among(value, self.offered[name].values):
                return why_value_not_offered(name, value, self.offered[name])
        return self._conflict(full)

    def valid(self) -> Iterator[dict[str, Value]]:
        """Yield every valid combination as full settings, in a fixed order, defaults first."""
        return every_valid(self.choices, self._conflicts())

    def count(self, seed: int = 0) -> Count:
        """Return how many combinations are valid: exactly, unless a forecast refuses some of very many.

        Also estimated are spaces whose conflicts look at too many knobs at once.

        Args:
            seed: Of the estimate.
        """
        rng = random.Random(seed)
        if self._counter is None:
            return count_valid(self.choices, self._conflicts(), rng, samples=_WAYS)
        number = self._counter.count()
        if self.refuse is not None and 0 < number <= _FEW:
            number = sum(1 for _ in self.valid())
        elif self.refuse is not None and number:
            drawn = [settings for _ in range(_DRAWS) if (settings := self._counter.draw(rng)) is not None]
            share, low, high = share_without(self.refuse, drawn)
            return Count(value=share * number, low=low * number, high=high * number)
        return Count(value=number, low=number, high=number)

    def is_searched(self, settings: Settings) -> bool:
        """Whether full settings are valid and inside the plan's choices."""
        inside = all(_among(settings[name], values) for name, values in self.choices.items())
        return inside and self._conflict(settings) is None

    def draw(self, rng: random.Random) -> dict[str, Value]:
        """Return one valid combination, drawn evenly; nearly so where a forecast leaves few of them.

        Raises:
            SpaceError: There is no valid combination.
        """
        counter, drawn = self._counter, None
        if counter is not None and counter.count():
            drawn = self._drawn_evenly(counter, rng)
        if drawn is None and (counter is None or counter.count()):
            drawn = draw_valid(self.choices, self._conflicts(), rng)
        if drawn is None:
            raise SpaceError("Every combination is in conflict. Widen the plan's [knobs].")
        return drawn

    def neighbours(self, settings: Settings) -> Iterator[dict[str, Value]]:
        """Yield the valid combinations that differ from `settings` in one knob."""
        for name, values in self.choices.items():
            for value in values:
                if not is_same(value, settings[name]):
                    changed = {**settings, name: value}
                    if self.is_searched(changed):
                        yield changed

    def only(self, names: Iterable[str], why: str) -> "SearchSpace":
        """Return the space of some knobs: every other one keeps its default.

        Args:
            names: Of the knobs that are searched as before.
            why: Why the others are not.
        """
        kept = set(names)
        fixed = {name: why for name, values in self.choices.items() if name not in kept and len(values) > 1}
        choices = {
            name: values if name in kept else (self.offered[name].default,)
            for name, values in self.choices.items()
        }
        return replace(self, choices=choices, why_fixed={**self.why_fixed, **fixed})

    @functools.cached_property
    def _counter(self) -> Counter | None:
        """What counts the combinations without a conflict, forecasts left aside; None where it cannot."""
        try:
            counter = Counter(self.choices, self._own_conflicts())
            counter.count()
        except TooLargeError:
            return None
        return counter

    def _drawn_evenly(self, counter: Counter, rng: random.Random) -> dict[str, Value] | None:
        for _ in range(_ATTEMPTS):
            settings = counter.draw(rng)
            if settings is None or self.refuse is None or self.refuse(settings) is None:
                return settings
        return None

    def _conflict(self, settings: Settings) -> str | None:
        return next((reason for ask in self._conflicts() if (reason := ask(settings))), None)

    def _conflicts(self) -> list[Conflict]:
        """What is asked of settings: each knob's conflict, then the forecast."""
        return [*self._own_conflicts(), *([self.refuse] if self.refuse is not None else [])]

    def _own_conflicts(self) -> list[Conflict]:
        return [functools.partial(_ask, knob, self.situation) for knob in self.knobs]


def _ask(knob: Knob, situation: Situation, settings: Settings) -> str | None:
    return knob.conflict(settings, situation)


def build_space(
    knobs: Iterable[Knob],
    situation: Situation,
    *,
    allow_approximate: bool = False,
    narrowed: Mapping[str, Sequence[Value]] | None = None,
    refuse: Callable[[Settings], str | None] | None = None,
) -> SearchSpace:
    """Return the space of a situation.

    Args:
        knobs: Every knob there is.
        situation: Where, of what, making what.
        allow_approximate: Whether knobs that change what is computed may leave their default. One that
            `narrowed` names may anyway: naming it is allowing it.
        narrowed: Knob name to the values that the plan wants searched.
        refuse: See `SearchSpace`.

    Raises:
        UnknownName: `narrowed` names no knob.
        PlanError: `narrowed` asks for a value that is not on offer here, or for none.
        KnobError: Two knobs have the same name.
    """
    ordered = tuple(sorted(knobs, key=lambda knob: (knob.stage, knob.order, knob.name)))
    for one, other in itertools.combinations(ordered, 2):
        if one.name == other.name:
            raise KnobError(f"There are two knobs named '{one.name}'. Rename one of them.")
    wanted = dict(narrowed or {})
    offered = {
        knob.name: _domain(knob, situation).with_requested(wanted.get(knob.name, ())) for knob in ordered
    }
    _check_names(wanted, offered)
    choices: dict[str, tuple[Value, ...]] = {}
    why: dict[str, str] = {}
    for knob in ordered:
        choice = offered[knob.name]
        values, reason = choice.values, choice.why
        if knob.name in wanted:
            values, reason = _narrow(knob.name, choice, wanted[knob.name]), "narrowed by the plan"
        elif knob.changes_result and not allow_approximate and not choice.is_fixed:
            values, reason = (choice.default,), "changes what is computed: needs --allow-approximate"
        choices[knob.name] = values
        if len(values) == 1:
            why[knob.name] = reason
    return SearchSpace(
        knobs=ordered, situation=situation, offered=offered, choices=choices, why_fixed=why, refuse=refuse
    )


def _domain(knob: Knob, situation: Situation) -> Choice:
    """What a knob offers.

    Raises:
        KnobError: Its `domain` breaks the contract; the message names the knob.
    """
    try:
        choice: object = knob.domain(situation)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise KnobError(
            f"Knob '{knob.name}' cannot say what it offers here: its 'domain' raised {reason}."
        ) from error
    if not isinstance(choice, Choice):
        raise KnobError(f"Knob '{knob.name}' must offer a Choice here; its 'domain' returned {choice!r}.")
    return choice


def why_value_not_offered(name: str, value: Value, choice: Choice) -> str:
    """Return the sentence for a value that a knob does not offer.

    >>> why_value_not_offered("dtype", "float8", Choice(("float32", "bfloat16")))
    "Knob 'dtype' does not offer 'float8' here. It offers: float32, bfloat16."
    >>> why_value_not_offered("tf32", True, Choice((False,), why="TF32 needs a CUDA GPU"))
    "Knob 'tf32' does not offer 'True' here: TF32 needs a CUDA GPU. It offers: False."
    >>> choice = Choice(("sdpa", "flash"), lacking={"sage": "it needs the package 'sageattention'"})
    >>> why_value_not_offered("attention", "sage", choice)
    "Knob 'attention' does not offer 'sage' here: it needs the package 'sageattention'. It offers: sdpa..."
    """
    reason = choice.lacking.get(value, choice.why)
    why = f": {reason}" if reason else ""
    offered = ", ".join(map(str, (*choice.values, *choice.on_request)))
    more = f", and {choice.open_to}" if choice.open_to else ""
    return f"Knob '{name}' does not offer '{value}' here{why}. It offers: {offered}{more}."


def key(settings: Settings) -> str:
    """Return a text that is equal for equal settings, whatever their order.

    >>> key({"b": 1, "a": True}) == key({"a": True, "b": 1})
    True
    """
    return canonical(dict(settings))


def _narrow(name: str, choice: Choice, wanted: Sequence[Value]) -> tuple[Value, ...]:
    for value in wanted:
        if not _among(value, choice.values):
            raise PlanError(why_value_not_offered(name, value, choice))
    if not wanted:
        raise PlanError(
            f"The plan's list for knob '{name}' is empty. Name at least one value, or delete the line."
        )
    return tuple(value for value in choice.values if _among(value, tuple(wanted)))


def _check_names(names: Iterable[str], known: Mapping[str, Choice]) -> None:
    for name in names:
        if name not in known:
            raise UnknownName("knob", name, known, remedy="'autotune knobs' lists them all.")


def _as_offered(value: Value, offered: tuple[Value, ...]) -> Value:
    return next((other for other in offered if is_same(value, other)), value)


def _among(value: Value, values: tuple[Value, ...]) -> bool:
    return any(is_same(value, other) for other in values)
