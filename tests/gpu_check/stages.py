"""The stages there are, in the order in which they run."""

from tests.gpu_check import card_tests, ladders, recording, studies, training, trust
from tests.gpu_check.stage import Stage

STAGES: tuple[Stage, ...] = (
    card_tests.STAGE,
    trust.STAGE,
    ladders.STAGE,
    studies.STAGE,
    recording.STAGE,
    training.STAGE,
)
