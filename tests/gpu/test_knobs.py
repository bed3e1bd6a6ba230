"""Every knob on every model: each value that is offered on this device takes effect and draws sound pictures.

A trial's outcome is kept as a row at once, so that a further run goes on with the next value. Full-size
architectures have random weights: their seconds and bytes are real, their likeness is numerical drift only.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from autotune.knob import Knob, Settings, Stage, Touches, Value
from autotune.knobs import all_knobs, knob_named
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import describe_settings
from tests.knobs.offers import companions

from .card import FAMILIES, IS_CUDA, ONLY_A_CARD, Card
from .ledger import ROWS, append, known_rows

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]

FULL_SIZE = ("arch:sdxl", "arch:flux-dev", "arch:sd15", "arch:sd3-medium")
PROVED = ("demo", "tiny:pixart")
"""The models whose trials a CPU runs; the other families' knobs are turned on a CPU by tests/knobs."""
MODELS = ("demo", *(f"tiny:{family}" for family in FAMILIES), *FULL_SIZE)
LIGHTER = {
    *("offload", "offload_blocks", "offload_stream", "offload_disk", "offload_low_cpu_mem"),
    *("quantization", "quantization_text_encoder", "layerwise_casting"),
}
"""Knobs that must lower the memory of a full-size architecture, companions included."""
SAME, ALIKE = 0.98, 0.5
"""Least similarity, on the trained model: of the same sums in another order, and of rounded numbers."""
LIMIT_S = 180.0 if IS_CUDA else 120.0  # of one trial: what compiles for longer is not shown


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One value of a knob on a model, with the settings that it cannot do without.

    Attributes:
        card: The model on its device.
        knob: What is turned.
        value: Its value; None asks for the companions alone.
        companions: Beside it and the card's own.
    """

    card: Card
    knob: Knob
    value: Value | None
    companions: Settings

    @property
    def settings(self) -> Settings:
        """All settings but the card's own."""
        own = {} if self.value is None else {self.knob.name: self.value}
        return {**self.companions, **own}


def _cases() -> Iterator[object]:
    for model in MODELS:
        for knob in all_knobs():
            # Loading a full-size architecture twice at a time would need the host's memory twice.
            is_apart = knob.stage is Stage.COMPILE and model not in FULL_SIZE
            group = f"{model}-compile" if is_apart else model
            marks = [pytest.mark.xdist_group(group)]
            if not IS_CUDA and model not in PROVED:
                reason = ONLY_A_CARD if model in FULL_SIZE else "on a CPU tests/knobs shows this"
                marks.append(pytest.mark.skip(reason=reason))
            yield pytest.param(model, knob.name, marks=marks, id=f"{model}-{knob.name}")


@pytest.mark.parametrize(("model", "name"), list(_cases()))
def test_every_value_takes_effect(model: str, name: str, card_of: Callable[[str], Card]) -> None:
    """Each offered value makes sound pictures and provably takes effect; what is not offered says why."""
    card, knob = card_of(model), knob_named(name)
    choice = card.space.offered[name]
    for value, reason in choice.lacking.items():
        _keep_row({"model": model, "knob": name, "value": value, "not_offered": reason})
    for value in choice.on_request:
        _keep_row({"model": model, "knob": name, "value": value, "not_offered": "on request only"})
    if choice.is_fixed:
        pytest.skip(f"not offered: {choice.why or 'there is nothing to choose'}")
    wrong, late = [], []
    for value in choice.values[1:]:
        needed = companions(card.space, {**card.base, name: value})
        assert needed is not None, f"{name} = {value} is offered, but no companions make it valid"
        asked = Asked(card=card, knob=knob, value=value, companions=needed)
        row = _row(model, asked)
        if row.get("failure") == FailureKind.TIMEOUT.value:
            late.append(f"{name} = {value}")
        else:
            wrong += [f"{describe_settings(asked.settings)}: {why}" for why in _faults(model, asked, row)]

    assert not wrong, "\n".join(wrong)
    if late:
        pytest.skip(f"more than {LIMIT_S:g} s, so not shown: {', '.join(late)}")


def _row(model: str, asked: Asked) -> dict[str, Any]:
    """What a trial came to: of an earlier run, where it worked there."""
    text = describe_settings(asked.card.space.recipe({**asked.card.base, **asked.settings}).settings)
    known = known_rows().get((model, text))
    if known is not None and not list(_faults(model, asked, known)):
        return known
    outcome = asked.card.measure(asked.settings, role="pictures", time_limit_s=LIMIT_S)
    name = asked.knob.name if asked.value is not None else ""
    row = {"model": model, "knob": name, "value": asked.value, "settings": text, **_figures(outcome)}
    _keep_row(row)
    return row


def _figures(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        known = {"failure": outcome.kind.value, "message": outcome.message, "phase": outcome.phase}
        return {**known, "log": outcome.log[-1000:]}
    assert isinstance(outcome, Measurement), outcome
    return {
        "latency_s": outcome.latency_s,
        "cold_s": outcome.cold_s,
        "memory_bytes": outcome.memory_bytes,
        "allocated_bytes": outcome.memory.detail.get("allocated_bytes"),
        "host_bytes": outcome.memory.detail.get("host_bytes"),
        "similarity": outcome.similarity,
        "is_exact": outcome.likeness.is_exact,
        "processes": int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    }


def _faults(model: str, asked: Asked, row: dict[str, Any]) -> Iterator[str]:
    """What is wrong with an outcome: it is a failure, draws something else, or does not do what it is for."""
    if "failure" in row:
        yield f"{row['failure']} in phase '{row['phase']}': {row['message']}"
        return
    knob = asked.knob
    changes = {knob.name, *asked.companions}
    if model == "demo" and not any(knob_named(name).changes_result for name in changes):
        is_rounded = any(Touches.LIKENESS in knob_named(name).touches for name in changes)
        least = ALIKE if is_rounded else SAME
        if row["similarity"] < least:
            yield f"its pictures have a similarity of {row['similarity']:.3f}, below {least}"
    if model in FULL_SIZE and knob.name in LIGHTER:
        plain = asked.card.untuned.memory.detail["allocated_bytes"]
        if row["allocated_bytes"] >= plain:
            yield f"it allocates {row['allocated_bytes']} bytes, untuned {plain}"


def _keep_row(row: dict[str, Any]) -> None:
    append(ROWS, row)
