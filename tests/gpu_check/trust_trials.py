"""Trials of the stage "trust": one recipe each in a process of its own, and what is kept of it."""

import tempfile
import traceback
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autotune.demo import DEMO_PROMPTS
from autotune.errors import AutotuneError
from autotune.footprint import Footprint
from autotune.job import Job, Protocol
from autotune.knob import Situation, Value
from autotune.knobs import all_knobs
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.samples import median
from autotune.space import build_space
from autotune.target import Target
from autotune.workload import Workload
from tests.gpu_check.stage import Where

KEPT = "trust.json"
"""What was found, in the folder of results: experiment -> item -> finding."""
ONCE = Protocol(
    settle_min=1, settle_max=1, busy_s=0.0, calls_min=1, calls_max=1, retries=0, pairs=2, race=False
)
"""One call that is timed after one that is not: for memory and likeness, not for speed."""
_SPARE_S = 3.0  # of a stage's time, after a trial that is killed

Finding = dict[str, Any]
Settings = Mapping[str, Value]


class Machine(typing.Protocol):
    """What runs trials and looks at models: `LocalRunner`."""

    def __call__(self, job: Job) -> Outcome:
        """Run a trial."""
        ...

    def probe(self, workload: Workload, device: str) -> Situation:
        """Look at machine and model."""
        ...

    def probe_target(self, device: str) -> Target:
        """Look at the machine."""
        ...

    def footprint(self, workload: Workload, device: str = "cpu") -> tuple[Footprint, Situation]:
        """Look at what a model weighs."""
        ...

    def cancel(self) -> None:
        """Kill what runs; may be called from another thread."""
        ...

    def close(self) -> None:
        """Stop what runs; it is started again when needed."""
        ...


class OutOfTime(Exception):  # noqa: N818 - no error: the same command goes on
    """Too little time is left for the next item."""


def demo(*, side_px: int = 128, steps: int = 6, batch: int = 1, prompts: int = 1) -> Workload:
    """Return a workload of the demo model."""
    return Workload(
        model="demo",
        prompts=DEMO_PROMPTS[:prompts],
        width_px=side_px,
        height_px=side_px,
        steps=steps,
        guidance=3.0,
        batch=batch,
    )


def full_size(model: str, *, side_px: int, steps: int = 4) -> Workload:
    """Return a workload of an architecture with random weights, one picture a call."""
    return Workload(model=model, prompts=DEMO_PROMPTS[:1], width_px=side_px, height_px=side_px, steps=steps)


@dataclass(kw_only=True)
class Trials:
    """Measures items that are not known yet, and keeps each finding at once.

    Attributes:
        where: Where the stage runs.
        runner: Runs the trials.
        found: What is known: experiment -> item -> finding.
        is_retrying: Whether items that failed in an earlier run are measured again.
    """

    where: Where
    runner: Machine
    found: dict[str, dict[str, Finding]]
    is_retrying: bool = False
    _fresh: set[tuple[str, str]] = field(default_factory=set)
    _situations: dict[str, Situation] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The torch device string of a trial."""
        return "cuda:0" if self.where.device == "cuda" else self.where.device

    def of(self, experiment: str) -> dict[str, Finding]:
        """Return what is known of an experiment, by item."""
        return self.found.setdefault(experiment, {})

    def wants(self, experiment: str, item: str) -> bool:
        """Whether an item is to be measured: it is not known, or failed before this run and has its turn."""
        known = self.of(experiment).get(item)
        is_stale = known is not None and is_fault(known) and (experiment, item) not in self._fresh
        return known is None or (is_stale and self.is_retrying)

    def once(
        self, experiment: str, item: str, make: Callable[[], Finding], *, needs_s: float = 10.0
    ) -> Finding:
        """Return an item's finding; make and keep it where it is not known.

        Whatever goes wrong while it is made is a finding too, with its reason under "failure".

        Raises:
            OutOfTime: Less than `needs_s` is left, or the time was over while it was made: nothing is kept.
        """
        if not self.wants(experiment, item):
            return self.of(experiment)[item]
        if self.where.left_s < needs_s:
            raise OutOfTime(f"{experiment}: {item}")
        self.where.say(f"   {experiment}: {item}")
        try:
            made = make()
        except OutOfTime:
            raise OutOfTime(f"{experiment}: {item}") from None
        except Exception as error:  # noqa: BLE001 - one item that fails must not take the others along
            traceback.print_exc()
            made = {"failure": f"{type(error).__name__}: {error}"[:500]}
        if "failure" in made:
            self.where.say(f"   {experiment}: {item} failed: {made['failure']}")
        self.of(experiment)[item] = made
        self._fresh.add((experiment, item))
        self.where.keep(KEPT, self.found)
        return made

    def why_not(self, workload: Workload, settings: Settings) -> str | None:
        """Return why a recipe cannot be run on this machine, None where it can."""
        model = workload.model
        if model not in self._situations:  # one look each: on a GPU it takes seconds
            self._situations[model] = self.runner.probe(workload, self.where.device)
        situation = replace(self._situations[model], workload=workload)
        return build_space(all_knobs(), situation, allow_approximate=True).why_not(settings)

    def measure(
        self, workload: Workload, settings: Settings, protocol: Protocol = ONCE, **more: Any
    ) -> Finding:
        """Measure a recipe in a process of its own, beside its reference pictures, and return what is kept.

        Args:
            workload: What to make; its reference pictures are made first where there are none.
            settings: What the recipe changes.
            protocol: How it is timed.
            more: Further fields of the job, such as `memory_limit_bytes`; "limit_s" is the longest that it
                may take.

        Raises:
            OutOfTime: The stage's time was over before it ended.
        """
        reason = self.why_not(workload, settings)
        if reason is not None:
            return {"impossible": reason}
        return told(self.outcome(workload, settings, protocol, **more), workload, settings)

    def outcome(
        self,
        workload: Workload,
        settings: Settings,
        protocol: Protocol,
        *,
        limit_s: float = 90.0,
        **more: Any,
    ) -> Outcome:
        """Measure a recipe as `measure` does, without asking whether it can run here; return all of it."""
        reference = self._reference(workload)
        folder = self.where.work / "trust"
        with tempfile.TemporaryDirectory(dir=folder, prefix="trial-", ignore_cleanup_errors=True) as name:
            fields: dict[str, Any] = {"folder": name, "reference": str(reference), "protocol": protocol}
            return self._bounded(workload, settings, limit_s, fields | more)

    def _reference(self, workload: Workload) -> Path:
        """Return the folder of a workload's reference pictures, made where they are not there."""
        folder = self.where.work / "trust" / f"reference-{workload.digest}"
        mark = folder / "made"
        if not mark.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            fields = {"folder": str(folder), "role": "reference", "protocol": ONCE}
            made = self._bounded(workload, {}, 120.0, fields)
            if not isinstance(made, Measurement):
                raise AutotuneError(f"no reference pictures: {getattr(made, 'message', made)}")
            mark.touch()
        return folder

    def _bounded(
        self, workload: Workload, settings: Settings, limit_s: float, fields: dict[str, Any]
    ) -> Outcome:
        left_s = self.where.left_s - _SPARE_S
        if left_s <= 0:
            raise OutOfTime(workload.model)
        job = Job(
            recipe=Recipe(model=workload.model, settings=dict(settings)),
            workload=workload,
            device=self.device,
            time_limit_s=min(limit_s, left_s),
            threads=1 if self.where.is_proof else 0,
            **fields,
        )
        outcome = self.runner(job)
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.TIMEOUT and left_s < limit_s:
            raise OutOfTime(workload.model)
        return outcome


