"""The live display: what a person at a terminal sees of a running study, redrawn at events only."""

from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autotune.cli.progress import (
    Progress,
    check_line,
    confirm_line,
    event_line,
    expected_gain,
    opening_lines,
    row_of,
    trial_line,
)
from autotune.measurement import Measurement
from autotune.report.figures import counted, format_factor
from autotune.search.events import (
    CheckFinished,
    ConfirmStarted,
    Event,
    StudyOpened,
    StudyStopped,
    TrialFinished,
)
from autotune.units import format_bytes, format_duration


class LiveView:
    """A panel at the bottom of the terminal, with a line above it for each trial that has ended.

    Rich's refresh thread is off: a thread that wakes beside a trial would be measured with it.
    """

    def __init__(self, console: Console) -> None:
        """Prepare; nothing is drawn yet.

        Args:
            console: On a terminal.
        """
        self._progress = Progress()
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the panel and show the cursor again."""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Draw what an event changed."""
        self._progress = self._progress.after(event)
        if isinstance(event, StudyOpened):
            for line in opening_lines(event):
                self._print(line)
        elif isinstance(event, TrialFinished):
            self._print(trial_line(row_of(event), event.study.plan.budget, self._progress.done))
        elif isinstance(event, ConfirmStarted):
            self._print(confirm_line(event))
        elif isinstance(event, CheckFinished):
            self._print(check_line(event))
        elif isinstance(event, StudyStopped):
            self._console.print(Text(event_line(event, self._progress)))
        self._draw()

    def phase(self, name: str) -> None:
        """Draw the phase that the running trial has entered."""
        self._change(phase=name)

    def notice(self, text: str) -> None:
        """Draw a line that stays; a signal handler that calls this may find the terminal amid a write."""
        with suppress(RuntimeError):
            self._change(notice=text)

    def _change(self, **fields: str) -> None:
        self._progress = replace(self._progress, **fields)  # type: ignore[arg-type]
        self._draw()

    def _print(self, line: str) -> None:
        self._console.print(Text(line, overflow="ellipsis"), no_wrap=True, soft_wrap=False)

    def _draw(self) -> None:
        self._live.update(panel(self._progress), refresh=True)


def panel(progress: Progress) -> Panel:
    """Return what is known of a running study as a panel."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, text in _lines(progress):
        grid.add_row(name, Text(text, overflow="fold"))
    content = Group(grid, Text(progress.notice, style="yellow")) if progress.notice else Group(grid)
    title = f"autotune: {progress.study.name}" if progress.study else "autotune"
    return Panel(content, title=title, title_align="left")


def _lines(progress: Progress) -> list[tuple[str, str]]:
    now = progress.doing + (f", {progress.phase}" if progress.phase else "")
    study = progress.study
    if study is None:
        return [("now", now)]
    budget = study.plan.budget
    trials = f"{progress.done}" + (f" of {budget.trials}" if budget.trials is not None else "")
    left_s = progress.time_left_s
    left = f", about {format_duration(round(left_s))} left" if left_s else ""
    failed = ", ".join(f"{count} {kind.value}" for kind, count in study.failures().most_common())
    return [
        ("trials", trials + left),
        ("fastest", _fastest(progress)),
        ("front", counted(len(study.front()), "recipe")),
        *([("gain", expected_gain(progress.gain))] if progress.gain is not None else []),
        ("failed", failed or "none"),
        ("now", now),
    ]


def _fastest(progress: Progress) -> str:
    study = progress.study
    if study is None or not study.front():
        return "nothing fits yet"
    best = study.best_trial("fastest")
    measured = best.measurement
    if not isinstance(measured, Measurement):
        return "nothing fits yet"
    speed = study.speedup(best)
    gain = f" ({format_factor(speed)} untuned)" if speed is not None else ""
    figures = f"{format_bytes(measured.memory_bytes)}, similarity {measured.similarity:.4f}"
    return f"{format_duration(measured.latency_s)}{gain}, {figures}: {best.describe()}"
