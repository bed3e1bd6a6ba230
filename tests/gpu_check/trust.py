"""Stage "trust": how far measurements on this machine can be trusted, by experiments kept one by one.

What of them can be shown on a CPU is shown there on the demo model; the rest says why it is not possible.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.runners.local import LocalRunner
from tests.gpu_check import trust_floor as floor
from tests.gpu_check import trust_forecast as forecasts
from tests.gpu_check import trust_memory as memory
from tests.gpu_check import trust_raw as raw
from tests.gpu_check import trust_timing as timing
from tests.gpu_check.stage import Ended, Stage, Status, Where, kept
from tests.gpu_check.trust_trials import KEPT, Finding, OutOfTime, Trials, is_fault, is_good

_TITLE = "How far measurements on this machine can be trusted"
_EXPERIMENTS: tuple[Callable[[Trials], None], ...] = (
    raw.measure_server,
    raw.measure_device,
    timing.measure_spread,
    floor.measure_floor,
    timing.measure_large_spread,
    memory.measure_caps,
    forecasts.measure_recipes,
    floor.measure_drift,
    memory.measure_least,
    timing.measure_settling,
    memory.measure_graph_caps,
    memory.measure_large_least,
)
"""In order of worth: what a further run would otherwise have to wait for comes last."""


def run(where: Where) -> Ended:
    """Measure what is not known yet, then what failed in earlier runs, and forecast all that was measured."""
    where = replace(where, work=where.work.resolve())  # compilers, which are told of it, run elsewhere
    found: dict[str, dict[str, Finding]] = {} if _is_wanted_anew(where) else where.kept(KEPT) or {}
    where.keep(KEPT, found)
    (where.work / "trust").mkdir(parents=True, exist_ok=True)
    waiting: list[str] = []
    failed: list[str] = []
    with LocalRunner() as runner:
        trials = Trials(where=where, runner=runner, found=found)
        for experiment in (*_EXPERIMENTS, forecasts.make_forecasts):
            _try(experiment, trials, waiting, failed)
        trials.is_retrying = True
        for experiment in _EXPERIMENTS if not waiting else ():
            _try(experiment, trials, waiting, failed)
    findings = [(f"{name}: {item}", one) for name, items in found.items() for item, one in items.items()]
    failed += [f"{name} ({one['failure']})" for name, one in findings if is_fault(one)]
    impossible = sum("impossible" in one for _, one in findings)
    measured = sum(is_good(one) for _, one in findings)
    told = [f"{measured} findings, {impossible} not possible here."]
    told += [f"Failed: {'; '.join(failed)}."] if failed else []
    told += [f"Waiting: {', '.join(waiting)}."] if waiting else []
    status = Status.PARTIAL if waiting else Status.FAILED if failed else Status.DONE
    return Ended(status=status, message=" ".join(told))


def _is_wanted_anew(where: Where) -> bool:
    """Whether all is to be measured again: a stage that is done runs only when it was asked to begin anew."""
    stages = (where.kept("check.json") or {"stages": {}})["stages"]
    return bool(stages.get(STAGE.name, {}).get("status") == Status.DONE)


def _try(experiment: Callable[[Trials], None], trials: Trials, waiting: list[str], failed: list[str]) -> None:
    """Make an experiment; note where it waits for more time, and where it cannot even be made."""
    try:
        experiment(trials)
    except OutOfTime as item:
        waiting.append(str(item))
    except Exception as error:  # noqa: BLE001 - one that fails must not take the others along
        traceback.print_exc()
        failed.append(f"{experiment.__name__} ({type(error).__name__}: {error})"[:500])


@dataclass(frozen=True, kw_only=True)
class _Section:
    """A part of the page: its heading, and what writes it from the findings of its experiment."""

    experiment: str
    heading: str
    write: Callable[[Mapping[str, Finding]], list[str]]


_SECTIONS = (
    _Section(experiment=raw.DEVICE, heading="The bare device", write=raw.device_lines),
    _Section(
        experiment=timing.SPREAD,
        heading="The same recipe in process after process",
        write=timing.spread_lines,
    ),
    _Section(
        experiment=timing.SETTLING,
        heading="When a recipe has settled",
        write=timing.settling_lines,
    ),
    _Section(
        experiment=floor.FLOOR,
        heading="What pictures differ by though nothing of note was changed",
        write=floor.floor_lines,
    ),
    _Section(
        experiment=floor.DRIFT,
        heading="Numerical drift in full size",
        write=floor.drift_lines,
    ),
    _Section(experiment=memory.CAPS, heading="Under a cap of memory", write=memory.caps_lines),
    _Section(experiment=memory.LEAST, heading="The least cap", write=memory.least_lines),
    _Section(experiment=forecasts.RECIPES, heading="What recipes take", write=forecasts.recipe_lines),
)


def lines(results: Path) -> list[str]:
    """Return the findings of a folder of results as Markdown; none where nothing was measured."""
    found: dict[str, dict[str, Finding]] = kept(results, KEPT) or {}
    if not found:
        return []
    page: list[str] = []
    for section in _SECTIONS:
        if section.experiment in found:
            page += [f"### {section.heading}", "", *section.write(found[section.experiment])]
    known: Mapping[str, Any] | None = kept(results, forecasts.KEPT_FORECASTS)
    if known is not None:
        page += ["### Forecasts of memory", "", *forecasts.forecast_lines(known)]
    measured = [one for items in found.values() for one in items.values() if "phases_s" in one]
    if raw.SERVER in found or measured:
        page += ["### Starting", "", *raw.server_lines(found.get(raw.SERVER, {}), measured)]
    return page


STAGE = Stage(name="trust", title=_TITLE, weight=1.5, run=run, lines=lines)