def told(outcome: Outcome, workload: Workload, settings: Settings) -> Finding:
    """Return what is kept of an outcome, in plain JSON; a failure has its reason under "failure"."""
    what: Finding = {"workload": workload.to_json(), "settings": dict(settings)}
    if not isinstance(outcome, Measurement):
        kind = outcome.kind.value if isinstance(outcome, Failure) else "left early"
        phase = outcome.phase if isinstance(outcome, Failure) else ""
        log = outcome.log[-400:] if isinstance(outcome, Failure) else ""
        failed = {"failure": f"{kind}: {outcome.message}"[:500], "kind": kind, "phase": phase, "log": log}
        return what | failed | {"phases_s": _short(outcome.phases_s)}
    likeness, shares = outcome.likeness, ("sm_clock_mhz", "power_w", "temperature_c", "throttle_reasons")
    known = (*shares, "foreign_processes", "other_cpus")
    return what | {
        "latency_s": outcome.latency_s,
        "calls_s": _short(outcome.calls_s),
        "warmup_s": _short(outcome.warmup_s),
        "discarded": len(outcome.discarded_s),
        "phases_s": _short(outcome.phases_s),
        "conditions": {name: outcome.conditions[name] for name in known if name in outcome.conditions},
        "energy_j": outcome.energy_j,
        "compile_cache": outcome.compile_cache,
        "memory": {
            "peak_bytes": outcome.memory.peak_bytes,
            "stages": dict(outcome.memory.stages),
            "detail": dict(outcome.memory.detail),
        },
        "similarity": median(likeness.haarpsi) if likeness.haarpsi else None,
        "least_similarity": min(likeness.haarpsi, default=None),
        "step_error": max(likeness.step_error, default=None),
        "why_no_step_error": likeness.why_no_step_error,
        "is_exact": likeness.is_exact,
        "flaws": list(likeness.flaws),
        "warnings": list(outcome.warnings),
    }


def _short(seconds: Any) -> Any:
    """Seconds with six digits after the point: a microsecond."""
    if isinstance(seconds, Mapping):
        return {name: round(value, 6) for name, value in seconds.items()}
    return [round(value, 6) for value in seconds]


def is_fault(finding: Finding) -> bool:
    """Whether an item failed for no reason that is itself a finding.

    That a recipe takes longer than it may is one, and so is that it does not run under a cap.

    >>> is_fault({"failure": "crash: signal 11", "kind": "crash"})
    True
    >>> is_fault({"failure": "took more than 120 s", "kind": "timeout"})
    False
    >>> is_fault({"cap_bytes": 1, "under": {"failure": "out of memory"}})
    False
    """
    return "failure" in finding and finding.get("kind") != "timeout"


def is_good(finding: Finding | None) -> bool:
    """Whether an item was measured: neither failed nor impossible here."""
    return finding is not None and not ({"failure", "impossible"} & finding.keys())


def why_missing(finding: Finding) -> str:
    """Return in words why an item was not measured, "" where it was.

    >>> why_missing({"impossible": "a CPU has no NVML"})
    'not possible here: a CPU has no NVML'
    """
    if "impossible" in finding:
        return f"not possible here: {finding['impossible']}"
    return f"failed: {finding['failure']}" if "failure" in finding else ""


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table as lines of Markdown, none where there are no rows.

    >>> table(["what", "s"], [["a call", "1.0"]])
    ['| what | s |', '| --- | --- |', '| a call | 1.0 |', '']
    """
    if not rows:
        return []
    lines = [heads, ["---"] * len(heads), *rows]
    told_rows = [" | ".join(cell.replace("|", "/").replace("\n", " ") for cell in line) for line in lines]
    return [*(f"| {row} |" for row in told_rows), ""]
