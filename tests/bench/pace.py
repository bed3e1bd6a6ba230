"""Pace: how fast the machine itself was while a study ran, so that figures of hours apart can be compared.

A machine is faster at one time than at another, for reasons that are no recipe's. The untuned baseline is
measured again and again while a study runs; its latency, smoothed over minutes, is the pace of the machine.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from autotune.errors import UsageError
from autotune.measurement import Measurement, Outcome, Parts
from autotune.search.study import Study
from autotune.store.records import Purpose

SMOOTH_S = 120.0
"""What knobs leave unexplained of the recorded latencies is least where this is one to three minutes."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The seconds that the untuned recipe took, at several times.

    Attributes:
        times_s: When, in seconds since the epoch.
        logs: Natural logarithms of its latency then.
    """

    times_s: tuple[float, ...]
    logs: tuple[float, ...]

    def at(self, time_s: float, *, but: int = -1) -> float:
        """Return the logarithm of the latency that it has at a time, by what was measured around it.

        Args:
            time_s: When.
            but: Index of a measurement that is left out.
        """
        weights = [
            0.0 if index == but else math.exp(-0.5 * ((time_s - when) / SMOOTH_S) ** 2) + 1e-12
            for index, when in enumerate(self.times_s)
        ]
        return math.fsum(w * log for w, log in zip(weights, self.logs, strict=True)) / math.fsum(weights)

    @property
    def usual(self) -> float:
        """Logarithm of the median."""
        return statistics.median(self.logs)

    def left(self) -> list[float]:
        """Return by what each measurement differs from what those around it foretell."""
        return [
            log - self.at(when, but=index)
            for index, (when, log) in enumerate(zip(self.times_s, self.logs, strict=True))
            if len(self.logs) > 1
        ]


def pace_of(study: Study) -> Pace:
    """Return the pace of a study's machine, by every time that its untuned baseline was measured.

    Raises:
        UsageError: It was never measured.
    """
    first = study.baseline()
    if first is None or first.measurement is None:
        raise UsageError(f"Study '{study.name}' has no measured baseline yet. Let it go on for some trials.")
    seen = [(since_epoch(first.started_at), first.measurement.latency_s)]
    seen += [
        (since_epoch(check.finished_at), check.measurement.latency_s)
        for check in study.checks
        if check.purpose is Purpose.BASELINE and check.measurement is not None
    ]
    return Pace(times_s=tuple(when for when, _ in seen), logs=tuple(math.log(s) for _, s in seen))


def spread(paces: Sequence[Pace]) -> float | None:
    """Return by what fresh processes differ, relative and apart from the pace; None where it is unknown."""
    left = [value for pace in paces for value in pace.left()]
    # A neighbourhood of a few is itself uncertain, so that this is rather too large than too small.
    return math.sqrt(statistics.fmean(value**2 for value in left)) if len(left) > 2 else None


def at_pace(outcome: Outcome, factor: float) -> Outcome:
    """Return an outcome as it would have been on a machine whose every second is `factor` seconds."""
    phases_s = {name: factor * second for name, second in outcome.phases_s.items()}
    if not isinstance(outcome, Measurement):
        return replace(outcome, phases_s=phases_s)
    parts = outcome.parts
    return replace(
        outcome,
        phases_s=phases_s,
        calls_s=tuple(factor * second for second in outcome.calls_s),
        warmup_s=tuple(factor * second for second in outcome.warmup_s),
        parts=None
        if parts is None
        else Parts(
            text_s=factor * parts.text_s,
            steps_s=tuple(factor * second for second in parts.steps_s),
            decode_s=factor * parts.decode_s,
            total_s=factor * parts.total_s,
        ),
    )


def since_epoch(moment: datetime) -> float:
    """Return a moment in UTC, with or without its zone, as seconds: only differences of them count."""
    return moment.replace(tzinfo=None).timestamp()
