"""One trial in its own process: load, turn knobs, prove their effect, settle, time, weigh and compare."""

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autotune.job import Job, Protocol
from autotune.knob import Setup, Situation
from autotune.knobs import all_knobs
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome, Parts
from autotune.pipeline.allocator import keep_again
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
from autotune.pipeline.racing import Behind, Lost, Race, timed_with_race
from autotune.pipeline.second_opinions import opinions
from autotune.pipeline.series import Series
from autotune.pipeline.step_error import Seen, noted_inputs, record_steps, step_errors
from autotune.pipeline.stopwatch import compile_cache, seconds_of, settle, time_calls, time_parts
from autotune.pipeline.verdicts import TrialFailure, classify, shorten
from autotune.race import BRIEF_CALLS

_SLOWLY_S = 0.1
_CHANGED_TRAJECTORY = "the recipe takes other steps than the reference"


@dataclass(kw_only=True)
class Trial:
    """The state of a running trial.

    Attributes:
        job: What to do.
        tell: Is told the name of each phase as it begins.
        phases_s: Wall seconds of the finished phases.
        phase: The phase that is running.
        warmup_s: Wall seconds of the calls before timing.
        series: Its calls, once it has a pipeline.
        environment: Fingerprint, once taken.
    """

    job: Job
    tell: Callable[[str], None]
    phases_s: dict[str, float] = field(default_factory=dict)
    phase: str = "start"
    warmup_s: list[float] = field(default_factory=list)
    series: Series | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    def pictures_bytes(self) -> int:
        """Return how much memory the trial's own pictures take: they are no leak."""
        return self.series.kept_bytes() if self.series is not None else 0

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Name the phase that runs inside, and note how long it took."""
        self.phase = phase
        self.tell(phase)
        start = time.perf_counter()
        yield
        self.phases_s[phase] = self.phases_s.get(phase, 0.0) + time.perf_counter() - start


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
    series, race = Series(setup, job), Race(job.rivals, setup.pipeline, job.device)
    trial.series = series
    with AnonymousSampler(_SLOWLY_S) as sampler:
        _first_call(trial, setup, series, race)
    memory.finish("first call", helpers=sampler)
    if job.role != "trial":
        return _make_pictures(trial, setup, series, memory)
    weighed = _settle(trial, series, race, memory)
    with trial.during("timing"):
        run = _raced(trial, series, race, _known_bytes(memory, job))
        timed = time_calls(run, _protocol(trial, race), conditions)
    memory.finish("calls")
    parts, seen = _look_inside(trial, situation, setup) if job.is_whole else (None, None)
    weighed = weighed or _weigh(trial, series, memory)
    with trial.during("likeness"):
        made = series.pictures(is_complete=job.is_whole)
        likeness = _likeness(made, job)
        names = _save_pictures(made, job)
    if seen is not None:
        with trial.during("step error"):
            likeness = _with_step_error(likeness, setup, job, seen)
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
        target = read_target(job.device)
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


def _first_call(trial: Trial, setup: Setup, series: Series, race: Race) -> None:
    """Make the first call, and look whether it made pictures, and as the recipe says."""
    with trial.during("first call"):
        with race.counting():
            first_s, pictures = seconds_of(series.first)
        trial.warmup_s.append(first_s)
        race.taken.append(first_s)
        _check_pictures(pictures, trial.job)
        _check_applied(setup, trial.job)


def _settle(trial: Trial, series: Series, race: Race, memory: MemoryWatch) -> Memory | None:
    """Make calls until nothing changes any more; in the second one a recipe may lose its race.

    Returns:
        The memory, where it had to be weighed to decide the race: on a CPU it is known by weighing only.
    """
    weighed = None
    try:
        with trial.during("settle"):
            _make_settling_calls(trial, series, race, is_raced=True)
    except Behind as behind:
        if not trial.job.device.startswith("cuda"):
            weighed = _weigh(trial, series, memory)
        known = weighed.peak_bytes if weighed is not None else _known_bytes(memory, trial.job)
        race.decide(behind, known)
        if weighed is not None:
            keep_again()
        with trial.during("settle"):
            _make_settling_calls(trial, series, race, is_raced=False)
    race.taken[:] = trial.warmup_s
    return weighed


def _make_settling_calls(trial: Trial, series: Series, race: Race, *, is_raced: bool) -> None:
    protocol, first_s = trial.job.protocol, trial.warmup_s[0]

    def run(number: int) -> None:
        with race.second_call() if number == 1 and is_raced else nullcontext():
            series.settling(number)

    busy_s = protocol.busy_s if trial.job.device.startswith("cuda") else 0.0
    trial.warmup_s[:] = settle(run, first_s, protocol, busy_s=busy_s)


def _protocol(trial: Trial, race: Race) -> Protocol:
    """The protocol of the timed calls: few of a recipe that is far slower than the fastest."""
    protocol = trial.job.protocol
    if not race.is_far_behind(trial.warmup_s[-1]):
        return protocol
    return replace(protocol, calls_max=max(min(BRIEF_CALLS, protocol.calls_max), protocol.calls_min))


def _raced(trial: Trial, series: Series, race: Race, known_bytes: int) -> Callable[[int], None]:
    least, _ = _protocol(trial, race).bounds(trial.warmup_s[-1])
    return timed_with_race(series.timed, race, known_bytes, calls=least)


def _known_bytes(memory: MemoryWatch, job: Job) -> int:
    """What the trial is known to need so far; on a CPU only loading tells, since calls keep freed memory."""
    stages = ("load", "apply", "first call") if job.device.startswith("cuda") else ("load", "apply")
    return max(memory.stages.get(stage, 0) for stage in stages)


def _look_inside(trial: Trial, situation: Situation, setup: Setup) -> tuple[Parts, Seen]:
    with trial.during("parts"), noted_inputs(setup) as seen:
        parts = time_parts(setup, situation.workload.calls()[0], make_pictures)
    return parts, seen


def _weigh(trial: Trial, series: Series, memory: MemoryWatch) -> Memory:
    if trial.job.is_whole:
        with trial.during("memory"):
            memory.weigh(series.plain)
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


def _with_step_error(likeness: Likeness, setup: Setup, job: Job, seen: Seen) -> Likeness:
    if _moves(job):
        return replace(likeness, why_no_step_error=_CHANGED_TRAJECTORY)
    errors, why = step_errors(setup, seen, Path(job.reference))
    return replace(likeness, step_error=errors, why_no_step_error=why)


def _moves(job: Job) -> bool:
    """Whether the recipe takes other steps than the reference, so that no step can be compared."""
    return any(knob.changes_result and knob.name in job.recipe.settings for knob in all_knobs())


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
