"""Rounds: who is measured when, what a failure or a stop does, and how a run that was stopped goes on."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.duel import Verdict
from autotune.job import Job, Protocol
from autotune.measurement import Failure, FailureKind, Outcome, Pruned
from autotune.recipe import Recipe
from autotune.search.events import Stop
from autotune.search.rounds import Rounds, Turn, order, round_protocol, run_rounds
from tests.search import synthetic

SETTINGS = {"untuned": {}, "half": {"dtype": "float16"}, "sliced": {"attention_slicing": "max"}}
NAMES = tuple(SETTINGS)


def make_job(name: str, number: int) -> Job:
    """Return the job of a contestant that is named after its settings."""
    recipe = Recipe(model="demo", settings=SETTINGS[name])
    return Job(
        recipe=recipe,
        workload=synthetic.SITUATION.workload,
        device="cpu",
        folder=f"rounds/{number}-{name}",
        protocol=round_protocol(Protocol()),
    )


@pytest.fixture
def ran() -> list[str]:
    """What ran, in the order of time."""
    return []


@pytest.fixture
def runner(ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], Outcome]:
    """A runner that computes what real ones measure."""
    monkeypatch.chdir(tmp_path)
    compute = synthetic.runner()

    def run(job: Job) -> Outcome:
        ran.append(job.folder.removeprefix("rounds/"))
        return compute(job)

    return run


def failing(runner: Callable[[Job], Outcome], folder: str, outcome: Outcome) -> Callable[[Job], Outcome]:
    """Return a runner for which one turn comes to another outcome."""
    return lambda job: outcome if job.folder.endswith(folder) else runner(job)


def test_every_round_holds_everyone_and_orders_differ() -> None:
    """All orders of three contestants come up, and none depends on how the names were given."""
    orders = order(NAMES, 60, seed=3)

    assert {tuple(names) for names in orders} == set(itertools.permutations(NAMES))
    assert orders == order(NAMES[::-1], 60, seed=3)
    assert orders != order(NAMES, 60, seed=4)


def test_rounds_become_a_contest(runner: Callable[[Job], Outcome], ran: list[str]) -> None:
    """Round after round, each contestant once in each; the ratio is the recipes' own."""
    heard: list[Turn] = []
    rounds = run_rounds(NAMES, 3, runner=runner, make_job=make_job, listen=heard.append)
    contest = rounds.contest()

    assert ran == [f"{k}-{name}" for k, names in enumerate(order(NAMES, 3, seed=0)) for name in names]
    assert tuple(heard) == rounds.turns
    assert contest is not None
    assert contest.rounds == 3
    assert contest.ratio("half", "untuned").value == pytest.approx(2.0, rel=0.02)
    assert contest.ratio("half", "untuned").verdict is Verdict.FASTER
    assert len(rounds.measurements("half")) == 3


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Failure(kind=FailureKind.CRASH, message="Signal 11."), "It failed in round 2: crash. Signal 11."),
        (
            Pruned(latency_at_least_s=1, memory_at_least_bytes=1, rival="0f3a", message="It is slow."),
            "It was stopped early in round 2: It is slow.",
        ),
    ],
    ids=["failed", "pruned"],
)
def test_who_fails_is_out(
    runner: Callable[[Job], Outcome], ran: list[str], outcome: Outcome, why: str
) -> None:
    """The others go on, and their rounds stay comparable."""
    rounds = run_rounds(NAMES, 3, runner=failing(runner, "1-half", outcome), make_job=make_job)
    contest = rounds.contest()

    assert rounds.out == {"half": why}
    assert "2-half" not in ran
    assert contest is not None
    assert set(contest.seconds) == {"untuned", "sliced"}
    assert contest.rounds == 3
    assert not rounds.was_stopped


def test_what_was_stopped_goes_on_where_it_was(runner: Callable[[Job], Outcome], ran: list[str]) -> None:
    """A wish to stop ends it before the next turn; what is done is not done again."""
    stop = Stop()

    def listen(turn: Turn) -> None:
        stop.requested = turn.round == 1

    first = run_rounds(NAMES, 3, runner=runner, make_job=make_job, listen=listen, stop=stop)
    count = len(ran)
    second = run_rounds(NAMES, 3, runner=runner, make_job=make_job, done=first.turns)

    assert first.was_stopped
    assert (count, len(ran)) == (4, 9)
    assert len(set(ran)) == 9
    assert [turn.name for turn in second.turns] == list(itertools.chain(*order(NAMES, 3, seed=0)))
    assert not second.was_stopped


def test_a_cancelled_turn_is_not_done(runner: Callable[[Job], Outcome]) -> None:
    """It is no evidence about its recipe, which has its turn when the rounds go on."""
    cancelled = Failure(kind=FailureKind.CANCELLED, message="The user stopped it.")
    first = run_rounds(NAMES, 1, runner=failing(runner, "0-half", cancelled), make_job=make_job)
    turn = Turn(name="half", round=0, outcome=cancelled)
    second = run_rounds(NAMES, 1, runner=runner, make_job=make_job, done=(*first.turns, turn))

    assert first.was_stopped
    assert not first.out
    assert {turn.name for turn in second.turns} == set(NAMES)
    assert len(second.turns) == 3


def test_more_rounds_go_on_from_fewer(runner: Callable[[Job], Outcome], ran: list[str]) -> None:
    """Five rounds after three measure two."""
    three = run_rounds(NAMES, 3, runner=runner, make_job=make_job)
    five = run_rounds(NAMES, 5, runner=runner, make_job=make_job, done=three.turns)

    assert len(ran) == 15
    assert len(five.measurements("sliced")) == 5


def test_a_contest_counts_complete_rounds_and_knows_clocks(runner: Callable[[Job], Outcome]) -> None:
    """A round that lacks somebody is left out; the clock of each process is that of its calls."""
    rounds = run_rounds(NAMES, 2, runner=runner, make_job=make_job)
    known = [
        replace(turn, outcome=replace(turn.measurement, conditions={"sm_clock_mhz": 1980.0}))
        for turn in rounds.turns
        if turn.measurement is not None
    ]
    contest = replace(rounds, turns=tuple(known[:-1])).contest(sd_machine=0.01)

    assert contest is not None
    assert contest.rounds == 1
    assert contest.clocks["half"] == (1980.0,)
    assert contest.sd_machine == 0.01
    assert Rounds(names=NAMES, turns=()).contest() is None


def test_a_name_is_there_once(runner: Callable[[Job], Outcome]) -> None:
    """Two contestants of one name could not be told apart."""
    with pytest.raises(ValueError, match="not distinct"):
        run_rounds(["a", "a"], 1, runner=runner, make_job=make_job)
