"""From a recipe to a running pipeline: the worker's way and the user's door `load_pipeline`."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, RecipeError, UnknownName
from autotune.knob import Knob, Settings, Setup, Situation, Stage, Value
from autotune.knobs import all_knobs
from autotune.pipeline.architectures import is_architecture
from autotune.pipeline.calls import fixed_arguments, plain_arguments
from autotune.pipeline.random_weights import draw_part, draw_pipeline
from autotune.recipe import Recipe, parse_recipe
from autotune.space import why_value_not_offered
from autotune.workload import Workload


class TurnError(AutotuneError):
    """A knob, or diffusers while the knob was turned, refused its value."""

    def __init__(self, knob: str, value: Value, error: Exception) -> None:
        """Keep the knob's name beside what it raised."""
        self.knob, self.error = knob, error
        reason = f"{type(error).__name__}: {error}"
        super().__init__(f"Knob '{knob}' could not be set to '{value}': {reason}")


def begin_setup(situation: Situation, settings: Settings, *, device: str, model_path: str) -> Setup:
    """Return a setup in which nothing has been turned yet.

    Args:
        situation: Where, of what, making what; the workload's sizes resolved.
        settings: The settings that differ from the default.
        device: Torch device string.
        model_path: The model's folder.
    """
    defaults = {knob.name: knob.domain(situation).default for knob in all_knobs()}
    facts, workload = situation.blueprint.facts, situation.workload
    full = {**defaults, **settings}
    return Setup(workload=workload, settings=full, facts=facts, device=device, model_path=model_path)


def load_stage(setup: Setup, chosen: Settings) -> None:
    """Turn the knobs of stage LOAD and load the pipeline from its files.

    Args:
        setup: As `begin_setup` made it.
        chosen: The settings that differ from the default.
    """
    import torch
    from diffusers import DiffusionPipeline

    turn_knobs(setup, chosen, (Stage.LOAD,))
    loading: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, **setup.loading}
    if setup.workload.trust_remote_code:
        loading["trust_remote_code"] = True
    folder = Path(setup.model_path)
    if is_architecture(folder):
        setup.pipeline, setup.draw = draw_pipeline(folder, loading), draw_part
    else:
        loading |= _without_checker(folder)
        setup.pipeline = DiffusionPipeline.from_pretrained(setup.model_path, **loading)
    setup.pipeline.set_progress_bar_config(disable=True)
    setup.call |= fixed_arguments(setup)


def apply_stages(setup: Setup, chosen: Settings) -> None:
    """Turn all later knobs, with the pipeline moved to its device at the right moment.

    Args:
        setup: Loaded.
        chosen: The settings that differ from the default.
    """
    turn_knobs(setup, chosen, (Stage.EDIT, Stage.PLACE))
    if not setup.is_placed:
        setup.pipeline.to(setup.device)
    turn_knobs(setup, chosen, (Stage.COMPILE, Stage.CALL))


def turn_knobs(setup: Setup, chosen: Settings, stages: Iterable[Stage]) -> None:
    """Turn the chosen knobs of some stages, in their order.

    Raises:
        UnknownName: A setting names no knob.
        TurnError: A knob could not be turned.
    """
    wanted = set(stages)
    for knob in _knobs_of(chosen):
        if knob.stage in wanted:
            _turn(knob, setup, chosen[knob.name])


def why_not_applied(setup: Setup, chosen: Settings) -> tuple[str, str] | None:
    """Return the first knob that provably did not take effect and what was found, or None when all did.

    Args:
        setup: A setup that has made its first picture.
        chosen: The settings that differ from the default.
    """
    for knob in _knobs_of(chosen):
        found = knob.applied(setup, chosen[knob.name])
        if found is not None:
            return knob.name, found
    return None


