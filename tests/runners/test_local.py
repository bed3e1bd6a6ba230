"""Behaviour of the local runner: real processes, a real model, faults planted by a third party's knob."""

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.demo import demo_model_path
from autotune.errors import DeviceError, ModelError
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload
from tests.processes import is_running, wait_until

from .conftest import PROTOCOL, WORKLOAD

Measure = Callable[..., Outcome]
Fail = Callable[..., Failure]


def test_a_trial_is_measured(measure: Measure, tmp_path: Path) -> None:
    """An untuned trial has raw samples, parts that add up, memory, likeness 1, pictures and a fingerprint."""
    outcome = measure({})

    assert isinstance(outcome, Measurement), outcome
    assert len(outcome.calls_s) == PROTOCOL.calls_min
    assert outcome.parts is not None
    assert len(outcome.parts.steps_s) == WORKLOAD.steps
    parts = outcome.parts.text_s + sum(outcome.parts.steps_s) + outcome.parts.decode_s
    assert 0.5 * outcome.parts.total_s < parts <= outcome.parts.total_s
    assert outcome.memory_bytes > 2**20
    assert set(outcome.memory.stages) == {"load", "apply", "first call", "calls", "one call"}
    assert outcome.similarity == pytest.approx(1.0, abs=1e-4)
    assert {100.0} == set(outcome.likeness.psnr_db)
    assert [(tmp_path / "trial" / name).stat().st_size > 0 for name in outcome.pictures] == [True, True]
    assert "torch" in outcome.environment["target"]["libraries"]
    assert list(outcome.phases_s) == [
        "fork",
        "load",
        "apply",
        "first call",
        "settle",
        "timing",
        "parts",
        "memory",
        "likeness",
        "step error",
    ]


def test_the_phases_are_told_in_order(measure: Measure, phases: list[str]) -> None:
    """Whoever listens hears of each phase as it begins."""
    phases.clear()
    measure({})

    assert phases == [
        *("load", "apply", "first call", "settle", "timing"),
        *("parts", "memory", "likeness", "step error"),
    ]


def test_fewer_steps_are_faster_and_less_alike(measure: Measure) -> None:
    """A knob that changes the result shows up in steps taken and in likeness."""
    outcome = measure({"steps": 2})

    assert isinstance(outcome, Measurement), outcome
    assert outcome.parts is not None
    assert len(outcome.parts.steps_s) == 2
    assert outcome.similarity < 0.9999


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("segfault", FailureKind.CRASH, "signal 11 (SIGSEGV) in phase 'apply'"),
        ("exit", FailureKind.CRASH, "exit code 3 in phase 'apply'"),
        ("raise", FailureKind.REJECTED, "could not be set to 'raise': ValueError: this value is silly"),
        ("raise in call", FailureKind.CRASH, "RuntimeError: the sky fell"),
        ("missing package", FailureKind.UNSUPPORTED, "No module named 'a_package_that_nobody_has'"),
        ("out of memory", FailureKind.OUT_OF_MEMORY, "allocate"),
        ("killed", FailureKind.OUT_OF_MEMORY, "killed by signal 9"),
        ("nan pixel", FailureKind.CORRUPT_PICTURE, "NaN"),
        ("black", FailureKind.CORRUPT_PICTURE, "black"),
        ("flat", FailureKind.CORRUPT_PICTURE, "flat"),
        ("noise", FailureKind.CORRUPT_PICTURE, "noise"),
        ("ignored", FailureKind.NOT_APPLIED, "did not take effect: nothing about the pipeline has changed"),
        ("recompiles", FailureKind.CRASH, "recompile"),
    ],
)
def test_a_fault_becomes_a_failure_with_its_reason(
    fail: Fail, fault: str, kind: FailureKind, words: str
) -> None:
    """Whatever a recipe does, the runner answers with a kind, a sentence and the end of the log."""
    failure = fail(fault)

    assert failure.kind is kind
    assert words in failure.message
    assert f"the fault is {fault}" in failure.log


