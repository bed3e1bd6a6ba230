"""Resuming: wherever a tuner was killed, nothing is lost, nothing is counted twice, nothing is made up."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from autotune.budget import Budget
from autotune.errors import PlanError, StoreError
from autotune.search.presets import presets
from autotune.search.sampler import SpaceSampler
from autotune.search.study import Study
from autotune.search.tune import run_study
from autotune.space import build_space
from autotune.store import history
from autotune.store.engine import Database, open_database
from autotune.store.optuna_tables import optuna_storage
from autotune.store.records import TrialState
from tests.search import synthetic
from tests.search.conftest import Tuner

ROOT = Path(__file__).parents[2]


def begin_trial(database: Database, knob_count: int) -> tuple[optuna.Study, history.NewTrial]:
    """Ask for a trial as the loop does, and suggest its first knobs only."""
    space = build_space(synthetic.knobs(), synthetic.SITUATION)
    choices = history.load_study(database, "first").choices
    sampler = SpaceSampler(space, choices, presets=presets(space), seed=0)
    study = optuna.load_study(study_name="first", storage=optuna_storage(database), sampler=sampler)
    trial = study.ask(dict(list(sampler.distributions.items())[:knob_count]))
    settings = space.complete(trial.params)
    recipe = space.recipe(settings)
    new = history.NewTrial(
        number=trial.number, digest=recipe.digest, settings=settings, changed=recipe.settings, preset=""
    )
    return study, new


def optuna_states(url: str) -> list[str]:
    """Return the state of each of Optuna's trials."""
    return [trial.state.name for trial in optuna.load_study(study_name="first", storage=url).trials]


def check_whole(study: Study, url: str, trials: int) -> None:
    """Assert that a study is as if it had never been interrupted."""
    counted = [trial for trial in study.trials if trial.counts]
    assert trials == len(counted) == len({trial.digest for trial in counted})
    assert {TrialState.TOLD} == {trial.state for trial in study.trials}
    assert "RUNNING" not in optuna_states(url)
    told = optuna.load_study(study_name="first", storage=url).get_trials(
        deepcopy=False, states=(OptunaState.COMPLETE, OptunaState.PRUNED)
    )
    assert [trial.number for trial in counted] == [trial.number for trial in told]
    assert [trial.digest for trial in counted] == [trial.user_attrs["digest"] for trial in told]


def test_killed_while_optuna_chose(tune: Tuner, url: str) -> None:
    """A trial with half its knobs never began: it is told as failed and nothing else remembers it."""
    tune(synthetic.plan(budget=Budget(trials=3)))
    with open_database(url) as database:
        begin_trial(database, 4)
    study = tune(synthetic.plan(budget=Budget(trials=5)))

    check_whole(study, url, 5)
    assert "FAIL" == optuna_states(url)[3]


def test_killed_before_the_trial_was_written_down(tune: Tuner, url: str) -> None:
    """Optuna knows what was to be tried: that comes first."""
    tune(synthetic.plan(budget=Budget(trials=2)))
    with open_database(url) as database:
        _, lost = begin_trial(database, 99)
    study = tune(synthetic.plan(budget=Budget(trials=4)))

    check_whole(study, url, 4)
    assert lost.digest == study.trials[2].digest


def test_killed_while_the_trial_ran(tune: Tuner, url: str) -> None:
    """The trial is cancelled after the fact, and its recipe is tried again first."""
    tune(synthetic.plan(budget=Budget(trials=2)))
    with open_database(url) as database:
        _, lost = begin_trial(database, 99)
        history.start_trial(database, "first", lost)
    study = tune(synthetic.plan(budget=Budget(trials=4)))

    check_whole(study, url, 4)
    assert [2, 3] == [trial.number for trial in study.trials if trial.digest == lost.digest]
    assert "FAIL" == optuna_states(url)[2]


def test_killed_before_optuna_was_told(tune: Tuner, url: str) -> None:
    """What was measured is told by the next run, not measured again."""
    tune(synthetic.plan(budget=Budget(trials=2)))
    with open_database(url) as database:
        _, new = begin_trial(database, 99)
        history.start_trial(database, "first", new)
        history.finish_trial(database, "first", 2, outcome=synthetic.outcome(new.settings), seconds=1.0)
    study = tune(synthetic.plan(budget=Budget(trials=3)))

    check_whole(study, url, 3)
    assert 1.0 == study.trials[2].seconds


