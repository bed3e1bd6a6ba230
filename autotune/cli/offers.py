"""What each knob offers for a model on a machine, and why not the rest: for `knobs` and `doctor`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autotune.knob import Choice, Knob, Situation, Value

if TYPE_CHECKING:
    from rich.table import Table

    from autotune.runners.local import LocalRunner


def situation_of(runner: "LocalRunner", model: str, *, device: str, target: str) -> Situation:
    """Return machine, model and workload as facts; with a target, those of a card that need not be at hand.

    Args:
        runner: Looks at the machine and the model.
        model: A demo, an architecture, a folder or a hub id.
        device: Torch device string, or "auto".
        target: Name of a known GPU, or "".

    Raises:
        AutotuneError: There is no such model, device or GPU.
    """
    from autotune.gpus import as_target, known_gpu
    from autotune.workload import Workload

    gpu = known_gpu(target) if target else None
    situation = runner.probe(Workload(model=model), device)
    return situation if gpu is None else replace(situation, target=as_target(gpu, situation.target))


def offers(knobs: Iterable[Knob], situation: Situation) -> dict[str, Choice]:
    """Return what each knob offers there."""
    return {knob.name: knob.domain(situation) for knob in knobs}


def offer_document(choice: Choice) -> dict[str, Any]:
    """Return a choice as plain JSON types."""
    lacking = [{"value": value, "why": why} for value, why in choice.lacking.items()]
    document: dict[str, Any] = {"values": list(choice.values), "why": choice.why, "lacking": lacking}
    return document | {"on_request": list(choice.on_request), "open_to": choice.open_to}


def offer_table(offered: Mapping[str, Choice]) -> "Table":
    """Return a table with a knob a row: what is offered, the default first, and why there is no more."""
    from autotune.cli.console import plain_table

    table = plain_table("knob", "offered here", "not offered, and why")
    for name, choice in offered.items():
        table.add_row(name, said_values(choice), said_reasons(choice))
    return table


def said_values(choice: Choice) -> str:
    """Return the values in one line, the default first.

    >>> said_values(Choice(("sdpa", "math"), on_request=("hub",)))
    'sdpa, math; on request: hub'
    >>> said_values(Choice(("own",), open_to="a folder of another UNet"))
    'own; or a folder of another UNet'
    """
    parts = [_listed(choice.values)]
    if choice.on_request:
        parts.append(f"on request: {_listed(choice.on_request)}")
    if choice.open_to:
        parts.append(f"or {choice.open_to}")
    return "; ".join(parts)


def said_reasons(choice: Choice) -> str:
    """Return why there are no more values, those with one reason together.

    >>> said_reasons(Choice(("a",), lacking={"b": "no GPU", "c": "no GPU", "d": "no compiler"}))
    'b, c: no GPU; d: no compiler'
    >>> said_reasons(Choice((False,), why="no VAE"))
    'no VAE'
    >>> said_reasons(Choice((False,), why="no GPU", lacking={True: "no GPU"}))
    'no GPU'
    """
    together: dict[str, list[Value]] = {}
    for value, why in choice.lacking.items():
        together.setdefault(why, []).append(value)
    if list(together) == [choice.why] or not together:
        return choice.why
    return "; ".join(f"{_listed(values)}: {why}" for why, values in together.items())


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