@pytest.mark.parametrize("fault", ["raise", "ignored"])
def test_the_knob_at_fault_is_named(fail: Fail, fault: str) -> None:
    """A refused or ignored value names its knob."""
    assert fail(fault).knob == "fault"


def test_a_shifted_picture_is_measured_as_unlike(measure: Measure) -> None:
    """A picture that is one, but another one, is scored low and not failed."""
    outcome = measure({"fault": "shifted"})

    assert isinstance(outcome, Measurement), outcome
    assert outcome.similarity < 0.8


@pytest.mark.slow
def test_a_trial_that_slows_down_is_reported_as_drifting(measure: Measure) -> None:
    """A worker that gets slower call by call carries a warning."""
    protocol = type(PROTOCOL)(settle_min=2, settle_max=3, calls_min=5, calls_max=5, retries=0)
    outcome = measure({"fault": "slower after third call"}, protocol=protocol)

    assert isinstance(outcome, Measurement), outcome
    assert any(warning.startswith(("drifting", "noisy")) for warning in outcome.warnings)


@pytest.mark.slow
def test_a_late_trial_is_killed_with_its_helpers(fail: Fail) -> None:
    """The time limit ends the whole process group, and the next trial runs as if nothing had been."""
    failure = fail("hang with helper", time_limit_s=5.0)
    helper = int(Path(os.environ["FAULTY_HELPER_FILE"]).read_text(encoding="ascii"))

    assert failure.kind is FailureKind.TIMEOUT
    assert "more than 5 s and was killed in phase 'apply'" in failure.message
    assert wait_until(lambda: not is_running(helper))
    assert fail("raise").kind is FailureKind.REJECTED


def test_a_trial_can_be_cancelled(runner: LocalRunner, fail: Fail) -> None:
    """Cancelling kills the running trial at once, which is no evidence about its recipe."""
    timer = threading.Timer(1.5, runner.cancel)
    timer.start()
    failure = fail("hang")

    assert failure.kind is FailureKind.CANCELLED
    assert fail("raise").kind is FailureKind.REJECTED


@pytest.mark.slow
def test_a_trial_leaves_nothing_behind_for_the_next(measure: Measure) -> None:
    """Process-wide state that one trial sets is gone in the next, which makes the same pictures as ever."""
    first = measure({"quantization": "int8_weight_only"})
    second = measure({})

    assert isinstance(first, Measurement), first
    assert isinstance(second, Measurement), second
    assert {100.0} == set(second.likeness.psnr_db)


@pytest.mark.slow
def test_the_server_starts_again_when_it_has_died(runner: LocalRunner, measure: Measure) -> None:
    """A server that was killed is replaced; the trial that ran becomes a failure."""
    assert runner._server is not None
    server = runner._server
    threading.Timer(1.0, lambda: os.kill(server.pid, signal.SIGKILL)).start()
    failure = measure({"fault": "hang"})

    assert isinstance(failure, Failure)
    assert failure.message == "The trial server died."
    assert isinstance(measure({}), Measurement)


@pytest.mark.slow
def test_nothing_survives_a_killed_parent(tmp_path: Path) -> None:
    """When the study's own process is killed with -9, the server and the running trial die too."""
    script = tmp_path / "parent.py"
    script.write_text(
        "\n".join(
            [
                "import sys",
                f"sys.path.insert(0, {str(Path(__file__).parent.parent)!r})",
                "from pathlib import Path",
                "from runners.conftest import job",
                "from autotune.runners.local import LocalRunner",
                "def say(phase): print(phase, runner._pid, runner._server.pid, flush=True)",
                "runner = LocalRunner(say)",
                "runner(job({'fault': 'hang'}, Path(sys.argv[1])))",
            ]
        ),
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "trial")],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        words: list[str] = []
        while words[:1] != ["apply"]:
            words = parent.stdout.readline().split()
        trial, server = int(words[1]), int(words[2])
        assert is_running(trial)
        parent.kill()

    assert wait_until(lambda: not is_running(trial))
    assert wait_until(lambda: not is_running(server))


