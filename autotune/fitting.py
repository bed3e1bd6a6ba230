"""Fitting: which recipes fit a memory budget, the cheapest way to fit, and the smallest recipe of all."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autotune.combinations import Count
from autotune.factors import Factors
from autotune.footprint import Footprint
from autotune.forecast import Forecast, forecast
from autotune.knob import Settings, Value
from autotune.space import SearchSpace
from autotune.target import Target

_SURE = 1.96  # standard deviations of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What there is to fit into.

    Attributes:
        device_bytes: Memory of the device, None for no limit.
        host_bytes: Memory of the machine beside it, None for no limit.
    """

    device_bytes: int | None = None
    host_bytes: int | None = None

    def refuses(self, made: Forecast) -> str | None:
        """Return why a recipe can be refused unrun: its lower bound exceeds the budget."""
        return made.why_not(self.device_bytes, self.host_bytes)

    def holds(self, made: Forecast) -> bool:
        """Whether the expected peak is within the budget; where a part is unknown, nobody can expect so."""
        pairs = ((made.expected_bytes, self.device_bytes), (made.host_expected_bytes, self.host_bytes))
        return all(limit is None or (amount <= limit and not made.unknown) for amount, limit in pairs)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Refuses, for `SearchSpace.refuse`, what cannot fit; never the untuned baseline."""

    footprint: Footprint
    target: Target
    budget: Budget
    untuned: Settings

    def __call__(self, settings: Settings) -> str | None:
        """Return why these full settings are not worth a trial, or None."""
        made = forecast(settings, self.footprint, self.target)
        found = self.budget.refuses(made)
        return None if found is None or all(settings[n] == v for n, v in self.untuned.items()) else found


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A recipe and what it is forecast to need."""

    settings: Mapping[str, Value]
    made: Forecast


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share that was estimated by drawing, with its 95 % interval (Wilson's).

    >>> half = Share.of(50, 100)
    >>> f"{half.value:.2f} ({half.low:.2f} to {half.high:.2f})"
    '0.50 (0.40 to 0.60)'
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, drawn: int) -> "Share":
        """Return the share of `hits` among `drawn`."""
        if not drawn:
            return cls(value=0.0, low=0.0, high=1.0)
        share, z2 = hits / drawn, _SURE**2 / drawn
        centre = (share + z2 / 2) / (1 + z2)
        half = math.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
        return cls(value=share, low=max(centre - half, 0.0), high=min(centre + half, 1.0))


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many recipes there are.

    Attributes:
        exist: Combinations of values before any conflict.
        valid: Recipes that can be run, counted or estimated.
        may_fit: Share of the valid ones whose lower bound is within the budget: those that are searched.
        fits: Share of the valid ones whose expected peak is.
    """

    exist: int
    valid: Count
    may_fit: Share
    fits: Share


@dataclass(frozen=True, kw_only=True)
class Fitter:
    """Looks for recipes that fit.

    Attributes:
        space: What is searched.
        footprint: Of the model and the workload.
        budget: To fit into.
        factors: What was learnt on the device; None for one that was never measured.
    """

    space: SearchSpace
    footprint: Footprint
    budget: Budget
    factors: Factors | None = None

    def forecast(self, settings: Settings) -> Fit:
        """Return the forecast of settings that need not be full."""
        kept = self.space.recipe(settings).settings
        made = forecast(kept, self.footprint, self.space.situation.target, self.factors)
        return Fit(settings=kept, made=made)

    def count(self, sample: int, seed: int = 0) -> Counts:
        """Return how many recipes exist, are valid and fit, the last by drawing.

        Args:
            sample: How many recipes are drawn where there are more.
            seed: Of the draws, and of the estimate of how many are valid.
        """
        drawn = self._drawn(sample, random.Random(seed))
        fits = [self.forecast(settings).made for settings in drawn]
        return Counts(
            exist=self.space.combinations,
            valid=self.space.count(seed),
            may_fit=Share.of(sum(self.budget.refuses(made) is None for made in fits), len(fits)),
            fits=Share.of(sum(map(self.budget.holds, fits)), len(fits)),
        )

    def cheapest(self) -> Fit | None:
        """Return the recipe that is expected to fit with the least slow-down, None where none is.

        The ways to save memory cost what `ways` says; they are tried in the order of their sum.
        """
        costed = sorted(self._combined(), key=lambda pair: (pair[0], len(pair[1])))
        for _, settings in costed:
            full = self.space.complete(settings)
            if self.space.is_searched(full):
                found = self.forecast(settings)
                if self.budget.holds(found.made):
                    return found
        return None

    def smallest(self) -> Fit:
        """Return the recipe with the least expected peak on the device among the ways to save memory."""
        axes = self._axes()
        best = self.forecast({})
        for start in axes[0]:
            settings = dict(start[0])
            if not self.space.is_searched(self.space.complete(settings)):
                continue
            found = self._descend(settings, axes)
            if _size(found) < _size(best):
                best = found
        return best

    def least(self) -> Fit:
        """Return the recipe with the least lower bound that can be found by changing one knob at a time.

        Every knob that is searched is looked at, whatever it is for: where even this recipe is refused, no
        study needs to be begun.
        """
        best = self.smallest()
        while True:
            near = self.space.neighbours(self.space.complete(best.settings))
            smaller = min(map(self.forecast, near), key=_least, default=best)
            if _least(smaller) >= _least(best):
                return best
            best = smaller

    def _descend(self, settings: dict[str, Value], axes: "list[list[Way]]") -> Fit:
        best = self.forecast(settings)
        while True:
            options = (
                self.forecast({**best.settings, **way})
                for axis in axes[1:]
                for way, _ in axis
                if self.space.is_searched(self.space.complete({**best.settings, **way}))
            )
            smaller = min(options, key=_size, default=best)
            if _size(smaller) >= _size(best):
                return best
            best = smaller

    def _drawn(self, sample: int, rng: random.Random) -> list[dict[str, Value]]:
        """Valid recipes: all of them where they are few, else a sample that is drawn evenly."""
        if self.space.combinations <= sample:
            return list(self.space.valid())
        return [self.space.draw(rng) for _ in range(sample)]

    def _axes(self) -> "list[list[Way]]":
        """The ways to save memory that are searched here, offloading first."""
        choices = self.space.choices
        batch = self.footprint.pictures
        return [
            [(way, cost) for way, cost in axis if all(v in choices.get(n, ()) for n, v in way.items())]
            for axis in ways(self.space.situation.target.kind, choices, batch)
        ]

    def _combined(self) -> "Iterator[tuple[int, dict[str, Value]]]":
        for combination in itertools.product(*self._axes()):
            settings: dict[str, Value] = {}
            for way, _ in combination:
                settings |= way
            yield sum(cost for _, cost in combination), settings


Way = tuple[Mapping[str, Value], int]


def ways(kind: str, choices: Mapping[str, tuple[Value, ...]], batch: int) -> list[list[Way]]:
    """Return the ways to save memory and what each costs, in per cent of a call's time, roughly.

    The figures put them into an order and are no forecast of time: 16 bits cost nothing on a GPU, where 32
    cost twice the time; then what is done once a call; then smaller weights; then whole parts that come and
    go, then groups of them with and without streams; layer by layer comes last (4.5 times the time in
    Hugging Face's SDXL blog).

    Args:
        kind: Type of the device.
        choices: Each knob's values, for the knobs whose values are numbers.
        batch: Pictures of a call.
    """
    on_gpu = kind != "cpu"
    formats: list[Way] = [({}, 100 if on_gpu else 0)]
    formats += [({"dtype": "bfloat16"}, 0 if on_gpu else 30), ({"dtype": "float16"}, 1 if on_gpu else 60)]
    tiles = [value for value in choices.get("vae_tiling", ()) if value]
    counts = [value for value in choices.get("images_per_call", ()) if isinstance(value, int)]
    streamed: dict[str, Value] = {"offload_stream": "stream"}
    offloading: list[Way] = [
        ({}, 0),
        ({"offload": "model"}, 40),
        ({"offload": "group_block", **streamed}, 60),
        ({"offload": "group_leaf", **streamed}, 65),
        ({"offload": "group_block", **streamed, "offload_low_cpu_mem": True}, 80),
        ({"offload": "group_leaf", **streamed, "offload_low_cpu_mem": True}, 85),
        ({"offload": "group_block"}, 110),
        ({"offload": "group_leaf"}, 120),
        ({"offload": "group_leaf", "offload_disk": True}, 300),
        ({"offload": "sequential"}, 350),
    ]
    return [
        offloading,
        formats,
        [({}, 0), ({"prompt_embeds": "precomputed"}, 1)],
        [({}, 0), ({"vae_slicing": True}, 1)],
        [({}, 0), ({"vae_upcast": "fp16_fix"}, 1)],
        [({}, 0), *(({"vae_tiling": tile}, 5 + place) for place, tile in enumerate(tiles))],
        [({}, 0), ({"quantization_text_encoder": "int8_weight_only"}, 6)],
        [({}, 0), *(({"images_per_call": count}, 8 * batch // count) for count in counts if count < batch)],
        [
            ({}, 0),
            ({"quantization": "int8_weight_only"}, 15),
            ({"quantization": "float8_weight_only"}, 16),
            ({"quantization": "int4_weight_only"}, 20),
            ({"layerwise_casting": "float8_e4m3fn"}, 25),
        ],
    ]


def _least(fit: Fit) -> tuple[int, int]:
    return fit.made.lower_bound_bytes, fit.made.host_lower_bound_bytes


def _size(fit: Fit) -> tuple[int, int]:
    return fit.made.expected_bytes, fit.made.host_expected_bytes
