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
from autotune.knob import Value
from autotune.measurement import Measurement
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload

REPEATS = 5
WORKLOAD = Workload(
    model="demo", prompts=("a red house in the snow by day",), steps=20, guidance=3.0, batch=4
)
FIXED = ("fork", "load", "apply", "parts", "likeness")
RECIPES: dict[str, dict[str, Value]] = {
    "untuned": {},
    "tuned": {"channels_last": True, "channels_last_vae": True, "dtype": "bfloat16", "fuse_qkv": True},
}


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


def trials(folder: Path) -> dict[str, list[Measurement]]:
    """Return five trials of the demo model by each recipe, each in a fresh process."""
    with LocalRunner() as runner:
        situation = runner.probe(WORKLOAD, "cpu")

        def job(name: str, settings: dict[str, Value], **fields: object) -> Job:
            recipe = Recipe(model="demo", settings=settings)
            common = {
                "recipe": recipe,
                "workload": situation.workload,
                "device": "cpu",
                "folder": str(folder / name),
            }
            return Job(**{**common, "protocol": Protocol(calls_min=5, calls_max=5), **fields})  # type: ignore[arg-type]

        runner(job("reference", {}, role="reference"))
        reference = str(folder / "reference")
        outcomes = {
            name: [runner(job(f"{name}-{n}", settings, reference=reference)) for n in range(REPEATS)]
            for name, settings in RECIPES.items()
        }
    return {name: [o for o in found if isinstance(o, Measurement)] for name, found in outcomes.items()}


def spread(values: list[float]) -> float:
    """Return by how much the largest exceeds the smallest, as a share of it."""
    return max(values) / min(values) - 1


def memory_rows(by_recipe: dict[str, list[Measurement]]) -> list[tuple[str, float, str]]:
    """Return how far equal recipes differ in memory: as counted, and as their processes held it."""
    rows = []
    for name, found in by_recipe.items():
        live = [float(measured.memory_bytes) for measured in found]
        held = [float(measured.memory.detail["process_bytes"]) for measured in found]
        middle = f"median {statistics.median(live) / 2**20:.1f} MiB"
        kept = f"median {statistics.median(held) / 2**20:.1f} MiB"
        rows.append((f"spread of memory, {name}", spread(live), f"{middle}: largest over smallest, less 1"))
        rows.append((f"  of what the process held, {name}", spread(held), f"{kept}: likewise"))
    return rows


def main() -> None:
    """Measure and print the table."""
    bare = median_s(python("-c", "pass"))
    imports = median_s(
        python("-c", "import autotune.pipeline.orders, diffusers; diffusers.StableDiffusionPipeline")
    )
    help_s = median_s(python("-m", "autotune", "--help"))
    with tempfile.TemporaryDirectory() as name:
        by_recipe = trials(Path(name))
    measured = by_recipe["untuned"]
    fork = statistics.median(m.phases_s["fork"] for m in measured)
    fixed = statistics.median(sum(m.phases_s[phase] for phase in FIXED) for m in measured)
    call = statistics.median(m.latency_s for m in measured)
    weighed = statistics.median(m.phases_s["memory"] for m in measured)
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
        ("the extra call for memory", weighed, f"{weighed / call:.2f}x one call"),
        (
            "spread of five trials' latencies",
            spread([m.latency_s for m in measured]),
            "largest over smallest, less 1",
        ),
        *memory_rows(by_recipe),
    ]
    width = max(len(row[0]) for row in rows)
    print(f"{'what':<{width}}  {'value':>7}  compared in this run with")
    for what, value, comparison in rows:
        print(f"{what:<{width}}  {value:>7.3f}  {comparison}")


if __name__ == "__main__":
    main()
