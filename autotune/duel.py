"""Duel: recipes measured in turn, round after round, and what may be claimed about which of them is faster.

Each round measures every contestant once, in a fresh process, in random order. What makes the machine slower
for a while then makes a whole round slower, and the ratio within a round hardly changes.
"""

import enum
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotune.samples import median

CLEAR = 1.01
"""No difference of less than 1 % is claimed (the noise threshold of criterion.rs)."""
SAME = 1.02
"""What lies within 2 % beyond doubt is called a tie: finer gaps are not what rounds are made for."""
WIDE_GAP = 1.05
"""A gap from here on is seen in three rounds; one below needs five."""
FEW_ROUNDS, MANY_ROUNDS = 3, 5

# The 97.5 % quantile of Student's t for 1, 2, … 30 degrees of freedom, for an interval of 95 %. Source:
# NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2. Beyond 30 the last is taken: a little
# too wide.
_STUDENT_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_STANDARD_ERRORS = 2.0


class Verdict(enum.StrEnum):
    """What rounds say about one recipe against another."""

    FASTER = "faster"
    SLOWER = "slower"
    TIE = "tie"  # equal to 2 % beyond doubt
    UNCLEAR = "unclear"  # neither is proved


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as fast one recipe is as another.

    Attributes:
        value: Median of the ratios of all rounds; above 1 is faster.
        low, high: Interval of 95 %; None where one round alone tells no interval.
        rounds: How many rounds it comes from.
        verdict: What may be claimed.
        cycles: The same median in cycles of the device's clock; None where clocks are not known.
    """

    value: float
    low: float | None
    high: float | None
    rounds: int
    verdict: Verdict
    cycles: float | None = None

    def describe(self) -> str:
        """The ratio and its interval for a person.

        >>> ratio([1.0, 1.0, 1.0], [2.0, 2.1, 2.0]).describe()
        '2.00 times as fast (1.90 to 2.18)'
        >>> ratio([1.0], [2.0]).describe()
        '2.00 times as fast (one round, no interval)'
        """
        if self.low is None or self.high is None:
            return f"{self.value:.2f} times as fast (one round, no interval)"
        digits = 3 if abs(math.log(self.value)) < math.log(WIDE_GAP) else 2
        sure = f"{self.low:.{digits}f} to {self.high:.{digits}f}"
        return f"{self.value:.{digits}f} times as fast ({sure})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {"verdict": self.verdict.value}


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Rounds that are complete: all contestants in each of them.

    Attributes:
        seconds: Contestant to its median seconds of one call in each round, the same order of rounds for all.
        clocks: Contestant to the mean clock of the device in each round, in any unit; None where it could not
            be read. May lack contestants.
        sd_machine: Relative standard deviation between fresh processes of one recipe, from elsewhere; None
            where it is not known.
    """

    seconds: Mapping[str, Sequence[float]]
    clocks: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    sd_machine: float | None = None

    def __post_init__(self) -> None:
        """Refuse rounds that cannot be compared.

        Raises:
            ValueError: There is no contestant or no round, or one of them lacks a round.
        """
        counts = {len(of_one) for of_one in self.seconds.values()}
        if len(counts) != 1 or 0 in counts:
            listed = ", ".join(f"{name}: {len(of_one)}" for name, of_one in self.seconds.items())
            raise ValueError(f"A contest needs the same rounds of every contestant, not {listed or 'none'}.")

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return len(next(iter(self.seconds.values())))

    def ratio(self, first: str, second: str) -> Ratio:
        """Return how many times as fast the first contestant is as the second.

        >>> contest = Contest(seconds={"a": (1.0, 1.1, 1.0), "b": (1.5, 1.65, 1.51)})
        >>> contest.ratio("a", "b").verdict.value, contest.ratio("b", "a").verdict.value
        ('faster', 'slower')
        """
        clocks = [self.clocks.get(name, ()) for name in (first, second)]
        return ratio(
            self.seconds[first],
            self.seconds[second],
            clocks=(clocks[0], clocks[1]),
            sd_machine=self.sd_machine,
        )


def ratio(
    a: Sequence[float],
    b: Sequence[float],
    *,
    clocks: tuple[Sequence[float | None], Sequence[float | None]] = ((), ()),
    sd_machine: float | None = None,
) -> Ratio:
    """Return how many times as fast a is as b.

    The value is the median of b/a over the rounds. The interval is that of the mean of the logarithms: ± t
    standard errors by Student's t for the rounds' own spread; where the machine's spread is known, ± 2
    standard errors by the larger of the two spreads, since three rounds alone tell little about theirs.

    FASTER is claimed when every round agrees, the median is more than 1 % above 1 and the interval lies above
    1; where clocks are known, all of it must hold in cycles = seconds x clock too, so that a recipe that met
    a higher clock is not called faster for it (the idea of nvbench's comparison). SLOWER is the same the
    other way round. TIE means that the interval lies within 2 % of 1. All else is UNCLEAR; so is one round.

    Args:
        a: Median seconds of one call in each round, all above 0.
        b: The same of the other, the same order of rounds.
        clocks: Mean clocks of a and of b in each round, in any unit; one that is missing or None leaves
            cycles out.
        sd_machine: Relative standard deviation between fresh processes of one recipe; None if not known.

    Raises:
        ValueError: They have no round, not the same number of rounds, or a time that is not above 0.

    >>> ratio([1.0, 1.0, 1.0], [1.1, 1.11, 1.1]).verdict.value
    'faster'
    >>> ratio([1.0, 1.0, 1.0], [1.1, 1.11, 0.99]).verdict.value
    'unclear'
    >>> ratio([1.0, 1.0, 1.0], [1.001, 0.999, 1.0]).verdict.value
    'tie'
    >>> ratio([1.0, 1.0, 1.0], [1.1, 1.11, 1.1], clocks=([2.0, 2.0, 2.0], [1.8, 1.8, 1.8])).verdict.value
    'unclear'
    """
    if not a or len(a) != len(b):
        raise ValueError(f"A ratio needs the same rounds of both, not {len(a)} and {len(b)}.")
    if min(*a, *b) <= 0:
        raise ValueError("A time of a call is not above 0, so there is no ratio.")
    logs = [math.log(other / own) for own, other in zip(a, b, strict=True)]
    interval = _interval(logs, sd_machine)
    verdict = _verdict(logs, interval)
    in_cycles = _logs_of_cycles(logs, clocks)
    if in_cycles is not None and verdict in (Verdict.FASTER, Verdict.SLOWER):
        agreed = _verdict(in_cycles, _interval(in_cycles, sd_machine))
        verdict = verdict if agreed is verdict else Verdict.UNCLEAR
    return Ratio(
        value=math.exp(median(logs)),
        low=math.exp(interval[0]) if interval else None,
        high=math.exp(interval[1]) if interval else None,
        rounds=len(logs),
        verdict=verdict,
        cycles=math.exp(median(in_cycles)) if in_cycles is not None else None,
    )


