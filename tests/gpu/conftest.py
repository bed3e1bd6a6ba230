"""One card for all tests of this folder: a runner on the first GPU, with reference pictures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.demo import DEMO_PROMPTS
from autotune.job import Job, Protocol
from autotune.knob import Value
from autotune.knobs import all_knobs
from autotune.measurement import Measurement, Outcome
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.space import SearchSpace, build_space
from autotune.workload import Workload

WORKLOAD = Workload(model="demo", prompts=DEMO_PROMPTS[:4], steps=20, guidance=3.0, batch=4)
PROTOCOL = Protocol(settle_max=4, busy_s=0.0, calls_min=3, calls_max=5)


class Card:
    """A runner on the first GPU, with reference pictures."""

    def __init__(self, runner: LocalRunner, folder: Path) -> None:
        """Make the reference pictures."""
        self.runner, self.folder, self.count = runner, folder, 0
        situation = runner.probe(WORKLOAD, "cuda")
        self.workload = situation.workload
        self.space: SearchSpace = build_space(all_knobs(), situation, allow_approximate=True)
        self.reference = folder / "reference"
        made = self.measure({}, role="reference", folder=str(self.reference))

        assert isinstance(made, Measurement), made

    def measure(self, settings: dict[str, Value], **changes: object) -> Outcome:
        """Measure settings on the GPU."""
        self.count += 1
        fields: dict[str, object] = {
            "recipe": Recipe(model="demo", settings=settings),
            "workload": self.workload,
            "device": "cuda:0",
            "folder": str(self.folder / f"trial-{self.count:03d}"),
            "reference": str(self.reference),
            "cache": str(self.folder / "cache"),
            "protocol": PROTOCOL,
            "time_limit_s": 300.0,
            **changes,
        }
        return self.runner(Job(**fields))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Card]:
    """Return the first GPU with reference pictures made."""
    with LocalRunner() as runner:
        yield Card(runner, tmp_path_factory.mktemp("cuda"))


def keep(name: str, found: Any) -> None:
    """Write what was measured to the folder that `make gpu-check` names."""
    folder = os.environ.get("AUTOTUNE_GPU_RESULTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
