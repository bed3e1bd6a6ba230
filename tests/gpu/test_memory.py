"""Memory of a card: what is measured is what is held, and a cap holds and harms nobody."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.knob import Settings, Value
from autotune.measurement import Failure, FailureKind, Measurement
from autotune.recipe import describe_settings

from .card import Card, left_s, measured, only_a_card

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

MIB, GIB = 2**20, 2**30
FIGURES = """
import json
import torch
from autotune.pipeline import nvml
device = "cuda:0"
about = torch.cuda.get_device_properties(0)
known = nvml.memory_bytes(device) is not None
torch.zeros(1, device=device)
torch.cuda.synchronize()
before = nvml.memory_bytes(device), nvml.own_bytes(device), torch.cuda.mem_get_info(0)[0]
taken = torch.ones(2**28, device=device)
torch.cuda.synchronize()
after = nvml.memory_bytes(device), nvml.own_bytes(device), torch.cuda.mem_get_info(0)[0]
print(json.dumps({
    "known": known,
    "uuid": nvml.device_uuid(device),
    "torch_uuid": str(about.uuid),
    "total": after[0] and after[0].total,
    "torch_total": about.total_memory,
    "taken": before[0] and before[0].free - after[0].free,
    "own_taken": None if before[1] is None or after[1] is None else after[1] - before[1],
    "torch_taken": before[2] - after[2],
    "foreign": nvml.foreign_processes(device),
    "hosts_numbers": nvml.has_the_hosts_numbers(),
}))
"""
POOL = """
import json
import torch
from autotune.pipeline.memory import watch
memory = watch("cuda:0", None)
given = torch.ones(2**27, device="cuda:0")
plain = given * 2 + 1
del plain
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    made = given * 2 + 1
graph.replay()
torch.cuda.synchronize()
correct = bool((made == 3).all())
del given, made
torch.cuda.empty_cache()
held = torch.cuda.memory_reserved()
memory.finish("calls")
found = memory.result()
print(json.dumps({"correct": correct, "held": held, "peak": found.peak_bytes, "detail": dict(found.detail)}))
"""


def printed(script: str) -> dict[str, Any]:
    """Return what a program prints as JSON: one of its own, so that this process stays off the card."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=min(120.0, max(left_s(), 1.0)),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def free(card: Card) -> Measurement:
    """Return the untuned demo model, measured without a cap."""
    return measured(card.measure({}))


def outside_bytes(one: Measurement) -> int:
    """What a trial held on the card outside of torch's allocator: at most, where nobody tells exactly."""
    detail = one.memory.detail
    return detail.get("outside_bytes", detail.get("outside_at_most_bytes", 0))


@only_a_card
def test_memory_is_that_of_the_whole_process(
    free: Measurement, record_property: Callable[[str, object], None]
) -> None:
    """The peak holds what the allocator reserved and the context outside of it."""
    detail = free.memory.detail
    record_property("detail", dict(detail))

    assert outside_bytes(free) > 100 * MIB
    assert free.memory_bytes == detail["reserved_bytes"] + outside_bytes(free)
    assert detail["reserved_bytes"] >= detail["allocated_bytes"] > 0
    assert detail["host_bytes"] > 0


@only_a_card
def test_a_cap_is_enforced_and_the_next_trial_works(card_of: Callable[[str], Card]) -> None:
    """What needs more than the cap ends in "out of memory", not in a slow success, and harms nobody."""
    card = card_of("arch:sd15")
    limit = outside_bytes(card.untuned) + card.untuned.memory.detail["allocated_bytes"] // 2
    outcome = card.measure({}, memory_limit_bytes=limit, role="pictures")

    assert isinstance(outcome, Failure), outcome
    assert outcome.kind is FailureKind.OUT_OF_MEMORY, outcome
    assert measured(card.measure({}, role="pictures")).similarity == pytest.approx(1.0, abs=1e-3)


@only_a_card
def test_a_limit_below_the_context_is_called_so(card: Card) -> None:
    """A cap that CUDA's context alone exceeds is no riddle: the message names both."""
    outcome = card.measure({}, memory_limit_bytes=64 * MIB)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "context" in outcome.message


