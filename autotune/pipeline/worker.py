"""One trial in its own process: load, turn knobs, prove their effect, settle, time, weigh and compare."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autotune.errors import AutotuneError, UnknownName
from autotune.job import Job
from autotune.knob import Setup, Situation
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Outcome
from autotune.pipeline.calls import make_pictures, spread_frames
from autotune.pipeline.environment import fingerprint
from autotune.pipeline.likeness import compare, why_clip_corrupt
from autotune.pipeline.load import TurnError, apply_stages, begin_setup, load_stage, why_not_applied
from autotune.pipeline.machine import read_target
from autotune.pipeline.memory import AnonymousSampler, MemoryWatch, watch
from autotune.pipeline.models import model_folder
from autotune.pipeline.pictures import in_a_row, load_reference, save_pngs, save_reference
from autotune.pipeline.probe import situate
from autotune.pipeline.stopwatch import seconds_of, settle, time_calls, time_parts, timing_warnings


class TrialFailure(Exception):  # noqa: N818 - it carries a Failure
    """Ends a trial with a failure that is already understood."""

    def __init__(self, kind: FailureKind, message: str, *, knob: str = "") -> None:
        """Keep kind and knob beside the message."""
        super().__init__(message)
        self.kind, self.knob = kind, knob


@dataclass(kw_only=True)
class Trial:
    """The state of a running trial.

    Attributes:
        job: What to do.
        tell: Is told the name of each phase as it begins.
        phases_s: Wall seconds of the finished phases.
        phase: The phase that is running.
        environment: Fingerprint, once taken.
    """

    job: Job
    tell: Callable[[str], None]
    phases_s: dict[str, float] = field(default_factory=dict)
    phase: str = "start"
    environment: dict[str, Any] = field(default_factory=dict)

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
    except Exception as error:  # noqa: BLE001 - the one rim around a trial: whatever happens becomes data
        return _failure(trial, error)


def _measure(trial: Trial) -> Outcome:
    job = trial.job
    if job.threads:
        torch.set_num_threads(job.threads)
    if job.cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache
    memory = watch(job.device, job.memory_limit_bytes)
    situation, setup = _prepare(trial, memory)
    run, pictures = _runner(setup, job)
    with trial.during("first call"):
        first_s, _ = seconds_of(lambda: run(0))
        _check_pictures(pictures[0], job)
        _check_applied(setup, job)
    memory.finish("first call")
    if job.role == "reference":
        return _make_reference(trial, run, pictures, memory)
    with trial.during("settle"):
        warmup_s = settle(run, first_s, job.protocol)
    pictures.clear()
    with trial.during("timing"):
        calls_s = time_calls(run, job.protocol)
    memory.finish("calls")
    with trial.during("parts"):
        parts = time_parts(setup, situation.workload.calls()[0], make_pictures)
    with trial.during("memory"):
        memory.weigh(lambda: run(0))
    with trial.during("likeness"):
        made = _scored(pictures, job)
        likeness = _likeness(made, job)
        names = _save_pictures(made, job)
    return Measurement(
        calls_s=tuple(calls_s),
        warmup_s=tuple(warmup_s),
        phases_s=trial.phases_s,
        batch=job.workload.batch,
        parts=parts,
        memory=memory.result(),
        likeness=likeness,
        pictures=names,
        warnings=timing_warnings(calls_s),
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
    memory.finish("load", sampled_bytes=sampler.peak_bytes)
    with trial.during("apply"), AnonymousSampler() as sampler:
        apply_stages(setup, job.recipe.settings)
    memory.finish("apply", sampled_bytes=sampler.peak_bytes)
    return situation, setup


def _runner(setup: Setup, job: Job) -> tuple[Callable[[int], Tensor], dict[int, Tensor]]:
    """Return a function that makes the pictures of call k, and where the first ones of each call are kept."""
    calls = setup.workload.calls()
    kept: dict[int, Tensor] = {}
    scored = _scored_count(job)

    def run(number: int) -> Tensor:
        index = number % len(calls)
        pictures = make_pictures(setup, calls[index])
        if index < scored and index not in kept:
            kept[index] = spread_frames(pictures, len(calls[index].seeds))
        return pictures

    return run, kept


def _scored_count(job: Job) -> int:
    """Calls whose pictures are compared: those that every trial makes, however few calls it is timed for."""
    return min(len(job.workload.calls()), job.protocol.calls_min)


def _scored(kept: dict[int, Tensor], job: Job) -> list[Tensor]:
    return [kept[index] for index in range(_scored_count(job))]


def _check_pictures(pictures: Tensor, job: Job) -> None:
    """Fail where a picture is none, or a clip holds what is no number or no picture at all."""
    batch = job.workload.batch
    for number, frames in enumerate(pictures.unflatten(0, (batch, -1))):
        reason = why_clip_corrupt(frames)
        if reason is not None:
            what = "Picture" if len(frames) == 1 else "Clip"
            raise TrialFailure(FailureKind.CORRUPT_PICTURE, f"{what} {number} is corrupt: {reason}.")


def _save_pictures(made: list[Tensor], job: Job) -> tuple[str, ...]:
    strips = [strip for call in made for strip in call.unflatten(0, (job.workload.batch, -1))]
    return save_pngs([in_a_row(frames) for frames in strips], Path(job.folder))


def _check_applied(setup: Setup, job: Job) -> None:
    found = why_not_applied(setup, job.recipe.settings)
    if found is not None:
        name, sentence = found
        value = job.recipe.settings[name]
        message = f"Knob '{name}' was set to '{value}' but did not take effect: {sentence}"
        raise TrialFailure(FailureKind.NOT_APPLIED, message, knob=name)


def _make_reference(
    trial: Trial, run: Callable[[int], Tensor], pictures: dict[int, Tensor], memory: MemoryWatch
) -> Measurement:
    job = trial.job
    with trial.during("timing"):
        calls_s = [seconds_of(lambda number=number: run(number))[0] for number in range(_scored_count(job))]  # type: ignore[misc]
    memory.finish("calls")
    with trial.during("memory"):
        memory.weigh(lambda: run(0))
    made = _scored(pictures, job)
    for call in made:
        _check_pictures(call, job)
    save_reference(made, Path(job.folder))
    names = _save_pictures(made, job)
    count = sum(len(call) for call in made)
    return Measurement(
        calls_s=tuple(calls_s),
        phases_s=trial.phases_s,
        batch=job.workload.batch,
        memory=memory.result(),
        likeness=Likeness(haarpsi=(1.0,) * count),
        pictures=names,
        environment=trial.environment,
    )


def _likeness(made: list[Tensor], job: Job) -> Likeness:
    references = load_reference(Path(job.reference))
    haarpsi: list[float] = []
    psnr: list[float] = []
    for pictures, expected in zip(made, references, strict=True):
        _check_pictures(pictures, job)
        if pictures.shape != expected.shape:
            message = (
                f"The pictures are {tuple(pictures.shape)} but the reference is {tuple(expected.shape)}."
            )
            raise TrialFailure(FailureKind.CORRUPT_PICTURE, message)
        alike, decibels = compare(pictures, expected)
        haarpsi += alike
        psnr += decibels
    return Likeness(haarpsi=tuple(haarpsi), psnr_db=tuple(psnr))


def _failure(trial: Trial, error: Exception) -> Failure:
    import traceback

    traceback.print_exception(error)  # into the trial's log
    kind, knob = classify(error)
    message = str(error).strip() or type(error).__name__
    if kind is FailureKind.CRASH:
        message = f"{type(error).__name__}: {message}"
    return Failure(
        kind=kind,
        message=_shorten(message),
        phase=trial.phase,
        knob=knob,
        phases_s=trial.phases_s,
        environment=trial.environment,
    )


def classify(error: Exception) -> tuple[FailureKind, str]:  # noqa: PLR0911 - one line a kind
    """Return the kind of failure that an exception is, and the knob it names ("" when none).

    >>> classify(MemoryError())[0].value
    'out of memory'
    >>> classify(RuntimeError("DefaultCPUAllocator: can't allocate memory"))[0].value
    'out of memory'
    """
    if isinstance(error, TrialFailure):
        return error.kind, error.knob
    if isinstance(error, TurnError):
        inner, _ = classify(error.error)
        if inner is FailureKind.OUT_OF_MEMORY:
            return inner, error.knob
        lacking = isinstance(error.error, (ImportError, NotImplementedError))
        return (FailureKind.UNSUPPORTED if lacking else FailureKind.REJECTED), error.knob
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
        return FailureKind.OUT_OF_MEMORY, ""
    if isinstance(error, UnknownName):
        return FailureKind.REJECTED, error.name
    if isinstance(error, (ImportError, NotImplementedError)):
        return FailureKind.UNSUPPORTED, ""
    if isinstance(error, AutotuneError):
        return FailureKind.REJECTED, ""
    return FailureKind.CRASH, ""


def _shorten(message: str, limit: int = 600) -> str:
    return message if len(message) <= limit else message[: limit - 1] + "…"
