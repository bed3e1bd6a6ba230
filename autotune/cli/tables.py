"""Tables of studies and trials: fixed columns, one line a row, nothing that only a colour says."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from autotune.cli.console import plain_table, say, say_table
from autotune.job import LOG_FILE
from autotune.objective import ENERGY, HOST_MEMORY
from autotune.plan import DEFAULT_OBJECTIVES
from autotune.plan_text import describe_objectives
from autotune.report.figures import Row, Standing, answer, caution, counted, front_rows, heading, rows
from autotune.report.trust import flaws_of, legend, trust_lines
from autotune.samples import median, median_interval
from autotune.units import format_bytes, format_duration

if TYPE_CHECKING:
    from rich.table import Table

    from autotune.search.study import Study

_COLOURS = {
    Standing.BASELINE: "bold",
    Standing.FRONT: "green",
    Standing.DOMINATED: "",
    Standing.UNFIT: "yellow",
    Standing.PRUNED: "dim",
    Standing.FAILED: "red",
    Standing.RUNNING: "dim",
}
_LOG_LINES = 20


def say_front(study: "Study") -> None:
    """Print the study in a few lines, its front as a table, and the answer as a sentence."""
    every = rows(study)
    shown = front_rows(every)
    say_head(study)
    say()
    say_table(front_table(shown, batch=study.plan.workload.batch))
    say()
    for line in (*flaws_of(shown), *legend(shown)):
        say(line)
    say()
    for line in trust_lines(study):
        say(line)
    if pruned := sum(row.standing is Standing.PRUNED for row in every):
        say(f"Stopped early, since out of reach of the front: {counted(pruned, 'trial')}.")
    if failures := study.failures().most_common():
        say("Failed: " + ", ".join(f"{count} {kind.value}" for kind, count in failures) + ".")
    say()
    say(answer(every))


def say_head(study: "Study") -> None:
    """Print what the study is about."""
    workload, target = study.situation.workload, study.situation.target
    done = sum(trial.counts for trial in study.trials)
    say(f"Study '{study.name}': {workload.model} on {target.describe()}, {counted(done, 'trial')}")
    size = f"{workload.width_px} × {workload.height_px} px"
    size += f", {workload.frames} frames," if workload.frames else ""
    say(f"A call makes {workload.batch} × {size} in {workload.steps} steps, guidance {workload.guidance:g}")
    if study.plan.objectives != DEFAULT_OBJECTIVES:
        say(f"Objectives: {describe_objectives(study.plan)}")
    say(f"Limits: {study.describe_limits()}")
    if caution(study):
        say(caution(study))


def front_table(listed: Iterable[Row], *, batch: int) -> "Table":
    """Return the table of the front, the baseline first and marked.

    Args:
        listed: The rows.
        batch: Pictures a call makes; for more than one, a picture's own latency is shown beside the call's.
    """
    shown = tuple(listed)
    per_picture = ("a picture>",) if batch > 1 else ()
    further = (f"{heading(objective)}>" for objective, _ in shown[0].further) if shown else ()
    table = plain_table(
        *(
            "trial>",
            "latency>",
            *per_picture,
            "speed-up>",
            "memory>",
            "similarity>",
            "likeness",
            "cold start>",
            *further,
        ),
        *("", "recipe"),
    )
    for row in shown:
        each = (row.latency_per_picture,) if batch > 1 else ()
        figures = (row.latency, *each, row.speed, row.memory, row.similarity, row.likeness)
        cells = (*figures, row.cold_start, *row.further_figures, _marks(row))
        table.add_row(str(row.trial.number), *cells, row.recipe, style=_COLOURS[row.standing])
    return table


def trials_table(listed: Iterable[Row]) -> "Table":
    """Return the table of every trial, with the reason of each failure."""
    headings = ("trial>", "latency>", "speed-up>", "memory>", "similarity>", "likeness", "standing", "recipe")
    table = plain_table(*headings)
    for row in listed:
        verdict = f"baseline, {', '.join(row.picks)}" if row.is_baseline and row.picks else row.verdict
        figures = (row.latency, row.speed, row.memory, row.similarity, row.likeness)
        cells = (*figures, _one_line(verdict), row.recipe)
        table.add_row(str(row.trial.number), *cells, style=_COLOURS[row.standing])
    return table


def say_trial(row: Row, log: str) -> None:
    """Print one trial in detail.

    Args:
        row: The trial.
        log: What it printed; the end is shown.
    """
    trial = row.trial
    say(f"Trial {trial.number}: {row.recipe}")
    say(f"  recipe      {trial.digest}" + (f", preset '{trial.preset}'" if trial.preset else ""))
    say(f"  standing    {_one_line(row.verdict)}")
    if trial.measurement is not None:
        _say_measurement(row)
    elif trial.pruned is not None:
        _say_phases(trial.pruned.phases_s)
        _say_environment(trial.pruned.environment)
    elif trial.failure is not None:
        failure = trial.failure
        where = " ".join(filter(None, (failure.phase, f"(knob {failure.knob})" if failure.knob else "")))
        say(f"  failed in   {where or 'an unknown phase'}")
        _say_phases(failure.phases_s)
        _say_environment(failure.environment)
    say(f"  folder      {trial.folder}")
    lines = log.rstrip().splitlines()[-_LOG_LINES:]
    if lines:
        say(f"  log         {trial.folder / LOG_FILE}, its end:")
        for line in lines:
            say(f"    {line}")


def _say_measurement(row: Row) -> None:
    measured = row.trial.measurement
    if measured is None:
        return
    each = f", {row.latency_per_picture} a picture" if measured.batch > 1 else ""
    against = f", {row.speed} the baseline's speed" if row.speed_up is not None else ""
    say(f"  latency     {row.latency} a call{each}{against}")
    interval = median_interval(measured.calls_s)
    if interval is not None:
        low, high = (format_duration(end) for end in interval)
        say(f"    in this process, 90 % sure: {low} to {high}")
    share = f", {100 * row.memory_share:.0f} % of the baseline's" if row.memory_share is not None else ""
    say(f"  memory      {row.memory}{share}")
    for stage, amount in measured.memory.stages.items():
        say(f"    {stage:<12}{format_bytes(amount)}")
    if row.least_memory_bytes is not None:
        say(f"    as fast under a limit of {format_bytes(row.least_memory_bytes)}, the least that was tried")
    if row.host_memory:
        say(f"  on the host {row.host_memory}")
    if measured.energy_j is not None:
        say(f"  energy      {measured.energy_j:.3g} J a call")
    _say_further(row)
    _say_likeness(row)
    _say_cold_start(row)
    say(f"  samples     {_listed(measured.calls_s, format_duration)}")
    if measured.discarded_s:
        say(f"  discarded   {_listed(measured.discarded_s, format_duration)}")
    say(f"  warm-up     {_listed(measured.warmup_s, format_duration)}")
    if measured.parts is not None:
        parts = measured.parts
        steps = f"{len(parts.steps_s)} steps {format_duration(sum(parts.steps_s))}"
        text, decode = format_duration(parts.text_s), format_duration(parts.decode_s)
        say(f"  parts       text {text}, {steps}, decode {decode}, total {format_duration(parts.total_s)}")
    _say_phases(measured.phases_s)
    _say_conditions(measured.conditions)
    for warning in measured.warnings:
        say(f"  warning     {_one_line(warning)}")
    _say_environment(measured.environment)


def _say_further(row: Row) -> None:
    for (objective, _), figure in zip(row.further, row.further_figures, strict=True):
        if objective not in (ENERGY, HOST_MEMORY):  # those are told where they are known
            say(f"  {heading(objective):<12}{figure}, {objective.label}")


def _say_likeness(row: Row) -> None:
    if row.measured is None:
        return
    likeness = row.measured.likeness
    pairs = counted(len(likeness.haarpsi), "pair")
    exact = ", equal to the last bit" if likeness.is_exact else ""
    say(f"  similarity  {row.similarity}, {row.likeness}{exact}: the median of {pairs}")
    say(f"    nine of ten reach {likeness.p10:.4f}, the worst {likeness.minimum:.4f}")
    if likeness.divergence_rate:
        say(f"    {100 * likeness.divergence_rate:.0f} % of the pairs show different things")
    second = [("PSNR", likeness.psnr_db, "{:.1f} dB"), ("MS-SSIM", likeness.ms_ssim, "{:.4f}")]
    figures = [f"{name} {form.format(median(values))}" for name, values, form in second if values]
    figures += [f"{name} {value:.3f}" for name, value in likeness.ratios.items()]
    figures += [f"{name} {value:+.4f}" for name, value in likeness.extras.items()]
    if figures:
        say(f"    {', '.join(figures)}")
    if likeness.step_error:
        say(f"    error of a step, given the same inputs: {median(likeness.step_error):.2g}")
    elif likeness.why_no_step_error:
        say(f"    no error of a step: {likeness.why_no_step_error}")
    for flaw in likeness.flaws:
        say(f"  flaw        {_one_line(flaw)}")


def _say_cold_start(row: Row) -> None:
    compiled = {"cold": ", compiled here", "hit": ", compiled before"}
    how = compiled.get(row.trial.measurement.compile_cache, "") if row.trial.measurement is not None else ""
    say(f"  cold start  {row.cold_start}{how}")
    if row.fresh_cold_s is not None:
        say(f"    with nothing compiled before: {format_duration(row.fresh_cold_s)}")
    if row.break_even:
        say(f"    repaid after {counted(math.ceil(row.break_even), 'picture')}, against the untuned baseline")


def _say_conditions(conditions: "object") -> None:
    """What the machine did meanwhile, as far as it could be read."""
    if isinstance(conditions, dict):
        plain = [
            f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in conditions.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        ]
        if plain:
            say(f"  conditions  {', '.join(plain)}")


def _say_phases(phases_s: "object") -> None:
    if isinstance(phases_s, dict) and phases_s:
        say(
            "  phases      "
            + ", ".join(f"{name} {format_duration(spent)}" for name, spent in phases_s.items())
        )


def _say_environment(environment: "object") -> None:
    if isinstance(environment, dict):
        plain = {name: value for name, value in environment.items() if isinstance(value, (str, int, float))}
        if plain:
            say("  machine     " + ", ".join(f"{name} {value}" for name, value in plain.items()))


def _marks(row: Row) -> str:
    return ", ".join((*(["baseline"] if row.is_baseline else []), *row.picks))


def _listed(samples: Sequence[float], show: "object") -> str:
    return ", ".join(show(sample) for sample in samples) if samples and callable(show) else "none"


def _one_line(text: str) -> str:
    return " ".join(text.split())
