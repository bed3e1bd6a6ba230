"""Progress of a running study: what is known at each event, and how a log or a program is told of it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol, Self

from autotune.budget import LOOKAHEAD, Budget, describe_budget, time_left
from autotune.cli.console import remark, say, say_json
from autotune.plan import DEFAULT_OBJECTIVES
from autotune.plan_text import describe_objectives
from autotune.recipe import describe_settings
from autotune.report.as_json import check_json, row_json, study_json
from autotune.report.figures import Row, Standing, counted, heading, rows
from autotune.search.events import (
    CheckFinished,
    CheckStarted,
    ConfirmStarted,
    Event,
    GainExpected,
    ReferenceStarted,
    StudyOpened,
    StudyStopped,
    TrialFinished,
    TrialStarted,
)
from autotune.search.study import Study
from autotune.store.records import Purpose
from autotune.units import format_duration, format_share

_TOLD_EVERY = 10  # trials: a log is told which gain is expected


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of a running study after an event.

    Attributes:
        study: As it is now; None before it was opened.
        combinations: How many combinations of settings there are.
        resumed: Whether the study existed.
        doing: What runs now, in words.
        phase: The phase of the running trial.
        gain: Share by which the front is expected to grow in the next trials; None while nobody can tell.
        notice: A line for the user, such as what Ctrl-C will do next.
    """

    study: Study | None = None
    combinations: int = 0
    resumed: bool = False
    doing: str = "looking at the model and the machine"
    phase: str = ""
    gain: float | None = None
    notice: str = ""

    @property
    def done(self) -> int:
        """How many trials have come to something."""
        return sum(trial.counts for trial in self.study.trials) if self.study else 0

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the budget is spent at the pace so far, as of the last event; None if unknown."""
        if self.study is None:
            return None
        return time_left(self.study.plan.budget, self.done, elapsed_s=self.study.elapsed_s)

    def after(self, event: Event) -> "Progress":  # noqa: PLR0911 - one line an event
        """Return what is known after an event."""
        match event:
            case StudyOpened():
                opened = replace(self, study=event.study, combinations=event.combinations)
                return replace(opened, resumed=event.resumed, doing="")
            case ReferenceStarted():
                return replace(self, doing="making the reference pictures", phase="")
            case TrialStarted():
                from_where = f" ({event.preset})" if event.preset else ""
                doing = f"trial {event.number}{from_where}: {event.recipe.describe()}"
                return replace(self, doing=doing, phase="")
            case TrialFinished():
                return replace(self, study=event.study, doing="choosing the next trial", phase="")
            case GainExpected():
                return replace(self, gain=event.gain)
            case ConfirmStarted():
                return replace(self, doing="confirming the best recipes", phase="")
            case CheckStarted():
                return replace(self, doing=doing_of(event), phase="")
            case CheckFinished():
                return replace(self, study=event.study, phase="")
            case StudyStopped():
                return replace(self, study=event.study, doing="", phase="")


class View(Protocol):
    """Where progress is shown; a listener of the study that is closed at its end."""

    def __call__(self, event: Event) -> None:
        """Show what an event changed."""

    def phase(self, name: str) -> None:
        """Show that the running trial entered a phase."""

    def notice(self, text: str) -> None:
        """Show a line that the user must see; may be called from a signal handler."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""


@dataclass
class LineView:
    """A plain line for each event, for logs and for programs: no control characters, nothing is overwritten.

    Attributes:
        describe: What to write for an event: a line, or "" for nothing.
        write: Where to write it.
    """

    describe: "Callable[[Event, Progress], str]"
    write: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)

    def __call__(self, event: Event) -> None:
        """Write the event's line."""
        self.progress = self.progress.after(event)
        line = self.describe(event, self.progress)
        if line:
            self.write(line)
            sys.stdout.flush()

    def phase(self, name: str) -> None:
        """Write what keeps a trial from starting, on stderr: of other phases a log has no use."""
        if name.startswith(("waiting", "not locked")):
            remark(name)

    def notice(self, text: str) -> None:
        """Write the line on stderr."""
        remark(text)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""


def plain_view() -> LineView:
    """Return a view with a readable line for each event."""
    return LineView(describe=event_line, write=say)


def quiet_view() -> LineView:
    """Return a view that shows nothing."""
    return LineView(describe=lambda _event, _progress: "", write=say)


def json_view() -> LineView:
    """Return a view with a line of JSON for each event."""

    def show(event: Event, _progress: Progress) -> str:
        say_json(event_json(event), is_line=True)
        return ""

    return LineView(describe=show, write=say)


def event_line(event: Event, progress: Progress) -> str:  # noqa: PLR0911 - one line an event
    """Return an event as one line for a log, or "" for one that says nothing new."""
    match event:
        case StudyOpened():
            return "\n".join(opening_lines(event))
        case ReferenceStarted():
            return "making the reference pictures"
        case TrialStarted() | CheckStarted():
            return ""
        case GainExpected():
            return expected_gain(event.gain) if progress.done % _TOLD_EVERY == 0 else ""
        case ConfirmStarted():
            return confirm_line(event)
        case CheckFinished():
            return check_line(event)
        case TrialFinished():
            return trial_line(row_of(event), event.study.plan.budget, progress.done)
        case StudyStopped():
            return f"stopped: {event.reason}; {event.seen.describe()}"


