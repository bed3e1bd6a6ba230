"""Timing: settle, then time until the interval of the median is narrow, then one more call for the parts."""

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from autotune.gates import (
    DRIFT_P_EARLY,
    CallConditions,
    GpuConditions,
    disturbances,
    is_drifting,
    leak_bytes,
    leak_warning,
    machine_warnings,
    spread_warnings,
    why_throttled,
)
from autotune.job import Protocol
from autotune.knob import Setup
from autotune.measurement import Parts
from autotune.pipeline.conditions import Conditions, summary
from autotune.pipeline.watching import watched
from autotune.samples import half_width, median
from autotune.workload import Call


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What timed calls came to.

    Attributes:
        calls_s: Wall seconds of every call that counts.
        dropped_s: Those of a beginning that drifted: they were still warming up.
        discarded_s: Those of calls that something outside disturbed, so that others were made instead.
        conditions: What the machine did meanwhile, in plain JSON: see `conditions.summary`.
        warnings: What makes the calls suspect, one sentence each, which begins with the gate's name.
        energy_j: Joules of one call, None without a counter, or where all calls took less than 5 s.
        leak_bytes: By how much memory grows with every call; 0 where it does not.
    """

    calls_s: tuple[float, ...]
    dropped_s: tuple[float, ...] = ()
    discarded_s: tuple[float, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    energy_j: float | None = None
    leak_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class _Series:
    """Calls that were timed in a row.

    Attributes:
        kept: Those that count.
        discarded: Those that do not, and what disturbed each.
        made: All of them, in order.
        gpu: What the GPU did, None on a CPU.
        energy_j: Joules of one call.
    """

    kept: list[CallConditions]
    discarded: list[tuple[CallConditions, str]]
    made: list[CallConditions]
    gpu: GpuConditions | None
    energy_j: float | None


def seconds_of(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long an action took in wall seconds, and its result."""
    start = time.perf_counter_ns()
    result = action()
    return (time.perf_counter_ns() - start) / 1e9, result


def settle(
    run: Callable[[int], Any], first_s: float, protocol: Protocol, *, busy_s: float = 0.0
) -> list[float]:
    """Repeat calls until nothing is compiled any more, two calls in a row agree and the device is warm.

    Args:
        run: Makes the pictures of call number k.
        first_s: Wall seconds of call 0, which was already made.
        protocol: Bounds on the number of calls. The upper one holds while calls disagree or compile; a device
            that is still cold may need more.
        busy_s: So many seconds of calls, without the first, warm the device.

    Returns:
        Wall seconds of all calls so far, the first included.
    """
    taken = [first_s]
    is_quiet = is_settled = False
    while not (is_settled and sum(taken[1:]) >= busy_s):
        if len(taken) >= protocol.settle_max and (not is_quiet or sum(taken[1:]) >= busy_s):
            break
        before = compile_counters()
        number = len(taken)
        taken.append(seconds_of(lambda number=number: run(number))[0])  # type: ignore[misc]
        # The first call is cold, so that agreement with it says little: at least one more must follow it.
        agree = abs(taken[-1] - taken[-2]) <= protocol.settle_agreement * taken[-1]
        is_quiet = compile_counters() == before
        is_settled = len(taken) >= protocol.settle_min and is_quiet and (agree or taken[-1] > taken[-2])
    return taken


def time_calls(run: Callable[[int], Any], protocol: Protocol, conditions: Conditions) -> Timed:
    """Time calls until the interval of their median is narrow, or the protocol's limits are reached.

    A recompilation inside a timed call raises: the trial was not settled, and its seconds would be wrong.

    Calls are made again for three reasons, and for none else, above all not because one was slow:

    - Something outside disturbed a call (see `gates.why_disturbed`). Others are made until enough are quiet,
      at most `retries` times the minimum more. If too few are quiet even then, all count, with a warning.
    - The calls drift. They were still warming up; the series is made again, once.
    - The GPU held itself back. The series is made again when that is over, at most `retries` times.

    Args:
        run: Makes the pictures of call number k, which counts on from 0 over all calls.
        protocol: Bounds on calls and seconds, and the interval's aim.
        conditions: What watches the machine.
    """
    dropped: list[float] = []
    discarded: list[tuple[CallConditions, str]] = []
    throttles, has_drifted, made = 0, False, 0

    with no_garbage_collection(), torch.compiler.set_stance("fail_on_recompile"):
        held_before = conditions.held_bytes()
        while True:
            series = _time_series(run, made, protocol, conditions)
            made += len(series.made)
            throttled = why_throttled(series.gpu) if series.gpu else None
            if throttled and throttles < protocol.retries:
                throttles += 1
                discarded += [(call, throttled) for call in series.made]
                dropped.append(_cool_down(run, made, conditions))
                made += 1
            elif is_drifting(_walls(series.kept)) and not has_drifted:
                has_drifted = True
                dropped += _walls(series.kept)
                discarded += series.discarded
            else:
                break
        leak = _leak(series.made, held_before, made, conditions)
    discarded += series.discarded
    calls_s = tuple(_walls(series.kept))
    return Timed(
        calls_s=calls_s,
        dropped_s=tuple(dropped),
        discarded_s=tuple(call.wall_s for call, _ in discarded),
        conditions=summary(series.kept, series.gpu, discarded),
        warnings=(
            *spread_warnings(calls_s),
            *machine_warnings(series.kept, series.gpu),
            *((leak_warning(leak),) if leak else ()),
        ),
        energy_j=series.energy_j,
        leak_bytes=leak,
    )


