"""Evidence: what was measured beside a study's trials, and what it says about their figures."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotune.duel import Ratio, ratio
from autotune.measurement import UNRELATED, Measurement, Pruned
from autotune.recipe import describe_settings
from autotune.samples import median, quantile
from autotune.store.records import CheckRecord, Purpose

_AS_FAST = 1.05
_ENOUGH = 3  # fresh processes that tell a spread


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """How unlike the reference pictures are that should be equal to them: below that, likeness means nothing.

    Attributes:
        median: Median HaarPSI over all pairs of recipes that compute the same in another order.
        p10: What nine of ten of their pairs reach.
        diverged, pairs: How many of the pairs show different things, and how many there are.
        is_repeatable: Whether the untuned pipeline made the very same pictures again; None if nobody looked.
        variants: Each of these recipes, and the median HaarPSI of its pairs.
    """

    median: float
    p10: float
    diverged: int
    pairs: int
    is_repeatable: bool | None
    variants: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """One sentence for a person."""
        again = {
            True: "the untuned pipeline repeats its pictures to the bit",
            False: "the untuned pipeline does not repeat its own pictures to the bit",
            None: "whether the untuned pipeline repeats its pictures is not known",
        }[self.is_repeatable]
        if not self.variants:
            return f"Noise floor: {again}."
        listed = ", ".join(self.variants)
        return (
            f"Noise floor {self.median:.4f} (nine of ten pairs {self.p10:.4f} or more): the similarity of "
            f"recipes that only compute in another order ({listed}); {again}."
        )


def noise_floor(checks: Sequence[CheckRecord]) -> NoiseFloor | None:
    """Return the noise floor of a study, or None where it was not measured."""
    found = [check for check in checks if check.purpose is Purpose.FLOOR and check.measurement is not None]
    if not found:
        return None
    variants, pairs, is_repeatable = dict[str, float](), list[float](), None
    for check in found:
        measured = check.measurement
        if measured is None:
            continue
        if not check.changed:
            is_repeatable = measured.likeness.is_exact
            continue
        variants[describe_settings(check.changed)] = measured.similarity
        pairs += measured.likeness.haarpsi
    pairs = pairs or [1.0]
    return NoiseFloor(
        median=median(pairs),
        p10=quantile(pairs, 0.1),
        diverged=sum(value < UNRELATED for value in pairs),
        pairs=len(pairs),
        is_repeatable=is_repeatable,
        variants=variants,
    )


def machine_sd(baseline: Measurement | None, checks: Sequence[CheckRecord]) -> float | None:
    """Return the relative standard deviation of latency between fresh processes of the untuned baseline.

    Args:
        baseline: Of the study's trials.
        checks: All that was measured beside them: baselines that were measured again, and those of rounds.

    Returns:
        None for fewer than three processes.
    """
    again = [
        check.measurement.latency_s
        for check in checks
        if check.purpose in (Purpose.BASELINE, Purpose.CONFIRM)
        and not check.changed
        and check.measurement is not None
    ]
    seconds = again + ([baseline.latency_s] if baseline is not None else [])
    return statistics.stdev(map(math.log, seconds)) if len(seconds) >= _ENOUGH else None


def rounds_of(checks: Sequence[CheckRecord]) -> dict[int, dict[str, CheckRecord]]:
    """Return what was measured in each round, by digest."""
    rounds: dict[int, dict[str, CheckRecord]] = {}
    for check in checks:
        if check.purpose is Purpose.CONFIRM:
            rounds.setdefault(check.round, {})[check.digest] = check
    return rounds


def ratio_in_rounds(
    checks: Sequence[CheckRecord], first: str, second: str, *, sd_machine: float | None
) -> Ratio | None:
    """Return how many times as fast one recipe is as another, from the rounds that both were measured in.

    Args:
        checks: All that was measured beside the trials.
        first, second: Digests.
        sd_machine: As `machine_sd` tells it.

    Returns:
        None where they never met.
    """
    met = [
        (mine, others)
        for found in rounds_of(checks).values()
        if (mine := _measured(found, first)) is not None and (others := _measured(found, second)) is not None
    ]
    if not met:
        return None
    mine_s, others_s = zip(*((mine.latency_s, others.latency_s) for mine, others in met), strict=True)
    clocks = ([mine.clock_mhz for mine, _ in met], [others.clock_mhz for _, others in met])
    return ratio(mine_s, others_s, clocks=clocks, sd_machine=sd_machine)


def failed_again(checks: Sequence[CheckRecord], digest: str) -> str:
    """Return how a recipe failed when it was measured again, "" where it did not."""
    for check in checks:
        if check.purpose is Purpose.CONFIRM and check.digest == digest and check.measurement is None:
            if isinstance(check.outcome, Pruned):
                continue
            failure = check.outcome
            kind = getattr(failure, "kind", None)
            return f"{kind.value if kind is not None else 'failed'}: {getattr(failure, 'message', '')}"
    return ""


def more_pictures(checks: Sequence[CheckRecord], digest: str) -> Measurement | None:
    """Return what further pictures of a recipe came to, or None where none were made."""
    found = [c for c in checks if c.purpose is Purpose.PICTURES and c.digest == digest and c.measurement]
    return found[-1].measurement if found else None


def cold_start(checks: Sequence[CheckRecord], digest: str) -> Measurement | None:
    """Return a start of a recipe for which nothing had been compiled before, or None where none was made."""
    found = [c for c in checks if c.purpose is Purpose.COLD and c.digest == digest and c.measurement]
    return found[-1].measurement if found else None


def least_memory(checks: Sequence[CheckRecord], digest: str, latency_s: float) -> int | None:
    """Return the smallest enforced memory limit under which a recipe ran no more than 5 % slower, in bytes.

    Args:
        checks: All that was measured beside the trials.
        digest: The recipe's.
        latency_s: Of its trial.

    Returns:
        None where no limit was tried, or it kept to none.
    """
    runs = [
        c.measurement for c in checks if c.purpose is Purpose.CAP and c.digest == digest and c.measurement
    ]
    kept = [run for run in runs if run.latency_s <= latency_s * _AS_FAST and "cap_bytes" in run.memory.detail]
    return min((run.memory.detail["cap_bytes"] for run in kept), default=None)


def settled(
    measurement: Measurement, *, latency_s: float | None, pictures: Measurement | None
) -> Measurement:
    """Return a measurement with what was found out since: a latency from rounds, likeness of more pictures.

    Args:
        measurement: Of the trial.
        latency_s: From rounds beside the baseline; None where there were none.
        pictures: Further pictures; None where none were made.
    """
    changed = measurement
    if latency_s is not None:
        changed = replace(changed, calls_s=(latency_s,))
    if pictures is not None:
        known = {flaw.partition(":")[0] for flaw in pictures.likeness.flaws}
        others = (flaw for flaw in measurement.likeness.flaws if flaw.partition(":")[0] not in known)
        flaws = (*pictures.likeness.flaws, *others)
        likeness = replace(
            pictures.likeness,
            flaws=flaws,
            step_error=measurement.likeness.step_error,
            why_no_step_error=measurement.likeness.why_no_step_error,
        )
        changed = replace(changed, likeness=likeness)
    return changed


def _measured(found: Mapping[str, CheckRecord], digest: str) -> Measurement | None:
    check = found.get(digest)
    return check.measurement if check is not None else None
