"""Every family through the doors of the product: facts, first noise, trials, recipes and scripts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import autotune
from autotune.errors import PlanError
from autotune.job import Job, Protocol
from autotune.knobs import all_knobs
from autotune.measurement import Measurement, Outcome
from autotune.pipeline.calls import CLIP_FRAMES, noise_in_32_bits, spread_frames
from autotune.pipeline.machine import read_target
from autotune.pipeline.probe import read_blueprint, situate
from autotune.pipeline.sizes import resolve_size
from autotune.recipe import Recipe
from autotune.runners.local import LocalRunner
from autotune.script import script_text
from autotune.workload import Workload
from tests.knobs import tiny
from tests.knobs.conftest import BUILDERS, FAMILIES
from tests.knobs.workbench import pictures_of, situation_of, turned

VIDEO = ("ltx", "wan")
pytestmark = [pytest.mark.filterwarnings("ignore")]
PROTOCOL = Protocol(settle_min=1, settle_max=1, calls_min=2, calls_max=2)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from the name of a family to a folder with its tiny pipeline."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tiny.save(BUILDERS[name](), tmp_path_factory.mktemp("families") / name)
        return made[name]

    return folder


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """Return a running local runner."""
    with LocalRunner(lambda _phase: None) as running:
        yield running


def workload_of(folder: Path, **changes: object) -> Workload:
    """Return a quick workload: one clip, or picture, of 32 px."""
    size = {"width_px": 32, "height_px": 32, "frames": 9 if folder.name in VIDEO else 0}
    fields: dict[str, object] = {
        "model": str(folder),
        "prompts": ("a red cat",),
        "steps": 2,
        **size,
        **changes,
    }
    return Workload(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "facts"),
    [
        ("stable_diffusion_2", {"prediction": "v_prediction", "multiple": 8, "size": (32, 32)}),
        ("stable_diffusion_3", {"prediction": "flow", "multiple": 4, "size": (32, 32)}),
        ("flux", {"prediction": "flow", "multiple": 4, "size": (256, 256)}),
        ("pixart", {"prediction": "epsilon", "multiple": 8, "size": (32, 32)}),
        ("sana", {"prediction": "flow", "multiple": 32, "size": (64, 64)}),
        ("ltx", {"prediction": "flow", "multiple": 32, "size": (704, 512), "frames": 161}),
        ("wan", {"prediction": "flow", "multiple": 16, "size": (832, 480), "frames": 81}),
    ],
)
def test_what_a_family_makes_is_read_from_its_files(
    family: str, facts: dict[str, object], folder_of: Callable[[str], Path]
) -> None:
    """Sizes, frames and what the denoiser predicts are those of the pipeline itself."""
    blueprint = read_blueprint(folder_of(family), family)
    workload = resolve_size(Workload(model=family), blueprint)

    assert facts["prediction"] == blueprint.prediction
    assert facts["multiple"] == blueprint.number("size_multiple")
    assert facts["size"] == (workload.width_px, workload.height_px)
    assert facts.get("frames", 0) == workload.frames


@pytest.mark.parametrize("family", FAMILIES)
def test_the_latents_are_as_small_as_the_facts_say(family: str, folder_of: Callable[[str], Path]) -> None:
    """The factor of the VAE, read without weights, is the one by which it really shrinks a picture."""
    folder = folder_of(family)
    setup = turned(folder, situation_of(folder), {})
    scale, channels = setup.facts["vae_scale_factor"], setup.facts["latent_channels"]
    shape = (1, channels, *((1,) if family in VIDEO else ()), 4, 4)
    with torch.inference_mode():
        decoded = setup.pipeline.vae.decode(torch.zeros(shape), return_dict=False)[0]

    assert decoded.shape[-1] == 4 * scale  # type: ignore[operator]


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("ltx", {"frames": 10}, "one frame more than a multiple of 4, such as 9"),
        ("ltx", {"width_px": 48}, "multiples of 32 px"),
        ("wan", {"width_px": 40}, "multiples of 16 px"),
        ("sana", {"width_px": 48}, "multiples of 32 px"),
        ("flux", {"frames": 9}, "makes pictures, no clips"),
    ],
)
def test_a_size_that_a_family_cannot_make_is_refused(
    family: str, changes: dict[str, object], message: str, folder_of: Callable[[str], Path]
) -> None:
    """Before anything is loaded, with what would suit."""
    folder = folder_of(family)

    with pytest.raises(PlanError, match=message):
        situate(folder, workload_of(folder, **changes), read_target("cpu"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 4, 16, 16), (1, 16, 3, 5, 7), (1, 3)])
def test_noise_of_few_bits_is_the_noise_of_many_rounded(
    dtype: torch.dtype, shape: tuple[int, ...], folder_of: Callable[[str], Path]
) -> None:
    """Whatever torch does: all recipes start from the same noise; the pipeline's own drawing comes back."""
    folder = folder_of("flux")
    pipeline = turned(folder, situation_of(folder), {}).pipeline
    module = sys.modules[type(pipeline).__module__]
    before = module.randn_tensor
    with noise_in_32_bits(pipeline):
        drawn = [
            module.randn_tensor(shape, generator=torch.Generator("cpu").manual_seed(7), dtype=wanted)
            for wanted in (torch.float32, dtype)
        ]

    assert torch.equal(drawn[0].to(dtype), drawn[1])
    assert module.randn_tensor is before


