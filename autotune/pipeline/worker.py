"""One trial in its own process: load, turn knobs, prove their effect, settle, time, weigh and compare."""

import functools
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from autotune.job import Job, Protocol
from autotune.knob import Setup, Situation
from autotune.knobs import all_knobs
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome, Parts
from autotune.pipeline.calls import make_pictures
from autotune.pipeline.conditions import watch_conditions
from autotune.pipeline.environment import fingerprint
from autotune.pipeline.judging import judge
from autotune.pipeline.likeness import why_clip_corrupt
from autotune.pipeline.load import apply_stages, begin_setup, load_stage, why_not_applied
from autotune.pipeline.machine import read_target
from autotune.pipeline.memory import MemoryWatch, memory_warnings, watch
from autotune.pipeline.models import model_folder
from autotune.pipeline.pictures import in_a_row, load_reference, save_pngs, save_reference
from autotune.pipeline.probe import situate
from autotune.pipeline.process_memory import AnonymousSampler
from autotune.pipeline.racing import Behind, Race, timed_with_race
from autotune.pipeline.screening import Lost, Screening, moves
from autotune.pipeline.second_opinions import opinions
from autotune.pipeline.series import Series
from autotune.pipeline.step_error import Seen, noted_inputs, record_steps, step_errors
from autotune.pipeline.stopwatch import compile_cache, seconds_of, settle, time_calls, time_parts
from autotune.pipeline.trial import Trial
from autotune.pipeline.verdicts import TrialFailure, classify, shorten
from autotune.race import BRIEF_CALLS

_SLOWLY_S = 0.1
_CHANGED_TRAJECTORY = "the recipe takes other steps than the reference"


def run_trial(job: Job, tell: Callable[[str], None], *, fork_s: float = 0.0) -> Outcome:
    """Run a job in this process and return what it came to; nothing a recipe does raises out of here.

    Args:
        job: What to do.
        tell: Is told the name of each phase as it begins.
        fork_s: Seconds that the start of this process took.
    """
    trial = Trial(job=job, tell=tell, phases_s={"fork": fork_s})
    try:
        return _measure(trial)
    except Lost as lost:
        known = {"phases_s": trial.phases_s, "environment": trial.environment}
        return lost.outcome(warmup_s=tuple(trial.warmup_s), **known)
    except Exception as error:  # noqa: BLE001 - the one rim around a trial: whatever happens becomes data
        return _failure(trial, error)


def _measure(trial: Trial) -> Outcome:
    job = trial.job
    if job.threads:
        torch.set_num_threads(job.threads)
    if job.cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache
    threads = torch.get_num_threads()
    conditions = watch_conditions(job.device, threads, kept_bytes=trial.pictures_bytes)
    memory = watch(job.device, job.memory_limit_bytes)
    situation, setup = _prepare(trial, memory)
    series, screening = Series(setup, job), Screening(trial, setup, memory)
    race = Race(screening, setup.pipeline, job.device)
    trial.series = series
    with AnonymousSampler(_SLOWLY_S) as sampler:
        screening.begin()
        warm_s, pictures = _first_call(trial, setup, series, race)
    memory.finish("first call", helpers=sampler)
    screening.after_first_call(pictures)
    if job.role != "trial":
        return _make_pictures(trial, setup, series, memory)
    _settle(trial, series, race, screening, warm_s)
    with trial.during("timing"):
        run = _raced(trial, series, race, screening)
        timed = time_calls(run, _protocol(trial, screening), conditions)
    memory.finish("calls")
    parts, seen = _look_inside(trial, situation, setup) if job.is_whole else (None, None)
    weighed = _weigh(trial, series, memory, screening)
    with trial.during("likeness"):
        made = series.pictures(is_complete=job.is_whole)
        likeness = _likeness(made, job)
        names = _save_pictures(made, job)
    if seen is not None:
        with trial.during("step error"):
            likeness = _with_step_error(likeness, setup, job, screening.errors or seen)
    return Measurement(
        calls_s=timed.calls_s,
        warmup_s=(*trial.warmup_s, *timed.dropped_s),
        discarded_s=timed.discarded_s,
        phases_s=trial.phases_s,
        conditions=timed.conditions,
        energy_j=timed.energy_j,
        compile_cache=compile_cache(),
        batch=job.workload.batch,
        parts=parts,
        memory=weighed,
        likeness=likeness,
        pictures=names,
        warnings=(*timed.warnings, *memory_warnings(weighed)),
        environment=trial.environment,
    )


