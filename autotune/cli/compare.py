"""`autotune compare`: which of two recipes is faster, by fresh processes that take turns."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.again import Prompts, Rounds, Steps, Threads
from autotune.cli.options import AsJson, Device

if TYPE_CHECKING:
    from autotune.duel import Contest
    from autotune.recipe import Recipe
    from autotune.search.rounds import Rounds as Measured
    from autotune.workload import Workload

EXAMPLES = (
    "autotune compare fast.json small.json",
    "autotune compare recipe.json untuned --rounds 5",
)
_UNTUNED = "untuned"


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A recipe's file, or 'untuned'.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one, of the same model.")],
    rounds: Rounds = 3,
    prompts: Prompts = None,
    steps: Steps = None,
    threads: Threads = None,
    device: Device = "auto",
    is_json: AsJson = False,
) -> None:
    """Measure two recipes against each other.

    Fresh processes of both take turns, in random order inside each round, so that what slows the machine down
    meets both. One is called faster only if every round says so and the difference is clear.
    """
    from autotune.cli.again import Asked, open_bench
    from autotune.cli.console import say_json
    from autotune.errors import AutotuneError
    from autotune.search.verify import make_pictures, measure_again

    recipes = _recipes(first, second)
    work = _workload(recipes, prompts, steps)
    with open_bench(work, Asked(device=device, rounds=rounds, threads=threads or 0)) as bench:
        make_pictures(bench)
        found = measure_again(recipes, bench)
    contest = found.contest(sd_machine=_sd_machine(recipes))
    if found.out or contest is None:
        raise AutotuneError(_why_no_contest(found))
    if is_json:
        say_json(_to_json(recipes, found, contest))
    else:
        _say(recipes, found, contest)


def _recipes(first: str, second: str) -> "dict[str, Recipe]":
    """The two recipes by their names, which are the files as typed.

    Raises:
        RecipeError: A file is no recipe.
        UsageError: Both are untuned, or they are of different models.
    """
    from autotune.cli.again import read_recipe
    from autotune.errors import UsageError
    from autotune.search.verify import untuned

    if first == second == _UNTUNED:
        raise UsageError("Both are 'untuned', so nothing says of which model. Name a recipe's file.")
    known = {name: read_recipe(Path(name)) for name in (first, second) if name != _UNTUNED}
    anyone = next(iter(known.values()))
    a, b = (known.get(name) or untuned(anyone) for name in (first, second))
    if (a.model, a.revision) != (b.model, b.revision):
        raise UsageError(
            f"'{first}' is a recipe for '{a.model}' and '{second}' one for '{b.model}'. Only recipes of one "
            "model and revision can be compared."
        )
    return {first: a, f"{second} (again)" if first == second else second: b}


def _workload(recipes: "dict[str, Recipe]", prompts: Path | None, steps: int | None) -> "Workload":
    """What both make: the call of their files.

    Raises:
        UsageError: They were measured with different calls, or with one that is not known.
    """
    from autotune.cli.again import prompts_for
    from autotune.errors import UsageError
    from autotune.search.verify import why_different_work, workload_of

    told = {name: recipe for name, recipe in recipes.items() if recipe.call} or recipes
    works = {
        name: workload_of(recipe, prompts=prompts_for(recipe, prompts), steps=steps, source=name)
        for name, recipe in told.items()
    }
    (first, work), (second, other) = next(iter(works.items())), list(works.items())[-1]
    difference = why_different_work(work, other)
    if difference:
        raise UsageError(
            f"'{first}' and '{second}' were measured with different calls: {difference}. Export both from "
            "one study, or make 'call' in one file the other's."
        )
    return work


def _sd_machine(recipes: "dict[str, Recipe]") -> float | None:
    """The larger spread that the files know of the machine they were measured on; None where they do not."""
    known = [recipe.measured.get("sd_machine") for recipe in recipes.values()]
    return max((float(sd) for sd in known if isinstance(sd, int | float)), default=None)


def _why_no_contest(found: "Measured") -> str:
    reasons = [f"'{name}' cannot be compared. {why}" for name, why in found.out.items()]
    return " ".join(reasons) or "No round was finished."


def _to_json(recipes: "dict[str, Recipe]", found: "Measured", contest: "Contest") -> dict[str, object]:
    first, second = recipes
    sides = [
        {
            "name": name,
            "digest": recipe.digest,
            "settings": dict(recipe.settings),
            "seconds": list(contest.seconds[name]),
            "memory_bytes": _memory_bytes(found, name),
            "similarity": _similarity(found, name),
            "warnings": _warnings(found, name),
        }
        for name, recipe in recipes.items()
    ]
    return {"recipes": sides, "rounds": contest.rounds, "ratio": contest.ratio(first, second).to_json()}


def _say(recipes: "dict[str, Recipe]", found: "Measured", contest: "Contest") -> None:
    from autotune.cli.console import plain_table, say, say_table
    from autotune.units import format_bytes, format_duration

    first, second = recipes
    rounds = [f"round {number}>" for number in range(1, contest.rounds + 1)]
    table = plain_table("recipe", "settings", *rounds, "memory>", "similarity>")
    for name, recipe in recipes.items():
        seconds = [format_duration(one) for one in contest.seconds[name]]
        peak = _memory_bytes(found, name)
        memory = format_bytes(peak) if peak is not None else "unknown"
        table.add_row(name, recipe.describe(), *seconds, memory, f"{_similarity(found, name):.3f}")
    say_table(table)
    say()
    for name in recipes:
        for warning in _warnings(found, name):
            say(f"note: {name}, {warning}")
    say(verdict_in_words(contest, first, second))


def verdict_in_words(contest: "Contest", first: str, second: str) -> str:
    """Return what may be claimed about two contestants, in sentences.

    >>> from autotune.duel import Contest
    >>> verdict_in_words(Contest(seconds={"a": (2.0, 2.02, 2.0), "b": (1.0, 1.0, 1.0)}), "a", "b")
    'b is faster: 2.00 times as fast (1.98 to 2.04) as a.'
    >>> verdict_in_words(Contest(seconds={"a": (1.0, 1.0), "b": (1.0, 1.0)}), "a", "b")
    'A tie: a is 1.000 times as fast (1.000 to 1.000) as b.'
    """
    from autotune.duel import MANY_ROUNDS, Verdict, more_rounds_needed

    ratio = contest.ratio(first, second)
    if ratio.verdict is Verdict.FASTER:
        return f"{first} is faster: {ratio.describe()} as {second}."
    if ratio.verdict is Verdict.SLOWER:
        return f"{second} is faster: {contest.ratio(second, first).describe()} as {first}."
    said = f"{first} is {ratio.describe()} as {second}."
    if ratio.verdict is Verdict.TIE:
        return f"A tie: {said}"
    more = more_rounds_needed(contest, [first, second])
    advice = f" More rounds may tell: --rounds {max(MANY_ROUNDS, contest.rounds)}." if more else ""
    return f"Unclear: {said} Neither is proved to be faster.{advice}"


def _memory_bytes(found: "Measured", name: str) -> int | None:
    from autotune.search.verify import memory_of

    measured = found.measurements(name)
    device = str(measured[0].environment.get("target", {}).get("device", "cpu")).partition(":")[0]
    return memory_of(found, name, device)


def _similarity(found: "Measured", name: str) -> float:
    return min(one.similarity for one in found.measurements(name))


def _warnings(found: "Measured", name: str) -> list[str]:
    measured = enumerate(found.measurements(name), 1)
    return [f"round {number}: {warning}" for number, one in measured for warning in one.warnings]
