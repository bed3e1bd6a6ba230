"""Rules of timing: how many calls each one takes of a process, and what it makes of them.

A rule sees the calls of a fresh process from the very first one. All rules are applied to the same recorded
processes, so that they are compared on the same machine at the same time. Each one is written here in a few
lines from the documentation or the source of where it is used.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from autotune.duel import FEW_ROUNDS, MANY_ROUNDS, Contest, Verdict, more_rounds_needed
from autotune.job import Protocol
from autotune.samples import half_width, median

DRAWS = 2000
_TIMED_S = 0.2  # torch.utils.benchmark: min_run_time of blocked_autorange
_DUEL_WARM, _DUEL_TIMED = 2, 3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a rule says about one process.

    Attributes:
        seconds: Of one call.
        calls: How many calls it took, those before timing included.
    """

    seconds: float
    calls: int


Rule: TypeAlias = Callable[[Sequence[float]], Answer]
Share: TypeAlias = Callable[[Sequence[float], Sequence[float]], float]
"""Share of right rankings, from what a rule says of the faster recipe in each round and of the slower."""


def fixed(warm: int, timed: int, middle: Callable[[Sequence[float]], float] = statistics.fmean) -> Rule:
    """Return the rule that leaves some calls out and takes the middle of the next ones.

    >>> fixed(1, 3)([9.0, 1.0, 2.0, 3.0, 9.0])
    Answer(seconds=2.0, calls=4)
    """
    return lambda calls_s: Answer(seconds=middle(calls_s[warm : warm + timed]), calls=warm + timed)


def blocked_autorange(calls_s: Sequence[float]) -> Answer:
    """Return what `torch.utils.benchmark.Timer.blocked_autorange` makes of calls of more than 10 ms.

    Its first call finds out how many calls make a block, which is one where the timer's own overhead (about a
    microsecond) is below 0.01 % of it. It then times blocks until 0.2 s have passed: a single call, where one
    takes longer. The median is taken. Source: torch 2.13, torch/utils/benchmark/utils/timer.py.

    >>> blocked_autorange([0.9, 0.5, 0.4])
    Answer(seconds=0.5, calls=2)
    >>> blocked_autorange([0.3, 0.1, 0.09, 0.08, 0.07])
    Answer(seconds=0.09, calls=4)
    """
    timed: list[float] = []
    for seconds in calls_s[1:]:
        timed.append(seconds)
        if sum(timed) >= _TIMED_S:
            break
    return Answer(seconds=median(timed), calls=1 + len(timed))


def settled_after(calls_s: Sequence[float], protocol: Protocol) -> int:
    """Return how many calls a process makes before it is timed: until two in a row agree, or rise.

    >>> settled_after([2.0, 1.2, 1.0, 0.99, 1.0], Protocol())
    4
    """
    for made in range(max(protocol.settle_min, 2), min(protocol.settle_max, len(calls_s)) + 1):
        before, last = calls_s[made - 2 : made]
        if last > before or before - last <= protocol.settle_agreement * last:
            return made
    return min(protocol.settle_max, len(calls_s))


def adaptive(calls_s: Sequence[float]) -> Answer:
    """Return what a trial of a study makes of calls: settle, then time until the interval is within 1 %.

    The interval is that of the order statistics of the median (`autotune.samples.median_interval`). Where the
    series is too short for the protocol's largest number of calls, all of it is taken. The gates, by which a
    trial leaves out calls that were disturbed or drifted, are not replayed.

    >>> adaptive([2.0, 1.0, 1.0] + [1.0] * 30)
    Answer(seconds=1.0, calls=13)
    """
    protocol = Protocol()
    warm = settled_after(calls_s, protocol)
    least, most = protocol.bounds(calls_s[warm - 1])
    most = min(most, len(calls_s) - warm)
    count = min(least, most)
    while count < most and half_width(calls_s[warm : warm + count]) > protocol.interval:
        count += 1
    return Answer(seconds=median(calls_s[warm : warm + count]), calls=warm + count)


def everything(calls_s: Sequence[float]) -> Answer:
    """Return the median of all calls after the second: the most that repeats in one process can tell.

    >>> everything([9.0, 2.0, 1.0, 1.0, 1.5])
    Answer(seconds=1.0, calls=5)
    """
    return Answer(seconds=median(calls_s[2:]), calls=len(calls_s))