def load_pipeline(
    recipe: Recipe | str | os.PathLike[str],
    *,
    device: str = "auto",
    prompts: Iterable[str] = (),
    fall_back: bool = False,
    say: Callable[[str], None] | None = None,
) -> Any:
    """Return the diffusers pipeline of a recipe, ready to be called.

    The recipe's call arguments (steps, guidance, callbacks) are in `pipe.autotune_call`:

        pipe = autotune.load_pipeline("recipe.json")
        image = pipe("a red house", **pipe.autotune_call).images[0]

    A model of video returns `.frames`, to be shown at `pipe.autotune_frames_per_s`.

    Args:
        recipe: A recipe, or the path of a .json or .yaml file.
        device: Torch device string; "auto" takes CUDA where there is one.
        prompts: The prompts that will be used; needed only by recipes that precompute text embeddings.
        fall_back: Leave out settings that this machine does not offer instead of raising.
        say: Is told what differs from the machine that the recipe was measured on; None warns.

    Raises:
        RecipeError: The file is no recipe, or needs what this machine does not have.
        ModelError: The model cannot be found.
    """
    from autotune.pipeline.machine import read_target, resolve_device
    from autotune.pipeline.models import model_folder
    from autotune.pipeline.probe import situate

    tell = say or _warn
    known = recipe if isinstance(recipe, Recipe) else read_recipe(Path(recipe))
    workload = _workload(known, tuple(prompts))
    where = resolve_device(device)
    folder = model_folder(workload)
    situation = situate(folder, workload, read_target(where))
    chosen = _offered_settings(known, situation, fall_back=fall_back, tell=tell)
    for difference in differences(known, situation):
        tell(difference)
    setup = begin_setup(situation, chosen, device=where, model_path=str(folder))
    load_stage(setup, chosen)
    apply_stages(setup, chosen)
    setup.pipeline.autotune_call = {**plain_arguments(setup), **setup.call}
    setup.pipeline.autotune_frames_per_s = situation.blueprint.number("frames_per_s", 16)
    return setup.pipeline


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        RecipeError: The file cannot be read or is no recipe.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe '{path}' cannot be read: {error}.") from error
    return parse_recipe(text, source=str(path))


def differences(recipe: Recipe, situation: Situation) -> list[str]:
    """Return what differs between the machine of a recipe and this one, one sentence each."""
    target = recipe.target
    if not target:
        return ["This recipe was never measured."] if not recipe.measured else []
    found = []
    here = situation.target
    if target.get("stands_for"):
        found.append(
            f"Measured on {target.get('name')} in the place of {target['stands_for']}: expect other seconds."
        )
    if target.get("name") and target["name"] != here.name:
        found.append(f"Measured on {target['name']}, but this is {here.name}: expect other seconds.")
    then: Mapping[str, str] = target.get("libraries", {})
    for library in ("torch", "diffusers", "transformers", "torchao"):
        was, now = then.get(library), here.libraries.get(library)
        if was and now and was != now:
            found.append(f"Measured with {library} {was}, but {now} is installed.")
    return found


def _knobs_of(settings: Settings) -> tuple[Knob, ...]:
    """Return the knobs that settings name, in the order in which they are turned; they are looked up once.

    Raises:
        UnknownName: A setting names no knob.
    """
    knobs = all_knobs()
    known = {knob.name for knob in knobs}
    for name in settings:
        if name not in known:
            raise UnknownName("knob", name, known, remedy="'autotune knobs' lists them all.")
    return tuple(knob for knob in knobs if knob.name in settings)


def _offered_settings(
    recipe: Recipe, situation: Situation, *, fall_back: bool, tell: Callable[[str], None]
) -> dict[str, Value]:
    kept = {}
    for knob in _knobs_of(recipe.settings):
        name, value = knob.name, recipe.settings[knob.name]
        choice = knob.domain(situation)
        if choice.takes(value) or knob.changes_result:
            kept[name] = value
        elif fall_back:
            tell(why_value_not_offered(name, value, choice) + " It is left out.")
        else:
            advice = " Load it with fall_back=True (--fall-back) to leave such settings out."
            raise RecipeError(why_value_not_offered(name, value, choice) + advice)
    return kept


def _workload(recipe: Recipe, prompts: tuple[str, ...]) -> Workload:
    known = {
        name: recipe.call[name]
        for name in ("steps", "guidance", "width_px", "height_px", "batch", "frames")
        if name in recipe.call
    }
    workload = Workload(model=recipe.model, revision=recipe.revision, **known)
    return replace(workload, prompts=prompts) if prompts else workload


def _turn(knob: Knob, setup: Setup, value: Value) -> None:
    try:
        knob.turn(setup, value)
    except Exception as error:  # whatever diffusers raises, the knob must be named
        raise TurnError(knob.name, value, error) from error


def _without_checker(folder: Path) -> dict[str, Any]:
    """Leave out a safety checker: a picture that it blackens would score as different."""
    import json

    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    if not index.get("safety_checker", [None])[0]:
        return {}
    return {"safety_checker": None, "requires_safety_checker": False}


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, stacklevel=3)
