"""Verify: a recipe's claims, measured again by fresh processes beside fresh ones of the untuned baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, PlanError, RecipeError, UsageError, WorkerError
from autotune.job import Job, Protocol, Runner
from autotune.knob import Situation
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.search.reference import make_reference
from autotune.search.rounds import Rounds, Turn, round_protocol, run_rounds
from autotune.search.verdict import (
    Again,
    Judgement,
    differences,
    judge,
    other_class,
    other_fingerprint,
)
from autotune.store.folders import Folders
from autotune.target import Target
from autotune.units import format_duration
from autotune.workload import Workload

RECIPE, UNTUNED = "recipe", "untuned"
"""The two contestants of a verification."""
PATIENCE_S = 1800.0
"""Seconds that one process may take: a recipe that compiles a large model needs many."""
_MOST_PAIRS = 256  # that a file can ask for
_SIZES = ("guidance", "width_px", "height_px", "batch", "frames")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where recipes are measured again, and how.

    Attributes:
        situation: This machine, the model and what is made, with sizes resolved.
        runner: Where the jobs run, each in a fresh process.
        folder: Takes pictures, logs and the compile cache.
        rounds: How often each recipe is measured.
        memory_limit_bytes: Under which recipes run, but not the untuned baseline; None for none.
        threads: CPU threads of torch, 0 for torch's own choice.
        protocol: That of each process; what its pictures are compared with is made by it too.
        seed: Of the order inside each round.
        say: Is told what happens, a line each.
    """

    situation: Situation
    runner: Runner
    folder: Path
    rounds: int = 3
    memory_limit_bytes: int | None = None
    threads: int = 0
    protocol: Protocol = field(default_factory=lambda: round_protocol(Protocol()))
    seed: int = 0
    say: Callable[[str], None] = lambda _line: None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What became of a recipe's claims.

    Attributes:
        recipe: The recipe.
        judgement: Gate by gate.
        again: What was measured.
        here: This machine.
    """

    recipe: Recipe
    judgement: Judgement
    again: Again
    here: Target

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        ratio = self.again.ratio
        sides = ((RECIPE, self.again.recipe), (UNTUNED, self.again.untuned))
        seconds = {name: [one.latency_s for one in measured] for name, measured in sides}
        return {
            "digest": self.recipe.digest,
            "settings": dict(self.recipe.settings),
            **self.judgement.to_json(),
            "ratio": ratio.to_json() if ratio is not None else None,
            "seconds": seconds,
            "memory_bytes": self.again.memory_bytes,
            "similarity": self.again.recipe[0].similarity if self.again.recipe else None,
            "pictures": list(self.again.recipe[0].likeness.sha256) if self.again.recipe else [],
            "recorded": dict(self.recipe.measured),
            "differences": list(self.again.differences),
            "target": self.here.to_json(),
        }


def workload_of(
    recipe: Recipe,
    *,
    prompts: Sequence[str] | None = None,
    steps: int | None = None,
    source: str = "the recipe",
) -> Workload:
    """Return what was made when a recipe was measured.

    Args:
        recipe: Its `call` says all of it; files from before that hold no prompts.
        prompts: Instead of the recipe's.
        steps: Of the untuned baseline, instead of the recipe's word.
        source: The file's name, for messages.

    Raises:
        UsageError: The recipe names no prompts, or not the steps of the untuned baseline.
        RecipeError: What it names cannot be made.

    >>> recipe = Recipe(model="demo", call={"prompts": ["a", "b"], "seeds": [7], "steps": 4, "batch": 2})
    >>> workload_of(recipe).prompts, workload_of(recipe).steps, workload_of(recipe, prompts=["c"]).prompts
    (('a', 'b'), 4, ('c',))
    """
    call = recipe.call
    named = prompts if prompts is not None else call.get("prompts")
    if not named:
        raise UsageError(
            f"'{source}' does not say which prompts it was measured with. Name them with --prompts FILE, one "
            "a line, or export the recipe again."
        )
    fields: dict[str, Any] = {name: call[name] for name in _SIZES if name in call}
    fields |= {"prompts": _tuple(named), "seeds": _tuple(call.get("seeds") or (0,))}
    untuned_steps = _untuned_steps(recipe, steps, source)
    if untuned_steps is not None:
        fields["steps"] = untuned_steps
    try:
        return Workload(model=recipe.model, revision=recipe.revision, **fields)
    except PlanError as error:
        raise RecipeError(f"What '{source}' was measured with cannot be made. {error}") from error


def why_different_work(first: Workload, second: Workload) -> str:
    """Return what two workloads do not share, part of a sentence; "" where they are equal.

    >>> why_different_work(Workload(model="demo", steps=4), Workload(model="demo", steps=8, batch=2))
    'steps 4 and 8, batch 1 and 2'
    """
    found = []
    mine, others = first.to_json(), second.to_json()
    for name, value in mine.items():
        if value != others[name]:
            is_long = isinstance(value, list)
            found.append(f"other {name}" if is_long else f"{name} {value} and {others[name]}")
    return ", ".join(found)


def untuned(recipe: Recipe) -> Recipe:
    """Return the untuned baseline of a recipe's model.

    >>> untuned(Recipe(model="demo", settings={"tf32": True})).describe()
    'untuned'
    """
    return Recipe(model=recipe.model, revision=recipe.revision)


def verify(recipe: Recipe, bench: Bench) -> Verification:
    """Measure a recipe beside the untuned baseline, and judge what its file claims.

    Args:
        recipe: With the figures that it claims in `measured`.
        bench: Where and how.

    Raises:
        WorkerError: No process can be started.
        KeyboardInterrupt: The user stopped it.
    """
    target = bench.situation.target
    told = differences(recipe.target, target)
    why = _why_no_reference(bench)
    if why:
        # Without the untuned pictures there is nothing to compare with, which is no fault of the recipe.
        again = Again(
            recipe=(),
            untuned=(),
            ratio=None,
            untuned_failure=why,
            differences=told,
            device=target.kind,
        )
        return _judged(recipe, again, target)
    rounds = measure_again({RECIPE: recipe, UNTUNED: untuned(recipe)}, bench)
    contest = rounds.contest()
    is_complete = contest is not None and {RECIPE, UNTUNED} <= contest.seconds.keys()
    measured = rounds.measurements(RECIPE)
    environment = measured[0].environment if measured else {}
    notes = [] if told else other_fingerprint(recipe.measured, environment)
    if measured and not told:
        told = other_class(recipe.measured, environment)
    again = Again(
        recipe=measured,
        untuned=rounds.measurements(UNTUNED),
        ratio=contest.ratio(RECIPE, UNTUNED) if contest is not None and is_complete else None,
        memory_bytes=memory_of(rounds, RECIPE, target.kind),
        memory_limit_bytes=bench.memory_limit_bytes,
        failure=rounds.out.get(RECIPE, ""),
        untuned_failure=rounds.out.get(UNTUNED, ""),
        differences=told,
        notes=notes,
        device=target.kind,
    )
    return _judged(recipe, again, target)


def make_pictures(bench: Bench) -> None:
    """Make the reference pictures where they are missing.

    Raises:
        AutotuneError: The untuned pipeline cannot make them.
        KeyboardInterrupt: The user stopped it.
    """
    plan = Plan(
        study="again",
        workload=bench.situation.workload,
        protocol=bench.protocol,
        threads=bench.threads,
        trial_time_s=PATIENCE_S,
    )
    bench.say("making the untuned pictures to compare with …")
    if not make_reference(Folders(bench.folder), plan, bench.situation, runner=bench.runner):
        raise KeyboardInterrupt


def measure_again(recipes: Mapping[str, Recipe], bench: Bench) -> Rounds:
    """Measure recipes in rounds of fresh processes; the reference pictures are there already.

    Args:
        recipes: Contestant to its recipe; all of the model of the bench.
        bench: Where and how.

    Raises:
        KeyboardInterrupt: The user stopped it.
    """

    def make_job(name: str, number: int) -> Job:
        return _job(recipes[name], bench, number=number, name=name)

    def say_turn(turn: Turn) -> None:
        one = turn.measurement
        said = f"{format_duration(one.latency_s)} a call" if one is not None else turn.why_out
        bench.say(f"round {turn.round + 1} of {bench.rounds}: {turn.name}: {said}")

    rounds = run_rounds(
        list(recipes),
        bench.rounds,
        runner=bench.runner,
        make_job=make_job,
        seed=bench.seed,
        listen=say_turn,
    )
    if rounds.was_stopped:
        raise KeyboardInterrupt
    return rounds


def memory_of(rounds: Rounds, name: str, device: str) -> int | None:
    """Return the peak memory of a contestant in bytes, None where it was not measured.

    On a GPU the largest of all rounds; on a CPU that of the first, the only one that weighs live memory.
    """
    measured = rounds.measurements(name)
    weighed = measured[:1] if device == "cpu" else measured
    return max((one.memory_bytes for one in weighed), default=None)


def recorded_pairs(recipe: Recipe) -> int | None:
    """Return of how many pictures a recipe's similarity is the median; None where its file does not say.

    >>> recorded_pairs(Recipe(model="demo", measured={"pairs": 16})), recorded_pairs(Recipe(model="demo"))
    (16, None)
    """
    pairs, pictures = recipe.measured.get("pairs"), recipe.measured.get("pictures")
    if isinstance(pairs, int) and not isinstance(pairs, bool) and pairs > 0:
        return min(pairs, _MOST_PAIRS)
    return min(len(pictures), _MOST_PAIRS) if isinstance(pictures, list) and pictures else None


def recorded_threads(recipe: Recipe) -> int:
    """Return the CPU threads that a recipe was measured with; 0 where its file does not say.

    >>> recorded_threads(Recipe(model="demo", measured={"threads": 2}))
    2
    """
    threads = recipe.measured.get("threads")
    return threads if isinstance(threads, int) and not isinstance(threads, bool) and threads > 0 else 0


def with_pairs(workload: Workload, pairs: int, protocol: Protocol) -> tuple[Workload, Protocol]:
    """Return workload and protocol by which so many pictures, or clips, are compared.

    >>> work, protocol = with_pairs(Workload(model="demo", prompts=("a", "b"), batch=2), 6, Protocol())
    >>> len(work.calls()), protocol.pairs
    (3, 3)
    """
    calls = -(-pairs // workload.batch)
    return workload.widened(pairs), replace(protocol, pairs=calls)


def _judged(recipe: Recipe, again: Again, here: Target) -> Verification:
    judgement = judge(recipe.measured, again)
    return Verification(recipe=recipe, judgement=judgement, again=again, here=here)


def _why_no_reference(bench: Bench) -> str:
    try:
        make_pictures(bench)
    except WorkerError:
        raise
    except AutotuneError as error:
        return str(error)
    return ""


def _job(recipe: Recipe, bench: Bench, *, number: int, name: str) -> Job:
    situation, folders = bench.situation, Folders(bench.folder)
    few = min(bench.protocol.pairs, bench.protocol.calls_min)
    return Job(
        recipe=Recipe(model=recipe.model, revision=recipe.revision, settings=recipe.settings),
        workload=situation.workload,
        device=situation.target.device,
        folder=str(bench.folder / "rounds" / f"{number}-{name}"),
        reference=str(folders.reference(situation)),
        memory_limit_bytes=bench.memory_limit_bytes if recipe.settings else None,
        time_limit_s=PATIENCE_S,
        # The pictures of the other rounds are the same.
        protocol=bench.protocol if number == 0 else replace(bench.protocol, pairs=few),
        cache=str(folders.cache),
        threads=bench.threads,
        is_whole=number == 0,
        backends=tuple(sorted(situation.target.backends)),
    )


def _tuple(value: Any) -> Any:  # what is no list stays what it is, and is refused by the workload
    return tuple(value) if isinstance(value, list) else value


def _untuned_steps(recipe: Recipe, steps: int | None, source: str) -> Any:
    """Steps of the untuned baseline; None for the default, where nothing was recorded at all."""
    known = steps if steps is not None else recipe.call.get("untuned_steps")
    if known is not None:
        return known
    if "steps" not in recipe.settings:
        return recipe.call.get("steps")
    raise UsageError(
        f"'{source}' does not say how many steps the untuned baseline took. Name them with --steps N, or "
        "export the recipe again."
    )