duel_round = fixed(_DUEL_WARM, _DUEL_TIMED, median)
"""What one process of a duel is measured by."""

RULES: Mapping[str, Rule] = {
    "1 warm-up + 3, mean": fixed(1, 3),
    "10 + 10, mean (optimum-benchmark)": fixed(10, 10),
    "blocked_autorange (torch)": blocked_autorange,
    "settle, then until ±1 % (autotune, a trial)": adaptive,
    "every call that was recorded": everything,
}
"""Rules that measure a recipe in one process."""


def right_apart(fast: Sequence[float], slow: Sequence[float]) -> float:
    """Return the share of pairs of processes, of different rounds, that rank two recipes right.

    A study measures two recipes at different times, so both sides come from different rounds. All pairs are
    counted, which is what drawing pairs at random tends to; equal seconds count half.

    Args:
        fast: What a rule says of the faster recipe in each round.
        slow: The same of the slower one.

    >>> right_apart([1.0, 1.0, 3.0], [2.0, 2.0, 2.0])
    0.6666666666666666
    """
    points = [
        1.0 if a < b else 0.5 if a == b else 0.0
        for i, a in enumerate(fast)
        for j, b in enumerate(slow)
        if i != j
    ]
    return statistics.fmean(points)


def right_in_duels(fast: Sequence[float], slow: Sequence[float]) -> float:
    """Return the share of duels of three rounds whose median ratio ranks two recipes right.

    All triples of rounds are counted: with k of n rounds right, the majority of three of them is right in
    C(k, 3) + C(k, 2) (n - k) of C(n, 3) triples.

    >>> right_in_duels([1.0, 1.0, 1.0, 3.0], [2.0, 2.0, 2.0, 2.0])
    1.0
    >>> right_in_duels([1.0, 1.0, 3.0, 3.0], [2.0, 2.0, 2.0, 2.0])
    0.5
    """
    count = len(fast)
    right = sum(a < b for a, b in zip(fast, slow, strict=True))
    return (math.comb(right, 3) + math.comb(right, 2) * (count - right)) / math.comb(count, 3)


def claims(fast: Sequence[float], slow: Sequence[float]) -> tuple[dict[Verdict, float], float]:
    """Return what a study would claim of the faster recipe once it has measured both in rounds.

    It measures three rounds, and up to five where three leave it open (`autotune.duel.more_rounds_needed`).
    Rounds are drawn at random, the same ones every time.

    Returns:
        The share of confirmations that end in each verdict, and the mean number of rounds.

    >>> shares, rounds = claims([1.0, 1.0, 1.0, 1.0, 1.0], [1.1, 1.11, 1.1, 1.11, 1.1])
    >>> shares[Verdict.FASTER], rounds
    (1.0, 3.0)
    """
    dice = random.Random(6)
    verdicts: list[Verdict] = []
    rounds: list[int] = []
    for _ in range(DRAWS):
        drawn = dice.sample(range(len(fast)), min(MANY_ROUNDS, len(fast)))
        for count in range(FEW_ROUNDS, len(drawn) + 1):
            made = drawn[:count]
            contest = Contest(seconds={"fast": [fast[k] for k in made], "slow": [slow[k] for k in made]})
            if count == len(drawn) or not more_rounds_needed(contest, ["fast", "slow"]):
                verdicts.append(contest.ratio("fast", "slow").verdict)
                rounds.append(count)
                break
    return {verdict: verdicts.count(verdict) / DRAWS for verdict in Verdict}, statistics.fmean(rounds)


def standard_error(share: Share, fast: Sequence[float], slow: Sequence[float]) -> float:
    """Return the standard error of a share, by leaving out one round after the other (the jackknife).

    Pairs and triples share processes, so a binomial error would be far too small; rounds are independent.
    Source: J. N. Arvesen, Jackknifing U-Statistics, Annals of Mathematical Statistics 40, 1969.

    >>> round(standard_error(right_apart, [1.0, 1.0, 1.0, 3.0], [2.0] * 4), 3)
    0.25
    """
    count = len(fast)
    without = [share([*fast[:k], *fast[k + 1 :]], [*slow[:k], *slow[k + 1 :]]) for k in range(count)]
    mean = statistics.fmean(without)
    return math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in without))
