"""Warm: what earlier studies of the same family teach a study before its first trial."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna

from autotune import pareto
from autotune.errors import PlanError, UnknownName
from autotune.knob import Settings, Situation, Value
from autotune.objective import Limit, Objective, reference_point
from autotune.observation import Observation, observe
from autotune.plan import Plan
from autotune.search.acquire import is_within
from autotune.search.family import counterpart, family, is_kin, nearness
from autotune.search.known import Known
from autotune.search.presets import Preset
from autotune.search.resume import frozen_choices
from autotune.space import SearchSpace, key
from autotune.store import history
from autotune.store.engine import Database
from autotune.store.records import StudyRecord, TrialRecord

AUTO = "auto"
MOST_SOURCES = 3
"""So many studies of the same family are taken by themselves."""
MOST_PRESETS = 4
SURE_PRESETS = 1
"""Of those so many are tried at once by a sampler that learns from the rest as well."""
FEWEST_MEASURED = 5
"""A study with fewer measured recipes is not taken by itself."""
SOURCES = "autotune:sources"
"""Key of Optuna's attribute of a study that holds what it learns from."""
LEARNING = ("surrogate", "tpe")
"""Samplers to which it matters what was tried before."""
_LONGEST_NAME = 80  # of a preset, in the store
_OF_PICTURES = ("similarity", "step_error")


