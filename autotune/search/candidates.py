"""Candidates: the recipes that a search may try, as a matrix of numbers that surrogates read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autotune.knob import Settings, Value

Codes: TypeAlias = NDArray[np.int16]
Floats: TypeAlias = NDArray[np.float64]
_CHUNK = 4096


@dataclass(frozen=True)
class Coding:
    """How settings are written as numbers: one column a knob that has a choice, the place of its value.

    Attributes:
        knobs: Each knob and its values, those of a single value left out.
    """

    knobs: Mapping[str, tuple[Value, ...]]

    @classmethod
    def of(cls, choices: Mapping[str, Sequence[Value]]) -> "Coding":
        """Return the coding of knobs and their values.

        >>> Coding.of({"dtype": ("float32", "float16"), "tf32": (False,)}).names
        ('dtype',)
        """
        return cls({name: tuple(values) for name, values in choices.items() if len(values) > 1})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The knobs, in the order of the columns."""
        return tuple(self.knobs)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many values each knob has."""
        return tuple(len(values) for values in self.knobs.values())

    @cached_property
    def _places(self) -> dict[str, dict[tuple[bool, Value], int]]:
        return {
            name: {(isinstance(value, bool), value): place for place, value in enumerate(values)}
            for name, values in self.knobs.items()
        }

    def row(self, settings: Settings) -> tuple[int, ...] | None:
        """Return settings as numbers; None where one has a value that is not among the choices.

        A knob that is left out has its first value, which is the default.

        >>> coding = Coding.of({"dtype": ("float32", "float16"), "steps": (20, 10, 5)})
        >>> coding.row({"dtype": "float16", "steps": 5}), coding.row({}), coding.row({"steps": 7})
        ((1, 2), (0, 0), None)
        """
        found = []
        for name, places in self._places.items():
            if name not in settings:
                found.append(0)
                continue
            value = settings[name]
            place = places.get((isinstance(value, bool), value))
            if place is None:
                return None
            found.append(place)
        return tuple(found)

    def codes(self, every: Iterable[Settings]) -> Codes:
        """Return settings as a matrix (settings, knobs).

        Raises:
            ValueError: One of them has a value that is not among the choices.
        """
        rows = []
        for settings in every:
            row = self.row(settings)
            if row is None:
                raise ValueError(f"These settings are outside the choices: {dict(settings)!r}.")
            rows.append(row)
        return np.array(rows, dtype=np.int16).reshape(len(rows), len(self.knobs))

    def settings(self, row: Sequence[int]) -> dict[str, Value]:
        """Return the settings that numbers stand for."""
        return {name: values[place] for (name, values), place in zip(self.knobs.items(), row, strict=True)}

    def one_hot(self, codes: Codes) -> NDArray[np.float32]:
        """Return a matrix (rows, values of all knobs) of ones where a row has a value."""
        parts = [
            codes[:, [column]] == np.arange(size, dtype=np.int16)[None, :]
            for column, size in enumerate(self.sizes)
        ]
        if not parts:
            return np.zeros((len(codes), 0), dtype=np.float32)
        return np.concatenate(parts, axis=1).astype(np.float32)