def _prepare(trial: Trial, memory: MemoryWatch) -> tuple[Situation, Setup]:
    """Load the pipeline and turn the knobs."""
    job = trial.job
    with trial.during("load"), AnonymousSampler() as sampler:
        target = read_target(job.device, job.backends)
        trial.environment = fingerprint(target)
        folder = model_folder(job.workload)
        situation = situate(folder, job.workload, target)
        setup = begin_setup(situation, job.recipe.settings, device=job.device, model_path=str(folder))
        load_stage(setup, job.recipe.settings)
    memory.finish("load", sampled_bytes=sampler.peak_bytes, helpers=sampler)
    with trial.during("apply"), AnonymousSampler() as sampler:
        apply_stages(setup, job.recipe.settings)
    memory.finish("apply", sampled_bytes=sampler.peak_bytes, helpers=sampler)
    return situation, setup


def _first_call(trial: Trial, setup: Setup, series: Series, race: Race) -> tuple[float, Tensor]:
    """Make the first whole call, and look whether it made pictures, and as the recipe says."""
    with trial.during("first call"):
        with race.counting():
            first_s, pictures = seconds_of(series.first)
        trial.warmup_s.append(first_s)
        race.taken.append(first_s)
        _check_pictures(pictures, trial.job)
        _check_applied(setup, trial.job)
    return first_s, pictures


def _settle(trial: Trial, series: Series, race: Race, screening: Screening, warm_s: float) -> None:
    """Make calls until nothing changes any more; in the second one a recipe may lose its race."""
    try:
        with trial.during("settle"):
            _make_settling_calls(trial, series, race, warm_s, is_raced=True)
    except Behind as behind:
        screening.check_whatever_memory(str(behind))
        with trial.during("settle"):
            _make_settling_calls(trial, series, race, warm_s, is_raced=False)
    race.taken[:] = trial.warmup_s


def _make_settling_calls(trial: Trial, series: Series, race: Race, warm_s: float, *, is_raced: bool) -> None:
    def run(number: int) -> None:
        with race.second_call() if number == 1 and is_raced else nullcontext():
            series.settling(number)

    protocol = trial.job.protocol
    busy_s = protocol.busy_s if trial.job.device.startswith("cuda") else 0.0
    trial.warmup_s[1:] = settle(run, warm_s, protocol, busy_s=busy_s)[1:]


def _protocol(trial: Trial, screening: Screening) -> Protocol:
    """The protocol of the timed calls: few of a recipe that is far slower than the fastest."""
    protocol = trial.job.protocol
    if not screening.is_far_behind(trial.warmup_s[-1]):
        return protocol
    return replace(protocol, calls_max=max(min(BRIEF_CALLS, protocol.calls_max), protocol.calls_min))


def _raced(trial: Trial, series: Series, race: Race, screening: Screening) -> Callable[[int], None]:
    least, _ = _protocol(trial, screening).bounds(trial.warmup_s[-1])
    return timed_with_race(series.timed, race, calls=least)


def _look_inside(trial: Trial, situation: Situation, setup: Setup) -> tuple[Parts, Seen]:
    with trial.during("parts"), noted_inputs(setup) as seen:
        parts = time_parts(setup, situation.workload.calls()[0], make_pictures)
    return parts, seen


