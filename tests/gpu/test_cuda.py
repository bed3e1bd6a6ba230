"""What only a CUDA GPU can show: every knob's effect, enforced memory, a fork server that stays off the card.

`make gpu-check` runs these and keeps what they measured as `studies/gpu/knobs.json`.
"""

import pytest

from autotune.measurement import Failure, FailureKind, Measurement
from autotune.recipe import describe_settings

from .conftest import Card, keep

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]

MIB = 2**20


def test_the_fork_server_never_opens_the_gpu(card: Card) -> None:
    """After trials have run, the server itself holds no context on the card."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    holders = {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    server = card.runner._server

    assert server is not None
    assert server.pid not in holders


def test_every_value_of_every_knob_takes_effect(card: Card) -> None:
    """Each offered value makes pictures on the GPU and provably takes effect; the results are kept."""
    rows, failures = [], []
    for name, choice in card.space.offered.items():
        for value in choice.values[1:]:
            settings = dict(card.space.recipe({name: value}).settings)
            if card.space.why_not(settings):
                continue
            outcome = card.measure(settings)
            row: dict[str, object] = {"settings": describe_settings(settings)}
            if isinstance(outcome, Measurement):
                row |= {"latency_s": outcome.latency_s, "memory_bytes": outcome.memory_bytes}
                row |= {"similarity": outcome.similarity, "cold_s": outcome.cold_s}
            elif isinstance(outcome, Failure):
                failures.append(f"{describe_settings(settings)}: {outcome.kind.value}: {outcome.message}")
                row |= {"failure": outcome.kind.value, "message": outcome.message}
            rows.append(row)
    keep("knobs.json", rows)

    assert not failures, "\n".join(failures)


def test_memory_is_that_of_the_whole_process(card: Card) -> None:
    """The peak holds what the allocator reserved and the context outside of it."""
    outcome = card.measure({})

    assert isinstance(outcome, Measurement), outcome
    detail = outcome.memory.detail
    assert detail["outside_bytes"] > 100 * MIB
    assert outcome.memory_bytes == detail["reserved_bytes"] + detail["outside_bytes"]
    assert detail["reserved_bytes"] >= detail["allocated_bytes"] > 0


def test_a_memory_limit_is_enforced(card: Card) -> None:
    """A limit that leaves less than the pipeline needs ends in "out of memory", not in a slow success."""
    free = card.measure({})
    assert isinstance(free, Measurement), free
    limit = free.memory.detail["outside_bytes"] + free.memory.detail["allocated_bytes"] // 2
    outcome = card.measure({}, memory_limit_bytes=limit)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.OUT_OF_MEMORY


def test_a_limit_below_the_context_is_called_so(card: Card) -> None:
    """A cap that CUDA's context alone exceeds is no riddle: the message names both."""
    outcome = card.measure({}, memory_limit_bytes=64 * MIB)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "context" in outcome.message


def test_a_generous_limit_changes_nothing(card: Card) -> None:
    """Under a limit that fits, the pictures are those without it."""
    outcome = card.measure({}, memory_limit_bytes=8 * 2**30)

    assert isinstance(outcome, Measurement), outcome
    assert outcome.similarity == pytest.approx(1.0, abs=1e-3)
