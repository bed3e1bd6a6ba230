"""Time optimum-benchmark on one pipeline: run by an interpreter that has it, with nothing of autotune.

Arguments: folder of the pipeline, steps, guidance. Prints one line of JSON: "fixed_s", the wall seconds of
its benchmark without loading, the first call, warm-up and timed calls; "call_s"; and "versions".
"""

import importlib
import importlib.metadata
import json
import statistics
import sys
import time

WARM, TIMED, REPEATS = 1, 4, 3
PACKAGES = ("optimum-benchmark", "diffusers", "transformers", "torch")


def launch(folder: str, steps: int, guidance: float) -> tuple[float, float]:
    """Run one benchmark and return its seconds beside its calls, and the seconds of a call."""
    ob = importlib.import_module("optimum_benchmark")
    config = ob.BenchmarkConfig(
        name="demo",
        environment={},  # filled in, it looks for a package that need not be there
        launcher=ob.ProcessConfig(),
        scenario=ob.InferenceConfig(
            warmup_runs=WARM,
            iterations=TIMED,
            duration=0,
            input_shapes={"batch_size": 1},
            call_kwargs={"num_inference_steps": steps, "guidance_scale": guidance},
        ),
        backend=ob.PyTorchConfig(model=folder, device="cpu", task="text-to-image", library="diffusers"),
    )
    start = time.perf_counter()
    report = ob.Benchmark.launch(config).to_dict()
    wall_s = time.perf_counter() - start
    load_s, first_s = (report[name]["latency"]["total"] for name in ("load_model", "first_call"))
    calls = report["call"]["latency"]["values"]
    # Its warm-up calls are not in its report: they are counted as timed ones.
    return wall_s - load_s - first_s - sum(calls) - WARM * statistics.median(calls), statistics.median(calls)


def main() -> None:
    """Print the medians of three benchmarks."""
    folder, steps, guidance = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    found = [launch(folder, steps, guidance) for _ in range(REPEATS)]
    fixed_s, call_s = (statistics.median(values) for values in zip(*found, strict=True))
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    print(json.dumps({"fixed_s": fixed_s, "call_s": call_s, "versions": versions}))


if __name__ == "__main__":  # its processes are spawned: they import this file again
    main()
