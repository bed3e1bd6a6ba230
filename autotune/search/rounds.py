"""Rounds: contestants measured in turn, each time in a fresh process, until every one has had every round."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from autotune.duel import Contest
from autotune.job import Job, Protocol, Runner
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.search.events import Stop

MakeJob: TypeAlias = Callable[[str, int], Job]
"""From a contestant's name and a round, counted from 0, to the job that measures it."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One contestant, measured in one round.

    Attributes:
        name: The contestant.
        round: Counted from 0.
        outcome: What it came to.
        seconds: Wall seconds that it took.
    """

    name: str
    round: int
    outcome: Outcome
    seconds: float = 0.0

    @property
    def measurement(self) -> Measurement | None:
        """The measurement of a turn that worked."""
        return self.outcome if isinstance(self.outcome, Measurement) else None

    @property
    def was_cancelled(self) -> bool:
        """Whether the user stopped it: it says nothing about the contestant, and is not done."""
        return isinstance(self.outcome, Failure) and self.outcome.kind is FailureKind.CANCELLED

    @property
    def why_out(self) -> str:
        """Why the contestant cannot go on, a sentence; "" where it can."""
        if isinstance(self.outcome, Measurement) or self.was_cancelled:
            return ""
        place = f"round {self.round + 1}"
        if isinstance(self.outcome, Failure):
            return f"It failed in {place}: {self.outcome.kind.value}. {self.outcome.message}"
        return f"It was stopped early in {place}: {self.outcome.message}"


TurnListener: TypeAlias = Callable[[Turn], None]


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What a number of rounds came to.

    Attributes:
        names: The contestants, as they were given.
        turns: All that was measured, in the order of time; those that were done before come first.
        was_stopped: Whether the user stopped it before all was done.
    """

    names: tuple[str, ...]
    turns: tuple[Turn, ...]
    was_stopped: bool = False

    @property
    def out(self) -> dict[str, str]:
        """The contestants that failed in some round, and why, a sentence each."""
        return {turn.name: turn.why_out for turn in self.turns if turn.why_out}

    def measurements(self, name: str) -> tuple[Measurement, ...]:
        """Return the measurements of a contestant, in the order of rounds."""
        own = sorted((turn for turn in self.turns if turn.name == name), key=lambda turn: turn.round)
        return tuple(turn.measurement for turn in own if turn.measurement is not None)

    def contest(self, *, sd_machine: float | None = None) -> Contest | None:
        """Return the rounds that all contestants finished but those that are out; None without any.

        Args:
            sd_machine: Relative standard deviation between fresh processes of one recipe; None if not known.
        """
        out = self.out
        left = [name for name in self.names if name not in out]
        found = {(turn.name, turn.round): turn.measurement for turn in self.turns}
        numbers = sorted({turn.round for turn in self.turns})
        complete = [k for k in numbers if all(found.get((name, k)) is not None for name in left)]
        if not left or not complete:
            return None
        seconds, clocks = dict[str, tuple[float, ...]](), dict[str, tuple[float | None, ...]]()
        for name in left:
            measured = [one for k in complete if (one := found[name, k]) is not None]
            seconds[name] = tuple(one.latency_s for one in measured)
            clocks[name] = tuple(one.clock_mhz for one in measured)
        return Contest(seconds=seconds, clocks=clocks, sd_machine=sd_machine)


def order(names: Sequence[str], rounds: int, seed: int) -> list[list[str]]:
    """Return who is measured after whom in each round: a random order in each, the same for the same seed.

    More rounds begin with the same orders as fewer.

    >>> order(["a", "b", "c"], 2, seed=1)
    [['c', 'b', 'a'], ['a', 'b', 'c']]
    >>> order(["c", "b", "a"], 3, seed=1)[:2] == order(["a", "b", "c"], 2, seed=1)
    True
    """
    orders = []
    for number in range(rounds):
        shuffled = sorted(names)
        random.Random(f"{seed} {number}").shuffle(shuffled)
        orders.append(shuffled)
    return orders


def round_protocol(protocol: Protocol) -> Protocol:
    """Return the protocol of one contestant in one round: few calls, since other rounds follow.

    Two to four calls before timing and three that are timed; nothing is raced. All else is as it was, so that
    the same pictures are compared with the same reference.

    >>> round_protocol(Protocol(pairs=2)).bounds(0.1), round_protocol(Protocol(pairs=2)).pairs
    ((3, 3), 2)
    """
    return replace(protocol, settle_min=2, settle_max=4, calls_min=3, calls_max=3, race=False)


def run_rounds(  # noqa: PLR0913 - each is a part of the world that a test replaces
    names: Sequence[str],
    rounds: int,
    *,
    runner: Runner,
    make_job: MakeJob,
    done: Iterable[Turn] = (),
    seed: int = 0,
    listen: TurnListener = lambda _turn: None,
    stop: Stop | None = None,
) -> Rounds:
    """Measure every contestant once in every round, and return what they came to.

    A contestant that fails is out: it has no further turns. The others go on.

    Args:
        names: The contestants, each once.
        rounds: How many rounds there are to be in all, with those that are done.
        runner: Where the jobs run, each in a fresh process.
        make_job: Makes the job of a contestant in a round.
        done: What was measured before; it is not measured again. Turns of others are left out.
        seed: Of the order inside each round.
        listen: Is told each turn when it has ended, before the next begins; not those that were done.
        stop: Once its `requested` is set, no further turn begins. A turn that is cancelled at the runner ends
            the rounds too.

    Raises:
        ValueError: A name is there twice.
    """
    if len(set(names)) != len(names):
        raise ValueError(f"The contestants are not distinct: {', '.join(names)}.")
    turns = [turn for turn in done if turn.name in names and turn.round < rounds and not turn.was_cancelled]
    was_stopped = False
    for name, number in _to_do(names, rounds, seed, turns):
        if any(turn.name == name and turn.why_out for turn in turns):
            continue
        was_stopped = stop is not None and stop.requested
        if was_stopped:
            break
        began = time.monotonic()
        outcome = runner(make_job(name, number))
        turn = Turn(name=name, round=number, outcome=outcome, seconds=time.monotonic() - began)
        was_stopped = turn.was_cancelled
        if was_stopped:
            break
        turns.append(turn)
        listen(turn)
    return Rounds(names=tuple(names), turns=tuple(turns), was_stopped=was_stopped)


def _to_do(names: Sequence[str], rounds: int, seed: int, done: Sequence[Turn]) -> list[tuple[str, int]]:
    finished = {(turn.name, turn.round) for turn in done}
    orders = order(names, rounds, seed)
    return [(name, k) for k in range(rounds) for name in orders[k] if (name, k) not in finished]
