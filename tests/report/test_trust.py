"""What a reader is told about how sure a study's figures are."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.budget import Budget
from autotune.job import Job, Protocol
from autotune.measurement import Measurement, Outcome
from autotune.report.figures import front_rows, rows
from autotune.report.trust import changes, flaws_of, legend, trust_lines
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic


def draw(job: Job) -> Outcome:
    """Answer as the synthetic pipeline does; later trials run on a newer driver, and tiles leave a seam."""
    made = synthetic.runner()(job)
    if not isinstance(made, Measurement):
        return made
    is_late = "trials" in Path(job.folder).parts and int(Path(job.folder).name[:4]) > 4
    gpu = {"name": "Abacus", "driver": "580" if is_late else "570"}
    flaws = ("seam: a step of 9/255 along column 64",) if job.recipe.settings.get("dtype") else ()
    likeness = replace(made.likeness, flaws=flaws)
    return replace(made, likeness=likeness, environment={"gpu": gpu, "python": "3.11.7"})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return a study that was confirmed."""
    plan = synthetic.plan(
        budget=Budget(trials=12), protocol=Protocol(baseline_every=5), memory_limit_bytes=None
    )
    url = f"sqlite:///{tmp_path_factory.mktemp('trust') / 'x.db'}"
    knobs, situation = synthetic.knobs(), synthetic.SITUATION
    return run_study(plan, url=url, runner=draw, situation=situation, knobs=knobs)


def test_intervals_and_where_they_come_from(study: Study) -> None:
    """A confirmed speed-up has its interval beside it, and a line says what that means."""
    lines = trust_lines(study)
    confirmed = [row for row in rows(study) if row.gain is not None]

    assert any("3 rounds of fresh processes" in line for line in lines)
    assert confirmed
    assert all(" to " in row.speed for row in confirmed)
    assert any("Noise floor 1.0000" in line for line in lines)
    assert any(line.startswith("The untuned baseline varies by ") for line in lines)


def test_what_changed_between_trials_is_told(study: Study) -> None:
    """Trials of two drivers are not one study in silence."""
    told = " ".join(changes(study))

    assert "570" in told
    assert "580" in told


def test_flaws_and_tiers_are_explained(study: Study) -> None:
    """Each shown flaw names its trial, each shown tier has its sentence; a seam is close at best."""
    shown = front_rows(rows(study))
    seamed = [row for row in shown if row.measured is not None and row.measured.likeness.flaws]

    assert seamed
    assert all(row.likeness in ("close", "similar", "different") for row in seamed)
    assert {line.partition(":")[0] for line in legend(shown)} == {row.likeness for row in shown}
    assert any(f"Trial {seamed[0].trial.number}: seam: " in line for line in flaws_of(shown))


def test_an_unconfirmed_study_says_so(tmp_path: Path) -> None:
    """One process a recipe is not what a claim should rest on."""
    plan = synthetic.plan(budget=Budget(trials=6))
    url = f"sqlite:///{tmp_path / 'x.db'}"
    knobs, situation = synthetic.knobs(), synthetic.SITUATION
    found = run_study(plan, url=url, runner=draw, situation=situation, knobs=knobs)

    assert "Not confirmed: each recipe was measured in one process only." in trust_lines(found)
