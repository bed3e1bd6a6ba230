"""Racing: a trial that is beyond doubt worse than a known recipe is stopped in its second call.

The first call is never raced: it compiles. Steps are counted where every pipeline ends one, at its scheduler,
since not every pipeline has a callback at the end of a step.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from autotune.job import Rival
from autotune.measurement import Pruned
from autotune.pipeline.watching import watched
from autotune.race import MARGIN_PROJECTED, MARGIN_TIMED, loses, projected_s, steps_to_watch
from autotune.units import format_bytes, format_duration

_CALLS_TO_TELL = 2


class Lost(Exception):  # noqa: N818 - it is how a race ends
    """The recipe of this trial loses to a rival beyond doubt."""

    def __init__(self, rival: Rival, seconds: float, memory_bytes: int, seen: str) -> None:
        """Keep what was seen.

        Args:
            rival: Who wins.
            seconds: What a call takes at least.
            memory_bytes: What the recipe needs at least.
            seen: How far the trial came.
        """
        super().__init__(
            f"A call takes {format_duration(seconds)} or more ({seen}); recipe {rival.digest} needs "
            f"{format_duration(rival.latency_s)} and no more memory ({format_bytes(rival.memory_bytes)} "
            f"against {format_bytes(memory_bytes)} or more)."
        )
        self.rival, self.seconds, self.memory_bytes = rival, seconds, memory_bytes

    def outcome(self, **known: Any) -> Pruned:
        """Return it as an outcome."""
        return Pruned(
            latency_at_least_s=self.seconds,
            memory_at_least_bytes=self.memory_bytes,
            rival=self.rival.digest,
            message=str(self),
            **known,
        )


class Behind(Exception):  # noqa: N818 - it is how a race is interrupted
    """A call is so slow that this recipe loses unless it needs less memory than is known yet."""

    def __init__(self, seconds: float, seen: str) -> None:
        """Keep what a call takes at least, and how far the trial came."""
        super().__init__(seen)
        self.seconds, self.seen = seconds, seen


class Race:
    """One trial against the recipes that were measured before.

    Attributes:
        steps: Steps of one call, as counted in the first one.
        taken: Seconds of the calls so far: no call that was fast once is called slow.
    """

    def __init__(self, rivals: Sequence[Rival], pipeline: Any, device: str) -> None:
        """Prepare.

        Args:
            rivals: What was measured before; none, and nothing is ever stopped.
            pipeline: With a scheduler.
            device: Torch device string.
        """
        self._rivals, self._pipeline, self._device = tuple(rivals), pipeline, device
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
        if not watch or not self._rivals:
            yield
            return
        start, ends = self._now(), list[float]()

        def note(_begin: float, end: float) -> None:
            ends.append(end - start)
            if len(ends) != watch + 1:
                return
            seconds = min(projected_s(ends[0], ends[1:], self.steps - 1), *self.taken)
            if self.is_far_behind(seconds):
                raise Behind(seconds, f"projected after {watch + 1} of {self.steps} steps")

        # The clock waits for the device in the few steps that are watched, and not in the others.
        def now() -> float:
            return self._now() if len(ends) <= watch else 0.0

        with watched(self._pipeline.scheduler, "step", note, now=now):
            yield

    def decide(self, behind: Behind, memory_bytes: int) -> None:
        """Look whether a recipe that is far behind loses beyond doubt.

        Args:
            behind: What was seen.
            memory_bytes: What the recipe is known to need at least.

        Raises:
            Lost: It does.
        """
        self._leave(memory_bytes, behind.seconds, MARGIN_PROJECTED, behind.seen)

    def check_timed(self, timed: Sequence[float], memory_bytes: int) -> None:
        """Look at the first timed calls.

        Args:
            timed: Seconds of the timed calls so far.
            memory_bytes: What the recipe is known to need at least.

        Raises:
            Lost: They, and all calls before them, show that it loses.
        """
        if len(timed) == _CALLS_TO_TELL:
            self._leave(memory_bytes, min(*timed, *self.taken), MARGIN_TIMED, f"{len(timed)} timed calls")

    def is_far_behind(self, call_s: float) -> bool:
        """Whether a call is so much slower than the fastest rival's that its exact time matters little."""
        fastest = min((rival.latency_s for rival in self._rivals), default=None)
        return fastest is not None and call_s > MARGIN_PROJECTED * fastest

    def _leave(self, memory_bytes: int, seconds: float, margin: float, seen: str) -> None:
        rival = loses(self._rivals, memory_bytes, seconds, margin=margin)
        if rival is not None:
            raise Lost(rival, seconds, memory_bytes, seen)

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def timed_with_race(
    run: Callable[[int], Any], race: Race, memory_bytes: int, *, calls: int
) -> Callable[[int], Any]:
    """Return `run` for the timed calls: it looks at the race before the third one.

    Args:
        run: Makes the pictures of call k.
        race: Of the trial.
        memory_bytes: What the recipe is known to need at least.
        calls: Calls that are timed at least: with two or fewer nothing is looked at.
    """
    taken: list[float] = []

    def timed(number: int) -> Any:
        if calls > _CALLS_TO_TELL:
            race.check_timed(taken, memory_bytes)
        start = time.perf_counter()
        made = run(number)
        taken.append(time.perf_counter() - start)
        return made

    return timed
