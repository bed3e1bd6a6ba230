"""Ctrl-C in two steps: the first lets the running trial finish, the second ends it; nothing is lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LAST_STEP = 2


@dataclass
class Interrupts:
    """How often the user asked to stop.

    Attributes:
        finish: Called at the first: stop when the running trial has ended.
        stop_now: Called at the second: end the running trial.
        is_armed: Whether a trial may be running. While none can, a signal ends the program at once.
        count: How often a signal came while armed.
    """

    finish: Callable[[], None]
    stop_now: Callable[[], None]
    is_armed: bool = False
    count: int = 0

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        """Take the next step.

        Raises:
            KeyboardInterrupt: No trial can be running, or both steps were taken already.
        """
        if not self.is_armed or self.count >= _LAST_STEP:
            raise KeyboardInterrupt
        self.count += 1
        (self.finish if self.count == 1 else self.stop_now)()


@contextmanager
def listening(interrupts: Interrupts) -> Iterator[Interrupts]:
    """Give Ctrl-C and SIGTERM to `interrupts` for a while."""
    before = {number: signal.signal(number, interrupts) for number in _SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
