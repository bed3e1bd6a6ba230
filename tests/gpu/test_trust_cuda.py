"""Whether a measurement on a GPU can be trusted: spread, clocks, energy, caps, settling and step errors.

What is found is kept under the folder that `make gpu-check` names: the figures are the point, and the
assertions only say that they are there and make sense.
"""

import statistics
import time
from dataclasses import replace

import pytest

from autotune.job import Protocol
from autotune.knob import Value
from autotune.measurement import Measurement, Outcome, Pruned
from autotune.objective import LATENCY, MEMORY, SIMILARITY
from autotune.screen import Rival, Screen
from autotune.search.min_cap import min_cap

from .conftest import PROTOCOL, Card, keep

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]

MIB = 2**20
PROCESSES = 5
STEADY = Protocol(settle_max=6, busy_s=2.0, calls_min=20, calls_max=20, race=False)
HARMLESS: dict[str, dict[str, Value]] = {
    "again": {},
    "sdpa_math": {"attention": "sdpa_math"},
    "channels_last": {"channels_last": True},
    "tf32": {"tf32": True},
    "bfloat16": {"dtype": "bfloat16"},
    "float16": {"dtype": "float16"},
}


def measured(outcome: Outcome) -> Measurement:
    """Return an outcome that must be a measurement."""
    assert isinstance(outcome, Measurement), outcome
    return outcome


def test_spread_within_and_between_processes(card: Card) -> None:
    """How much the calls of one process differ, and the medians of several; clocks and power with them."""
    found = [measured(card.measure({}, protocol=STEADY, is_whole=False)) for _ in range(PROCESSES)]
    medians = [one.latency_s for one in found]
    within = [statistics.stdev(one.calls_s) / one.latency_s for one in found]
    report = {
        "medians_s": medians,
        "between_sd": statistics.stdev(medians) / statistics.mean(medians),
        "within_sd": within,
        "calls_s": [one.calls_s for one in found],
        "conditions": [dict(one.conditions) for one in found],
        "warnings": [one.warnings for one in found],
    }
    keep("spread.json", report)

    assert all(one.conditions.get("sm_clock_mhz") for one in found)
    assert max(within) < 0.5


def test_energy_is_counted_over_a_long_window(card: Card) -> None:
    """A call's joules agree with the mean power within a factor of two."""
    long = replace(STEADY, calls_min=200, calls_max=200, interval=0.0, timing_s=60.0)
    one = measured(card.measure({}, protocol=long, is_whole=False))
    watts = one.conditions.get("power_w")
    keep("energy.json", {"energy_j": one.energy_j, "power_w": watts, "latency_s": one.latency_s})

    if one.energy_j is not None and isinstance(watts, (int, float)):
        assert 0.5 < one.energy_j / (watts * one.latency_s) < 2.0


def test_sampling_the_gpu_costs_next_to_nothing(card: Card) -> None:
    """Latency with NVML asked ten times a second, against another process of the same recipe."""
    import torch

    from autotune.pipeline.gpu_watch import GpuWatch

    a = torch.randn(4096, 4096, device="cuda")

    def busy_s() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(200):
            _ = a @ a
        torch.cuda.synchronize()
        return time.perf_counter() - start

    busy_s()
    plain, watched_s = [], []
    for _ in range(7):
        plain.append(busy_s())
        with GpuWatch("cuda:0"):
            watched_s.append(busy_s())
    cost = statistics.median(watched_s) / statistics.median(plain) - 1
    keep("sampling.json", {"plain_s": plain, "watched_s": watched_s, "cost": cost})

    assert cost < 0.05


@pytest.mark.parametrize("mode", ["none", "regional", "full"])
def test_compiled_recipes_settle(card: Card, mode: str) -> None:
    """Nothing is compiled while calls are timed, whatever the mode; a second process hits the cache."""
    settings: dict[str, Value] = {"compile": mode} if mode != "none" else {}
    for extra in ({}, {"compile_mode": "max-autotune"}, {"compile_mode": "reduce-overhead"}):
        chosen = settings | dict(extra) if settings else {}
        if card.space.why_not(chosen):
            continue
        first, second = card.measure(chosen, is_whole=False), card.measure(chosen, is_whole=False)
        for outcome in (first, second):
            assert isinstance(outcome, Measurement), (chosen, outcome)
        if chosen:
            assert measured(second).compile_cache == "hit", measured(second).phases_s


def test_what_harmless_changes_come_to(card: Card) -> None:
    """The noise floor of the card: similarity, step error and flaws of recipes that change little."""
    report = {}
    for name, settings in HARMLESS.items():
        outcome = card.measure(settings)
        if isinstance(outcome, Measurement):
            likeness = outcome.likeness
            report[name] = {
                "similarity": outcome.similarity,
                "step_error": likeness.step_error,
                "is_exact": likeness.is_exact,
                "flaws": likeness.flaws,
            }
    keep("floor.json", report)

    assert report["again"]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert report["again"]["flaws"] == ()


def test_the_least_cap_is_found(card: Card) -> None:
    """Under the smallest cap that is found the recipe runs; its peak without a cap is no smaller."""
    free = measured(card.measure({}))
    detail, tried = free.memory.detail, list[dict[str, object]]()

    def run(cap_bytes: int) -> Outcome:
        outcome = card.measure({}, memory_limit_bytes=cap_bytes, is_whole=False)
        seconds = outcome.latency_s if isinstance(outcome, Measurement) else None
        tried.append({"cap_mib": cap_bytes / MIB, "latency_s": seconds})
        return outcome

    least = detail["allocated_bytes"] + detail["outside_bytes"]
    found = min_cap(run, low_bytes=least, high_bytes=free.memory_bytes, latency_s=free.latency_s)
    keep("min_cap.json", {"free": dict(detail), "tried": tried, "found_mib": found and found / MIB})

    assert found is None or found <= free.memory_bytes


def test_a_hopeless_recipe_is_stopped(card: Card) -> None:
    """On a GPU the memory is known after short calls, so that they decide."""
    figures = {"latency_s": 1e-4, "memory_bytes": float(MIB), "similarity": 1.0}
    screen = Screen(objectives=(LATENCY, MEMORY, SIMILARITY), rivals=(Rival(digest="0f3a", figures=figures),))
    outcome = card.measure({}, screen=screen)

    assert isinstance(outcome, Pruned), outcome
    assert "timing" not in outcome.phases_s


def test_a_step_error_needs_no_other_shapes(card: Card) -> None:
    """With weights offloaded or graphs captured, the denoiser answers the same inputs, or says why not."""
    for settings in ({"offload": "model"}, {"compile": "full", "compile_mode": "reduce-overhead"}):
        if card.space.why_not(settings):
            continue
        outcome = card.measure(dict(settings))
        assert isinstance(outcome, Measurement), outcome
        likeness = outcome.likeness
        assert likeness.step_error or likeness.why_no_step_error


def test_nobody_else_is_on_the_card(card: Card) -> None:
    """Foreign processes are told; on a card of one's own there are none."""
    outcome = measured(card.measure({}, protocol=PROTOCOL, is_whole=False))
    keep("environment.json", dict(outcome.environment))

    assert not outcome.conditions.get("foreign_processes")
