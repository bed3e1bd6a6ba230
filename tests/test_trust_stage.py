"""The check's stage "trust" goes on where it ended, keeps failures, and says what it found and why not."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.footprint import Footprint
from autotune.job import Job
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome
from autotune.target import Target
from autotune.workload import Workload
from tests.gpu_check import trust, trust_floor, trust_forecast, trust_memory, trust_raw, trust_timing
from tests.gpu_check.stage import Where
from tests.gpu_check.trust_trials import KEPT, Finding, OutOfTime, Trials, is_fault
from tests.knobs.places import HOPPER, UNET
from tests.test_forecast import FOOTPRINT

MIB = 2**20
OUTSIDE, RESERVED, LIVE = 500 * MIB, 1000 * MIB, 820 * MIB
CONDITIONS = {"sm_clock_mhz": 1900.0, "power_w": 400.0, "temperature_c": 50.0, "throttle_reasons": []}
ON_A_CARD: tuple[Callable[[Trials], None], ...] = (
    trust_timing.measure_spread,
    trust_timing.measure_large_spread,
    trust_timing.measure_settling,
    trust_floor.measure_floor,
    trust_floor.measure_drift,
    trust_memory.measure_caps,
    trust_memory.measure_graph_caps,
    trust_memory.measure_least,
    trust_memory.measure_large_least,
    trust_forecast.measure_recipes,
)


class Card:
    """A GPU that is not there: every recipe takes the same memory, and runs where that is allowed."""

    def __init__(self) -> None:
        """Remember what is asked."""
        self.jobs: list[Job] = []

    def __call__(self, job: Job) -> Outcome:
        """Measure."""
        self.jobs.append(job)
        cap = job.memory_limit_bytes
        if cap is not None and cap < OUTSIDE + LIVE:
            return Failure(kind=FailureKind.OUT_OF_MEMORY, message="too | little", phase="first call")
        reserved = RESERVED if cap is None else min(RESERVED, cap - OUTSIDE)
        detail = {"reserved_bytes": reserved, "allocated_bytes": LIVE, "outside_bytes": OUTSIDE}
        detail |= {"alloc_retries": int(reserved < RESERVED), "num_ooms": 0}
        return Measurement(
            calls_s=tuple(0.1 + 0.001 * (call + len(self.jobs) % 3) for call in range(5)),
            warmup_s=(2.0, 0.11),
            phases_s={"fork": 0.02, "load": 1.0, "apply": 0.1, "first call": 2.0},
            conditions=CONDITIONS,
            memory=Memory(peak_bytes=reserved + OUTSIDE, stages={"calls": reserved + OUTSIDE}, detail=detail),
            likeness=Likeness(haarpsi=(0.99, 1.0), step_error=(0.01,), is_exact=False),
        )

    def probe(self, workload: Workload, device: str) -> Situation:
        """Return a card with a UNet."""
        del device
        return Situation(target=HOPPER, blueprint=UNET, workload=workload)

    def probe_target(self, device: str) -> Target:
        """Return the card."""
        return replace(HOPPER, device=device)

    def footprint(self, workload: Workload, device: str = "cpu") -> tuple[Footprint, Situation]:
        """Return what is known of a model that is not there."""
        return FOOTPRINT, self.probe(workload, device)

    def cancel(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    """Return trials on the card that is not there, with a minute left."""
    (tmp_path / "work" / "trust").mkdir(parents=True)
    where = Where(
        device="cuda",
        results=tmp_path / "results",
        work=tmp_path / "work",
        until=time.monotonic() + 600,
        say=lambda _line: None,
    )
    return Trials(where=where, runner=Card(), found={})


def test_an_item_is_made_once_and_kept_at_once(trials: Trials) -> None:
    """What is known is not measured again, and is in the file as soon as it is known."""
    made: list[Finding] = [{"n": 1}, {"n": 2}]
    first = trials.once("a", "b", lambda: made.pop(0))
    again = trials.once("a", "b", lambda: made.pop(0))

    assert first == again == {"n": 1}
    assert json.loads((trials.where.results / KEPT).read_text()) == {"a": {"b": {"n": 1}}}


def test_an_item_that_fails_is_kept_and_tried_again_by_the_next_run_alone(
    trials: Trials, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reason is kept, the others go on, and no run tries it twice."""

    def fail() -> Finding:
        raise ValueError("no such thing")

    trials.once("a", "b", fail)
    trials.is_retrying = True
    same_run = trials.once("a", "b", lambda: {"n": 1})
    later = Trials(where=trials.where, runner=trials.runner, found=trials.found, is_retrying=True)

    assert same_run == {"failure": "ValueError: no such thing"}
    assert later.once("a", "b", lambda: {"n": 1}) == {"n": 1}
    assert "no such thing" in capsys.readouterr().err


def test_nothing_is_begun_or_kept_without_time(trials: Trials) -> None:
    """An item that needs more than is left waits for another run, and says which it is."""
    with pytest.raises(OutOfTime, match="a: b"):
        trials.once("a", "b", lambda: {"n": 1}, needs_s=10_000.0)

    assert trials.of("a") == {}


