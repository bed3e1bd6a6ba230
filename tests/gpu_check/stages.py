"""The stages there are, in the order in which they run."""

from tests.gpu_check import ladders, trust
from tests.gpu_check.stage import Stage

STAGES: tuple[Stage, ...] = (trust.STAGE, ladders.STAGE)
