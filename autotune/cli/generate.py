"""`autotune generate`: pictures with a recipe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from autotune.cli.options import Device, Force

EXAMPLES = (
    "autotune export demo -o recipe.json",
    'autotune generate recipe.json "a red house in the snow at night" -o house.png',
)


def generate(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="File that 'autotune export' wrote.")],
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT...", help="A picture, or clip, is made of each.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="out.png; out-1.png, … for several.")
    ] = Path("out.png"),
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next has the next one.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's steps.")] = None,
    device: Device = "auto",
    is_falling_back: Annotated[
        bool, typer.Option("--fall-back", help="Leave out settings that this machine does not offer.")
    ] = False,
    is_forced: Force = False,
) -> None:
    """Make pictures with a recipe; a clip becomes one moving picture."""
    from autotune.cli.again import read_recipe
    from autotune.cli.console import remark, say
    from autotune.cli.files import check_writable

    files = picture_files(out, len(prompts))
    for file in files:
        check_writable(file, is_forced=is_forced)
    _check_prompts(prompts)
    read_recipe(recipe)  # before torch is imported, so that a wrong one is refused at once

    _silence_libraries()

    import torch

    import autotune

    pipeline = autotune.load_pipeline(
        recipe, device=device, prompts=tuple(prompts), fall_back=is_falling_back, say=remark
    )
    call = dict(pipeline.autotune_call)
    if "num_frames" in call:
        _check_can_move(files)
    if steps is not None:
        call["num_inference_steps"] = steps
    generators = [torch.Generator("cpu").manual_seed(seed + number) for number in range(len(prompts))]
    made = pipeline(**{"prompt": prompts, "generator": generators, "output_type": "pil", **call})
    pictures = made.frames if hasattr(made, "frames") else made.images
    for file, picture in zip(files, pictures, strict=True):
        _save(picture, file, frames_per_s=pipeline.autotune_frames_per_s)
        say(str(file))


def picture_files(out: Path, count: int) -> list[Path]:
    """Return the file of each picture: the name itself for one, numbered ones for several.

    Raises:
        UsageError: The ending is no picture format that can be written.

    >>> [file.name for file in picture_files(Path("out.png"), 2)]
    ['out-1.png', 'out-2.png']
    """
    from PIL import Image

    from autotune.errors import UsageError

    if Image.registered_extensions().get(out.suffix.lower()) not in Image.SAVE:
        raise UsageError(f"'{out}' does not end like a picture. Name it .png, .jpg or .webp.")
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, count + 1)]


def _save(picture: Any, file: Path, *, frames_per_s: int) -> None:  # noqa: ANN401 - of PIL, or a list of such
    """Write a picture, or the frames of a clip as one moving picture."""
    if not isinstance(picture, list):
        picture.save(file)
        return
    first, *others = picture
    first.save(file, save_all=True, append_images=others, loop=0, duration=1000 // frames_per_s)


def _check_can_move(files: list[Path]) -> None:
    """Refuse a format that holds one picture only, for a model that makes clips.

    Raises:
        UsageError: The frames would not fit.
    """
    from PIL import Image

    from autotune.errors import UsageError

    for file in files:
        if Image.registered_extensions()[file.suffix.lower()] not in Image.SAVE_ALL:
            raise UsageError(f"'{file}' can hold one frame of a clip only. Name it .png, .webp or .gif.")


def _silence_libraries() -> None:
    """Keep what libraries say while they load off the screen, unless an error is looked for."""
    import logging
    import os

    if os.environ.get("AUTOTUNE_DEBUG"):
        return
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)

    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _check_prompts(prompts: list[str]) -> None:
    from autotune.errors import UsageError

    if not all(prompt.strip() for prompt in prompts):
        raise UsageError("A prompt is empty. Say what the picture should show.")
