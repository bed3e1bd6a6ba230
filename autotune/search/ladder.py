"""Ladder of a guide, here: which rungs this machine can run, the study that measures them, and its rows."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from autotune.budget import Budget
from autotune.errors import PlanError
from autotune.job import Protocol
from autotune.knob import Knob, Settings, Situation, Value
from autotune.knobs import all_knobs
from autotune.ladder import Ladder, Rung
from autotune.measurement import Measurement
from autotune.plan import Plan
from autotune.recipe import Recipe, canonical
from autotune.samples import median_interval
from autotune.search.study import Study, read_study
from autotune.space import build_space
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.records import TrialRecord
from autotune.target import Target
from autotune.workload import Workload

UNTUNED = "untuned"
"""The rung that is added where no rung of a guide is what diffusers does today when it is told nothing."""
OBJECTIVES = ("latency_s", "memory_bytes")
FULL = Protocol(race=False, baseline_every=0, confirm_rounds=0)
"""How a rung is measured: to its end, however slow it is."""
QUICK = replace(
    FULL,
    settle_max=6,
    settle_agreement=0.1,
    busy_s=2.0,
    calls_min=3,
    calls_max=3,
    timing_s=10.0,
    retries=1,
    pairs=1,
    floor=0,
)
"""The same in a fraction of the time: three calls are timed, and their figures are less sure."""
_QUICK_MEGAPIXEL_STEPS = 10.0
_FEWEST_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What the user wants otherwise than a guide has it; None, and "" for the model, for nothing.

    Attributes:
        model: Instead of the guide's.
        steps, batch: Of a call.
        size: Width and height in pixels; (0, 0) for the model's own.
        is_quick: Whether fewer calls are made, with fewer steps unless `steps` says how many.
    """

    model: str = ""
    steps: int | None = None
    batch: int | None = None
    size: tuple[int, int] | None = None
    is_quick: bool = False


@dataclass(frozen=True, kw_only=True)
class LadderHere:
    """A ladder in a situation.

    Attributes:
        ladder: The guide's.
        situation: Where, of what, making what, with sizes resolved.
        recipes: What each rung that can run here comes to, in the guide's order.
        why_not: Why each other rung cannot, a sentence.
    """

    ladder: Ladder
    situation: Situation
    recipes: Mapping[str, Recipe]
    why_not: Mapping[str, str]

    def same_as(self, name: str) -> str:
        """Return the first rung that is the same recipe here as another, "" where it is that one itself."""
        digest = self.recipes[name].digest
        first = next(other for other, recipe in self.recipes.items() if recipe.digest == digest)
        return "" if first == name else first


@dataclass(frozen=True, kw_only=True)
class RungRow:
    """One rung, and what it came to here.

    Attributes:
        rung: The guide's.
        recipe: What it comes to here; None where it cannot run.
        why_not: Why it cannot run here; "" where it can.
        same_as: An earlier rung that is the same recipe here; "" for none.
        trial: What was measured, or how it failed; None while it was not tried to its end.
        study: That the trial belongs to; None where there is none yet.
    """

    rung: Rung
    recipe: Recipe | None = None
    why_not: str = ""
    same_as: str = ""
    trial: TrialRecord | None = None
    study: Study | None = None

    @property
    def measured(self) -> Measurement | None:
        """What it was measured to come to; None where it was not, or failed."""
        if self.trial is None or self.study is None:
            return None
        return self.study.settled(self.trial)

    @property
    def interval_s(self) -> tuple[float, float] | None:
        """Between which seconds the median of its calls lies, 90 % sure; None for fewer than five calls."""
        return None if self.measured is None else median_interval(self.measured.calls_s)

    def latency_at(self, steps: int) -> float | None:
        """Return the seconds of a call with another number of steps; None where they cannot be told.

        Args:
            steps: Of the untuned baseline; a recipe that takes fewer takes its share of these too.
        """
        if self.measured is None or self.study is None:
            return None
        here = self.study.situation.workload.steps
        return scaled_latency(self.measured, steps / here)


def scaled_latency(measured: Measurement, factor: float) -> float | None:
    """Return the seconds of a call whose steps are so many times as many; None where its parts are unknown.

    All else that a call does takes as long as before.

    Args:
        measured: A call, and the seconds of its parts.
        factor: Above 0.
    """
    if factor == 1.0:
        return measured.latency_s
    if measured.parts is None or measured.parts.total_s <= 0:
        return None
    # The profiled call waits for the device after each step, so it takes a little longer than the others.
    share = min(sum(measured.parts.steps_s) / measured.parts.total_s, 1.0)
    return measured.latency_s * (1.0 + share * (factor - 1.0))


