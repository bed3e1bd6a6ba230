"""What Optuna and its dashboard learn."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState

from autotune.budget import Budget
from autotune.job import Protocol
from autotune.search.study import Study
from autotune.store.engine import open_database
from autotune.store.images import artifact_store, picture_bytes, pictures
from autotune.store.optuna_tables import optuna_storage
from autotune.units import format_duration
from tests.search import synthetic
from tests.search.conftest import Tuner


@pytest.fixture(scope="module")
def told(sixty: Study, sixty_url: str) -> optuna.Study:
    """Return Optuna's side of the study of sixty trials."""
    return optuna.load_study(study_name=sixty.name, storage=sixty_url)


def get(app: Any, path: str) -> tuple[str, bytes]:
    """Return status and body of a page of a WSGI application."""
    environ: dict[str, Any] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    status: list[str] = []

    def start_response(line: str, headers: Iterable[tuple[str, str]], error: object = None) -> None:
        status.append(line)

    answer = app(environ, start_response)
    try:
        return status[0], b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()  # a picture's file, as a server closes it


def test_values_come_with_names_directions_and_units(sixty: Study, told: optuna.Study) -> None:
    """Seconds, GiB and similarity, in the plan's order."""
    assert ["latency_s", "memory_gib", "similarity"] == told.metric_names
    assert ["MINIMIZE", "MINIMIZE", "MAXIMIZE"] == [direction.name for direction in told.directions]
    baseline = sixty.trials[0].measurement
    assert baseline is not None
    expected = [baseline.latency_s, baseline.memory_bytes / 2**30, baseline.similarity]
    assert expected == told.trials[0].values


def test_fewer_objectives_are_fewer_values(tune: Tuner, url: str) -> None:
    """A plan for latency alone is a study of one objective."""
    tune(synthetic.plan(objectives=("latency_s",), budget=Budget(trials=3)))
    study = optuna.load_study(study_name="first", storage=url)

    assert ["latency_s"] == study.metric_names
    assert [1, 1, 1] == [len(trial.values or ()) for trial in study.trials]


def test_failures_are_pruned_unfit_and_without_values(sixty: Study, told: optuna.Study) -> None:
    """TPE learns from them, and no plot shows a made-up figure."""
    for trial in sixty.failed():
        frozen = told.trials[trial.number]
        assert trial.failure is not None
        assert (TrialState.PRUNED, None) == (frozen.state, frozen.values)
        assert 1.0 == frozen.constraints["failed"]
        assert trial.failure.kind.value == frozen.user_attrs["outcome"]
        assert trial.failure.message == frozen.user_attrs["message"]


def test_limits_are_constraints_in_both_forms(sixty: Study, told: optuna.Study) -> None:
    """By name for Optuna, as a list for the dashboard, which reads only that."""
    fit = {trial.number for trial in sixty.fit()}
    for trial in sixty.measured():
        frozen = told.trials[trial.number]
        named = {name: frozen.constraints[name] for name in ("memory_bytes", "similarity", "failed")}
        assert list(named.values()) == frozen.system_attrs["constraints"]
        assert (trial.number in fit) == all(value <= 0 for value in named.values())


def test_a_trial_says_what_it_was(sixty: Study, told: optuna.Study) -> None:
    """The dashboard's table shows recipe, preset and where the seconds went."""
    attributes = told.trials[1].user_attrs

    assert ("dtype=bfloat16", "half precision") == (attributes["recipe"], attributes["preset"])
    assert sixty.trials[1].digest == attributes["digest"]
    assert {"trial", "cold", "call", "text", "steps", "decode"} == set(attributes["seconds"])


def test_pictures_are_artifacts(sixty: Study, sixty_url: str, told: optuna.Study) -> None:
    """Each measured trial has its pictures in the store that the dashboard serves."""
    with open_database(sixty_url) as database:
        kept = pictures(optuna_storage(database), told.trials[0])

        assert ["0.png"] == list(kept)
        assert synthetic.PNG == picture_bytes(database.folders, kept["0.png"])


def test_the_dashboard_shows_notes_pictures_and_the_front(sixty: Study, sixty_url: str) -> None:
    """The real dashboard answers on the real database."""
    with open_database(sixty_url) as database:
        app = optuna_dashboard.wsgi(optuna_storage(database), artifact_store=artifact_store(database.folders))
        status, body = get(app, "/api/studies/1")
        data = json.loads(body)
        note = data["trials"][1]["note"]["body"]
        picture = note.partition("![picture](")[2].partition(")")[0]

        assert "200 OK" == status
        assert (60, "first") == (len(data["trials"]), data["name"])
        assert "**dtype=bfloat16** (preset 'half precision')" in note
        assert "| dtype | bfloat16 |" in note
        assert "times as fast as untuned." in note
        assert ("200 OK", synthetic.PNG) == get(app, picture)
        assert "| knee |" in data["note"]["body"]
        assert ["pareto-front"] == [graph["id"] for graph in data["plotly_graph_objects"]]
        failed = data["trials"][sixty.failed()[0].number]
        assert ("Pruned", [1.0]) == (failed["state"], failed["constraints"])
        assert "Boom" in failed["note"]["body"]


def test_the_dashboard_shows_what_rounds_have_found(tune: Tuner, url: str) -> None:
    """The gain of a recipe that is named is that of its rounds, with the interval, as `show` tells it."""
    protocol = Protocol(baseline_every=0, confirm_rounds=3)
    study = tune(synthetic.plan(budget=Budget(trials=16), protocol=protocol, memory_limit_bytes=None))
    best = study.best_trial("fastest")
    gain, measured = study.gain(best), study.settled(best)
    with open_database(url) as database:
        app = optuna_dashboard.wsgi(optuna_storage(database), artifact_store=artifact_store(database.folders))
        note = json.loads(get(app, "/api/studies/1")[1])["trials"][best.number]["note"]["body"]

    assert gain is not None
    assert measured is not None
    assert f"{gain.describe()} as untuned, by 3 rounds of fresh processes in turn." in note
    assert f"| latency | {format_duration(measured.latency_s)} |" in note
    assert "![picture](" in note


def test_a_study_without_an_answer_says_why_on_the_dashboard(tune: Tuner, tmp_path: Path) -> None:
    """Where nothing fits, the note is the same sentence that the command line prints."""
    tune(synthetic.plan(memory_limit_bytes=1, budget=Budget(trials=2)))
    rows = sqlite3.connect(tmp_path / "x.db").execute("SELECT value_json FROM study_system_attributes")

    assert any("Nothing fits memory <= 1 B" in value for (value,) in rows)
