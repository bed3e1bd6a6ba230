"""Which gate fires: on what evidence, and in which words."""

from typing import Any

import pytest

from autotune.gates import (
    CallConditions,
    GpuConditions,
    average_share,
    disturbances,
    is_drifting,
    leak_bytes,
    leak_warning,
    machine_warnings,
    spread_warnings,
    why_disturbed,
    why_throttled,
)

MIB = 2**20
QUIET: dict[str, Any] = {"cpu_s": 0.99, "waited_s": 0.01, "psi_s": 0.02, "other_cpu_s": 0.1, "stolen_s": 0.0}


def call(wall_s: float = 1.0, **fields: Any) -> CallConditions:
    """Return the conditions of a quiet call, but for the fields given."""
    return CallConditions(wall_s=wall_s, **{**QUIET, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"waited_s": 0.4, "other_cpu_s": 1.6},
            "waited 40% of the time for a CPU while other processes took 1.6",
        ),
        ({"waited_s": 0.4, "other_cpu_s": None}, "waited 40%"),
        ({"waited_s": None, "psi_s": 0.3, "other_cpu_s": 1.0}, "tasks of this machine waited 30%"),
        (
            {"waited_s": None, "psi_s": None, "cpu_s": 0.7, "other_cpu_s": 1.0},
            "ran 70% of the time, and 100%",
        ),
        ({"throttled_s": 0.1}, "control group was held back 10%"),
        ({"stolen_s": 0.5}, "hypervisor took 0.5 CPUs"),
    ],
)
def test_evidence_from_outside_disturbs_a_call(fields: dict[str, Any], words: str) -> None:
    """Each kind of evidence is enough, and is named."""
    reason = why_disturbed(call(**fields), 1.0)

    assert reason is not None
    assert words in reason


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cpu_s": 0.2},  # it slept, or read a file: its scheduler knows that it did not wait
        {"waited_s": 0.5, "other_cpu_s": 0.02},  # more threads than CPUs: it waited for itself
        {"psi_s": 0.9, "other_cpu_s": 1.0},  # others wait for each other on the CPUs that it does not need
        {"waited_s": None, "psi_s": None, "cpu_s": 0.2, "other_cpu_s": 0.05},
        dict.fromkeys(QUIET),  # nothing is known
    ],
)
def test_a_call_is_not_disturbed_without_evidence(fields: dict[str, Any]) -> None:
    """What the trial does to itself, and what nobody knows, is no disturbance."""
    assert why_disturbed(call(**fields), 1.0) is None


def test_a_slow_call_alone_is_not_disturbed() -> None:
    """However long one call takes beside the others."""
    slow = CallConditions(wall_s=9.0, cpu_s=9.0, waited_s=0.0, other_cpu_s=0.1)

    assert disturbances([call(), call(), slow]) == [None, None, None]


def test_short_calls_are_judged_by_what_others_took_from_all_of_them() -> None:
    """A single tick of the machine's counters is longer than the call."""
    short = [CallConditions(wall_s=0.01, waited_s=0.006, other_cpu_s=took) for took in (0.0, 0.03) * 10]

    assert (
        disturbances(short)
        == ["it waited 60% of the time for a CPU while other processes took 1.5 CPUs"] * 20
    )
    assert average_share(short[:2], "other_cpu_s") is None


def test_a_throttled_gpu_is_named_but_its_power_cap_is_normal() -> None:
    """Slowdowns in more than one sample of a hundred count; a power cap at full load is normal."""
    hot = GpuConditions(throttled_share=0.2, reasons=("power cap", "hardware thermal slowdown"))
    capped = GpuConditions(
        throttled_share=0.0, reasons=("power cap",), sm_clock_mhz=1300.0, max_clock_mhz=1980.0
    )

    assert why_throttled(hot) == "it held itself back in 20% of the samples (hardware thermal slowdown)"
    assert why_throttled(capped) is None
    assert why_throttled(GpuConditions()) is None
    (sentence,) = machine_warnings([call()], hot)
    assert sentence.startswith("throttled: ")


def test_others_on_the_gpu_are_named_with_their_memory() -> None:
    """Also where only the memory is known."""
    game = {"pid": 42, "name": "game", "bytes": 3 * 1024 * MIB}
    someone = {"pid": None, "name": None, "bytes": 512 * MIB}
    sentences = machine_warnings([call()], GpuConditions(foreign=(game, someone)))

    assert [sentence.split(" is on")[0] for sentence in sentences] == [
        "shared: process 42 (game) with 3072 MiB",
        "shared: another process with 512 MiB",
    ]
    assert machine_warnings([call()], GpuConditions(foreign=())) == ()


def test_disturbed_calls_that_count_are_counted_and_the_worst_is_told() -> None:
    """The sentence says how many calls, how bad, and what to do."""
    calls = [call(), call(waited_s=0.3, other_cpu_s=1.0), call(waited_s=0.6, other_cpu_s=1.9)]
    (sentence,) = machine_warnings(calls)

    assert sentence.startswith("disturbed: 2 of 3 timed calls; the worst of them: it waited 60%")
    assert "1.9 CPUs" in sentence
    assert "measure again" in sentence


def test_memory_on_disk_is_told() -> None:
    """Pages that go to disk while calls are timed, or come from there."""
    growing = [call(swap_bytes=0), call(swap_bytes=30 * MIB)]
    reading = [call(swap_bytes=5 * MIB, major_faults=7)] * 2

    assert machine_warnings(growing)[0].startswith("swapped: 30 MiB of this trial lay on disk")
    assert machine_warnings(reading)[0].startswith("swapped: ")
    assert machine_warnings([call(swap_bytes=5 * MIB, major_faults=0)] * 2) == ()  # pages that nobody uses
    assert machine_warnings([call(swap_bytes=0, major_faults=9)] * 2) == ()  # files, as a recipe may read


@pytest.mark.parametrize(
    ("held_mib", "grows_mib"),
    [
        ([100, 104, 108, 112, 116], 4),
        ([100, 100, 108, 108, 116, 116], 4),  # every second call
        ([100, 130, 131, 131, 131, 131], 0),  # a cache that is filled once
        ([100, 140, 100, 140, 100, 140], 0),
        ([10_000, 10_004, 10_008, 10_012], 0),  # too little of what is held
        ([100, 120], 0),  # too few
    ],
)
def test_only_memory_that_goes_on_growing_leaks(held_mib: list[int], grows_mib: int) -> None:
    """By more than a MiB and half a percent with every call."""
    assert leak_bytes([held * MIB for held in held_mib]) // MIB == grows_mib
    assert "4.0 MiB a call" in leak_warning(4 * MIB)


@pytest.mark.parametrize(
    ("taken", "word"),
    [
        ([1.0, 1.3, 1.0, 1.4, 1.0, 1.35], "noisy"),
        ([1.0, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12], "drifting"),
        ([1.0, 1.001, 1.002, 0.999, 1.0, 9.0], "outliers"),
    ],
)
def test_suspicious_timings_are_named(taken: list[float], word: str) -> None:
    """Noise, drift and outliers are said in words."""
    assert any(sentence.startswith(word) for sentence in spread_warnings(taken))


def test_three_calls_show_no_drift() -> None:
    """So few rise by chance, one time in six."""
    assert not is_drifting([1.0, 1.5, 2.0])
    assert is_drifting([1.0, 1.5, 2.0, 2.5, 3.0])