def _time_series(
    run: Callable[[int], Any], first: int, protocol: Protocol, conditions: Conditions
) -> _Series:
    """Time calls from number `first` on; those that were disturbed are parted from the rest."""
    made: list[CallConditions] = []
    with conditions.series():
        while not _is_enough(made, protocol):
            number = first + len(made)
            made.append(conditions.during(lambda number=number: run(number)))  # type: ignore[misc]
        joules = conditions.energy.joules()
    quiet, disturbed = _parted(made)
    least, _ = protocol.bounds(median(_walls(made)))
    has_enough = len(quiet) >= least
    return _Series(
        kept=quiet if has_enough else made,
        discarded=disturbed if has_enough else [],
        made=made,
        gpu=conditions.gpu.result() if conditions.gpu else None,
        energy_j=None if joules is None else joules / len(made),
    )


def _is_enough(made: list[CallConditions], protocol: Protocol) -> bool:
    """Whether no more calls need be timed, or may be."""
    if not made:
        return False
    walls = _walls(made)
    least, most = protocol.bounds(median(walls))
    spare = protocol.retries * least
    is_spent = sum(walls) >= protocol.timing_s
    quiet = _walls(_parted(made)[0])
    if len(quiet) < least:
        return len(made) >= least + spare or (is_spent and len(made) >= least)
    # What drifts does not get narrow: the series is made again, or told, and nothing is gained by going on.
    is_over = half_width(quiet) <= protocol.interval or is_drifting(quiet, DRIFT_P_EARLY)
    return is_over or is_spent or len(quiet) >= most or len(made) >= most + spare


def _parted(
    made: list[CallConditions],
) -> tuple[list[CallConditions], list[tuple[CallConditions, str]]]:
    """The calls that nothing disturbed, and the others with what it was."""
    pairs = list(zip(made, disturbances(made), strict=True))
    return [call for call, why in pairs if why is None], [(call, why) for call, why in pairs if why]


def _cool_down(run: Callable[[int], Any], number: int, conditions: Conditions) -> float:
    """Wait until the GPU is itself again, and return the seconds of one call that gets it going."""
    if conditions.gpu:
        conditions.gpu.wait_until_cool()
    return seconds_of(lambda: run(number))[0]


def _leak(made: list[CallConditions], before: int | None, count: int, conditions: Conditions) -> int:
    """Return by how many bytes memory grows with every call, also when garbage is collected; else 0."""
    held = [call.held_bytes for call in made if call.held_bytes is not None]
    grown = leak_bytes(held)
    if not grown or before is None:
        return 0
    gc.collect()  # it takes its time: only where the calls look like a leak
    after = conditions.held_bytes()
    kept = 0 if after is None else (after - before) // count
    return grown if leak_bytes([before, before + kept, before + 2 * kept]) else 0


def _walls(calls: list[CallConditions]) -> list[float]:
    return [call.wall_s for call in calls]


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

    def now() -> float:
        _synchronise(setup.device)
        return time.perf_counter()

    pipeline = setup.pipeline
    # Not by the pipeline's own callback, which PixArt lacks: every pipeline ends a step by its scheduler.
    with (
        watched(pipeline, "encode_prompt", note_text, now=now),
        watched(pipeline.scheduler, "set_timesteps", note_begin, now=now),
        watched(pipeline.scheduler, "step", lambda _begin, end: passes[-1].append(end), now=now),
        watched(pipeline.vae, "decode", lambda begin, end: decode_s.append(end - begin), now=now),
    ):
        total, _ = seconds_of(lambda: make(setup, call))
    apart = [[end - begin for begin, end in itertools.pairwise(stamps)] for stamps in passes]
    steps = tuple(sum(step) for step in itertools.zip_longest(*apart, fillvalue=0.0))
    return Parts(text_s=sum(text_s), steps_s=steps, decode_s=sum(decode_s), total_s=total)


def compile_counters() -> tuple[int, ...]:
    """Return counters that move whenever something is compiled or captured.

    Graphs seen, frames captured, events that compilation took time for, caches of inductor and its CUDA
    graphs; where CUDA is in use, also how often its allocator asked the driver for memory.
    """
    counters = torch._dynamo.utils.counters  # noqa: SLF001 - there is no public counter
    stats, frames = counters["stats"], counters["frames"]
    events = torch._dynamo.utils.compilation_time_metrics  # noqa: SLF001 - the same
    inductor = counters["inductor"]
    found = [int(stats.get("unique_graphs", 0)), int(frames.get("ok", 0)), int(frames.get("total", 0))]
    found.append(sum(len(seconds) for seconds in events.values()))
    found += [sum(n for name, n in inductor.items() if word in name) for word in ("cudagraph", "fxgraph")]
    if torch.cuda.is_initialized():
        found.append(int(torch.cuda.memory_stats().get("num_device_alloc", 0)))
    return tuple(found)


def compile_cache() -> str:
    """Return where this process's compiled code came from.

    Returns:
        "hit" where all of it came from a cache, "cold" where some was compiled here, "" where nothing is
        compiled.
    """
    counters = torch._dynamo.utils.counters  # noqa: SLF001 - there is no public counter
    for part, cache in (("inductor", "fxgraph_cache"), ("aot_autograd", "autograd_cache")):
        hit, miss, passed = (counters[part].get(f"{cache}_{end}", 0) for end in ("hit", "miss", "bypass"))
        if hit or miss or passed:
            return "cold" if miss or passed else "hit"
    return "cold" if counters["stats"].get("unique_graphs", 0) else ""


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


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
