"""Experiments of the stage "trust" on the bare device: what `trust_card` measures in a process of its own."""

import itertools
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.gpu_check.commands import run_module
from tests.gpu_check.trust_trials import Finding, OutOfTime, Trials, is_good, table, why_missing

DEVICE, SERVER = "the bare device", "server"
_PROGRAM = "tests.gpu_check.trust_card"
_PARTS = ("context", "products", "copies", "energy", "sampling")
_LONGEST_S = 150.0
_MIB = 2**20


def measure_server(trials: Trials) -> None:
    """Measure how long the trial server takes to start: torch and diffusers are imported for all trials."""

    def started() -> Finding:
        trials.runner.close()
        start = time.perf_counter()
        trials.runner.probe_target(trials.where.device)
        first_s = time.perf_counter() - start
        start = time.perf_counter()
        trials.runner.probe_target(trials.where.device)
        again_s = time.perf_counter() - start
        return {"first_s": first_s, "again_s": again_s}

    trials.once(SERVER, "start", started)


def measure_device(trials: Trials) -> None:
    """Measure the bare device: the parts that are not known yet, all in one process.

    Raises:
        OutOfTime: Some are still not known.
    """
    known = trials.of(DEVICE)
    missing = [part for part in _PARTS if trials.wants(DEVICE, part)]
    if not missing:
        return
    ran = run_module(_PROGRAM, [trials.device, *missing], trials.where.within(_LONGEST_S))
    made = parts_in(ran.out)
    for part in missing:
        if part in made:
            known.pop(part, None)  # what failed before
            trials.once(DEVICE, part, made[part].copy, needs_s=0.0)
    unmade = [part for part in missing if part not in made]
    if not unmade:
        return
    if ran.was_stopped:
        raise OutOfTime(f"{DEVICE}: {unmade[0]}")
    # The program died in the first of them: the rest is asked for in the second pass, or by the next run.
    known.pop(unmade[0], None)
    reason = f"it ended with code {ran.code}: {ran.last_words}"[:500]
    trials.once(DEVICE, unmade[0], lambda: {"failure": reason}, needs_s=0.0)
    raise OutOfTime(f"{DEVICE}: {unmade[0]}")


def parts_in(out: str) -> dict[str, Finding]:
    r"""Return what the program said of each part; other lines are passed over.

    >>> parts_in('hello\n{"part": "copies", "found": {"size_bytes": 1}}\n')
    {'copies': {'size_bytes': 1}}
    """
    found: dict[str, Finding] = {}
    for line in out.splitlines():
        if line.startswith('{"part":'):
            said = json.loads(line)
            found[said["part"]] = said["found"]
    return found


def steps_of(readings: Sequence[tuple[float, float]]) -> dict[str, float] | None:
    """Return how a counter of millijoules advances: seconds and joules of its median step; None without one.

    Args:
        readings: The moments at which it was seen to change, and what it was then.

    >>> found = steps_of([(0.03, 1000), (0.1, 4000), (0.2, 8000), (0.3, 12000)])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'step_s': 0.1, 'step_j': 4.0, 'steps': 2, 'mean_w': 40.0}
    """
    changes = readings[1:]  # the first is when it was looked at, not when it changed
    if len(changes) < 2:
        return None
    seconds = [later[0] - earlier[0] for earlier, later in itertools.pairwise(changes)]
    joules = [(later[1] - earlier[1]) / 1e3 for earlier, later in itertools.pairwise(changes)]
    return {
        "step_s": statistics.median(seconds),
        "step_j": statistics.median(joules),
        "steps": len(joules),
        "mean_w": sum(joules) / sum(seconds),
    }


def device_lines(found: Mapping[str, Finding]) -> list[str]:
    """Return what the experiment "the bare device" found, as Markdown."""
    writers = {
        "context": _context_lines,
        "products": _product_lines,
        "copies": _copy_lines,
        "energy": _energy_lines,
        "sampling": _sampling_lines,
    }
    lines = []
    for part in _PARTS:
        if part in found:
            one = found[part]
            lines += writers[part](one) if is_good(one) else [f"{part.capitalize()}: {why_missing(one)}.", ""]
    return lines


