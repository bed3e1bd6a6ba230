"""What a study learns from earlier ones, what it tries first for it, and what it says of it."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.blueprint import Blueprint
from autotune.budget import Budget
from autotune.cli.progress import event_json, opening_lines
from autotune.errors import PlanError, UnknownName
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind, Outcome
from autotune.search.events import Event, Stop, StudyOpened
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic

Opener = Callable[..., StudyOpened]


@pytest.fixture
def at(sixty: Study, sixty_url: str, tmp_path: Path) -> str:
    """URL of a database with one study of sixty trials, named "first"."""
    assert sixty.name == "first"
    shutil.copy(sixty_url.removeprefix("sqlite:///"), tmp_path / "x.db")
    return f"sqlite:///{tmp_path / 'x.db'}"


@pytest.fixture
def begin(at: str) -> Opener:
    """Begin a study named "second" there, run so many trials, and return how it was opened."""

    def run(trials: int = 0, situation: Situation = synthetic.SITUATION, **changes: Any) -> StudyOpened:
        heard: list[Event] = []
        run_study(
            synthetic.plan(
                **{"study": "second", "sampler": "tpe", **changes}, budget=Budget(trials=trials or 1)
            ),
            url=at,
            runner=synthetic.runner(),
            situation=situation,
            listen=heard.append,
            stop=Stop(requested=not trials),
            knobs=synthetic.knobs(),
        )
        return next(event for event in heard if isinstance(event, StudyOpened))

    return run


def add_study(at: str, study: str, *, machine: str = "Abacus", trials: int = 60) -> None:
    """Copy the first trials of the study named "first" to one of another name and machine; one grows."""
    with sqlite3.connect(at.removeprefix("sqlite:///")) as connection:
        connection.execute(
            "INSERT OR IGNORE INTO autotune_study "
            "(name, created_at, plan, target, blueprint, workload, choices) "
            "SELECT :study, created_at, json_set(plan, '$.study', :study), "
            "json_set(target, '$.name', :machine), blueprint, workload, choices "
            "FROM autotune_study WHERE name = 'first'",
            {"study": study, "machine": machine},
        )
        columns = "number, digest, settings, changed, preset, folder, state, started_at, seconds, outcome"
        connection.execute(
            f"INSERT OR IGNORE INTO autotune_trial (study_id, {columns}) "  # noqa: S608 - a constant
            f"SELECT s.id, {columns} FROM autotune_trial t, autotune_study s, autotune_study f "
            "WHERE s.name = :study AND f.name = 'first' AND t.study_id = f.id AND number < :trials",
            {"study": study, "trials": trials},
        )


def names(opened: StudyOpened) -> list[str]:
    """Return the studies that are learnt from."""
    return [source.study for source in opened.sources.found]


def elsewhere(**changes: Any) -> Situation:
    """Return the situation on another machine, or with a changed blueprint."""
    blueprint = replace(synthetic.SITUATION.blueprint, **changes.pop("blueprint", {}))
    return replace(
        synthetic.SITUATION, target=replace(synthetic.SITUATION.target, **changes), blueprint=blueprint
    )


def presets_of(at: str, study: str = "second") -> list[str]:
    """Return the names of a study's presets, in the order in which they were tried."""
    query = "SELECT preset FROM autotune_trial JOIN autotune_study s ON s.id = study_id WHERE s.name = ?"
    with sqlite3.connect(at.removeprefix("sqlite:///")) as connection:
        return [name for (name,) in connection.execute(query, (study,)) if name]


def test_the_best_of_an_earlier_study_is_tried_after_the_first_guides(begin: Opener, at: str) -> None:
    """Four of its front, and still eight presets in all."""
    begin(trials=8)

    tried = presets_of(at)
    assert "untuned" == tried[0]
    assert not any(name.startswith("from") for name in tried[:3])
    assert ["from first"] * 4 == tried[3:7]
    assert 8 == len(tried)


def test_what_was_learnt_from_is_said(begin: Opener) -> None:
    """With how much it holds, and where it was measured."""
    opened = begin(situation=elsewhere(name="Difference Engine"))

    assert "learning from study 'first' (60 recipes, Abacus, 64x64)" in opening_lines(opened)
    document = event_json(opened)
    assert [{"study": "first", "recipes": 60, "title": "Abacus, 64x64"}] == document["learning_from"]
    assert [] == document["remarks"]


def test_a_source_tells_every_recipe_and_its_baseline(begin: Opener, sixty: Study) -> None:
    """Failures too: what crashed there may crash here."""
    (source,) = begin().sources.found

    assert [trial.settings for trial in sixty.trials] == [known.settings for known in source.known]
    assert {"first"} == {known.study for known in source.known}
    assert len(sixty.failed()) == sum(bool(known.seen.failure) for known in source.known)
    baseline = sixty.baseline()
    assert baseline is not None
    assert baseline.measurement is not None
    assert baseline.measurement.latency_s == source.baseline.figures["latency_s"]


