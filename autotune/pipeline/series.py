"""Series: the calls of one trial, which prompts and seeds each takes, and the pictures that are compared.

Prompts and seeds take turns, in the same order for every trial, so that nothing can be fast by repetition;
and the pictures of the timed calls are those that are compared, so that nothing is fast and wrong by turns.
"""

from torch import Tensor

from autotune.job import Job
from autotune.knob import Setup
from autotune.pipeline.calls import make_pictures, spread_frames


class Series:
    """Makes calls and keeps the first timed pictures of each distinct one that is compared.

    Attributes:
        compared: How many distinct calls are compared, from the first on.
    """

    def __init__(self, setup: Setup, job: Job) -> None:
        """Prepare; nothing is called yet."""
        self._setup, self._calls = setup, setup.workload.calls()
        self.compared = compared_calls(job)
        self._kept: dict[int, Tensor] = {}
        self._spare: dict[int, Tensor] = {}

    def first(self) -> Tensor:
        """Make the first call; return its pictures."""
        return self._make(0, self._spare)

    def settling(self, number: int) -> None:
        """Make a call before timing: the last one that is compared, then the one before it, and so on.

        So that where few calls are timed the others' pictures are there already.
        """
        self._make(-number % self.compared, self._spare)

    def timed(self, number: int) -> None:
        """Make a timed call."""
        self._make(number % len(self._calls), self._kept)

    def plain(self, number: int = 0) -> None:
        """Make a call whose pictures nobody keeps."""
        make_pictures(self._setup, self._calls[number])

    def pictures(self, *, is_complete: bool = True) -> list[Tensor]:
        """Return the pictures of each compared call, in their order.

        Args:
            is_complete: Whether calls that were not made yet are made now; else the list ends before the
                first of them.
        """
        found = list[Tensor]()
        for index in range(self.compared):
            if index not in self._kept and not is_complete:
                break
            if index not in self._kept and index not in self._spare:
                self._make(index, self._spare)
            found.append(self._kept[index] if index in self._kept else self._spare[index])
        return found

    def kept_bytes(self) -> int:
        """Return the memory of the pictures that are kept."""
        kept = (*self._kept.values(), *self._spare.values())
        return sum(pictures.numel() * pictures.element_size() for pictures in kept)

    def _make(self, index: int, kept: dict[int, Tensor]) -> Tensor:
        pictures = make_pictures(self._setup, self._calls[index])
        if index < self.compared and index not in kept:
            kept[index] = spread_frames(pictures, len(self._calls[index].seeds))
        return pictures


def compared_calls(job: Job) -> int:
    """Return how many calls of a job are compared with the reference: the same for every trial of a study."""
    return min(len(job.workload.calls()), job.protocol.pairs)
