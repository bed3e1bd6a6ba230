"""How far a measurement can be trusted, against other rules on the same machine: `make bench-measure`.

Fresh processes of recipes a known distance apart are recorded in turn, from the very first call on. What each
rule of timing would have said of them is then worked out, so that all of them see the same machine in one
run. Takes eight minutes on a machine that does nothing else; anything that runs beside it is in its figures.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import autotune.demo
from autotune.duel import FEW_ROUNDS, MANY_ROUNDS, Verdict
from autotune.runners.local import LocalRunner
from tests.bench import fixed_cost, rules, screening, series
from tests.bench.screening_cases import read_study
from tests.bench.series import Series

STUDIES = Path(__file__).parents[2] / "studies"
MINUTES, LEAST_ROUNDS = 6.5, 4
QUICK_REPEATS = 2
AIM_FIXED_S = 0.3
Row: TypeAlias = tuple[str, str, str]
"""What, value, compared with what."""


def main() -> None:
    """Record, work out and print the table."""
    asked = _arguments()
    kept = json.loads(Path(asked.again).read_text(encoding="utf-8")) if asked.again else _record(asked)
    if asked.json:
        Path(asked.json).write_text(json.dumps(kept) + "\n", encoding="utf-8")
    found = [Series.from_json(one) for one in kept["series"]]
    studies = [Path(name) for name in asked.study] or sorted(STUDIES.glob("*/trials.json"))
    print(kept["machine"])
    for rows in (
        _spread_rows(found),
        _fixed_rows(kept),
        [row for study in studies for row in screening.rows(read_study(study))],
    ):
        _print_rows(rows)
    _print_ranking(found, kept["steps"], kept["share_of_steps"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for recording series of calls")
    parser.add_argument("--quick", action="store_true", help="four rounds only: shows that it works, no more")
    parser.add_argument("--json", metavar="FILE", help="keep what was recorded here")
    parser.add_argument("--again", metavar="FILE", help="print the table of what was kept; measure nothing")
    parser.add_argument(
        "--optimum", metavar="PYTHON", default=sys.executable, help="an interpreter with optimum-benchmark"
    )
    parser.add_argument(
        "--study", metavar="FILE", action="append", default=[], help="replay these trials.json as if screened"
    )
    return parser.parse_args()


def _record(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure everything, and return it as JSON."""
    load = os.getloadavg()[0]
    minutes, repeats = (0.0, QUICK_REPEATS) if asked.quick else (asked.minutes, fixed_cost.REPEATS)
    steps = series.QUICK_STEPS if asked.quick else series.STEPS
    with tempfile.TemporaryDirectory() as name, LocalRunner(_tell_waiting) as runner:
        folder = Path(name)
        target = runner.probe_target("cpu")
        fixed = fixed_cost.record(runner, folder, repeats)
        found, share = series.record(runner, folder, steps, minutes=minutes, least=LEAST_ROUNDS)
    foreign: dict[str, Any] = {"why_not": "not installed here"}
    if fixed_cost.has_foreign(asked.optimum):
        foreign = fixed_cost.foreign(asked.optimum, Path(autotune.demo.__file__).parent / "model")
    versions = ", ".join(f"{name} {target.libraries.get(name)}" for name in ("torch", "diffusers"))
    return {
        "machine": f"{target.describe()}, {versions}; load average {load:.2f} before the start",
        "series": [one.to_json() for one in found],
        "steps": steps,
        "share_of_steps": share,
        "fixed": fixed,
        "optimum-benchmark": foreign,
    }


def _tell_waiting(phase: str) -> None:
    if phase.startswith("waiting"):
        print(phase, file=sys.stderr)


def _spread_rows(found: Sequence[Series]) -> list[Row]:
    processes = series.by_recipe(found)
    told = series.spread(processes)
    rounds = len(processes["A"])
    call_s = statistics.median(call for calls in processes["A"] for call in calls[series.WARM :])
    minutes = max(one.started_s for one in found) / 60
    calls = (
        f"sd of {series.TIMED} settled calls of {call_s:.3f} s; {rounds} processes of each of "
        f"{len(processes)} recipes in {minutes:.1f} min"
    )
    beyond = f"{told.between / told.by_chance:.1f}x what calls alone explain ({told.by_chance:.2%})"
    in_round = f"sd within a round: {told.in_round / told.between:.2f}x that between rounds"
    return [
        ("spread within a process", f"{told.within:.2%}", calls),
        ("spread between processes", f"{told.between:.2%}", f"sd of their medians: {beyond}"),
        ("  beside others of the round", f"{told.in_round:.2%}", in_round),
    ]