def test_the_front_is_taken_by_the_limits_of_the_study_that_learns(begin: Opener, at: str) -> None:
    """A recipe that is unfit here is no preset, however good it was there."""
    begin(trials=5, min_similarity=0.985)

    with sqlite3.connect(at.removeprefix("sqlite:///")) as connection:
        query = "SELECT outcome FROM autotune_trial WHERE preset = 'from first'"
        outcomes = [outcome for (outcome,) in connection.execute(query)]
    assert outcomes
    assert all('"haarpsi": [0.9' in outcome for outcome in outcomes)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_cold_start_learns_nothing(begin: Opener, sampler: str) -> None:
    """Where the plan wants one, or its sampler cannot learn."""
    warm_from = () if sampler == "tpe" else ("auto",)

    opened = begin(warm_from=warm_from, sampler=sampler)

    assert ((), ()) == (opened.sources.found, opened.sources.remarks)


def test_a_sampler_that_cannot_learn_says_so_where_it_was_told_to(begin: Opener) -> None:
    """A name that is passed over in silence would mislead."""
    opened = begin(warm_from=("first",), sampler="random")

    expected = "the sampler 'random' learns nothing, so neither does it from first"
    assert (expected,) == opened.sources.remarks
    assert expected in opening_lines(opened)


def test_a_study_that_is_not_there_is_refused_before_anything_is_stored(begin: Opener) -> None:
    """The names that there are are told; the study can be begun with another."""
    with pytest.raises(UnknownName, match=r"'frist'.*first"):
        begin(warm_from=("frist",))

    assert ["first"] == names(begin(warm_from=("first",)))


def test_a_study_cannot_learn_from_itself(begin: Opener) -> None:
    """Its own name is no source, and by itself it takes none of its own trials."""
    with pytest.raises(PlanError, match="Study 'second' cannot learn from itself"):
        begin(warm_from=("second",))

    assert ["first"] == names(begin())


def test_another_family_teaches_nothing(begin: Opener) -> None:
    """Named, it is refused; by itself it is not taken."""
    flux = replace(synthetic.SITUATION, blueprint=Blueprint(pipeline_class="FluxPipeline"))

    message = (
        "'first' teaches nothing here: it tuned StableDiffusionPipeline, and 'second' tunes FluxPipeline"
    )
    with pytest.raises(PlanError, match=message):
        begin(situation=flux, warm_from=("first",))
    assert [] == names(begin(situation=flux))


def test_another_kind_of_device_is_taken_by_name_only(begin: Opener) -> None:
    """What helps a CPU seldom helps a GPU, but the user may know better."""
    gpu = elsewhere(device="cuda:0", name="H200")

    assert [] == names(begin(situation=gpu))
    assert ["first"] == names(begin(situation=gpu, study="third", warm_from=("first",)))


def test_the_nearest_three_studies_are_taken(begin: Opener, at: str) -> None:
    """The same machine before others, the newest before older ones; too small ones are left out."""
    for study in ("a", "b", "c"):
        add_study(at, study, machine="Difference Engine")
    add_study(at, "small", trials=3)

    assert ["first", "c", "b"] == names(begin())
    assert ["a", "first", "c"] == names(begin(study="third", warm_from=("a", "auto")))


def test_a_study_goes_on_with_what_it_began_with(begin: Opener, at: str) -> None:
    """Newer studies change nothing, nor do later trials of those that it began with."""
    add_study(at, "growing", trials=20)
    begun = begin(warm_from=("growing",))
    add_study(at, "newer")
    add_study(at, "growing", trials=40)
    goes_on = begin(warm_from=("growing",))

    assert ["growing"] == names(begun)
    assert begun.sources == goes_on.sources


def test_a_study_goes_on_without_what_is_gone(begin: Opener, at: str) -> None:
    """That is said, and is no error: its trials are its own."""
    begin()
    with sqlite3.connect(at.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE autotune_study SET name = 'renamed' WHERE name = 'first'")
    opened = begin()

    remark = "study 'first' is gone: what was learnt from it is forgotten"
    assert ((), (remark,)) == (opened.sources.found, opened.sources.remarks)


def test_a_study_without_a_baseline_has_nothing_to_tell(begin: Opener, at: str) -> None:
    """All figures are relative to it."""

    def runner(job: Any) -> Outcome:
        failed = Failure(kind=FailureKind.TIMEOUT, message="It took too long.")
        return synthetic.runner()(job) if job.role != "trial" else failed

    run_study(
        synthetic.plan(study="slow", budget=Budget(trials=1), warm_from=()),
        url=at,
        runner=runner,
        situation=synthetic.SITUATION,
        knobs=synthetic.knobs(),
    )
    opened = begin(warm_from=("slow",))

    remark = "study 'slow' has nothing to learn from: its baseline was not measured"
    assert ((), (remark,)) == (opened.sources.found, opened.sources.remarks)


def test_pictures_of_random_weights_tell_nothing_of_real_ones(begin: Opener, sixty: Study) -> None:
    """Seconds and memory do."""
    random = elsewhere(blueprint={"facts": {"random_weights": True}})
    (source,) = begin(situation=random).sources.found

    assert len(sixty.trials) == len(source.known)
    assert {"latency_s", "memory_bytes"} <= source.baseline.figures.keys()
    assert not any("similarity" in known.seen.figures for known in source.known)