def test_what_is_known_of_the_device_is_not_tried_again(measure: Measure) -> None:
    """A trial that is told which kernels there are tries none: on a GPU that takes seconds and memory."""
    outcome = measure({}, backends=("fp16", "bf16"), is_whole=False)

    assert isinstance(outcome, Measurement), outcome
    assert outcome.environment["target"]["backends"] == ["bf16", "fp16"]


def test_the_outcome_is_kept_beside_the_pictures(measure: Measure, tmp_path: Path) -> None:
    """The trial's folder holds job, log, outcome and pictures, so that it can be looked into."""
    measure({})
    files = {file.name for file in (tmp_path / "trial").iterdir()}

    assert {"job.json", "log.txt", "outcome.json", "picture-00.png"} <= files
    assert json.loads((tmp_path / "trial" / "outcome.json").read_text())["outcome"] == "measurement"


def test_a_model_is_probed_without_its_weights(runner: LocalRunner) -> None:
    """The probe tells parts, abilities and sizes of the model, and the machine."""
    situation = runner.probe(WORKLOAD, "cpu")

    assert situation.blueprint.pipeline_class == "StableDiffusionPipeline"
    assert {"unet", "vae", "text_encoder"} == set(situation.blueprint.parts)
    assert situation.blueprint.can("tiny_vae")
    assert situation.workload.width_px == situation.blueprint.number("default_size_px") > 0
    assert situation.target.kind == "cpu"
    assert {"bf16", "math"} <= situation.target.backends


@pytest.mark.parametrize(
    ("workload", "device", "error", "words"),
    [
        (WORKLOAD, "tpu", DeviceError, "There is no device 'tpu'"),
        (Workload(model="./nowhere"), "cpu", ModelError, "There is no folder './nowhere'"),
        (
            Workload(model="nobody/nothing"),
            "cpu",
            ModelError,
            "neither a local folder nor could it be fetched",
        ),
        (Workload(model="demo", width_px=8 * 5, height_px=8 * 5 + 8), "cpu", None, ""),
    ],
)
def test_a_bad_model_or_device_is_named(
    runner: LocalRunner, workload: Workload, device: str, error: type[Exception] | None, words: str
) -> None:
    """What cannot be found is said in one sentence, and a size that suits the model is accepted."""
    if error is None:
        assert runner.probe(workload, device).workload.height_px == 48
        return
    with pytest.raises(error, match=words):
        runner.probe(workload, device)


def test_a_missing_gpu_is_said(runner: LocalRunner) -> None:
    """Asking for CUDA on a machine without it tells what is there instead."""
    if not importlib.metadata.version("torch").endswith("+cpu"):
        assert runner.probe_target("cuda").kind == "cuda"
        return
    with pytest.raises(DeviceError, match="needs a CUDA GPU"):
        runner.probe_target("cuda")


def test_a_folder_that_is_no_pipeline_is_refused(runner: LocalRunner, tmp_path: Path) -> None:
    """A folder without model_index.json is no pipeline."""
    with pytest.raises(ModelError, match=r"no file 'model_index\.json'"):
        runner.probe(Workload(model=str(tmp_path)), "cpu")


def test_damaged_weights_are_named(runner: LocalRunner, tmp_path: Path) -> None:
    """A truncated weight file is found before any trial runs."""
    copy = tmp_path / "copy"
    shutil.copytree(demo_model_path(), copy)
    weights = next((copy / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:2000])

    with pytest.raises(ModelError, match="is damaged"):
        runner.probe(Workload(model=str(copy)), "cpu")


def test_a_recipe_with_an_unknown_knob_is_rejected(measure: Measure) -> None:
    """A recipe from elsewhere that names a knob which is not there comes to a rejected trial."""
    outcome = measure({}, recipe=Recipe(model="demo", settings={"atention": "vanilla"}))

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.REJECTED
    assert "Did you mean 'attention'?" in outcome.message
