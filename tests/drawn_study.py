"""A study with real pictures in a real database, made in a second by the search's synthetic runner."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from autotune.budget import Budget
from autotune.job import Job
from autotune.knob import Situation
from autotune.measurement import Failure, FailureKind, Outcome
from autotune.search.study import Study
from autotune.search.tune import run_study
from autotune.workload import Workload
from tests.search import synthetic

PROMPTS = ("a red house in the snow", 'a "cat" <script>document.title="owned"</script> & a dog')
WORKLOAD = Workload(model="demo", prompts=PROMPTS, width_px=64, height_px=64, steps=20, batch=2)
SIDE_PX = 64
MESSAGE = "fuse_qkv changed <b>nothing</b>: 0 projections"


def make_study(
    database: Path, *, name: str = "first", trials: int = 8, min_similarity: float = 0.95
) -> Study:
    """Run a study whose pictures are drawn by PIL, and return it; up to eight trials are the presets."""
    plan = synthetic.plan(
        study=name,
        workload=WORKLOAD,
        budget=Budget(trials=trials),
        allow_approximate=True,
        min_similarity=min_similarity,
    )
    situation = Situation(
        target=synthetic.SITUATION.target, blueprint=synthetic.SITUATION.blueprint, workload=WORKLOAD
    )
    return run_study(
        plan,
        url=f"sqlite:///{database}",
        runner=drawing_runner(),
        situation=situation,
        knobs=synthetic.knobs(),
    )


def drawing_runner() -> Callable[[Job], Outcome]:
    """Return a runner that draws a picture for each prompt, the same for the same recipe."""
    run = synthetic.runner()

    def draw(job: Job) -> Outcome:
        outcome = run(job)
        if job.recipe.settings.get("fuse_qkv"):
            return Failure(kind=FailureKind.NOT_APPLIED, message=MESSAGE, knob="fuse_qkv", phase="first call")
        if isinstance(outcome, Failure):
            return outcome
        names = tuple(f"picture-{number:02d}.png" for number in range(len(PROMPTS)))
        for number, name in enumerate(names):
            _draw(Path(job.folder) / name, number, job.recipe.digest)
        return replace(outcome, pictures=names, batch=len(PROMPTS))

    return draw


def _draw(file: Path, number: int, digest: str) -> None:
    shade = hashlib.sha256(digest.encode()).digest()[number]
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), (70 + 60 * number, 120, 150 + shade // 4))
    ImageDraw.Draw(picture).rectangle((16, 20 + shade // 16, 48, 60), fill=(190, 40 + shade // 4, 40))
    picture.save(file)
