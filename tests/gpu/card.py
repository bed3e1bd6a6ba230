"""Card: the device under test, a runner on it, and reference pictures of a model; on a CPU to prove the path.

What `tests.gpu_check` says to these tests stands in environment variables, so that the tests also run alone:

- AUTOTUNE_CHECK_DEVICE: "cuda", the default, or "cpu".
- AUTOTUNE_CHECK_UNTIL: seconds since 1970 at which the tests must have ended; never, where it is not set.
- AUTOTUNE_CHECK_RESULTS: the folder in which findings are kept; nowhere, where it is not set.
"""

import functools
import math
import os
import time
from pathlib import Path
from typing import cast

import pytest

from autotune.demo import DEMO_PROMPTS
from autotune.job import Job, Protocol
from autotune.knob import Settings
from autotune.knobs import all_knobs
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.space import SearchSpace, build_space
from autotune.workload import Workload

DEVICE = os.environ.get("AUTOTUNE_CHECK_DEVICE", "cuda")
IS_CUDA = DEVICE.startswith("cuda")
ONLY_A_CARD = "only a CUDA card can show this"
TIME_IS_OVER = "the time was over: the next run goes on"
only_a_card = pytest.mark.skipif(not IS_CUDA, reason=ONLY_A_CARD)

_BATCH, _STEPS = (4, 20) if IS_CUDA else (2, 8)
WORKLOAD = Workload(model="demo", prompts=DEMO_PROMPTS[:_BATCH], steps=_STEPS, guidance=3.0, batch=_BATCH)
PROTOCOL = Protocol(settle_max=4, busy_s=0.0, calls_min=3, calls_max=5)
FULL_SIZE_BASE: Settings = {"dtype": "bfloat16"}
"""What every recipe of a full-size architecture has: loading it in 32 bits would take the time of two."""
FAMILIES = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "pixart", "wan")
"""Of `tests/knobs/tiny.py`: random weights in the true form of each family, ready in seconds."""
_TRIAL_S = 300.0
_LEAST_S, _CARD_S = 8.0, 30.0  # left: less is not worth the start of a trial, or of a server and a model


def left_s() -> float:
    """Return the seconds until these tests must have ended; infinite where nobody said."""
    until = os.environ.get("AUTOTUNE_CHECK_UNTIL", "")
    return float(until) - time.time() if until else math.inf


class Card:
    """A model on the device under test, with its space and its reference pictures."""

    def __init__(
        self,
        runner: LocalRunner,
        folder: Path,
        workload: Workload = WORKLOAD,
        base: Settings | None = None,
    ) -> None:
        """Look at the model and make the reference pictures.

        Args:
            runner: Runs the trials.
            folder: Takes their files.
            workload: What is made.
            base: Settings that every recipe has, the reference included.
        """
        self.runner, self.folder, self.base, self.count = runner, folder, dict(base or {}), 0
        self._usual_s = 0.0
        if left_s() < _CARD_S:
            pytest.skip(TIME_IS_OVER)
        situation = runner.probe(workload, DEVICE)
        self.workload, self.device = situation.workload, situation.target.device
        self.space: SearchSpace = build_space(all_knobs(), situation, allow_approximate=True)
        self.reference = folder / "reference"
        began = time.monotonic()
        self.untuned = measured(self.measure({}, role="reference", folder=str(self.reference)))
        self._usual_s = time.monotonic() - began

    def job(self, settings: Settings, **changes: object) -> Job:
        """Return the job of a trial: these settings beside those of the base, with other fields as given."""
        self.count += 1
        fields: dict[str, object] = {
            "recipe": Recipe(
                model=self.workload.model,
                settings=self.space.recipe({**self.base, **settings}).settings,
            ),
            "workload": self.workload,
            "device": self.device,
            "folder": str(self.folder / f"trial-{self.count:03d}"),
            "reference": str(self.reference),
            "cache": str(self.folder / "cache"),
            "protocol": PROTOCOL,
            "time_limit_s": _TRIAL_S,
            "backends": tuple(sorted(self.space.situation.target.backends)),
            **changes,
        }
        return Job(**fields)  # type: ignore[arg-type]

    def measure(self, settings: Settings, **changes: object) -> Outcome:
        """Run a trial and return what it came to; the test is left where the time does not suffice.

        Args:
            settings: Beside those of the base.
            changes: Other fields of the job.
        """
        if left_s() < max(_LEAST_S, self._usual_s):
            pytest.skip(TIME_IS_OVER)
        asked = float(cast("float", changes.get("time_limit_s", _TRIAL_S)))
        limit = min(asked, left_s())
        outcome = self.runner(self.job(settings, **{**changes, "time_limit_s": limit}))
        is_late = isinstance(outcome, Failure) and outcome.kind is FailureKind.TIMEOUT
        if is_late and limit < asked:
            pytest.skip(TIME_IS_OVER)
        return outcome


def measured(outcome: Outcome) -> Measurement:
    """Return an outcome that must be a measurement."""
    assert isinstance(outcome, Measurement), outcome
    return outcome


def card_for(model: str, runner: LocalRunner, folder: Path) -> Card:
    """Return the card of a model.

    Args:
        model: "demo", "tiny:FAMILY" or "arch:NAME".
        runner: Runs the trials.
        folder: Takes all files.
    """
    if model == "demo":
        return Card(runner, folder)
    prompts = ("a red cat", "a dog")
    if model.startswith("arch:"):
        workload = Workload(model=model, prompts=prompts, steps=12, batch=2, width_px=512, height_px=512)
        return Card(runner, folder, workload, FULL_SIZE_BASE)
    name = model.removeprefix("tiny:")
    frames = 9 if name == "wan" else 0
    workload = Workload(
        model=str(tiny_model(name)),
        prompts=prompts,
        steps=12,
        batch=2,
        width_px=64,
        height_px=64,
        frames=frames,
    )
    return Card(runner, folder, workload)


@functools.cache
def tiny_model(family: str) -> Path:
    """Return a folder with a family's tiny pipeline, which is made in the system's folder of temporary files.

    Args:
        family: One of `FAMILIES`.
    """
    import tempfile

    from tests.knobs import tiny, tiny_video

    builder = getattr(tiny, family, None) or getattr(tiny_video, family)
    return tiny.save(builder(), Path(tempfile.mkdtemp(prefix="autotune-tiny-")) / family)
