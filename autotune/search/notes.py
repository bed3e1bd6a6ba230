"""Notes: short Markdown for the dashboard, about one trial and about the study so far."""

from collections.abc import Sequence

from autotune.errors import BudgetError
from autotune.measurement import Measurement
from autotune.plan import describe_limits
from autotune.search.choose import PICKS
from autotune.search.shortfall import describe_failures
from autotune.search.study import Study
from autotune.store.records import TrialRecord
from autotune.units import format_bytes, format_duration

_LOG_CHARACTERS = 600  # the dashboard fetches all notes of a study again and again

_FIGURES = ("latency", "memory", "similarity", "first picture")


def trial_note(trial: TrialRecord, study: Study, *, picture_url: str = "") -> str:
    """Return what the dashboard says about a trial.

    Args:
        trial: Ended.
        study: It belongs to; the baseline may be missing yet.
        picture_url: Where the dashboard serves its first picture.
    """
    title = f"**{trial.describe()}**" + (f" (preset '{trial.preset}')" if trial.preset else "")
    lines = [title, "", *_outcome_lines(trial, study)]
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
        f"Limits: {describe_limits(study.plan, kind=study.situation.target.kind)}.",
        f"{len(counted)} trials; on the front: {len(study.front())}; failed: {failures}.",
        *([study.noise_floor.describe()] if study.noise_floor is not None else []),
        "",
        *_answer_lines(study),
    ]
    return "\n".join(lines)


def _outcome_lines(trial: TrialRecord, study: Study) -> list[str]:
    if trial.measurement is not None:
        return _figure_lines(trial.measurement, study)
    if trial.pruned is not None:
        return [f"Stopped early: {trial.pruned.message}"]
    if trial.failure is None:
        return ["It runs."]
    failure = trial.failure
    where = f" during {failure.phase}" if failure.phase else ""
    lines = [f"Failed{where}: **{failure.kind.value}**. {failure.message}"]
    return [*lines, "", "```text", failure.log[-_LOG_CHARACTERS:], "```"] if failure.log else lines


def _figure_lines(measurement: Measurement, study: Study) -> list[str]:
    baseline = study.baseline()
    untuned = baseline.measurement if baseline is not None else None
    head = ["| | this | untuned |", "|---|---|---|"]
    nothing = ["–"] * len(_FIGURES)
    columns = zip(_FIGURES, _figures(measurement), _figures(untuned) if untuned else nothing, strict=True)
    table = [*head, *(f"| {' | '.join(row)} |" for row in columns)]
    table += ["", *(f"* {flaw}" for flaw in measurement.likeness.flaws)]
    if untuned is not None:
        table += ["", f"{untuned.latency_s / measurement.latency_s:.2f} times as fast as untuned."]
    return [*table, *(f"* {warning}" for warning in measurement.warnings)]


def _figures(m: Measurement) -> list[str]:
    return [
        format_duration(m.latency_s),
        format_bytes(m.memory_bytes),
        f"{m.similarity:.4f}",
        format_duration(m.cold_s),
    ]


def _answer_lines(study: Study) -> Sequence[str]:
    try:
        answers = [(pick, study.best_trial(pick)) for pick in PICKS]
    except BudgetError as error:
        return [str(error)]
    lines = ["| pick | trial | latency | memory | similarity | recipe |", "|---|---|---|---|---|---|"]
    for pick, trial in answers:
        measured = study.settled(trial)
        if measured is not None:
            cells = [pick, str(trial.number), *_figures(measured)[:3], trial.describe()]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