def _context_lines(found: Finding) -> list[str]:
    rows = []
    for step in found["steps"]:
        delta, reserved = step["delta_bytes"], step["reserved_bytes"]
        outside = "not told here" if delta is None else f"{(delta - reserved) / _MIB:.0f}"
        taken = "not told here" if delta is None else f"{delta / _MIB:.0f}"
        rows.append([step["step"], f"{step['seconds']:.3f}", taken, f"{reserved / _MIB:.0f}", outside])
    lines = table(["first", "s", "device lost MiB", "reserved MiB", "outside MiB"], rows)
    if "card" not in found:
        return lines
    facts = [f"{name} {value}" for name, value in found["card"].items()]
    own, hosts = found["own_bytes"], found["has_the_hosts_numbers"]
    own_mib = "nothing" if own is None else f"{own / _MIB:.0f} MiB"
    return [
        *lines,
        (
            f"NVML counts {own_mib} as this process's own; numbers of processes are "
            f"{'the host’s' if hosts else 'not the host’s'}; other processes on the card: "
            f"{found['foreign_processes']}. {', '.join(facts)}."
        ),
        "",
    ]


def _product_lines(found: Finding) -> list[str]:
    rows = [[name, f"{speed:.3g}"] for name, speed in found["tera_per_s"].items()]
    rows += [[name, f"none: {why}"] for name, why in found["why_not"].items()]
    return table([f"product of {found['side']} x {found['side']}", "TFLOP/s (int8: TOP/s)"], rows)


def _copy_lines(found: Finding) -> list[str]:
    rows = [[name, f"{speed:.1f}"] for name, speed in found["gb_per_s"].items()]
    return table([f"copy of {found['size_bytes'] / _MIB:.0f} MiB", "GB/s"], rows)


def _energy_lines(found: Finding) -> list[str]:
    rows = []
    for name in ("load", "rest"):
        steps = steps_of(found[name])
        cells = (
            ["-"] * 4
            if steps is None
            else [f"{steps[key]:.3g}" for key in ("steps", "step_s", "step_j", "mean_w")]
        )
        rows.append([name, *cells])
    lines = table(["energy counter under", "steps seen", "s a step", "J a step", "mean W"], rows)
    joules, watts, seconds = found["joules"], found["mean_w"], found["seconds"]
    if joules is None or not watts:
        return [*lines, "The counter and the mean power could not be compared.", ""]
    ratio = joules / (watts * seconds)
    return [
        *lines,
        (
            f"Over {seconds:.1f} s of load the counter told {joules:.0f} J, mean power times time "
            f"{watts * seconds:.0f} J: a ratio of {ratio:.3f}."
        ),
        "",
    ]


def _sampling_lines(found: Finding) -> list[str]:
    kinds: dict[str, Any] = {name: one for name, one in found.items() if isinstance(one, dict)}
    rows = []
    for name, one in kinds.items():
        pairs = len(one["plain_s"])
        noise = statistics.stdev(one["plain_s"]) / statistics.fmean(one["plain_s"])
        rows.append([name, str(pairs), f"{one['cost']:+.2%}", f"{noise:.2%}"])
    heads = ["work with NVML asked ten times a second", "pairs", "longer by", "sd without"]
    return [
        *table(heads, rows),
        "A cost below the sd of the work itself is not distinguishable from none.",
        "",
    ]


def server_lines(found: Mapping[str, Finding], trials: Sequence[Finding]) -> list[str]:
    """Return what the start of the server and of trials took, as Markdown.

    Args:
        found: Of the experiment "server".
        trials: Findings of trials of all experiments.
    """
    lines = []
    one = found.get("start")
    if one is not None and is_good(one):
        lines += [
            (
                f"The trial server was ready, and had looked at the device, after {one['first_s']:.1f} s; "
                f"a second look took {one['again_s']:.1f} s."
            ),
            "",
        ]
    elif one is not None:
        lines += [f"Server: {why_missing(one)}.", ""]
    rows = []
    for model in dict.fromkeys(trial["workload"]["model"] for trial in trials):
        mine = [trial["phases_s"] for trial in trials if trial["workload"]["model"] == model]
        cells = []
        for phase in ("fork", "load", "apply", "first call"):
            known = [phases[phase] for phases in mine if phase in phases]
            cells.append(f"{statistics.median(known):.2f}" if known else "-")
        rows.append([model, str(len(mine)), *cells])
    return [*lines, *table(["trials of", "n", "fork s", "load s", "apply s", "first call s"], rows)]