def _fixed_rows(kept: Mapping[str, Any]) -> list[Row]:
    phases = fixed_cost.medians(kept["fixed"])
    call_s = statistics.median(trial["call_s"] for trial in kept["fixed"])
    beside = fixed_cost.fixed_s(phases)
    extra = {name: phases[name] for name in fixed_cost.EXTRA_CALLS if name in phases}
    total, calls = sum(beside.values()), sum(extra.values())
    rows = [
        ("fixed cost of a trial", f"{total:.3f} s", f"aim {AIM_FIXED_S} s: {_shares(beside, total)}"),
        (
            "  extra calls, measured whole",
            f"{calls:.3f} s",
            f"{calls / call_s:.1f}x one call of {call_s:.3f} s: {_shares(extra, calls)}",
        ),
    ]
    foreign = kept["optimum-benchmark"]
    if "why_not" in foreign:
        return [*rows, ("  of optimum-benchmark", "-", f"optimum-benchmark: {foreign['why_not']}")]
    versions = ", ".join(f"{name} {version}" for name, version in foreign["versions"].items())
    told = f"{foreign['fixed_s'] / total:.1f}x ours, the same pipeline, a call {foreign['call_s']:.3f} s"
    return [*rows, ("  of optimum-benchmark", f"{foreign['fixed_s']:.3f} s", f"{told}; {versions}")]


def _shares(phases: Mapping[str, float], total: float) -> str:
    return ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in phases.items()) or "none"


def _print_rows(rows: Sequence[Row]) -> None:
    print()
    for what, value, comparison in rows:
        print(f"{what:<31}{value:>9}  {comparison}")


def _print_ranking(found: Sequence[Series], steps: Mapping[str, int], share_of_steps: float) -> None:
    processes = series.by_recipe(found)
    gaps = {name: series.true_gap(steps, name, share_of_steps) for name in steps if name != "A"}
    heads = "".join(f"{f'{gap:.1%} apart':>19}" for gap in gaps.values())
    print(f"\n{'two recipes ranked right':<46}{heads}{'calls per recipe':>19}")
    for name, rule in rules.RULES.items():
        answers = {recipe: [rule(calls) for calls in of_one] for recipe, of_one in processes.items()}
        print(f"{name:<46}{_shown(answers, gaps, rules.right_apart)}{_calls(answers):>19.1f}")
    duels = {recipe: [rules.duel_round(calls) for calls in of_one] for recipe, of_one in processes.items()}
    name = f"{FEW_ROUNDS} rounds in turn of 2 + 3 (autotune)"
    print(f"{name:<46}{_shown(duels, gaps, rules.right_in_duels)}{FEW_ROUNDS * _calls(duels):>19.1f}")
    _print_claims(duels, list(gaps))
    print(_notes(found, steps))


def _print_claims(duels: Mapping[str, Sequence[rules.Answer]], slower: Sequence[str]) -> None:
    """Print what a study would claim, and how many calls that takes."""
    told = {name: rules.claims(_seconds(duels["A"]), _seconds(duels[name])) for name in slower}
    calls = [f"{rounds * _calls(duels):.1f}" for _, rounds in told.values()]
    print(f"{f'{FEW_ROUNDS} to {MANY_ROUNDS} rounds, as a study confirms':<84}{', '.join(calls):>19}")
    for verdict, meaning in (
        (Verdict.FASTER, "claims the right one"),
        (Verdict.SLOWER, "claims the wrong one"),
        (Verdict.TIE, "calls a tie"),
        (Verdict.UNCLEAR, "claims nothing"),
    ):
        shown = "".join(f"{shares[verdict]:>11.1%}{'':8}" for shares, _ in told.values())
        print(f"{'  ' + meaning:<46}{shown}".rstrip())


def _seconds(answers: Sequence[rules.Answer]) -> list[float]:
    return [answer.seconds for answer in answers]


def _shown(
    answers: Mapping[str, Sequence[rules.Answer]], gaps: Mapping[str, float], share: rules.Share
) -> str:
    """Return the share of right rankings at each gap with its standard error."""
    text = ""
    for slower in gaps:
        fast, slow = _seconds(answers["A"]), _seconds(answers[slower])
        error = rules.standard_error(share, fast, slow)
        text += f"{share(fast, slow):>11.1%} ±{error:>5.1%} "
    return text


def _calls(answers: Mapping[str, Sequence[rules.Answer]]) -> float:
    return statistics.fmean(answer.calls for of_one in answers.values() for answer in of_one)


def _notes(found: Sequence[Series], steps: Mapping[str, int]) -> str:
    measured_gaps: list[str] = []
    processes = series.by_recipe(found)
    middles = {
        name: [statistics.median(calls[series.WARM :]) for calls in of_one]
        for name, of_one in processes.items()
    }
    for name in ("B", "C"):
        ratios = [slow / fast - 1 for fast, slow in zip(middles["A"], middles[name], strict=True)]
        measured_gaps.append(f"{statistics.median(ratios):.1%}")
    rounds = len(processes["A"])
    pairs, triples = rounds * (rounds - 1), rounds * (rounds - 1) * (rounds - 2) // 6
    return (
        f"Recipes differ in their steps alone ({', '.join(map(str, steps.values()))}); all calls of "
        f"all rounds say they are {' and '.join(measured_gaps)} apart.\n"
        f"Each figure counts all {pairs} pairs of processes of different rounds, or all {triples} duels of "
        f"three rounds; ± is the standard error by leaving out one of {rounds} rounds. Claims: "
        f"{rules.DRAWS} draws of {MANY_ROUNDS} rounds.\n"
        f"Where none is wrong, up to {3 / rounds:.0%} may be (95 %). A series has {series.CALLS} calls, "
        "which bounds what the adaptive rule may take."
    )


if __name__ == "__main__":
    main()
