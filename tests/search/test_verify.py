"""Verify: which jobs a recipe is verified by, and what becomes of them, with a synthetic pipeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.errors import RecipeError, UsageError, WorkerError
from autotune.job import Job, Protocol, Runner
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.search.rounds import Rounds, Turn, round_protocol
from autotune.search.verdict import Result
from autotune.search.verify import Bench, measure_again, memory_of, recorded_pairs, verify, workload_of
from tests.search import synthetic

HALF = Recipe(
    model="demo", settings={"dtype": "float16"}, target=synthetic.SITUATION.target.to_json(), measured={}
)


@pytest.fixture
def jobs() -> list[Job]:
    """The jobs that ran."""
    return []


@pytest.fixture
def bench(jobs: list[Job], tmp_path: Path) -> Bench:
    """A place to measure that computes what real ones measure."""
    return make_bench(tmp_path, jobs, lambda _job: None)


def make_bench(folder: Path, jobs: list[Job], otherwise: Callable[[Job], Outcome | None]) -> Bench:
    """Return a bench of which some jobs come to something else."""
    compute = synthetic.runner()

    def run(job: Job) -> Outcome:
        jobs.append(job)
        return otherwise(job) or compute(job)

    runner: Runner = run
    protocol = replace(round_protocol(Protocol()), pairs=16)
    return Bench(situation=synthetic.SITUATION, runner=runner, folder=folder, protocol=protocol)


def failing(kind: FailureKind, *, reference: bool) -> Callable[[Job], Outcome | None]:
    """Return what lets the reference, or every trial of the untuned baseline, fail."""
    failure = Failure(kind=kind, message="There is no more.")
    return lambda job: failure if (job.role == "reference") == reference and not job.recipe.settings else None


def test_a_recipe_is_judged_by_its_own_figures(bench: Bench) -> None:
    """The speed-up, memory and similarity that the pipeline has, and twice the speed-up."""
    bare = verify(HALF, bench)
    found = bare.to_json()
    assert bare.again.ratio is not None
    measured = {
        "speedup": bare.again.ratio.value,
        "memory_bytes": found["memory_bytes"],
        "similarity": found["similarity"],
    }

    assert bare.judgement.result is Result.INCONCLUSIVE
    assert verify(replace(HALF, measured=measured), bench).judgement.result is Result.PASS
    twice = replace(HALF, measured={**measured, "speedup": 2 * measured["speedup"]})
    assert verify(twice, bench).judgement.result is Result.FAIL
    assert found["target"] == synthetic.SITUATION.target.to_json()


def test_the_first_round_is_whole_and_only_recipes_have_a_limit(bench: Bench, jobs: list[Job]) -> None:
    """It alone weighs, and makes all pictures; the baseline may need more than what fits."""
    verify(HALF, replace(bench, memory_limit_bytes=2**30, threads=3))
    reference, *trials = jobs
    rounds = {(Path(job.folder).name, job.is_whole, job.protocol.pairs) for job in trials}

    assert reference.role == "reference"
    assert reference.protocol.pairs == 16
    assert rounds == {
        (f"{k}-{name}", k == 0, 3 if k else 16) for k in range(3) for name in ("recipe", "untuned")
    }
    assert {job.memory_limit_bytes for job in trials if job.recipe.settings} == {2**30}
    assert {job.memory_limit_bytes for job in trials if not job.recipe.settings} == {None}
    assert {job.threads for job in jobs} == {3}
    assert all(not job.recipe.measured for job in jobs)


@pytest.mark.parametrize("is_reference", [True, False], ids=["the pictures", "a round"])
def test_an_untuned_baseline_that_fails_is_no_fault_of_the_recipe(
    tmp_path: Path, jobs: list[Job], *, is_reference: bool
) -> None:
    """Nothing can be said, with the reason."""
    fault = failing(FailureKind.OUT_OF_MEMORY, reference=is_reference)
    judgement = verify(HALF, make_bench(tmp_path, jobs, fault)).judgement

    assert judgement.result is Result.INCONCLUSIVE
    assert judgement.gates[0].message.startswith("Nothing can be compared: ")
    assert "out of memory" in judgement.gates[0].message


@pytest.mark.parametrize("is_reference", [True, False], ids=["the pictures", "a round"])
def test_a_stop_is_an_interrupt(tmp_path: Path, jobs: list[Job], *, is_reference: bool) -> None:
    """Whatever runs when it comes."""
    bench = make_bench(tmp_path, jobs, failing(FailureKind.CANCELLED, reference=is_reference))

    with pytest.raises(KeyboardInterrupt):
        verify(HALF, bench)


def test_a_runner_that_cannot_start_is_no_verdict(tmp_path: Path, jobs: list[Job]) -> None:
    """It says nothing about anybody."""

    def refuse(_job: Job) -> Outcome | None:
        raise WorkerError("The trial server did not start.")

    with pytest.raises(WorkerError):
        verify(HALF, make_bench(tmp_path, jobs, refuse))


def test_memory_on_a_gpu_is_the_largest_of_all_rounds(bench: Bench) -> None:
    """And on a CPU that of the round which weighed it."""
    measured = synthetic.runner()(bench_job(bench))
    assert isinstance(measured, Measurement)
    sizes = [replace(measured, memory=replace(measured.memory, peak_bytes=size)) for size in (5, 9, 7)]
    turns = tuple(Turn(name="a", round=k, outcome=one) for k, one in enumerate(sizes))

    assert memory_of(Rounds(names=("a",), turns=turns), "a", "cuda") == 9
    assert memory_of(Rounds(names=("a",), turns=turns), "a", "cpu") == 5
    assert memory_of(Rounds(names=("a",), turns=()), "a", "cpu") is None


def bench_job(bench: Bench) -> Job:
    """Return a job of the untuned baseline."""
    workload = bench.situation.workload
    return Job(recipe=Recipe(model="demo"), workload=workload, device="cpu", folder=str(bench.folder))


def test_what_changed_since_is_told(tmp_path: Path, jobs: list[Job]) -> None:
    """Another fingerprint is a note; another class of machine or software makes it inconclusive."""
    compute = synthetic.runner()
    here = {"target": {"name": "Abacus"}, "gpu": {"driver": "580"}, "digest": "77b1"}

    def run(job: Job) -> Outcome | None:
        outcome = compute(job)
        return replace(outcome, environment=here) if isinstance(outcome, Measurement) else None

    bench = make_bench(tmp_path, jobs, run)
    figures = {"speedup": 1.9, "memory_bytes": 2**40, "similarity": 0.5, "fingerprint": "0f3a"}
    same = verify(replace(HALF, measured=figures), bench).judgement
    then = {**here, "gpu": {"driver": "570"}}
    other = verify(replace(HALF, measured={**figures, "environment": then}), bench).judgement

    assert same.result is Result.PASS
    assert [note.partition(":")[0] for note in same.notes] == [
        "The fingerprint of machine and software is 77b1, recorded 0f3a"
    ]
    assert other.result is Result.INCONCLUSIVE
    assert other.notes[0] == "Since it was measured, the driver was 570 and is 580."


def test_every_turn_is_said(bench: Bench) -> None:
    """With its seconds, or how it failed."""
    lines: list[str] = []
    recipes = {
        "whole": Recipe(model="demo", settings={"compile": "full", "vae_tiling": 512}),
        "untuned": HALF,
    }
    measure_again(recipes, replace(bench, say=lines.append, rounds=1))

    assert sorted(line.rpartition(" ")[0] for line in lines) == [
        "round 1 of 1: untuned: 1.02 s a",
        "round 1 of 1: whole: It failed in round 1: crash. A synthetic",
    ]


def test_what_a_file_asks_for_is_checked() -> None:
    """Missing prompts and steps are asked for; what cannot be is refused."""
    with pytest.raises(UsageError, match="--prompts FILE"):
        workload_of(Recipe(model="sd15"))
    with pytest.raises(UsageError, match="--steps N"):
        workload_of(Recipe(model="demo", settings={"steps": 4}, call={"prompts": ["a"], "steps": 4}))
    for wrong in ({"batch": 0}, {"untuned_steps": "many"}, {"seeds": 7}, {"prompts": "a"}, {"steps": True}):
        with pytest.raises(RecipeError, match="cannot be made"):
            workload_of(Recipe(model="demo", call={"prompts": ["a"], **wrong}))
    assert workload_of(Recipe(model="demo", call={"steps": 7}), prompts=["a"]).steps == 7
    assert recorded_pairs(Recipe(model="demo", measured={"pictures": ["0f", "1e"]})) == 2
    assert recorded_pairs(Recipe(model="demo", measured={"pairs": 10**9})) == 256