def test_every_experiment_of_a_card_says_what_it_found(trials: Trials) -> None:
    """The page holds each experiment's table, with figures where they were measured and reasons elsewhere."""
    for experiment in (*ON_A_CARD, trust_forecast.make_forecasts):
        experiment(trials)
    page = trust.lines(trials.where.results)

    assert not [one for items in trials.found.values() for one in items.values() if is_fault(one)]
    for wanted in (
        "| demo | 8 x 5 | 103.0 |",
        "| arch:sdxl, bf16 | 3 x 5 |",
        "| full, max-autotune, from the cache | 2.00 | 3.10 | 2 |",
        "| bfloat16, sdpa_flash | 0.9950 | 0.9900 | 1.0e-02 | no |",
        "| eager, 105% | 1550 | 1500 | 820 |",
        "| CUDA graphs, 70% | 1200 | - | - | - | - | - | failed: out of memory: too / little |",
        "| demo, 4 x 512 px | 1500 | 1320 |",
        "| trust, arch:sd15 |",
        "| arch:sdxl |",
    ):
        assert any(line.startswith(wanted) for line in page), (wanted, page)
    assert all(line == "" or not line.endswith(" ") for line in page)


def test_the_least_cap_of_a_card_is_within_its_bounds(trials: Trials) -> None:
    """It is no less than what is live, no more than the peak, and every cap that was tried is kept."""
    trust_memory.measure_least(trials)
    found = trials.of(trust_memory.LEAST)["demo, 4 x 512 px"]

    assert OUTSIDE + LIVE <= found["least_bytes"] <= OUTSIDE + RESERVED
    assert 1 <= len(found["tried"]) <= 4


def test_a_trial_that_the_end_of_the_stage_kills_is_not_kept(trials: Trials) -> None:
    """Only a limit of its own says something about a recipe."""

    class Late(Card):
        def __call__(self, job: Job) -> Outcome:
            if job.role == "reference":
                return super().__call__(job)
            return Failure(kind=FailureKind.TIMEOUT, message="late")

    soon = replace(trials.where, until=time.monotonic() + 30)
    hurried = Trials(where=soon, runner=Late(), found={})
    with pytest.raises(OutOfTime):
        trust_timing.measure_spread(hurried)
    patient = Trials(where=trials.where, runner=Late(), found={})
    trust_timing.measure_spread(patient)

    assert hurried.of(trust_timing.SPREAD) == {}
    assert patient.of(trust_timing.SPREAD)["demo #1"]["failure"] == "timeout: late"


def test_the_bare_card_is_told_in_tables(trials: Trials) -> None:
    """What is taken outside of the allocator, what the card computes, how its energy counter advances."""
    ticks = [[0.1 * number, 40_000 * number] for number in range(20)]
    made: dict[str, Finding] = {
        "context": {
            "steps": [
                {"step": "product", "seconds": 0.5, "delta_bytes": 600 * MIB, "reserved_bytes": 2 * MIB}
            ],
            "own_bytes": None,
            "has_the_hosts_numbers": False,
            "foreign_processes": None,
            "card": {"driver": "580.1", "power_limit_w": 700.0},
        },
        "products": {"side": 8192, "tera_per_s": {"bf16": 788.1}, "why_not": {"fp8": "no such | kernel"}},
        "copies": {"size_bytes": 2**30, "gb_per_s": {"to the device, pinned": 55.04}},
        "energy": {"load": ticks, "rest": ticks[:2], "joules": 2400.0, "seconds": 6.0, "mean_w": 410.0},
        "sampling": {"calls": {"plain_s": [1.0, 1.1], "watched_s": [1.05, 1.05], "cost": 0.001}, "took_s": 9},
    }
    for part, found in made.items():
        trials.once(trust_raw.DEVICE, part, found.copy)
    page = trust.lines(trials.where.results)

    for wanted in (
        "| product | 0.500 | 600 | 2 | 598 |",
        "NVML counts nothing as this process's own; ",
        "| bf16 | 788 |",
        "| fp8 | none: no such / kernel |",
        "| to the device, pinned | 55.0 |",
        "| load | 18 | 0.1 | 40 | 400 |",
        "| rest | - | - | - | - |",
        "Over 6.0 s of load the counter told 2400 J, mean power times time 2460 J: a ratio of 0.976.",
        "| calls | 2 | +0.10% | 6.73% |",
    ):
        assert any(line.startswith(wanted) for line in page), (wanted, page)


@pytest.mark.parametrize(("status", "left"), [("partial", {"a": {"b": {"n": 1}}}), ("done", {})])
def test_a_stage_that_is_done_begins_anew_when_it_is_run_again(
    trials: Trials, status: str, left: dict[str, object]
) -> None:
    """One that is not done goes on with what is there, and without time it only says what waits."""
    where = replace(trials.where, until=time.monotonic())
    where.keep(KEPT, {"a": {"b": {"n": 1}}})
    where.keep("check.json", {"stages": {trust.STAGE.name: {"status": status}}})
    ended = trust.run(where)

    assert where.kept(KEPT) == left
    assert ended.status == "partial"
    assert "server: start" in ended.message