def expected_gain(gain: float) -> str:
    """Return what the front is expected to gain, as part of a sentence.

    >>> expected_gain(0.013)
    'the front is expected to gain 1.3 % in the next 20 trials'
    """
    return f"the front is expected to gain {format_share(gain)} in the next {LOOKAHEAD} trials"


def opening_lines(event: StudyOpened) -> list[str]:
    """Return what is about to be searched, and for how long."""
    study = event.study
    plan, done = study.plan, sum(trial.counts for trial in study.trials)
    begun = f"resuming with {counted(done, 'trial')} done" if event.resumed else "new"
    knobs = sum(len(values) > 1 for values in study.choices.values())
    limits = study.describe_limits()
    objectives = [f"objectives: {describe_objectives(plan)}"] if plan.objectives != DEFAULT_OBJECTIVES else []
    return [
        f"study '{study.name}' ({begun}): {plan.workload.model} on {study.situation.target.describe()}",
        counted(len(plan.recipes), "listed recipe")
        if plan.recipes
        else f"{event.combinations:,} combinations of {knobs} knobs",
        *objectives,
        f"limits: {limits}; budget: {describe_budget(plan.budget)}",
        *(f"learning from {source.describe()}" for source in event.sources.found),
        *event.sources.remarks,
    ]


def trial_line(row: Row, budget: Budget, done: int) -> str:
    """Return one finished trial as a line."""
    of = f"/{budget.trials}" if budget.trials is not None else ""
    head = f"[{done}{of}] trial {row.trial.number}"
    if row.trial.measurement is None:
        return f"{head}  {' '.join(row.verdict.split())}  |  {row.trial.describe()}"
    figures = f"{row.latency} a call, {row.speed} untuned, {row.memory}, similarity {row.similarity}"
    asked = zip(row.further, row.further_figures, strict=True)
    figures += "".join(f", {heading(objective)} {figure}" for (objective, _), figure in asked)
    note = {Standing.FRONT: "on the front", Standing.UNFIT: row.verdict}.get(row.standing, "")
    return "  ".join(filter(None, (head, figures, note, "|", row.recipe)))


_DOING = {
    Purpose.FLOOR: "noise floor",
    Purpose.BASELINE: "the baseline again",
    Purpose.CONFIRM: "confirming",
    Purpose.PICTURES: "more pictures",
    Purpose.COLD: "a cold start",
    Purpose.CAP: "the least memory",
}


def doing_of(event: CheckStarted) -> str:
    """Return what is measured beside the trials, in words."""
    return f"{_DOING[event.purpose]}: {event.recipe.describe()}"


def confirm_line(event: ConfirmStarted) -> str:
    """Return what is measured again, and how often."""
    recipes = "recipe" if len(event.finalists) == 1 else "recipes"
    return (
        f"confirming {len(event.finalists)} {recipes} and the baseline: {event.rounds} rounds in turn, "
        "each in a fresh process"
    )


def check_line(event: CheckFinished) -> str:
    """Return what a measurement beside the trials came to, as a line."""
    check, measured = event.check, event.check.measurement
    head, recipe = _DOING[check.purpose], describe_settings(check.changed) or "untuned"
    if measured is None:
        return f"{head}  failed: {' '.join(getattr(check.outcome, 'message', '').split())}  |  {recipe}"
    if check.purpose in (Purpose.FLOOR, Purpose.PICTURES):
        return f"{head}  similarity {measured.similarity:.4f}  |  {recipe}"
    return f"{head}  round {check.round + 1}: {format_duration(measured.latency_s)} a call  |  {recipe}"


def row_of(event: TrialFinished) -> Row:
    """Return the row of the trial that has just ended."""
    return next(row for row in rows(event.study) if row.trial.number == event.record.number)


def event_json(event: Event) -> dict[str, Any]:  # noqa: PLR0911 - one line an event
    """Return an event as plain JSON types."""
    match event:
        case StudyOpened():
            opened = {"study": event.study.name, "resumed": event.resumed, "combinations": event.combinations}
            return {
                "event": "study_opened",
                **opened,
                "target": event.study.situation.target.to_json(),
                "learning_from": [source.to_json() for source in event.sources.found],
                "remarks": list(event.sources.remarks),
            }
        case ReferenceStarted():
            return {"event": "reference_started"}
        case TrialStarted():
            started = {"number": event.number, "digest": event.recipe.digest, "preset": event.preset}
            return {"event": "trial_started", **started, "settings": dict(event.recipe.settings)}
        case TrialFinished():
            return {"event": "trial_finished", **row_json(row_of(event))}
        case GainExpected():
            return {"event": "gain_expected", "gain": event.gain, "trials": LOOKAHEAD}
        case ConfirmStarted():
            numbers = [trial.number for trial in event.finalists]
            return {"event": "confirm_started", "trials": numbers, "rounds": event.rounds}
        case CheckStarted():
            started = {"purpose": event.purpose.value, "round": event.round, "digest": event.recipe.digest}
            return {"event": "check_started", **started, "settings": dict(event.recipe.settings)}
        case CheckFinished():
            return {"event": "check_finished", **check_json(event.check)}
        case StudyStopped():
            return {"event": "study_stopped", "reason": event.reason, **event.seen.to_json()}


def summary_json(study: Study) -> dict[str, Any]:
    """Return the last line of a stream of events: the study as `show --json` prints it."""
    return {"event": "summary", **study_json(study)}
