"""Progress: one line an event in a log, one document an event for programs, a panel on a terminal."""

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from autotune.budget import Budget
from autotune.cli.live import LiveView, panel
from autotune.cli.progress import Progress, event_line, json_view, plain_view
from autotune.recipe import Recipe
from autotune.search.events import Event, StudyOpened, StudyStopped, TrialFinished, TrialStarted
from autotune.search.tune import run_study
from tests.cli.conftest import clean_environment
from tests.drawn_study import WORKLOAD, drawing_runner, make_study
from tests.search import synthetic

PROGRAM = """
import sys
from pathlib import Path
from autotune.budget import Budget
from autotune.cli.console import console
from autotune.budget import Budget
from autotune.cli.live import LiveView
from autotune.search.tune import run_study
from tests.drawn_study import drawing_runner
from tests.search import synthetic

plan = synthetic.plan(budget=Budget(trials=4))
with LiveView(console()) as view:
    draw = drawing_runner()
    def run(job):
        for phase in ("load", "timing"):
            view.phase(phase)
        return draw(job)
    view.notice("a notice")
    where = {"url": sys.argv[1], "situation": synthetic.SITUATION, "knobs": synthetic.knobs()}
    run_study(plan, runner=run, listen=view, **where)
print("END")
"""


@pytest.fixture
def events(tmp_path: Path) -> list[Event]:
    """The events of a study of eight trials."""
    heard: list[Event] = []
    plan = synthetic.plan(workload=WORKLOAD, budget=Budget(trials=8), min_similarity=0.95)
    run_study(
        plan,
        url=f"sqlite:///{tmp_path / 'x.db'}",
        runner=drawing_runner(),
        situation=synthetic.SITUATION,
        listen=heard.append,
        knobs=synthetic.knobs(),
    )
    return heard


def test_a_log_has_one_line_a_trial(events: list[Event], capsys: pytest.CaptureFixture[str]) -> None:
    """Readable without a terminal: number, figures, what it came to, settings."""
    with plain_view() as view:
        for event in events:
            view(event)
    lines = capsys.readouterr().out.splitlines()

    assert "study 'first' (new): demo on Abacus (cpu, 16 GiB, 2 cores)" == lines[0]
    assert "making the reference pictures" in lines
    trials = [line for line in lines if line.startswith("[")]
    assert [f"[{n}/8] trial {n - 1} " for n in range(1, 9)] == [
        line[: line.index(" ", 12) + 1] for line in trials
    ]
    assert "on the front" in trials[-1] or "unfit" in trials[-1] or "|" in trials[-1]
    assert lines[-1] == "stopped: the budget of 8 trials is spent; 8 of 2,016 recipes were tried (0.4 %)"
    assert not any("\x1b" in line for line in lines)


def test_programs_get_a_document_an_event(events: list[Event], capsys: pytest.CaptureFixture[str]) -> None:
    """JSON lines, in the order in which things happened."""
    with json_view() as view:
        for event in events:
            view(event)
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    names = [document["event"] for document in documents]
    assert names[:4] == ["study_opened", "reference_started", "check_started", "check_finished"]
    assert names[-2:] == ["trial_finished", "study_stopped"]
    assert names.count("trial_finished") == 8


def test_progress_follows_the_events(events: list[Event]) -> None:
    """What runs, how many are done, and how long it will take."""
    progress, seen = Progress(), []
    for event in events:
        progress = progress.after(event)
        seen.append((type(event).__name__, progress.done))

    trials = [one for one in seen if not one[0].startswith("Check")]
    started = [("StudyOpened", 0), ("ReferenceStarted", 0), ("TrialStarted", 0), ("TrialFinished", 1)]
    assert started == trials[:4]
    assert seen[-1] == ("StudyStopped", 8)
    assert progress.time_left_s == 0.0


def test_a_resumed_study_says_so(events: list[Event]) -> None:
    """With how many trials it has."""
    opened = next(event for event in events if isinstance(event, StudyOpened))
    stopped = next(event for event in events if isinstance(event, StudyStopped))
    again = StudyOpened(study=stopped.study, resumed=True, combinations=opened.combinations)

    assert "(resuming with 8 trials done)" in event_line(again, Progress())


def test_the_panel_shows_best_front_failures_and_what_runs(tmp_path: Path) -> None:
    """All that a person wants to know while waiting."""
    study = make_study(tmp_path / "y.db")
    progress = Progress().after(StudyOpened(study=study, resumed=True, combinations=100))
    progress = progress.after(TrialStarted(number=8, recipe=Recipe(model="demo"), preset="half precision"))
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(panel(replace(progress, phase="timing", notice="press again")))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "trials   8 of 8" in text
    assert "fastest  835 ms (2.44× untuned), 726 MiB, similarity 0.9700" in text
    assert "front    3 recipes" in text
    assert "failed   1 not applied" in text
    assert "now      trial 8 (half precision): untuned, timing" in text
    assert "press again" in text


def test_nothing_runs_beside_a_trial() -> None:
    """The live display has no refresh thread: it would be measured with the trial."""
    view = LiveView(Console(file=io.StringIO(), force_terminal=True))

    with view:
        assert view._live._refresh_thread is None


@pytest.mark.slow
def test_a_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    """The panel is drawn at events, is gone at the end, and the cursor is shown again."""
    output = _in_terminal([sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path / 'x.db'}"])

    assert "autotune: first" in output
    assert "a notice" in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l"), "the cursor stays hidden"
    assert "╭" not in output[output.rindex("\x1b[?25h") :], "the panel stays"
    assert output.rstrip().endswith("END")
    assert len(re.findall(r"\[\d/4\] trial \d", output)) == 4


def _in_terminal(command: list[str]) -> str:
    """Run a command on a pseudo-terminal and return everything it wrote there."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment() | {"COLUMNS": "100", "LINES": "40"},
        cwd=Path(__file__).parents[2],
    )
    os.close(theirs)
    written, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 1.0)
        if not ready:
            continue
        try:
            piece = os.read(ours, 65_536)
        except OSError:
            break
        written += piece
    child.wait(timeout=60)
    os.close(ours)
    return written.decode(errors="replace")


def test_the_finished_trial_is_in_the_study(events: list[Event]) -> None:
    """A listener needs nothing but the event."""
    finished = [event for event in events if isinstance(event, TrialFinished)]

    assert all(event.record in event.study.trials for event in finished)
