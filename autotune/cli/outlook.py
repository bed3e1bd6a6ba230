"""Outlook: what `autotune plan` found, as tables and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.cli.console import plain_table, say, say_table
from autotune.fitting import Budget, Counts, Fit, Fitter, Share
from autotune.footprint import Footprint
from autotune.forecast import StageForecast
from autotune.knob import Situation, Value, is_same
from autotune.knobs import all_knobs
from autotune.recipe import describe_settings
from autotune.space import build_space
from autotune.units import format_bytes


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What there is to say about a model on a machine.

    Attributes:
        footprint: Of the model.
        situation: Where, of what, making what.
        budget: What there is to fit into.
        counts: How many recipes there are.
        untuned: The baseline.
        asked: The recipe that the user named, None without one.
        why_not_asked: Why that recipe cannot be run at all, None where it can.
        cheapest: The cheapest way to fit, None where nothing fits.
        smallest: The smallest recipe.
    """

    footprint: Footprint
    situation: Situation
    budget: Budget
    counts: Counts
    untuned: Fit
    asked: Fit | None
    why_not_asked: str | None
    cheapest: Fit | None
    smallest: Fit

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        named = {"untuned": self.untuned, "asked": self.asked}
        named |= {"cheapest": self.cheapest, "smallest": self.smallest}
        workload = self.situation.workload
        return {
            "model": workload.model,
            "workload": workload.to_json(),
            "target": self.situation.target.to_json(),
            "limit_bytes": self.budget.device_bytes,
            "host_limit_bytes": self.budget.host_bytes,
            "recipes": {
                "exist": self.counts.exist,
                "valid": vars(self.counts.valid),
                "valid_is_exact": self.counts.valid.is_exact,
                "may_fit": vars(self.counts.may_fit),
                "fit": vars(self.counts.fits),
            },
            "parts": {
                name: {"class": part.class_name, "stage": part.stage, "bytes": dict(part.sizes)}
                for name, part in self.footprint.weights.items()
            },
            "recipes_forecast": {
                name: None if fit is None else fit.made.to_json() | {"verdict": _verdict(fit, self.budget)}
                for name, fit in named.items()
            },
            "why_not_asked": self.why_not_asked,
            "remarks": list(self.footprint.remarks),
        }


def look(
    footprint: Footprint,
    situation: Situation,
    *,
    limits: tuple[int | None, int | None],
    asked: Mapping[str, Value] | None = None,
    allow_approximate: bool = False,
    sample: int = 400,
) -> Outlook:
    """Return what there is to say about a model on a machine.

    Args:
        footprint: Of the model.
        situation: Its target is the machine that is planned for.
        limits: Memory of the device and of the machine; None for the target's own, and for no limit.
        asked: Settings of a recipe that the user wants forecast.
        allow_approximate: Whether knobs that change what is computed are counted.
        sample: How many recipes are drawn to estimate how many fit.
    """
    space = build_space(all_knobs(), situation, allow_approximate=allow_approximate)
    device_bytes = limits[0] or _usable(situation)
    budget = Budget(device_bytes=device_bytes, host_bytes=limits[1])
    fitter = Fitter(space=space, footprint=footprint, budget=budget)
    return Outlook(
        footprint=footprint,
        situation=situation,
        budget=budget,
        counts=fitter.count(sample),
        untuned=fitter.forecast({}),
        asked=None if asked is None else fitter.forecast(asked),
        why_not_asked=None if asked is None else _why_not(asked, situation),
        cheapest=fitter.cheapest(),
        smallest=fitter.smallest(),
    )


def _why_not(asked: Mapping[str, Value], situation: Situation) -> str | None:
    """Why a recipe cannot be run; what a knob takes on request is requested by naming it."""
    choices = {knob.name: knob.domain(situation) for knob in all_knobs() if knob.name in asked}
    named = {
        name: [choice.default, asked[name]]
        for name, choice in choices.items()
        if choice.takes(asked[name]) and not any(is_same(asked[name], value) for value in choice.values)
    }
    return build_space(all_knobs(), situation, narrowed=named).why_not(asked)


def _usable(situation: Situation) -> int:
    """What a program may count on of the target's memory."""
    from autotune.gpus import GPUS

    titles = {gpu.title: gpu.usable_bytes for gpu in GPUS.values()}
    return titles.get(situation.target.name, situation.target.memory_bytes)


def say_outlook(outlook: Outlook) -> None:
    """Print it: the parts, the recipes, the forecast of each recipe, and what to do."""
    workload, target = outlook.situation.workload, outlook.situation.target
    size = f"{workload.width_px} × {workload.height_px} px"
    frames = f", {workload.frames} frames" if workload.frames else ""
    say(f"{workload.model}: {outlook.footprint.pipeline_class}, {workload.batch} × {size}{frames} a call")
    say(f"For {target.describe()}; limit {_limits(outlook.budget)}")
    say()
    _say_parts(outlook.footprint)
    say()
    _say_counts(outlook.counts)
    say()
    _say_recipes(outlook)
    for remark in outlook.footprint.remarks:
        say(f"Remark: {remark}.")
    say()
    say(_advice(outlook))