def ranked(contest: Contest) -> list[tuple[str, ...]]:
    """Return the contestants from the fastest to the slowest, in groups within which nothing is proved.

    A group ends before the first one that its fastest clearly beats.

    >>> ranked(Contest(seconds={"slow": (2.0, 2.1, 2.0), "b": (1.0, 1.02, 1.0), "a": (1.0, 1.01, 0.99)}))
    [('a', 'b'), ('slow',)]
    """
    groups: list[list[str]] = []
    for name in sorted(contest.seconds, key=lambda name: _standing(contest, name)):
        if groups and contest.ratio(groups[-1][0], name).verdict is not Verdict.FASTER:
            groups[-1].append(name)
        else:
            groups.append([name])
    return [tuple(group) for group in groups]


def more_rounds_needed(contest: Contest, leaders: Sequence[str]) -> bool:
    """Whether another round is worth its time: five at most, three where the answer is plain by then.

    Three rounds are enough for the first leader against another one when they differ by 5 % or more and that
    is proved, or when they tie.

    Args:
        contest: What was measured so far.
        leaders: Those between which it must be decided, the first one first; fewer than two need nothing.

    >>> more_rounds_needed(Contest(seconds={"a": (1.0, 1.0, 1.0), "b": (1.5, 1.5, 1.5)}), ["a", "b"])
    False
    >>> more_rounds_needed(Contest(seconds={"a": (1.0, 1.0, 1.0), "b": (1.03, 1.03, 1.03)}), ["a", "b"])
    True
    """
    return any(contest.rounds < _rounds_for(contest.ratio(leaders[0], other)) for other in leaders[1:])


def _rounds_for(found: Ratio) -> int:
    if found.verdict is Verdict.TIE:
        return FEW_ROUNDS
    is_proved = found.verdict is not Verdict.UNCLEAR
    return FEW_ROUNDS if is_proved and abs(math.log(found.value)) >= math.log(WIDE_GAP) else MANY_ROUNDS


def _standing(contest: Contest, name: str) -> float:
    """How slow a contestant is beside all others of the same round; the median over the rounds."""
    everyone = contest.seconds.values()
    levels = [statistics.fmean(math.log(of_one[k]) for of_one in everyone) for k in range(contest.rounds)]
    return median([math.log(own) - level for own, level in zip(contest.seconds[name], levels, strict=True)])


def _interval(logs: Sequence[float], sd_machine: float | None) -> tuple[float, float] | None:
    """The interval of the mean, widened to hold the median; None for one round of an unknown spread."""
    count, middle = len(logs), median(logs)
    own = statistics.stdev(logs) if count > 1 else 0.0
    if sd_machine is not None:
        # Both sides of a ratio vary, so its spread is the square root of 2 times that of one.
        half = _STANDARD_ERRORS * max(own, math.sqrt(2) * sd_machine) / math.sqrt(count)
    elif count > 1:
        half = _STUDENT_T[min(count - 1, len(_STUDENT_T)) - 1] * own / math.sqrt(count)
    else:
        return None
    mean = statistics.fmean(logs)
    return min(mean - half, middle), max(mean + half, middle)


def _verdict(logs: Sequence[float], interval: tuple[float, float] | None) -> Verdict:
    if interval is None or len(logs) == 1:
        return Verdict.UNCLEAR
    low, high = interval
    middle = median(logs)
    if min(logs) > 0 and middle > math.log(CLEAR) and low > 0:
        return Verdict.FASTER
    if max(logs) < 0 and middle < -math.log(CLEAR) and high < 0:
        return Verdict.SLOWER
    return Verdict.TIE if max(-low, high) <= math.log(SAME) else Verdict.UNCLEAR


def _logs_of_cycles(
    logs: Sequence[float], clocks: tuple[Sequence[float | None], Sequence[float | None]]
) -> list[float] | None:
    """The logarithms of the ratios of cycles; None unless every clock of both is known."""
    own, other = clocks
    if len(own) != len(logs) or len(other) != len(logs):
        return None
    found = []
    for log, a, b in zip(logs, own, other, strict=True):
        if not a or not b:
            return None
        found.append(log + math.log(b / a))
    return found
