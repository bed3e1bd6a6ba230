"""What autotune itself costs, as ratios in one run: `make bench`.

Each line is the median of several repeats on this machine; what it is compared with comes from the same run.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from autotune.job import Job, Protocol
from autotune.measurement import Measurement
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload

REPEATS = 5
WORKLOAD = Workload(
    model="demo", prompts=("a red house in the snow by day",), steps=20, guidance=3.0, batch=4
)
FIXED = ("fork", "load", "apply", "parts", "likeness")


def median_s(action: Callable[[], object]) -> float:
    """Return the median wall seconds of an action over five repeats."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def python(*arguments: str) -> Callable[[], object]:
    """Return an action that runs this interpreter."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def trials(folder: Path) -> list[Measurement]:
    """Return five untuned trials of the demo model."""
    with LocalRunner() as runner:
        situation = runner.probe(WORKLOAD, "cpu")

        def job(name: str, **fields: object) -> Job:
            recipe = Recipe(model="demo")
            common = {
                "recipe": recipe,
                "workload": situation.workload,
                "device": "cpu",
                "folder": str(folder / name),
            }
            return Job(**{**common, "protocol": Protocol(calls_min=5, calls_max=5), **fields})  # type: ignore[arg-type]

        runner(job("reference", role="reference"))
        outcomes = [runner(job(f"trial-{n}", reference=str(folder / "reference"))) for n in range(REPEATS)]
    return [outcome for outcome in outcomes if isinstance(outcome, Measurement)]


def main() -> None:
    """Measure and print the table."""
    bare = median_s(python("-c", "pass"))
    imports = median_s(
        python("-c", "import autotune.pipeline.orders, diffusers; diffusers.StableDiffusionPipeline")
    )
    help_s = median_s(python("-m", "autotune", "--help"))
    with tempfile.TemporaryDirectory() as name:
        measured = trials(Path(name))
    fork = statistics.median(m.phases_s["fork"] for m in measured)
    fixed = statistics.median(sum(m.phases_s[phase] for phase in FIXED) for m in measured)
    call = statistics.median(m.latency_s for m in measured)
    latencies, peaks = [m.latency_s for m in measured], [m.memory_bytes for m in measured]
    rows = [
        (
            "`autotune --help`",
            help_s,
            f"{help_s / bare:.1f}x an interpreter that does nothing ({bare:.3f} s)",
        ),
        (
            "start of a trial by fork",
            fork,
            f"{imports / fork:.0f}x less than a fresh import ({imports:.2f} s)",
        ),
        ("trial beside its calls", fixed, f"{fixed / call:.2f}x one call of four pictures ({call:.3f} s)"),
        (
            "spread of five trials' latencies",
            max(latencies) / min(latencies) - 1,
            "largest over smallest, less 1",
        ),
        ("spread of five trials' memory", max(peaks) / min(peaks) - 1, "largest over smallest, less 1"),
    ]
    width = max(len(row[0]) for row in rows)
    print(f"{'what':<{width}}  {'value':>7}  compared in this run with")
    for what, value, comparison in rows:
        print(f"{what:<{width}}  {value:>7.3f}  {comparison}")


if __name__ == "__main__":
    main()
