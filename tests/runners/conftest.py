"""One warm runner for the tests of a module, with a third party's faulty knob installed meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotune.job import Job, Protocol
from autotune.knob import Value
from autotune.measurement import Failure, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.workload import Workload

PLUGINS = Path(__file__).parent.parent / "plugins"
WORKLOAD = Workload(
    model="demo",
    prompts=("a red house on the left in the snow by day", "a blue boat at sea by day with the sun"),
    steps=3,
    guidance=3.0,
    batch=1,
)
PROTOCOL = Protocol(settle_min=2, settle_max=3, calls_min=3, calls_max=3, retries=0)


@pytest.fixture(scope="module")
def phases() -> list[str]:
    """Return the list in which the runner's phases are written."""
    return []


@pytest.fixture(scope="module", autouse=True)
def _faulty_knob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install a third party's faulty knob for every server that is started, also when it starts again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PLUGINS))
        patch.setenv("FAULTY_HELPER_FILE", str(tmp_path_factory.mktemp("helper") / "helper.pid"))
        yield


@pytest.fixture(scope="module")
def runner(phases: list[str]) -> Iterator[LocalRunner]:
    """Return a running local runner whose worker knows the knob `fault`."""
    with LocalRunner(phases.append) as running:
        yield running


@pytest.fixture(scope="module")
def reference(runner: LocalRunner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the reference pictures."""
    folder = tmp_path_factory.mktemp("reference")
    outcome = runner(job({}, folder, role="reference"))

    assert isinstance(outcome, Measurement), outcome
    return folder


@pytest.fixture
def measure(runner: LocalRunner, reference: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Return a function that measures settings and returns the outcome."""

    def run(settings: dict[str, Value], **changes: object) -> Outcome:
        return runner(job(settings, tmp_path / "trial", reference=str(reference), **changes))

    return run


@pytest.fixture
def fail(measure: Callable[..., Outcome]) -> Callable[..., Failure]:
    """Return a function that measures a fault and returns the failure that it must come to."""

    def run(fault: str, **changes: object) -> Failure:
        outcome = measure({"fault": fault}, **changes)

        assert isinstance(outcome, Failure), outcome
        return outcome

    return run


def job(settings: dict[str, Value], folder: Path, **changes: object) -> Job:
    """Return a quick job on the demo model."""
    fields: dict[str, object] = {
        "recipe": Recipe(model="demo", settings=settings),
        "workload": WORKLOAD,
        "device": "cpu",
        "folder": str(folder),
        "protocol": PROTOCOL,
        "time_limit_s": 120.0,
        "threads": 1,
        **changes,
    }
    return Job(**fields)  # type: ignore[arg-type]