def test_killed_after_optuna_was_told(tune: Tuner, url: str) -> None:
    """Telling twice would be an error: the mark is only set."""
    tune(synthetic.plan(budget=Budget(trials=2)))
    with open_database(url) as database:
        optuna_study, new = begin_trial(database, 99)
        history.start_trial(database, "first", new)
        history.finish_trial(database, "first", 2, outcome=synthetic.measurement(new.settings), seconds=1.0)
        optuna_study._storage.set_trial_user_attr(optuna_study.trials[2]._trial_id, "digest", new.digest)
        optuna_study.tell(2, [1.0, 1.0, 1.0])
    study = tune(synthetic.plan(budget=Budget(trials=3)))

    check_whole(study, url, 3)


@pytest.mark.slow
def test_killed_again_and_again(tune: Tuner, url: str) -> None:
    """A real process, a real SIGKILL, at many moments: the study comes out whole."""
    command = [sys.executable, "-W", "error", "-m", "tests.search.tuner_program", url, "40", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    with open_database(url) as database:
        before = [trial for trial in history.trials(database, "first") if trial.counts]
    study = tune(synthetic.plan(budget=Budget(trials=40)))

    assert ("", 0) == (done.stderr, done.returncode)
    assert "-9" in done.stdout.split()
    assert before
    kept = {trial.number: trial for trial in study.trials}
    assert all(kept[trial.number].outcome == trial.outcome for trial in before)
    check_whole(study, url, 40)


def test_a_study_that_was_asked_for_something_else_is_refused(tune: Tuner) -> None:
    """Figures under other limits are other figures; the fields that differ are named."""
    tune(synthetic.plan(budget=Budget(trials=1)))

    with pytest.raises(PlanError) as caught:
        tune(synthetic.plan(seed=7, min_similarity=0.5))
    message = str(caught.value)
    assert "min_similarity was 0.9 and is now 0.5; seed was 0 and is now 7" in message
    assert "Choose another name with --study" in message


def test_other_choices_are_refused_by_name(tune: Tuner) -> None:
    """Optuna's choices are frozen: the knob that changed is named."""
    tune(synthetic.plan(budget=Budget(trials=1)))
    fewer = synthetic.knobs({**synthetic.VALUES, "dtype": ("float32", "bfloat16")})
    none = synthetic.knobs({name: v for name, v in synthetic.VALUES.items() if name != "vae_tiling"})

    with pytest.raises(
        PlanError, match="'dtype' had float32, bfloat16, float16 and now has float32, bfloat16"
    ):
        tune(knobs=fewer)
    with pytest.raises(PlanError, match="'vae_tiling' had 0, 256, 512 and now has no values"):
        tune(knobs=none)


def test_another_machine_is_refused(tune: Tuner, url: str) -> None:
    """Seconds of two machines cannot be compared."""
    tune(synthetic.plan(budget=Budget(trials=1)))
    target = replace(synthetic.SITUATION.target, name="Difference Engine")

    with pytest.raises(PlanError, match=r"was measured on Abacus .*; this is Difference Engine"):
        run_study(
            synthetic.plan(),
            url=url,
            runner=synthetic.runner(),
            situation=replace(synthetic.SITUATION, target=target),
            knobs=synthetic.knobs(),
        )


def test_other_weights_are_refused(tune: Tuner, url: str) -> None:
    """Pictures of a model that was trained on since are no likeness of those before."""
    tune(synthetic.plan(budget=Budget(trials=1)))
    blueprint = replace(synthetic.SITUATION.blueprint, facts={"weights": "other"})

    with pytest.raises(PlanError, match=r"weights of .* have changed since study 'first' began"):
        run_study(
            synthetic.plan(),
            url=url,
            runner=synthetic.runner(),
            situation=replace(synthetic.SITUATION, blueprint=blueprint),
            knobs=synthetic.knobs(),
        )


def test_a_study_that_optuna_had_before_is_left_alone(tune: Tuner, url: str) -> None:
    """A study of the same name that somebody made with Optuna is not taken over."""
    optuna.create_study(study_name="first", storage=url)

    with pytest.raises(StoreError, match="an Optuna study 'first' that autotune did not make"):
        tune()
    assert [] == optuna.load_study(study_name="first", storage=url).trials