@dataclass(frozen=True, kw_only=True)
class Source:
    """An earlier study, in terms of the one that learns from it.

    Attributes:
        study: Its name.
        trials: How many of its trials were looked at.
        title: Where and what it was, such as "RTX 4090, 512x512".
        known: What its recipes taught that can be had here, the untuned baseline among them.
        baseline: What its own untuned pipeline came to: all figures of `known` are relative to it.
    """

    study: str
    trials: int
    title: str
    known: tuple[Known, ...]
    baseline: Observation

    def describe(self) -> str:
        """One line for a person: "study 'a' (34 recipes, RTX 4090, 512x512)"."""
        number = len(self.known)
        return f"study '{self.study}' ({number} {'recipe' if number == 1 else 'recipes'}, {self.title})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, for a program."""
        return {"study": self.study, "recipes": len(self.known), "title": self.title}


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a study learns from.

    Attributes:
        found: The earlier studies, the nearest first.
        remarks: What could not be used although it was asked for, a sentence each.
    """

    found: tuple[Source, ...] = ()
    remarks: tuple[str, ...] = ()

    def known(self) -> tuple[Known, ...]:
        """Return what all of them taught."""
        return tuple(known for source in self.found for known in source.known)

    def baselines(self) -> dict[str, Observation]:
        """Return what each study's untuned pipeline came to, by the study's name."""
        return {source.study: source.baseline for source in self.found}


@dataclass(frozen=True, kw_only=True)
class _Here:
    """The study that learns."""

    study: str
    situation: Situation
    choices: Mapping[str, tuple[Value, ...]]


def find_sources(
    database: Database, storage: optuna.storages.BaseStorage, plan: Plan, space: SearchSpace
) -> Sources:
    """Return what a study learns from: one that goes on, from the same trials as when it began.

    Args:
        database: Holds the earlier studies.
        storage: Optuna's, of the same database.
        plan: Says which.
        space: What the study searches.

    Raises:
        PlanError: A study that the plan names is of another family, or this one.
        UnknownName: There is no study of a name that the plan names.
    """
    here = _Here(study=plan.study, situation=space.situation, choices=frozen_choices(space))
    named = tuple(name for name in plan.warm_from if name != AUTO)
    if plan.sampler not in LEARNING:
        remark = f"the sampler '{plan.sampler}' learns nothing, so neither does it from {', '.join(named)}"
        return Sources(remarks=(remark,) if named else ())
    noted = _noted(storage, plan.study)
    if noted is not None:
        return _again(database, here, noted)
    found, remarks = list[Source](), list[str]()
    for name in named:
        source = _source(database, _named_study(database, here, name), here)
        if source is None:
            remarks.append(f"study '{name}' has nothing to learn from: its baseline was not measured")
        else:
            found.append(source)
    if AUTO in plan.warm_from:
        found += _nearest(database, here, but=named, count=MOST_SOURCES - len(found))
    return Sources(found=tuple(found), remarks=tuple(remarks))


def note_sources(optuna_study: optuna.Study, sources: Sources) -> None:
    """Keep what a study learns from when it begins, for when it goes on."""
    storage, study_id = optuna_study._storage, optuna_study._study_id
    if SOURCES not in storage.get_study_system_attrs(study_id):
        noted: dict[str, Any] = {source.study: source.trials for source in sources.found}
        storage.set_study_system_attr(study_id, SOURCES, noted)


def warm_presets(sources: Sources, plan: Plan, space: SearchSpace) -> tuple[Preset, ...]:
    """Return the recipes of earlier studies to try first: what adds most to their fronts, valid here.

    They are taken in turn from each study, by this study's objectives and limits.
    """
    queues = [_best(source, plan, space) for source in sources.found]
    found: dict[str, Preset] = {}
    for place in range(MOST_PRESETS):
        for source, queue in zip(sources.found, queues, strict=True):
            if place < len(queue) and len(found) < MOST_PRESETS:
                preset = Preset(name=f"from {source.study}"[:_LONGEST_NAME], settings=queue[place])
                found.setdefault(key(queue[place]), preset)
    return tuple(found.values())


def _noted(storage: optuna.storages.BaseStorage, study: str) -> Mapping[str, int] | None:
    """From how many trials of which study one has learnt since it began; None where it begins now."""
    if study not in {one.study_name for one in storage.get_all_studies()}:
        return None
    study_id = storage.get_study_id_from_name(study)
    noted: Mapping[str, int] | None = storage.get_study_system_attrs(study_id).get(SOURCES)
    if noted is None and storage.get_n_trials(study_id):
        return {}  # it was begun before studies learnt from others
    return noted


def _again(database: Database, here: _Here, noted: Mapping[str, int]) -> Sources:
    found, remarks = list[Source](), list[str]()
    for name, trials in noted.items():
        there = history.readable_study(database, name)
        source = _source(database, there, here, trials=trials) if there is not None else None
        if source is not None:
            found.append(source)
        else:
            remarks.append(f"study '{name}' is gone: what was learnt from it is forgotten")
    return Sources(found=tuple(found), remarks=tuple(remarks))


def _named_study(database: Database, here: _Here, name: str) -> StudyRecord:
    if name == here.study:
        raise PlanError(f"Study '{name}' cannot learn from itself. Leave it out of --warm-from.")
    there = history.find_study(database, name)
    if there is None:
        others = [other for other in history.study_names(database) if other != here.study]
        raise UnknownName("study", name, others, remedy=f"The database is '{database.address}'.")
    theirs, ours = family(there.situation.blueprint), family(here.situation.blueprint)
    if theirs != ours:
        raise PlanError(
            f"Study '{name}' teaches nothing here: it tuned {theirs}, and '{here.study}' tunes {ours}. "
            "Leave it out of --warm-from."
        )
    return there


def _nearest(database: Database, here: _Here, *, but: Sequence[str], count: int) -> list[Source]:
    """The nearest studies of the same family on the same kind of device, of equals the newest first."""
    names = [name for name in reversed(history.study_names(database)) if name not in (here.study, *but)]
    others = [there for name in names if (there := history.readable_study(database, name)) is not None]
    kin = [there for there in others if is_kin(there.situation, here.situation)]
    kin.sort(key=lambda there: nearness(there.situation, here.situation), reverse=True)
    sources = (_source(database, there, here) for there in kin)
    told = (one for one in sources if one is not None and _measured(one.known) >= FEWEST_MEASURED)
    return list(itertools.islice(told, max(count, 0)))


def _source(
    database: Database, there: StudyRecord, here: _Here, *, trials: int | None = None
) -> Source | None:
    """A study in terms of another; None where its untuned baseline was not measured.

    Args:
        database: Holds its trials.
        there: The study.
        here: The other.
        trials: How many of its trials count; None for all.
    """
    every = history.trials(database, there.plan.study)[:trials]
    seen = [(trial, observed) for trial in every if (observed := _observed(trial, there)) is not None]
    baseline = next((one for trial, one in seen if trial.is_baseline and one.is_measured), None)
    if baseline is None:
        return None
    known = [
        Known(
            settings=settings,
            seen=_comparable(observed, there.situation, here.situation),
            study=there.plan.study,
        )
        for trial, observed in seen
        if (settings := counterpart(trial.settings, there.choices, here.choices)) is not None
    ]
    return Source(
        study=there.plan.study,
        trials=len(every),
        title=_title(there.situation, here.situation),
        known=tuple(known),
        baseline=_comparable(baseline, there.situation, here.situation),
    )


def _observed(trial: TrialRecord, there: StudyRecord) -> Observation | None:
    if trial.outcome is None:
        return None
    limit = None if trial.is_baseline else there.plan.memory_cap_on(there.situation.target.kind)
    return observe(trial.outcome, seconds=trial.seconds, memory_limit_bytes=limit)


def _comparable(seen: Observation, there: Situation, here: Situation) -> Observation:
    """What of an observation means anything here: pictures of random weights tell nothing of real ones."""
    if there.blueprint.has_random_weights == here.blueprint.has_random_weights:
        return seen
    figures = {name: value for name, value in seen.figures.items() if name not in _OF_PICTURES}
    return replace(seen, figures=figures)


def _title(there: Situation, here: Situation) -> str:
    workload, target = there.workload, there.target
    other = "" if workload.model == here.workload.model else f"{workload.model}, "
    machine = target.stands_for or target.name or target.device
    return f"{other}{machine}, {workload.width_px}x{workload.height_px}"


def _measured(known: Iterable[Known]) -> int:
    return sum(one.seen.is_measured for one in known)


def best_first(
    known: Sequence[Known],
    *,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
    baseline: Mapping[str, float],
) -> list[Settings]:
    """Return the recipes that add most to the hypervolume of those before them, `MOST_PRESETS` at most.

    Args:
        known: Among which to choose; what was not measured, or is unfit, is passed over.
        objectives: What to be good at.
        limits: Beyond which a recipe is unfit.
        baseline: Figures of the untuned pipeline.
    """
    fit = [
        one
        for one in known
        if one.seen.is_measured and all(is_within(limit, one.seen.figures) for limit in limits)
    ]
    bounds = reference_point(objectives, limits, baseline)
    if bounds is None or not all(bound > 0 for bound in bounds):
        return []
    points = [_scaled(one.seen.figures, objectives, bounds) for one in fit]
    return [fit[index].settings for index in _greedy(points, MOST_PRESETS)]


def _best(source: Source, plan: Plan, space: SearchSpace) -> list[Settings]:
    """The best recipes of a study that are valid here and tuned."""
    return best_first(
        [one for one in source.known if one.settings != space.defaults and space.is_searched(one.settings)],
        objectives=plan.measured_objectives(),
        limits=plan.limits(source.baseline.figures),
        baseline=source.baseline.figures,
    )


def _scaled(
    figures: Mapping[str, float], objectives: Sequence[Objective], bounds: Sequence[float]
) -> tuple[float, ...]:
    losses = [objective.as_loss(objective.of(figures)) for objective in objectives]
    return tuple(loss / bound for loss, bound in zip(losses, bounds, strict=True))


def _greedy(points: Sequence[Sequence[float]], count: int) -> list[int]:
    """The indices of points, each of which adds most to the hypervolume of those before it."""
    inside = [index for index, point in enumerate(points) if all(loss < 1.0 for loss in point)]
    front = [inside[place] for place in pareto.front([points[index] for index in inside])]
    chosen: list[int] = []
    while front and len(chosen) < count:
        best = max(front, key=lambda index: _volume([points[other] for other in (*chosen, index)]))
        chosen.append(best)
        front.remove(best)
    return chosen


def _volume(points: Sequence[Sequence[float]]) -> float:
    return pareto.hypervolume(points, [1.0] * len(points[0]))
