"""Trial: the state of a trial while it runs, and how long each of its phases took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autotune.job import Job
from autotune.pipeline.series import Series


@dataclass(kw_only=True)
class Trial:
    """The state of a running trial.

    Attributes:
        job: What to do.
        tell: Is told the name of each phase as it begins.
        phases_s: Wall seconds of the finished phases.
        phase: The phase that is running.
        warmup_s: Wall seconds of the calls before timing.
        series: Its calls, once it has a pipeline.
        environment: Fingerprint, once taken.
    """

    job: Job
    tell: Callable[[str], None]
    phases_s: dict[str, float] = field(default_factory=dict)
    phase: str = "start"
    warmup_s: list[float] = field(default_factory=list)
    series: Series | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    def pictures_bytes(self) -> int:
        """Return how much memory the trial's own pictures take: they are no leak."""
        return self.series.kept_bytes() if self.series is not None else 0

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Name the phase that runs inside, and note how long it took."""
        self.phase = phase
        self.tell(phase)
        start = time.perf_counter()
        yield
        self.phases_s[phase] = self.phases_s.get(phase, 0.0) + time.perf_counter() - start
