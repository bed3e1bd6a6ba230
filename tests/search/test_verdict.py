"""Verdicts: which recorded figures pass, which fail, and what makes it impossible to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from autotune.duel import ratio
from autotune.measurement import Likeness, Measurement, Memory
from autotune.search.verdict import Again, Judgement, Result, differences, judge, tolerance
from autotune.target import Target

MIB = 2**20
RECORDED = {
    "latency_s": 1.0,
    "speedup": 2.0,
    "memory_bytes": 1000 * MIB,
    "similarity": 0.95,
    "pictures": ["a", "b", "c"],
}
HERE = Target(
    device="cuda:0",
    name="NVIDIA H200",
    libraries={"torch": "2.13.0", "diffusers": "0.42.1", "transformers": "5.23.0"},
)
NOISY = "noisy: the middle half of the timings spreads over 12% of the median"


def measured(seconds: float, *, similarity: float = 0.95, warnings: Sequence[str] = ()) -> Measurement:
    """Return a measurement of three pictures."""
    return Measurement(
        calls_s=(seconds,) * 3,
        memory=Memory(peak_bytes=1000 * MIB),
        likeness=Likeness(haarpsi=(similarity,) * 3, sha256=("x", "y", "z")),
        warnings=tuple(warnings),
    )


def again(
    recipe: Sequence[float] | Sequence[Measurement] = (1.0, 1.01, 0.99),
    untuned: Sequence[float] = (2.0, 2.0, 2.0),
    **changes: Any,
) -> Again:
    """Return what was measured again, by seconds or whole: on a GPU, unless it is said."""
    own = [one if isinstance(one, Measurement) else measured(one) for one in recipe]
    fields: dict[str, Any] = {
        "recipe": own,
        "untuned": [measured(seconds) for seconds in untuned],
        "ratio": ratio([one.latency_s for one in own], untuned) if own else None,
        "memory_bytes": 1000 * MIB,
        "device": "cuda",
    }
    return Again(**fields | changes)


def result(judgement: Judgement, gate: str) -> Result:
    """Return what one gate came to."""
    return next(found.result for found in judgement.gates if found.name == gate)


def message(judgement: Judgement, gate: str) -> str:
    """Return what one gate says."""
    return next(found.message for found in judgement.gates if found.name == gate)


def test_what_holds_passes() -> None:
    """Every gate says its figures, measured and recorded."""
    judgement = judge(RECORDED, again())

    assert judgement.result is Result.PASS
    assert [gate.name for gate in judgement.gates] == ["runs", "latency", "memory", "likeness"]
    assert message(judgement, "latency") == (
        "2.00 times as fast (1.95 to 2.05) as untuned; recorded 2.00. A call takes 1 s, recorded 1 s."
    )
    assert message(judgement, "memory") == "1000 MiB, recorded 1000 MiB."
    assert message(judgement, "likeness") == "Similarity 0.9500, recorded 0.9500."
    assert judgement.notes == ()


def test_a_recipe_that_is_better_than_recorded_passes() -> None:
    """Faster, smaller, nearer: none of it is a fault."""
    better = again((0.5, 0.5, 0.5), memory_bytes=MIB)

    assert judge({**RECORDED, "similarity": 0.9}, better).result is Result.PASS


@pytest.mark.parametrize(
    ("device", "seconds", "sd_machine", "expected"),
    [
        ("cuda", 1.04, None, Result.PASS),
        ("cuda", 1.07, None, Result.FAIL),
        ("cuda", 1.07, 0.02, Result.PASS),
        ("cpu", 1.09, None, Result.PASS),
        ("cpu", 1.12, None, Result.FAIL),
        ("cuda", 1.30, 9.0, Result.FAIL),
    ],
)
def test_how_much_slower_a_recipe_may_be(
    device: str, seconds: float, sd_machine: float | None, expected: Result
) -> None:
    """5 % on a GPU, 10 % on a CPU, more where the recorded machine varied more, but never any amount."""
    recorded = {**RECORDED, "sd_machine": sd_machine}
    judgement = judge(recorded, again((seconds,) * 3, device=device))

    assert judgement.result is expected


def test_a_file_that_claims_twice_the_speed_fails() -> None:
    """With what was needed, and what was found."""
    judgement = judge({**RECORDED, "speedup": 4.0}, again())

    assert judgement.result is Result.FAIL
    assert "recorded 4.00. At least 3.81 was needed, 5% below that." in message(judgement, "latency")


def test_rounds_that_disagree_prove_nothing() -> None:
    """One round of three that is as fast as recorded is enough to doubt."""
    judgement = judge(RECORDED, again((1.2, 1.2, 1.0)))

    assert judgement.result is Result.INCONCLUSIVE
    assert "--rounds" in message(judgement, "latency")


def test_disturbed_rounds_prove_nothing_unless_the_miss_is_wide() -> None:
    """What is noisy may be 20 % slower for it, but not twice as slow; rounds that were calm count."""
    noisy = [measured(1.2, warnings=[NOISY])] * 3
    some = [measured(1.2, warnings=[NOISY]), measured(1.2), measured(1.2)]
    slow = [measured(2.0, warnings=[NOISY])] * 3
    judgement = judge(RECORDED, again(some))

    assert judge(RECORDED, again(noisy)).result is Result.INCONCLUSIVE
    assert judge(RECORDED, again(slow)).result is Result.FAIL
    assert judgement.result is Result.FAIL
    assert judgement.notes == (f"recipe, round 1: {NOISY}",)


def test_a_slower_machine_is_said_to_be_one() -> None:
    """The ratio holds, and the untuned baseline takes as much longer."""
    judgement = judge(RECORDED, again((1.5, 1.5, 1.5), (3.0, 3.0, 3.0)))

    assert judgement.result is Result.PASS
    assert "Untuned takes 1.50 times its recorded seconds too" in message(judgement, "latency")


@pytest.mark.parametrize(
    ("device", "now_mib", "expected"),
    [
        ("cuda", 1060, Result.PASS),
        ("cuda", 1070, Result.FAIL),
        ("cpu", 1049, Result.PASS),
        ("cpu", 1051, Result.FAIL),
    ],
)
def test_how_much_more_memory_a_recipe_may_need(device: str, now_mib: int, expected: Result) -> None:
    """64 MiB of 1000 on a GPU, 5 % on a CPU."""
    judgement = judge(RECORDED, again(memory_bytes=now_mib * MIB, device=device))

    assert result(judgement, "memory") is expected


def test_a_limit_is_kept_whatever_was_recorded() -> None:
    """Above the limit is above the limit."""
    judgement = judge(RECORDED, again(memory_limit_bytes=999 * MIB))

    assert message(judgement, "memory") == "1000 MiB, above the limit of 999 MiB."
    assert " under a limit of 999 MiB, " in message(judgement, "runs")
    assert judgement.result is Result.FAIL


def test_pictures() -> None:
    """The very same, as near as recorded, or further away; a median of fewer pictures proves nothing."""
    same = Likeness(haarpsi=(0.95,) * 3, sha256=("a", "b", "c"))
    exact = [replace(measured(1.0), likeness=same)] * 3
    further = [measured(1.0, similarity=0.93)] * 3
    fewer = {**RECORDED, "pairs": 16}

    assert message(judge(RECORDED, again(exact)), "likeness").startswith("Bit-exact: 3 pictures")
    assert judge(RECORDED, again(further)).result is Result.FAIL
    assert result(judge(fewer, again(further)), "likeness") is Result.INCONCLUSIVE
    assert result(judge({**RECORDED, "similarity": 0.93}, again(further)), "likeness") is Result.PASS


def test_a_recipe_that_does_not_run_fails() -> None:
    """With its reason, and nothing else is judged."""
    why = "It failed in round 1: not applied. Knob 'tf32' did not take effect."
    judgement = judge(RECORDED, again([], failure=why))

    assert judgement.result is Result.FAIL
    assert [gate.message for gate in judgement.gates] == [why]


def test_without_the_untuned_baseline_nothing_can_be_said() -> None:
    """It may need more memory than this machine has, which is no fault of the recipe."""
    judgement = judge(RECORDED, again(ratio=None, untuned_failure="It failed: out of memory."))

    assert judgement.result is Result.INCONCLUSIVE
    assert judgement.gates[0].message == "Nothing can be compared: It failed: out of memory."


def test_another_machine_is_never_judged_by_seconds() -> None:
    """Neither by speed-up nor by memory; but it must not be slower than untuned, and pictures count."""
    told = differences({**HERE.to_json(), "name": "NVIDIA L4"}, HERE)
    slower = again((1.5, 1.5, 1.5), differences=told, memory_bytes=2000 * MIB)
    slowest = again((2.5, 2.5, 2.5), differences=told)
    further = again([measured(1.0, similarity=0.5)] * 3, differences=told)

    assert told == ["Measured on NVIDIA L4, but this is NVIDIA H200."]
    assert judge(RECORDED, slower).result is Result.INCONCLUSIVE
    assert judge(RECORDED, slower).notes == tuple(told)
    assert judge(RECORDED, slowest).result is Result.FAIL
    assert judge({**RECORDED, "speedup": 0.7}, slowest).result is Result.INCONCLUSIVE
    assert judge(RECORDED, further).result is Result.FAIL


@pytest.mark.parametrize("figures", [{}, {"speedup": "fast"}, {"speedup": float("nan")}, {"speedup": True}])
def test_a_file_without_figures_proves_nothing(figures: dict[str, Any]) -> None:
    """What was found is said all the same."""
    judgement = judge(figures, again())

    assert judgement.result is Result.INCONCLUSIVE
    assert result(judgement, "runs") is Result.PASS
    assert message(judgement, "latency").startswith("2.00 times as fast")
    assert ("The file holds no figures to check." in "".join(judgement.notes)) == (not figures)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"memory_bytes": 1}, []),
        ({"device": "cuda:1"}, []),
        ({"device": "cpu", "name": ""}, ["Measured on cpu, but this is cuda."]),
        (
            {"libraries": {"torch": "2.12.0", "diffusers": "0.42.1", "transformers": "5.23.0"}},
            ["Measured with torch 2.12.0, but here it is 2.13.0."],
        ),
        (
            {"libraries": {**HERE.libraries, "torchao": "0.18.0"}},
            ["Measured with torchao 0.18.0, but here it is missing."],
        ),
    ],
)
def test_what_differs(changes: dict[str, Any], said: list[str]) -> None:
    """The model of the device and the libraries count; its number and its free memory do not."""
    assert differences({**HERE.to_json(), **changes}, HERE) == said


def test_a_recipe_that_was_never_measured_was_measured_nowhere() -> None:
    """And a CPU with more cores is another machine."""
    cpu = Target(device="cpu", name="Abacus", cores=2)

    assert differences({}, HERE) == ["The recipe does not say where it was measured."]
    assert differences({**cpu.to_json(), "cores": 64}, cpu) == ["Measured with 64 CPU cores, but here are 2."]


def test_nothing_to_judge_is_a_mistake_of_the_caller() -> None:
    """A judgement needs a measurement or a failure."""
    with pytest.raises(ValueError, match="neither"):
        judge(RECORDED, again([]))


def test_a_judgement_is_plain_json_and_an_exit_code() -> None:
    """0, 1 and 2, for programs; the tolerance never exceeds a quarter."""
    assert judge(RECORDED, again()).to_json()["gates"][0]["result"] == "pass"
    assert [found.exit_code for found in (Result.PASS, Result.FAIL, Result.INCONCLUSIVE)] == [0, 1, 2]
    assert Judgement(gates=()).result is Result.FAIL
    assert tolerance({"sd_machine": 1e9}, "cuda") == 0.25