def workload_of(ladder: Ladder, changes: Changes, base: Workload | None = None) -> Workload:
    """Return what a ladder makes here.

    Args:
        ladder: The guide's.
        changes: What the user wants otherwise.
        base: Prompts and guidance of a model that has its own, at the model's own size; None for the guide's.

    >>> from autotune.guides import LADDERS
    >>> work = workload_of(LADDERS[0], Changes(steps=8))
    >>> (work.steps, work.batch, len(work.seeds)) == (8, LADDERS[0].batch, LADDERS[0].batch)
    True
    """
    batch = changes.batch or ladder.batch
    width_px, height_px = changes.size or ((0, 0) if base else (ladder.width_px, ladder.height_px))
    steps = changes.steps or (quick_steps(ladder, batch) if changes.is_quick else ladder.steps)
    known = base or Workload(model=ladder.model, guidance=ladder.guidance)
    return replace(
        known,
        model=changes.model or ladder.model,
        # As many pictures as one call makes: its calls are all alike, as those of a guide are.
        prompts=known.prompts[:batch],
        seeds=tuple(range(-(-batch // len(known.prompts[:batch])))),
        width_px=width_px,
        height_px=height_px,
        steps=steps,
        batch=batch,
    )


def quick_steps(ladder: Ladder, batch: int) -> int:
    """Return how many steps a quick look takes: fewer where a step makes many pixels.

    >>> from autotune.guides import LADDERS
    >>> quick_steps(LADDERS[0], batch=1), quick_steps(LADDERS[0], batch=64)
    (38, 4)
    """
    megapixels = batch * ladder.width_px * ladder.height_px / 1e6
    wanted = max(round(_QUICK_MEGAPIXEL_STEPS / megapixels), _FEWEST_STEPS)
    return min(wanted, ladder.steps)


def with_steps(settings: Settings, *, of: int, to: int) -> dict[str, Value]:
    """Return settings whose knob `steps` takes the same share of other steps.

    >>> with_steps({"steps": 25, "dtype": "float16"}, of=50, to=8)
    {'steps': 4, 'dtype': 'float16'}
    >>> with_steps({"dtype": "float16"}, of=50, to=8)
    {'dtype': 'float16'}
    """
    taken = settings.get("steps")
    if of == to or not isinstance(taken, int | float):
        return dict(settings)
    return {**settings, "steps": max(round(taken * to / of), 1)}


def own_ladder(ladder: Ladder, name: str, recipe: Recipe, workload: Workload) -> Ladder:
    """Return a ladder of one rung: a recipe of the user's own, to stand beside those of a guide.

    Args:
        ladder: The guide's.
        name: What it is called.
        recipe: Of the same model.
        workload: What the ladder makes here.

    Raises:
        PlanError: It is a recipe of another model.
    """
    if (recipe.model, recipe.revision) != (workload.model, workload.revision):
        at = f" at revision '{recipe.revision}'" if recipe.revision else ""
        raise PlanError(
            f"'{name}' is a recipe for '{recipe.model}'{at}, and guide '{ladder.name}' is run on "
            f"'{workload.model}'. Run it on the recipe's model: --model {recipe.model}."
        )
    untuned = recipe.call.get("untuned_steps")
    steps = untuned if isinstance(untuned, int) and untuned > 0 else ladder.steps
    settings = with_steps(recipe.settings, of=steps, to=ladder.steps)
    return replace(ladder, name=f"{ladder.name}-yours", rungs=(Rung(name=name, settings=settings),))


def look_at(ladder: Ladder, situation: Situation, knobs: Iterable[Knob] | None = None) -> LadderHere:
    """Return what each rung of a ladder comes to here, and why the others cannot run.

    Args:
        ladder: The guide's.
        situation: Where, of what, making what, with sizes resolved.
        knobs: Instead of every knob there is.

    Raises:
        UnknownName: A rung names a knob that does not exist.
    """
    known = tuple(all_knobs() if knobs is None else knobs)
    recipes, why_not = dict[str, Recipe](), dict[str, str]()
    for rung in ladder.rungs:
        settings = with_steps(rung.settings, of=ladder.steps, to=situation.workload.steps)
        try:
            space = build_space(known, situation, narrowed={name: (v,) for name, v in settings.items()})
        except PlanError as error:
            why_not[rung.name] = str(error)
            continue
        reason = space.why_not(settings)
        if reason:
            why_not[rung.name] = reason
        else:
            recipes[rung.name] = space.recipe(settings)
    return LadderHere(ladder=ladder, situation=situation, recipes=recipes, why_not=why_not)


def ladder_plan(
    here: LadderHere, *, protocol: Protocol, trial_time_s: float, seconds: float | None = None
) -> Plan:
    """Return the study of a ladder: every rung that can run here, once, after the untuned baseline.

    Its name follows from all that it is asked for and from the device, so that the same question goes on and
    another one is another study.

    Args:
        here: The ladder in its situation.
        protocol: How a rung is measured.
        trial_time_s: A rung is given up after so many seconds.
        seconds: That the study may take in all; None for no bound.
    """
    recipes = {name: recipe.settings for name, recipe in here.recipes.items() if not here.same_as(name)}
    if here.situation.blueprint.has_random_weights:
        protocol = replace(protocol, floor=0)  # their pictures are judged by nobody
    plan = Plan(
        study="guide",
        workload=here.situation.workload,
        device=here.situation.target.device,
        objectives=OBJECTIVES,
        min_similarity=None,
        budget=Budget(gain=None),
        trial_time_s=trial_time_s,
        sampler="listed",
        recipes=recipes or {UNTUNED: {}},
        warm_from=(),
        allow_approximate=True,
        protocol=protocol,
    )
    asked = canonical([plan.to_json(), here.situation.target.kind, here.situation.target.name])
    name = f"guide-{here.ladder.name}-{hashlib.sha256(asked.encode()).hexdigest()[:6]}"
    return replace(plan, study=name, budget=Budget(seconds=seconds, gain=None))


def rung_rows(here: LadderHere, study: Study | None) -> tuple[RungRow, ...]:
    """Return every rung with what it came to, in the guide's order.

    Args:
        here: The ladder in its situation.
        study: Of its plan, as far as it is; None where it was not begun.
    """
    tried = {trial.digest: trial for trial in study.trials if trial.counts} if study is not None else {}
    return tuple(
        RungRow(rung=rung, why_not=here.why_not[rung.name])
        if rung.name in here.why_not
        else RungRow(
            rung=rung,
            recipe=here.recipes[rung.name],
            same_as=here.same_as(rung.name),
            trial=tried.get(here.recipes[rung.name].digest),
            study=study,
        )
        for rung in here.ladder.rungs
    )


def untuned_row(here: LadderHere, study: Study | None) -> RungRow:
    """Return what diffusers does today when it is told nothing, as a rung of its own.

    Args:
        here: The ladder in its situation.
        study: Of its plan, as far as it is; None where it was not begun.
    """
    workload = here.situation.workload
    recipe = Recipe(model=workload.model, revision=workload.revision)
    trials = study.trials if study is not None else ()
    trial = next((one for one in trials if one.counts and one.digest == recipe.digest), None)
    rung = Rung(name=UNTUNED, note="What diffusers does today when it is told nothing.")
    return RungRow(rung=rung, recipe=recipe, trial=trial, study=study)


def is_complete(here: LadderHere, study: Study | None) -> bool:
    """Whether every rung that can run here was tried to its end."""
    rows = (untuned_row(here, study), *rung_rows(here, study))
    return all(row.trial is not None for row in rows if row.recipe is not None)


PlanOf: TypeAlias = Callable[[LadderHere], Plan]


def remembered(
    database: Database, ladder: Ladder, workload: Workload, target: Target, *, plan_of: PlanOf
) -> tuple[LadderHere, Study] | None:
    """Return a ladder and its study as an earlier run left it on the same device; None where none did.

    Args:
        database: Where studies are kept.
        ladder: The guide's.
        workload: What it makes here; sizes that are 0 are the model's own.
        target: The device.
        plan_of: Makes the plan, and with it the name of the study, of a ladder in its situation.
    """
    for name in history.study_names(database):
        record = history.find_study(database, name) if name.startswith(f"guide-{ladder.name}-") else None
        if record is None:
            continue
        then = record.situation
        is_here = (then.target.kind, then.target.name) == (target.kind, target.name)
        if not is_here or _with_sizes(workload, then.workload) != then.workload:
            continue
        here = look_at(ladder, then)
        if plan_of(here).study == name:
            return here, read_study(database, name)
    return None


def _with_sizes(workload: Workload, known: Workload) -> Workload:
    names = ("width_px", "height_px", "frames")
    return replace(workload, **{name: getattr(workload, name) or getattr(known, name) for name in names})
