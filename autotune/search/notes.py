"""Notes: short Markdown for the dashboard, about one trial and about the study so far."""

from collections.abc import Iterable, Sequence

from autotune.errors import BudgetError
from autotune.measurement import Measurement
from autotune.objective import FIRST_PICTURE, LATENCY, MEMORY, SIMILARITY, Objective
from autotune.search.shortfall import describe_failures
from autotune.search.study import Study
from autotune.store.records import TrialRecord

_LOG_CHARACTERS = 600  # the dashboard fetches all notes of a study again and again


def trial_note(trial: TrialRecord, study: Study, *, picture_url: str = "") -> str:
    """Return what the dashboard says about a trial.

    Args:
        trial: Ended.
        study: It belongs to; the baseline may be missing yet.
        picture_url: Where the dashboard serves its first picture.
    """
    title = f"**{trial.describe()}**" + (f" (preset '{trial.preset}')" if trial.preset else "")
    whose = [f"It was {trial.whose}.", ""] if trial.measured_in else []
    lines = [title, "", *whose, *_outcome_lines(trial, study)]
    if picture_url:
        lines += ["", f"![picture]({picture_url})"]
    if trial.changed:
        lines += [
            "",
            "| knob | value |",
            "|---|---|",
            *(f"| {k} | {v} |" for k, v in sorted(trial.changed.items())),
        ]
    return "\n".join(lines)


def study_note(study: Study) -> str:
    """Return what the dashboard says about a study: what was asked for, how far it is, the answer so far."""
    workload, target = study.situation.workload, study.situation.target
    counted = [trial for trial in study.trials if trial.counts]
    failures = describe_failures(study.trials)
    lines = [
        f"# {workload.model} on {target.describe()}",
        "",
        f"Limits: {study.describe_limits()}.",
        f"{len(counted)} trials; on the front: {len(study.front())}; failed: {failures}.",
        *([study.noise_floor.describe()] if study.noise_floor is not None else []),
        "",
        *_answer_lines(study),
    ]
    return "\n".join(lines)


def _outcome_lines(trial: TrialRecord, study: Study) -> list[str]:
    if trial.measurement is not None:
        return _figure_lines(trial, trial.measurement, study)
    if trial.pruned is not None:
        return [f"Stopped early: {trial.pruned.message}"]
    if trial.failure is None:
        return ["It runs."]
    failure = trial.failure
    where = f" during {failure.phase}" if failure.phase else ""
    lines = [f"Failed{where}: **{failure.kind.value}**. {failure.message}"]
    return [*lines, "", "```text", failure.log[-_LOG_CHARACTERS:], "```"] if failure.log else lines


def _figure_lines(trial: TrialRecord, first: Measurement, study: Study) -> list[str]:
    """Its figures with what was found out since its trial, which measured `first`."""
    measurement, baseline = study.settled(trial) or first, study.baseline()
    untuned = baseline.measurement if baseline is not None else None
    shown = (LATENCY, MEMORY, SIMILARITY, FIRST_PICTURE)
    objectives = (*shown, *_others(study, shown))
    before = _figures(untuned, objectives) if untuned is not None else ["–"] * len(objectives)
    rows = zip((o.label for o in objectives), _figures(measurement, objectives), before, strict=True)
    table = [_line(["", "this", "untuned"]), _line(["---"] * 3), *map(_line, rows)]
    table += ["", *(f"* {flaw}" for flaw in measurement.likeness.flaws)]
    gain = study.gain(trial) if trial.changed else None
    if gain is not None:
        table += ["", f"{gain.describe()} as untuned, by {gain.rounds} rounds of fresh processes in turn."]
    elif untuned is not None:
        table += ["", f"{untuned.latency_s / measurement.latency_s:.2f} times as fast as untuned."]
    return [*table, *(f"* {warning}" for warning in measurement.warnings)]


def _others(study: Study, shown: Sequence[Objective]) -> list[Objective]:
    """What the plan asks for beside what is always shown."""
    return [objective for objective in study.plan.measured_objectives() if objective not in shown]


def _figures(measurement: Measurement, objectives: Sequence[Objective]) -> list[str]:
    return [objective.show(objective.value(measurement)) for objective in objectives]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _answer_lines(study: Study) -> Sequence[str]:
    try:
        study.best_trial()
    except BudgetError as error:
        return [str(error)]
    shown = (LATENCY, MEMORY, SIMILARITY)
    objectives = (*shown, *_others(study, shown))
    head = ["pick", "trial", *(o.label for o in objectives), "recipe"]
    lines = [_line(head), _line(["---"] * len(head))]
    for pick, trial in study.picks().items():
        measured = study.settled(trial)
        if measured is not None:
            lines.append(_line([pick, str(trial.number), *_figures(measured, objectives), trial.describe()]))
    return lines