@pytest.mark.parametrize("family", FAMILIES)
def test_recipes_of_other_dtypes_start_from_the_same_noise(
    family: str, folder_of: Callable[[str], Path]
) -> None:
    """What the denoiser is given first differs by no more than rounding."""
    folder = folder_of(family)
    first = [
        _first_latents(folder, situation_of(folder, frames=5 if family in VIDEO else 0), settings)
        for settings in ({}, {"dtype": "bfloat16"})
    ]

    spread = float(first[0].std())
    torch.testing.assert_close(first[1] / spread, first[0] / spread, rtol=2**-7, atol=2**-6)
    assert spread > 0.1


def _first_latents(
    folder: Path, situation: autotune.knob.Situation, settings: dict[str, str]
) -> torch.Tensor:
    setup = turned(folder, situation, settings)
    denoiser = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    seen: list[torch.Tensor] = []

    def look(_module: object, given: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        seen.append(named["hidden_states"] if "hidden_states" in named else given[0])

    denoiser.register_forward_pre_hook(look, with_kwargs=True)
    pictures_of(setup, num_inference_steps=2)
    return seen[0].float()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_trial_of_every_family_is_measured(
    family: str, runner: LocalRunner, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """The untuned recipe, in a process of its own: seconds of each part, memory, likeness 1, a picture."""
    folder = folder_of(family)
    reference = _run(runner, folder, tmp_path / "reference", {}, role="reference")
    outcome = _run(runner, folder, tmp_path / "trial", {}, reference=str(tmp_path / "reference"))

    assert isinstance(reference, Measurement), reference
    assert isinstance(outcome, Measurement), outcome
    assert outcome.parts is not None
    assert len(outcome.parts.steps_s) == 2
    assert min(outcome.parts.text_s, outcome.parts.decode_s, *outcome.parts.steps_s) > 0
    assert set(outcome.likeness.psnr_db) == {100.0}
    assert len(outcome.likeness.haarpsi) == (CLIP_FRAMES if family in VIDEO else 1)
    with Image.open(tmp_path / "trial" / outcome.pictures[0]) as picture:
        assert picture.size == (32 * (3 if family in VIDEO else 1), 32)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sana", "ltx"])
def test_a_tuned_trial_of_flow_and_of_video_is_measured(
    family: str, runner: LocalRunner, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """In half the bits and sliced: alike, but not the same."""
    folder = folder_of(family)
    settings = {"dtype": "bfloat16", "vae_slicing": True}
    _run(runner, folder, tmp_path / "reference", {}, role="reference", batch=2)
    outcome = _run(
        runner, folder, tmp_path / "trial", settings, reference=str(tmp_path / "reference"), batch=2
    )

    assert isinstance(outcome, Measurement), outcome
    assert outcome.batch == 2
    assert 0.5 < outcome.similarity < 1
    assert len(outcome.pictures) == 2


def _run(
    runner: LocalRunner, folder: Path, out: Path, settings: dict[str, object], *, batch: int = 1, **job: str
) -> Outcome:
    workload = workload_of(folder, prompts=("a red cat", "a dog")[:batch], batch=batch)
    recipe = Recipe(model=str(folder), settings=settings)  # type: ignore[arg-type]
    place = {"device": "cpu", "folder": str(out), "protocol": PROTOCOL, "time_limit_s": 120.0, "threads": 1}
    return runner(Job(recipe=recipe, workload=workload, **place, **job))  # type: ignore[arg-type]


def test_frames_are_spread_from_the_first_to_the_last() -> None:
    """Of each clip, not of the whole row of frames; fewer are all kept."""
    numbers = torch.arange(2 * 17.0).view(34, 1, 1, 1)
    kept = spread_frames(numbers, clips=2).flatten().tolist()

    assert len(kept) == 2 * CLIP_FRAMES
    assert [0, 16, 17, 33] == [kept[0], kept[CLIP_FRAMES - 1], kept[CLIP_FRAMES], kept[-1]]
    assert torch.equal(numbers[:2], spread_frames(numbers[:2], clips=2))


def test_a_recipe_of_a_clip_loads_as_a_pipeline(folder_of: Callable[[str], Path]) -> None:
    """Its call arguments ask for the frames of the recipe."""
    folder = folder_of("wan")
    call = {"steps": 1, "guidance": 3.0, "batch": 1, "frames": 5, "width_px": 32, "height_px": 32}
    pipeline = autotune.load_pipeline(Recipe(model=str(folder), call=call), device="cpu", say=print)
    made = pipeline("a cat", **{**pipeline.autotune_call, "output_type": "pil"}).frames

    assert len(made[0]) == 5
    assert pipeline.autotune_frames_per_s == 16


@pytest.mark.slow
@pytest.mark.parametrize(("family", "frames"), [("ltx", 9), ("sana", 1)])
def test_a_script_writes_a_clip_as_a_moving_picture(
    family: str, frames: int, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """And a picture as a picture; the script knows its size, though families ask for it in different ways."""
    folder = folder_of(family)
    situation = situate(folder, workload_of(folder), read_target("cpu"))
    recipe = Recipe(model=str(folder), settings={"dtype": "bfloat16"})
    (tmp_path / "app.py").write_text(script_text(recipe, all_knobs(), situation, model_path=str(folder)))
    run = [sys.executable, "app.py", "a cat", "-o", "out.webp"]
    subprocess.run(run, cwd=tmp_path, check=True, timeout=240)

    with Image.open(tmp_path / "out.webp") as made:
        assert (32, 32) == made.size
        assert frames == getattr(made, "n_frames", 1)


def test_a_clip_is_corrupt_when_no_frame_is_a_picture() -> None:
    """A clip may fade in from black; a value that is no number is wrong anywhere."""
    from autotune.pipeline.likeness import why_clip_corrupt

    picture = torch.linspace(0, 1, 32).expand(3, 32, 32)
    black = torch.zeros(3, 32, 32)
    broken = picture.clone()
    broken[0, 0, 0] = torch.nan

    assert why_clip_corrupt(torch.stack([black, picture])) is None
    assert why_clip_corrupt(torch.stack([black, black])) == "it is black"
    assert "NaN" in str(why_clip_corrupt(torch.stack([black, picture, broken])))


def test_the_workload_keeps_its_frames_on_the_way() -> None:
    """Through JSON, as to a worker."""
    workload = Workload(model="m", frames=9)

    assert replace(workload) == Workload.from_json(workload.to_json())
