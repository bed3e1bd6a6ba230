"""Racing: a recipe of which few steps do not tell is watched in its second call, and left where it is slow.

The first call is never raced: it compiles. Steps are counted where every pipeline ends one, at its scheduler,
since not every pipeline has a callback at the end of a step.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from autotune.pipeline.screening import Screening
from autotune.pipeline.watching import watched
from autotune.race import projected_s, steps_to_watch
from autotune.samples import median
from autotune.screen import TIMED_MARGIN

_CALLS_TO_TELL = 2
_MEMORY = ("memory_bytes", "host_memory_bytes")


class Behind(Exception):  # noqa: N818 - it is how a race is interrupted
    """A call is so slow that this recipe loses unless it needs less memory than is known yet."""


class Race:
    """One trial against the recipes that were measured before.

    Attributes:
        steps: Steps of one call, as counted in the first one.
        taken: Seconds of the calls so far: no call that was fast once is called slow.
    """

    def __init__(self, screening: Screening, pipeline: Any, device: str) -> None:
        """Prepare.

        Args:
            screening: What is known of the trial's recipe.
            pipeline: With a scheduler.
            device: Torch device string.
        """
        self._screening, self._pipeline, self._device = screening, pipeline, device
        self.steps = 0
        self.taken = list[float]()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the steps of the first call."""

        def count(_begin: float, _end: float) -> None:
            self.steps += 1

        with watched(self._pipeline.scheduler, "step", count, now=time.perf_counter):
            yield

    @contextmanager
    def second_call(self) -> Iterator[None]:
        """Watch the second call, and leave it where its first steps show that it is far behind.

        Raises:
            Behind: It is.
        """
        watch = steps_to_watch(self.steps)
        if not watch or not self._screening.is_on or self._screening.short is not None:
            yield
            return
        start, ends = self._now(), list[float]()

        def note(_begin: float, end: float) -> None:
            ends.append(end - start)
            if len(ends) != watch + 1:
                return
            seconds = min(projected_s(ends[0], ends[1:], self.steps - 1), *self.taken)
            self._screening.note_latency(seconds)
            if self._screening.may_lose(*_MEMORY):
                raise Behind(f"{watch + 1} of {self.steps} steps of its second call")

        # The clock waits for the device in the few steps that are watched, and not in the others.
        def now() -> float:
            return self._now() if len(ends) <= watch else 0.0

        with watched(self._pipeline.scheduler, "step", note, now=now):
            yield

    def check_timed(self, timed: Sequence[float]) -> None:
        """Look at the first timed calls.

        Args:
            timed: Seconds of the timed calls so far.

        Raises:
            Lost: They, and all calls before them, show that the recipe cannot reach the front.
        """
        if len(timed) == _CALLS_TO_TELL:
            self._screening.note_latency(min(*timed, *self.taken), median(timed))
            self._screening.check(f"{len(timed)} timed calls", margin=TIMED_MARGIN)

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def timed_with_race(run: Callable[[int], Any], race: Race, *, calls: int) -> Callable[[int], Any]:
    """Return `run` for the timed calls: it looks at the race before the third one.

    Args:
        run: Makes the pictures of call k.
        race: Of the trial.
        calls: Calls that are timed at least: with two or fewer nothing is looked at.
    """
    taken: list[float] = []

    def timed(number: int) -> Any:
        if calls > _CALLS_TO_TELL:
            race.check_timed(taken)
        start = time.perf_counter()
        made = run(number)
        taken.append(time.perf_counter() - start)
        return made

    return timed