def _weigh(trial: Trial, series: Series, memory: MemoryWatch, screening: Screening) -> Memory:
    if trial.job.is_whole and not screening.is_weighed:
        with trial.during("memory"):
            memory.weigh(series.plain, trial.pictures_bytes())
    found, limit = memory.result(), trial.job.memory_limit_bytes
    if limit is None or not trial.job.device.startswith("cuda"):
        return found
    return replace(found, detail={**found.detail, "cap_bytes": limit})


def _check_pictures(pictures: Tensor, job: Job) -> None:
    """Fail where a picture is none, or a clip holds what is no number or no picture at all."""
    for number, frames in enumerate(pictures.unflatten(0, (job.workload.batch, -1))):
        reason = why_clip_corrupt(frames)
        if reason is not None:
            what = "Picture" if len(frames) == 1 else "Clip"
            raise TrialFailure(FailureKind.CORRUPT_PICTURE, f"{what} {number} is corrupt: {reason}.")


def _check_applied(setup: Setup, job: Job) -> None:
    found = why_not_applied(setup, job.recipe.settings)
    if found is not None:
        name, sentence = found
        value = job.recipe.settings[name]
        message = f"Knob '{name}' was set to '{value}' but did not take effect: {sentence}"
        raise TrialFailure(FailureKind.NOT_APPLIED, message, knob=name)


def _make_pictures(trial: Trial, setup: Setup, series: Series, memory: MemoryWatch) -> Measurement:
    """Make the reference pictures; or pictures that are compared with them and timed by no protocol."""
    job = trial.job
    is_reference = job.role == "reference"
    with trial.during("timing"):
        calls_s = [
            seconds_of(functools.partial(series.timed, number))[0] for number in range(series.compared)
        ]
    memory.finish("calls")
    made = series.pictures()
    with trial.during("likeness"):
        if is_reference:
            for call in made:
                _check_pictures(call, job)
            save_reference(made, Path(job.folder))
            record_steps(setup, series.plain, Path(job.folder))
        likeness = judge(made, made) if is_reference else _likeness(made, job)
        names = _save_pictures(made, job)
    return Measurement(
        calls_s=tuple(calls_s),
        warmup_s=tuple(trial.warmup_s),
        phases_s=trial.phases_s,
        batch=job.workload.batch,
        memory=memory.result(),
        likeness=likeness,
        pictures=names,
        environment=trial.environment,
    )


def _likeness(made: list[Tensor], job: Job) -> Likeness:
    references = load_reference(Path(job.reference))[: len(made)]
    for pictures in made:
        _check_pictures(pictures, job)
    try:
        likeness = judge(made, references)
    except ValueError as error:
        raise TrialFailure(FailureKind.CORRUPT_PICTURE, str(error)) from error
    if job.extras:
        prompts = [prompt for call in job.workload.calls()[: len(made)] for prompt in call.prompts]
        likeness = replace(likeness, extras=opinions(job.extras, made, references, prompts))
    return likeness


def _with_step_error(
    likeness: Likeness, setup: Setup, job: Job, seen: Seen | tuple[tuple[float, ...], str]
) -> Likeness:
    if moves(job, all_knobs()):
        return replace(likeness, why_no_step_error=_CHANGED_TRAJECTORY)
    errors, why = step_errors(setup, seen, Path(job.reference)) if isinstance(seen, Seen) else seen
    return replace(likeness, step_error=errors, why_no_step_error=why)


def _save_pictures(made: list[Tensor], job: Job) -> tuple[str, ...]:
    strips = [strip for call in made for strip in call.unflatten(0, (job.workload.batch, -1))]
    return save_pngs([in_a_row(frames) for frames in strips], Path(job.folder))


def _failure(trial: Trial, error: Exception) -> Failure:
    import traceback

    traceback.print_exception(error)  # into the trial's log
    kind, knob = classify(error)
    message = str(error).strip() or type(error).__name__
    if kind is FailureKind.CRASH:
        message = f"{type(error).__name__}: {message}"
    return Failure(
        kind=kind,
        message=shorten(message),
        phase=trial.phase,
        knob=knob,
        phases_s=trial.phases_s,
        environment=trial.environment,
    )
