"""Screening: what a trial learns from little first, so that it is left where it cannot reach the front.

Two short calls tell the latency; on a CPU one more tells the memory; the denoiser's error in single steps and
then the pictures of the first whole call tell the likeness. Each is looked at only where it may decide.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from autotune.job import Job
from autotune.knob import Knob, Setup
from autotune.knobs import all_knobs
from autotune.measurement import Memory, Pruned
from autotune.observation import stage_peaks
from autotune.pipeline.allocator import keep_again
from autotune.pipeline.likeness import compare
from autotune.pipeline.memory import MemoryWatch
from autotune.pipeline.pictures import load_reference
from autotune.pipeline.short_calls import ShortCalls, make_short, make_short_calls, tells_by_few_steps
from autotune.pipeline.step_error import step_errors
from autotune.pipeline.trial import Trial
from autotune.samples import median
from autotune.screen import (
    PROJECTED_MARGIN,
    SHORT_STEPS,
    Beaten,
    Known,
    beaten,
    fastest_s,
    hangs_on,
    similarity_by_error,
    similarity_by_first,
)

_MEMORY = ("memory_bytes", "host_memory_bytes")
_LIKENESS = "similarity"


class Lost(Exception):  # noqa: N818 - it is how a screening ends
    """The recipe of this trial cannot reach the front any more."""

    def __init__(self, found: Beaten, seen: str, known: dict[str, float], figures: dict[str, float]) -> None:
        """Keep why, and what was seen.

        Args:
            found: Why.
            seen: By what.
            known: Bounds of its figures.
            figures: What it would have come to.
        """
        super().__init__(f"It cannot reach the front ({seen}): {found.why}")
        self.rival, self.known, self.figures = found.rival, known, figures

    def outcome(self, **more: Any) -> Pruned:
        """Return it as an outcome."""
        return Pruned(
            latency_at_least_s=self.known.get("latency_s", 0.0),
            memory_at_least_bytes=int(self.known.get("memory_bytes", 0)),
            rival=self.rival,
            message=str(self),
            figures=self.figures,
            **more,
        )


class Screening:
    """What is known of a trial's recipe so far.

    Attributes:
        is_on: Whether there is anything to hold it against.
        short: Its short calls, None where none were made.
        weighed: Its memory, where it had to be weighed to decide.
        errors: Its step errors, or why there are none, where they had to be known to decide.
    """

    def __init__(self, trial: Trial, setup: Setup, memory: MemoryWatch) -> None:
        """Prepare; nothing is called yet."""
        self._trial, self._setup, self._memory = trial, setup, memory
        self._screen, self._is_on_cpu = trial.job.screen, not trial.job.device.startswith("cuda")
        self._known, self._figures = dict[str, float](), dict[str, float]()
        self.is_on = bool(self._screen.rivals) and trial.job.protocol.race and trial.job.role == "trial"
        self.short: ShortCalls | None = None
        self.weighed: Memory | None = None
        self.errors: tuple[tuple[float, ...], str] | None = None

    @property
    def is_weighed(self) -> bool:
        """Whether it was weighed by a whole call: a process that has made short ones only holds less yet."""
        return self.weighed is not None and self.short is None

    def begin(self) -> None:
        """Make short calls where they tell of whole ones, and look at what they say.

        Raises:
            Lost: The recipe cannot reach the front.
        """
        if not self.is_on or not tells_by_few_steps(self._trial.job, self._setup, all_knobs()):
            return
        with self._trial.during("short calls"):
            self.short = make_short_calls(self._setup)
        self._memory.finish("short calls")
        if self.short is None:
            return
        self._note_latency(self.short)
        self._note_memory()
        seen = f"{2 * SHORT_STEPS} steps"
        self.check_whatever_memory(seen)
        if self._look_at_steps(self.short):
            self.check_whatever_memory(f"{seen} and its error in single ones")

    def after_first_call(self, pictures: Tensor) -> None:
        """Correct what the first call took by what short calls took of it, and look at its pictures.

        Args:
            pictures: Of the first whole call.

        Raises:
            Lost: The recipe cannot reach the front.
        """
        if self.short is not None:
            saved_s = max(self.short.first_s - self.short.second_s, 0.0)
            self._trial.warmup_s[0] += saved_s
            self._trial.phases_s["first call"] += saved_s
            self._trial.phases_s["short calls"] -= saved_s
        if not self.is_on or not self.may_lose(_LIKENESS, *_MEMORY):
            return
        reference = load_reference(Path(self._trial.job.reference))[0]
        if pictures.shape != reference.shape:
            return
        scores, _ = compare(pictures, reference)
        highest = similarity_by_first(scores, self._screen.headroom)
        self._known[_LIKENESS] = min(highest, self._known.get(_LIKENESS, 1.0))
        self._figures[_LIKENESS] = median(scores)
        self._note_memory()
        self.check_whatever_memory("its first pictures")

    def note_latency(self, at_least_s: float, likely_s: float | None = None) -> None:
        """Note what a call takes at least, before the margin, and what it takes as far as is known."""
        self._known["latency_s"] = at_least_s
        if likely_s is not None:
            self._figures["latency_s"] = likely_s

    def may_lose(self, *names: str, margin: float = PROJECTED_MARGIN) -> bool:
        """Whether the recipe would lose if these figures of it were as bad as can be."""
        return self.is_on and hangs_on(self._screen, Known(figures=self._known, margin=margin), *names)

    def is_far_behind(self, call_s: float) -> bool:
        """Whether a call is so much slower than the fastest rival's that its exact time matters little."""
        fastest = fastest_s(self._screen) if self.is_on else None
        return fastest is not None and call_s > PROJECTED_MARGIN * fastest

    def check(self, seen: str, *, margin: float = PROJECTED_MARGIN) -> None:
        """Look whether the recipe is beaten by what is known.

        Args:
            seen: By what, for the user.
            margin: So many times as short may times turn out.

        Raises:
            Lost: It is.
        """
        found = beaten(self._screen, Known(figures=self._known, margin=margin)) if self.is_on else None
        if found is not None:
            raise Lost(found, seen, self._known, self._figures)

    def check_whatever_memory(self, seen: str) -> None:
        """Look whether the recipe is beaten; on a CPU it is weighed where that decides.

        Raises:
            Lost: It is.
        """
        self.check(seen)
        if self._is_on_cpu and self.weighed is None and self.may_lose(*_MEMORY):
            with self._trial.during("memory"):
                self._memory.weigh(self._light_call(), self._trial.pictures_bytes())
            keep_again()
            self.weighed = self._memory.result()
            self._note_memory()
            self.check(seen)

    def _light_call(self) -> Callable[[], object]:
        """The shortest call that needs as much memory as any."""
        call = self._setup.workload.calls()[0]
        if self.short is not None:
            return lambda: make_short(self._setup, call)
        series = self._trial.series
        assert series is not None  # noqa: S101 - a pipeline is there, and so are its calls
        return series.plain

    def _look_at_steps(self, short: ShortCalls) -> bool:
        """Learn how far single steps are from the reference's, where that may decide; whether it was."""
        job = self._trial.job
        if moves(job, all_knobs()) or not self._screen.errors or not self.may_lose(_LIKENESS, *_MEMORY):
            return False
        with self._trial.during("step error"):
            self.errors = step_errors(self._setup, short.seen, Path(job.reference))
        if not self.errors[0]:
            return False
        error = sum(self.errors[0]) / len(self.errors[0])
        self._figures["step_error"] = error
        self._known[_LIKENESS] = similarity_by_error(self._screen.errors, error)
        return True

    def _note_latency(self, short: ShortCalls) -> None:
        whole, phases = short.whole, self._trial.phases_s
        steps_s = sum(whole.steps_s)
        started_s = sum(phases.get(name, 0.0) for name in ("fork", "load", "apply"))
        cold_s = started_s + short.first_s + max(whole.total_s - short.second_s, 0.0)
        times = {
            "latency_s": whole.total_s,
            "text_s": whole.text_s,
            "steps_s": steps_s,
            "decode_s": max(whole.total_s - whole.text_s - steps_s, 0.0),
            "cold_s": cold_s,
        }
        self._figures |= times
        self._known |= {"latency_s": whole.total_s, "cold_s": cold_s}

    def _note_memory(self) -> None:
        """On CUDA what the calls so far reserved; on a CPU what loading took, until it is weighed."""
        found = self.weighed or self._memory.result()
        if self._is_on_cpu and self.weighed is None:
            least = max(self._memory.stages.get(stage, 0) for stage in ("load", "apply"))
            self._known |= dict.fromkeys(_MEMORY, float(least))
            return
        self._known["memory_bytes"] = float(found.peak_bytes)
        self._known["host_memory_bytes"] = float(found.detail.get("host_bytes", found.peak_bytes))
        self._figures |= {"memory_bytes": float(found.peak_bytes), **stage_peaks(found)}
        if self._is_on_cpu:
            self._figures["host_memory_bytes"] = float(found.peak_bytes)


def moves(job: Job, knobs: tuple[Knob, ...]) -> bool:
    """Whether the recipe takes other steps than the reference, so that no step can be compared."""
    return any(knob.changes_result and knob.name in job.recipe.settings for knob in knobs)