def _say_parts(footprint: Footprint) -> None:
    table = plain_table("part", "class", "stage", "32 bits>", "16 bits>", "largest block, 16 bits>")
    for name, part in footprint.weights.items():
        block = part.largest_block.get("bfloat16", 0)
        sizes = [format_bytes(part.sizes.get(dtype, 0)) for dtype in ("float32", "bfloat16")]
        table.add_row(name, part.class_name, part.stage, *sizes, format_bytes(block) if block else "-")
    say_table(table)


def _say_counts(counts: Counts) -> None:
    table = plain_table("recipes", "number>", "share of the valid ones")
    table.add_row("exist", _number(counts.exist), "")
    table.add_row("are valid", counts.valid.describe(), "")
    table.add_row("may fit, and are searched", _part(counts, counts.may_fit), _share(counts.may_fit))
    table.add_row("are expected to fit", _part(counts, counts.fits), _share(counts.fits))
    say_table(table)


def _say_recipes(outlook: Outlook) -> None:
    is_cpu = outlook.situation.target.kind == "cpu"
    named = {"untuned": outlook.untuned, "asked for": outlook.asked}
    named |= {"cheapest that fits": outlook.cheapest, "smallest": outlook.smallest}
    headings = ("recipe", "stage", "weights>", "activations>", "at least>", "expected>")
    table = plain_table(*headings, *(() if is_cpu else ("host, expected>",)))
    for title, fit in named.items():
        if fit is None:
            continue
        for stage, row in fit.made.device.items():
            host = () if is_cpu else (format_bytes(fit.made.host[stage].expected),)
            table.add_row(title if stage == "load" else "", stage, *_cells(row), *host)
        peak = (format_bytes(fit.made.lower_bound_bytes), format_bytes(fit.made.expected_bytes))
        host = () if is_cpu else (format_bytes(fit.made.host_expected_bytes),)
        table.add_row("", "peak", "", "", *peak, *host, style="bold")
    say_table(table)
    say()
    for title, fit in named.items():
        if fit is not None:
            said = "" if _said(fit) == title else f" {_said(fit)}:"
            say(f"{title}:{said} {_verdict(fit, outlook.budget)}")
            for part in fit.made.unknown:
                counted = "'at least' counts nothing of it, 'expected' the model's own"
                say(f"{title}: what takes the place of its {part} is known once it is loaded: {counted}")
    if outlook.why_not_asked:
        say(f"asked for: cannot be run here: {outlook.why_not_asked}")


def _said(fit: Fit) -> str:
    return describe_settings(fit.settings) or "untuned"


def _cells(row: StageForecast) -> tuple[str, ...]:
    return tuple(format_bytes(amount) for amount in (row.weights, row.live, row.lower_bound, row.expected))


def _verdict(fit: Fit, budget: Budget) -> str:
    refused = budget.refuses(fit.made)
    if refused:
        return f"does not fit ({refused})"
    return "fits" if budget.holds(fit.made) else "may not fit"


def _advice(outlook: Outlook) -> str:
    limit = _limits(outlook.budget)
    smallest = outlook.smallest
    if outlook.cheapest is None:
        needs = format_bytes(smallest.made.expected_bytes)
        least = format_bytes(smallest.made.lower_bound_bytes)
        remedy = "Allow more, make smaller pictures with --size, or fewer with --batch."
        return (
            f"Nothing is expected to fit {limit}. The smallest recipe, '{_said(smallest)}', needs {needs}, "
            f"at least {least}. {remedy}"
        )
    vram = format_bytes(outlook.budget.device_bytes or 0).replace(" ", "")
    return (
        f"The cheapest way to fit {limit}: {_said(outlook.cheapest)}.\n"
        "What is expected is that of a device that was never measured. A study measures it:\n"
        f"  autotune tune {outlook.situation.workload.model} --vram {vram}"
    )


def _limits(budget: Budget) -> str:
    limits = [] if budget.device_bytes is None else [format_bytes(budget.device_bytes)]
    limits += [] if budget.host_bytes is None else [f"{format_bytes(budget.host_bytes)} of host memory"]
    return " and ".join(limits) or "none"


def _number(count: int) -> str:
    """A count as text: exact while a person can read it.

    >>> _number(1234567), _number(123456789012345)
    ('1,234,567', '1.2e+14')
    """
    return f"{count:,}" if count < 10**9 else f"{count:.1e}"


def _rounded(count: float) -> str:
    return _number(round(count)) if count < 10**6 else f"{count:.1e}"


def _part(counts: Counts, share: Share) -> str:
    return "about " + _rounded(counts.valid.value * share.value)


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, 95 % interval)"
