"""The smallest memory that a recipe runs in: what "needs 6 GB" means, found by trying."""

from collections.abc import Callable
from dataclasses import dataclass

from autotune.measurement import Failure, FailureKind, Measurement, Outcome

_STEP_BYTES = 2**20
_FINE = 0.01  # bounds that are nearer to each other than this share are as good as one


@dataclass(kw_only=True)
class _Bounds:
    """Between which caps the smallest one lies; `high` is proved once a trial ran under it."""

    low: int
    high: int
    is_proved: bool = False

    def next(self, runs_left: int) -> int:
        """The cap to try: the middle, but the upper bound when it is the last chance to prove any."""
        if runs_left == 1 and not self.is_proved:
            return self.high
        return max((self.low + self.high) // 2 // _STEP_BYTES * _STEP_BYTES, self.low)

    def are_near(self) -> bool:
        return self.is_proved and self.high - self.low <= max(self.high * _FINE, _STEP_BYTES)


def min_cap(  # noqa: PLR0913 - two bounds and three rules, each with its name
    measure: Callable[[int], Outcome],
    *,
    low_bytes: int,
    high_bytes: int,
    latency_s: float,
    tolerance: float = 0.05,
    runs: int = 4,
) -> int | None:
    """Return the smallest cap under which a recipe was seen to run, and not slower.

    The bounds are halved: with 4 runs the answer is at most an eighth of their distance too large. Caps that
    are tried, but for the bounds, are whole MiB. It means something only where caps are enforced: on CUDA.

    Args:
        measure: Measures the recipe in a fresh process under an enforced cap in bytes.
        low_bytes: A cap under which it cannot run, such as the size of what it keeps on the device.
        high_bytes: A cap under which it should run, such as its peak without one.
        latency_s: Median seconds of one call without a cap.
        tolerance: Share by which a call may take longer.
        runs: How often to measure at most, 1 or more.

    Returns:
        A cap in bytes under which it was measured; None where it ran under none, or was cancelled before.

    >>> from autotune.measurement import Failure, FailureKind
    >>> min_cap(
    ...     lambda cap: Failure(kind=FailureKind.OUT_OF_MEMORY, message=f"{cap} B are not enough"),
    ...     low_bytes=0, high_bytes=2**30, latency_s=1.0,
    ... ) is None
    True
    """
    bounds = _Bounds(low=min(low_bytes, high_bytes), high=high_bytes)
    for left in range(runs, 0, -1):
        if bounds.are_near():
            break
        cap = bounds.next(left)
        outcome = measure(cap)
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.CANCELLED:
            break
        if isinstance(outcome, Measurement) and outcome.latency_s <= latency_s * (1 + tolerance):
            bounds.high, bounds.is_proved = cap, True
        else:
            bounds.low = cap
    return bounds.high if bounds.is_proved else None
