"""Timing: settle, then time until the interval of the median is narrow, then one more call for the parts."""

import functools
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from autotune.job import Protocol
from autotune.knob import Setup
from autotune.measurement import Parts
from autotune.samples import drift, drift_p_value, half_width, outliers, spread
from autotune.workload import Call

_NOISY, _DRIFT, _DRIFT_P = 0.10, 0.02, 0.05


def seconds_of(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long an action took in wall seconds, and its result."""
    start = time.perf_counter_ns()
    result = action()
    return (time.perf_counter_ns() - start) / 1e9, result


def settle(run: Callable[[int], Any], first_s: float, protocol: Protocol) -> list[float]:
    """Repeat calls until nothing is compiled any more and two calls in a row agree.

    Args:
        run: Makes the pictures of call number k.
        first_s: Wall seconds of call 0, which was already made.
        protocol: Bounds on the number of calls.

    Returns:
        Wall seconds of all calls so far, the first included.
    """
    taken = [first_s]
    while len(taken) < protocol.settle_max:
        before = compile_counters()
        number = len(taken)
        taken.append(seconds_of(lambda number=number: run(number))[0])  # type: ignore[misc]
        agree = abs(taken[-1] - taken[-2]) <= protocol.settle_agreement * taken[-1]
        # The first call is cold, so that agreement with it says little: at least one more must follow it.
        if (
            len(taken) >= protocol.settle_min
            and compile_counters() == before
            and (agree or taken[-1] > taken[-2])
        ):
            break
    return taken


def time_calls(run: Callable[[int], Any], protocol: Protocol) -> list[float]:
    """Time calls until the interval of their median is narrow, or the protocol's limits are reached.

    A recompilation inside a timed call raises: the trial was not settled, and its seconds would be wrong.

    Args:
        run: Makes the pictures of call number k.
        protocol: Bounds on calls and seconds, and the interval's aim.

    Returns:
        Wall seconds of each call, in order.
    """
    taken: list[float] = []
    with no_garbage_collection(), torch.compiler.set_stance("fail_on_recompile"):
        while len(taken) < protocol.calls_max:
            number = len(taken)
            taken.append(seconds_of(lambda number=number: run(number))[0])  # type: ignore[misc]
            enough = half_width(tuple(taken)) <= protocol.interval or sum(taken) >= protocol.timing_s
            if len(taken) >= protocol.calls_min and enough:
                break
    return taken


def timing_warnings(taken: list[float]) -> tuple[str, ...]:
    """Return what is suspicious about timings, one sentence each.

    >>> timing_warnings([1.0, 1.0, 1.01, 1.0, 1.0])
    ()
    """
    samples = tuple(taken)
    found = []
    if spread(samples) > _NOISY:
        found.append(
            f"noisy: the middle half of the timings spreads over {spread(samples):.0%} of the median"
        )
    if abs(drift(samples)) > _DRIFT and drift_p_value(samples) < _DRIFT_P:
        found.append(f"drifting: the calls changed by {drift(samples):+.0%} from first to last")
    if outliers(samples):
        found.append(f"outliers: {len(outliers(samples))} of {len(samples)} calls lie far from the rest")
    return tuple(found)


def time_parts(setup: Setup, call: Call, make: Callable[..., Any]) -> Parts:
    """Return the seconds of the parts of one extra call, which is not among the timed ones.

    Args:
        setup: A finished, settled setup.
        call: What to make.
        make: `calls.make_pictures`.
    """
    text_s: list[float] = []
    decode_s: list[float] = []
    # For each pass through the pipeline when its steps began, and then when each of them ended. A call makes
    # several passes where `images_per_call` parts it.
    passes: list[list[float]] = []
    text_end = [0.0]

    def note_text(begin: float, end: float) -> None:
        text_s.append(end - begin)
        text_end[0] = end

    def note_begin(begin: float, end: float) -> None:
        del begin
        passes.append([text_end[0] or end])

    pipeline = setup.pipeline
    # Not by the pipeline's own callback, which PixArt lacks: every pipeline ends a step by its scheduler.
    with (
        _watched(pipeline, "encode_prompt", setup, note_text),
        _watched(pipeline.scheduler, "set_timesteps", setup, note_begin),
        _watched(pipeline.scheduler, "step", setup, lambda _begin, end: passes[-1].append(end)),
        _watched(pipeline.vae, "decode", setup, lambda begin, end: decode_s.append(end - begin)),
    ):
        total, _ = seconds_of(lambda: make(setup, call))
    apart = [[end - begin for begin, end in itertools.pairwise(stamps)] for stamps in passes]
    steps = tuple(sum(step) for step in itertools.zip_longest(*apart, fillvalue=0.0))
    return Parts(text_s=sum(text_s), steps_s=steps, decode_s=sum(decode_s), total_s=total)


def compile_counters() -> tuple[int, ...]:
    """Return counters that move whenever something is compiled: graphs seen, frames captured."""
    counters = torch._dynamo.utils.counters  # noqa: SLF001 - there is no public counter
    stats, frames = counters["stats"], counters["frames"]
    return int(stats.get("unique_graphs", 0)), int(frames.get("ok", 0)), int(frames.get("total", 0))


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now and keep the collector from running inside."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _watched(owner: Any, name: str, setup: Setup, note: Callable[[float, float], None]) -> Iterator[None]:
    """Tell `note` when each call of a method of `owner` begins and ends, while inside."""
    original = getattr(owner, name, None)
    if original is None:
        yield
        return
    was_own = name in vars(owner)

    # With the method's own signature: pipelines look at which arguments their scheduler takes.
    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        _synchronise(setup.device)
        begin = time.perf_counter()
        result = original(*args, **kwargs)
        _synchronise(setup.device)
        note(begin, time.perf_counter())
        return result

    setattr(owner, name, watched)
    try:
        yield
    finally:
        if was_own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
