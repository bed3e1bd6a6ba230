"""Studies with real pictures in a real database, made in a second by the search's synthetic runner."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageDraw

from autotune.budget import Budget
from autotune.job import Job
from autotune.knob import Situation, Value
from autotune.measurement import Failure, FailureKind, Measurement, Outcome
from autotune.plan import Plan
from autotune.recipe import Recipe
from autotune.search.study import Study, read_study
from autotune.search.tune import run_study
from autotune.store import history
from autotune.store.engine import open_database
from autotune.store.records import StudyRecord
from autotune.workload import Workload
from tests.search import synthetic

PROMPTS = ("a red house in the snow", 'a "cat" <script>document.title="owned"</script> & a dog')
WORKLOAD = Workload(model="demo", prompts=PROMPTS, width_px=64, height_px=64, steps=20, batch=2)
SIDE_PX = 64
SITUATION = Situation(
    target=synthetic.SITUATION.target, blueprint=synthetic.SITUATION.blueprint, workload=WORKLOAD
)
RECIPES: tuple[dict[str, Value], ...] = (
    {},
    {"dtype": "float16"},
    {"dtype": "float16", "channels_last": True},
    {"dtype": "bfloat16", "channels_last": True, "compile": "regional"},
    {"dtype": "bfloat16", "channels_last": True, "compile": "full", "fuse_qkv": True},
    {"dtype": "float16", "prompt_embeds": "precomputed", "vae_slicing": True},
    {"dtype": "float16", "steps": 12},
    {"dtype": "bfloat16", "channels_last": True, "compile": "full", "quantization": "int8_dynamic"},
)
MESSAGE = "fuse_qkv changed <b>nothing</b>: 0 projections"


def make_study(database: Path, *, name: str = "first", trials: int = len(RECIPES)) -> Study:
    """Store a study whose trials are always the same, whatever the search would try, and return it."""
    plan = _plan(name, trials)
    choices = {knob.name: knob.domain(SITUATION).values for knob in synthetic.knobs()}
    defaults = {knob: values[0] for knob, values in choices.items()}
    draw = drawing_runner()
    with open_database(f"sqlite:///{database}") as opened:
        record = StudyRecord(plan=plan, situation=SITUATION, choices=choices, created_at=datetime.now(UTC))
        history.save_study(opened, record)
        draw(_job(Recipe(model="demo"), opened.folders.reference(SITUATION)))
        for number, changed in enumerate(RECIPES[:trials]):
            recipe = Recipe(model="demo", settings=changed)
            new = history.NewTrial(
                number=number,
                digest=recipe.digest,
                settings={**defaults, **changed},
                changed=changed,
                preset="half precision" if number == 1 else "",
            )
            trial = history.start_trial(opened, name, new)
            outcome = draw(_job(recipe, trial.folder))
            history.finish_trial(opened, name, number, outcome=outcome, seconds=1.5)
        return read_study(opened, name)


def search_study(database: Path, *, name: str = "first", trials: int = 8) -> Study:
    """Run a study, so that Optuna's tables know of it too, and return it."""
    return run_study(
        _plan(name, trials),
        url=f"sqlite:///{database}",
        runner=drawing_runner(),
        situation=SITUATION,
        knobs=synthetic.knobs(),
    )


def _plan(name: str, trials: int) -> Plan:
    return synthetic.plan(
        study=name,
        workload=WORKLOAD,
        budget=Budget(trials=trials),
        allow_approximate=True,
        min_similarity=0.95,
    )


def _job(recipe: Recipe, folder: Path) -> Job:
    return Job(recipe=recipe, workload=WORKLOAD, device="cpu", folder=str(folder))


def drawing_runner() -> Callable[[Job], Outcome]:
    """Return a runner that draws a picture for each prompt, the same for the same recipe."""
    run = synthetic.runner()

    def draw(job: Job) -> Outcome:
        outcome = run(job)
        if job.recipe.settings.get("fuse_qkv"):
            return Failure(kind=FailureKind.NOT_APPLIED, message=MESSAGE, knob="fuse_qkv", phase="first call")
        if not isinstance(outcome, Measurement):
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