@only_a_card
def test_a_cap_that_fits_changes_nothing_and_is_kept(card: Card, free: Measurement) -> None:
    """A little above the peak the pictures are those without a cap, and the peak stays below it."""
    cap = free.memory_bytes + max(free.memory_bytes // 10, 64 * MIB)
    outcome = measured(card.measure({}, memory_limit_bytes=cap))

    assert outcome.memory_bytes <= cap
    assert outcome.memory.detail["cap_bytes"] == cap
    assert outcome.similarity == pytest.approx(1.0, abs=1e-3)


@only_a_card
def test_recorded_graphs_fit_the_cap_or_are_refused(
    card_of: Callable[[str], Card], record_property: Callable[[str, object], None]
) -> None:
    """A cap between what the eager pipeline and its recording need leaves no room for private pools."""
    card = card_of("arch:sd15")
    settings = {"compile": "full", "compile_backend": "cudagraphs"}
    whole = measured(card.measure(settings, role="pictures"))
    eager, recorded = (one.memory.detail["reserved_bytes"] for one in (card.untuned, whole))
    record_property("reserved", {"eager": eager, "recorded": recorded})
    if recorded < eager + 256 * MIB:
        pytest.skip("the recording needs no more than the eager pipeline: nothing lies between")
    limit = whole.memory_bytes - (recorded - eager) // 2
    outcome = card.measure(settings, role="pictures", memory_limit_bytes=limit)

    if isinstance(outcome, Measurement):
        assert outcome.memory_bytes <= limit
    else:
        assert isinstance(outcome, Failure)
        assert outcome.kind is FailureKind.OUT_OF_MEMORY, outcome


@only_a_card
def test_the_pool_of_a_graph_counts(record_property: Callable[[str, object], None]) -> None:
    """What a CUDA graph keeps for itself is in the peak, also after the cache was emptied."""
    found = printed(POOL)
    record_property("found", found)

    assert found["correct"]
    assert found["held"] >= 512 * MIB
    assert found["peak"] >= found["held"]


@only_a_card
def test_nvml_and_torch_agree(record_property: Callable[[str, object], None]) -> None:
    """NVML names the same card, the same size, and sees what a process takes."""
    found = printed(FIGURES)
    record_property("found", found)
    if not found["known"]:
        pytest.skip("NVML tells nothing of this card's memory")

    assert found["uuid"].removeprefix("GPU-").removeprefix("MIG-") == found["torch_uuid"]
    assert 0.94 * found["total"] <= found["torch_total"] <= found["total"]
    assert GIB <= found["taken"] <= GIB + 64 * MIB
    assert found["torch_taken"] == pytest.approx(found["taken"], abs=64 * MIB)
    # Containers hide processes: then NVML has no figure of one's own, and the product says so with None.
    assert found["own_taken"] is None or GIB <= found["own_taken"] <= GIB + 64 * MIB
    assert found["foreign"] in (None, 0)


STREAMS: tuple[dict[str, Value], ...] = (
    {},
    {"offload_stream": "stream"},
    {"offload_stream": "record_stream"},
)
OFFLOADED: tuple[dict[str, Value], ...] = (
    {"offload": "model"},
    {"offload": "sequential"},
    *({"offload": "group_block", **stream} for stream in STREAMS),
    *({"offload": "group_leaf", **stream} for stream in STREAMS),
)


@only_a_card
@pytest.mark.parametrize("settings", OFFLOADED, ids=describe_settings)
def test_offloaded_weights_draw_what_resident_ones_draw(card: Card, settings: Settings) -> None:
    """Moving weights, on a stream of its own or not, changes no picture."""
    assert card.space.why_not(settings) is None
    outcome = measured(card.measure(settings, role="pictures"))

    assert outcome.similarity == pytest.approx(1.0, abs=1e-3)


@only_a_card
@pytest.mark.parametrize("offload", ["model", "group_leaf", "sequential"])
def test_offloaded_weights_rest_on_the_host(card_of: Callable[[str], Card], offload: str) -> None:
    """A full-size model takes less of the card, and the host's memory is told beside it."""
    card = card_of("arch:sd15")
    outcome = measured(card.measure({"offload": offload}, role="pictures"))
    weights = 2 * sum(part.parameters for part in card.space.situation.blueprint.parts.values())

    assert outcome.memory.detail["allocated_bytes"] < card.untuned.memory.detail["allocated_bytes"]
    assert outcome.host_memory_bytes > weights // 2


@only_a_card
@pytest.mark.parametrize(
    "settings",
    [{"compile_mode": "reduce-overhead"}, {"compile_backend": "cudagraphs"}, {}],
    ids=["reduce-overhead", "cudagraphs", "compiled"],
)
def test_graphs_draw_what_the_untuned_pipeline_draws(
    card: Card, settings: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    """Recorded or compiled, the denoiser draws the same pictures."""
    outcome = measured(card.measure({"compile": "full", **settings}, role="pictures"))
    record_property("memory", dict(outcome.memory.detail))

    assert outcome.similarity >= 0.98


def test_a_model_is_where_it_should_be(card: Card) -> None:
    """What these tests measure is on the device that was asked for, and the files are in their own folder."""
    assert card.untuned.environment["target"]["device"] == card.device
    assert Path(card.reference).is_dir()
