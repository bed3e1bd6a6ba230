"""Effects from draws: what is put into a table of recipes is found again, and nothing else."""

import itertools

import numpy as np
import pytest

from autotune.knob import Settings, Value
from autotune.objective import LATENCY, SIMILARITY
from autotune.search.explain_effects import (
    Design,
    effects_of_pairs,
    effects_of_settings,
    lay_out,
    pairs_of,
    shares,
)
from autotune.search.explain_estimate import Array

CHOICES: dict[str, tuple[Value, ...]] = {
    "dtype": ("float32", "float16"),
    "compile": ("none", "full"),
    "tiles": (0, 256, 512),
    "idle": (False, True),
}
DEFAULTS = {name: values[0] for name, values in CHOICES.items()}
EVERY: list[Settings] = [
    dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())
]
BOTH = (("dtype", "float16"), ("compile", "full"))


def is_valid(settings: Settings) -> bool:
    """Compiled tiles of 512 cannot be run."""
    return not (settings["compile"] == "full" and settings["tiles"] == 512)


def latency_s(settings: Settings) -> float:
    """Half the time in 16 bits, 0.8 of it compiled, and both together a tenth less than that."""
    seconds = 2.0 * (0.5 if settings["dtype"] == "float16" else 1.0)
    seconds *= 0.8 if settings["compile"] == "full" else 1.0
    return seconds * (0.9 if all(settings[name] == value for name, value in BOTH) else 1.0)


def similarity(settings: Settings) -> float:
    """Less by a hundredth in 16 bits; tiles differ by more than the draws tell."""
    return 1.0 - (0.01 if settings["dtype"] == "float16" else 0.0)


@pytest.fixture(scope="module")
def design() -> Design:
    """Every valid recipe of the table, and the pair that acts together."""
    valid = [settings for settings in EVERY if is_valid(settings)]
    return lay_out(
        defaults=DEFAULTS,
        choices=CHOICES,
        is_valid=is_valid,
        tried=valid[:3],
        even=valid,
        crossed=pairs_of([*BOTH, ("idle", True)]),
    )


def latencies(design: Design) -> Array:
    """Draws that are sure of all but of the idle knob, and of each recipe's level."""
    rng = np.random.default_rng(0)
    true = np.array([latency_s(settings) for settings in design.rows])
    idle = np.array([bool(settings["idle"]) for settings in design.rows])
    level, unsure = rng.normal(0, 0.3, (400, 1)), rng.normal(0, 0.05, (400, 1))
    drawn: Array = true * np.exp(level + unsure * idle)
    return drawn


def test_effects_of_settings_are_found(design: Design) -> None:
    """A ratio is the geometric mean over recipes; how unsure the level is does not matter."""
    found = {e.settings[0]: e.change for e in effects_of_settings(LATENCY, latencies(design), design)}

    # Half, and nine tenths of that in the two of five recipes that are compiled.
    assert found["dtype", "float16"].by.value == pytest.approx(0.5 * 0.9**0.4, rel=0.01)
    assert found["dtype", "float16"].is_clear
    assert found["tiles", 256].by.value == pytest.approx(1.0)
    assert found["tiles", 256].by.low == pytest.approx(1.0)


def test_what_cannot_be_told_from_nothing_says_so(design: Design) -> None:
    """The interval of the idle knob holds 1."""
    found = {e.settings[0]: e.change for e in effects_of_settings(LATENCY, latencies(design), design)}
    idle = found["idle", True]

    assert not idle.is_clear
    assert idle.by.low is not None
    assert idle.by.high is not None
    assert 0.85 < idle.by.low < 1 < idle.by.high < 1.15


def test_likeness_is_told_as_a_difference(design: Design) -> None:
    """A hundredth less."""
    drawn = np.array([[similarity(settings) for settings in design.rows]] * 2)
    found = {e.settings[0]: e.change for e in effects_of_settings(SIMILARITY, drawn, design)}

    assert found["dtype", "float16"].describe() == "−0.010 (−0.010 to −0.010)"
    assert not found["dtype", "float16"].is_better


def test_a_pair_is_told_beyond_what_each_does(design: Design) -> None:
    """Nine tenths of the product; others multiply."""
    found = {e.settings: e.change for e in effects_of_pairs(LATENCY, latencies(design), design)}

    assert found[BOTH].by.value == pytest.approx(0.9)
    assert next(iter(found)) == BOTH  # the largest first
    assert found[BOTH[0], ("idle", True)].by.value == pytest.approx(1.0)


def test_shares_add_up_where_knobs_act_alone(design: Design) -> None:
    """Likeness depends on one knob alone; latency mostly on the one with the larger effect."""
    drawn = np.array([[similarity(settings) for settings in design.rows]] * 2)
    alone = shares(SIMILARITY, drawn, design)
    mixed = shares(LATENCY, latencies(design), design)

    assert alone["dtype"].value == pytest.approx(1.0)
    assert alone["compile"].value == pytest.approx(0.0)
    assert next(iter(mixed)) == "dtype"
    assert mixed["dtype"].value > 4 * mixed["compile"].value


def test_nothing_is_shared_of_what_never_differs(design: Design) -> None:
    """A constant has no variance to share."""
    assert shares(LATENCY, np.ones((3, len(design.rows))), design) == {}


def test_only_what_can_be_run_is_compared(design: Design) -> None:
    """No row is invalid, and the tiles of 512 are compared in fewer recipes."""
    found = {e.settings[0]: e.recipes for e in effects_of_settings(LATENCY, latencies(design), design)}

    assert all(is_valid(settings) for settings in design.rows)
    assert found["tiles", 512] < found["tiles", 256]
