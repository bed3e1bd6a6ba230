"""swap_denoiser: another denoiser in the model's place, such as a distilled one."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._swaps import why_no_such_folder, why_not_swapped


def domain(situation: Situation) -> Choice:
    """Offer nothing by itself: only the user knows which one draws alike, or wants one of random weights."""
    blueprint = situation.blueprint
    if blueprint.denoiser is None:
        return Choice(("own",), why="this pipeline has no denoiser that is known here")
    if "transformer_2" in blueprint.parts:
        return Choice(("own",), why="two denoisers take turns here, and this knob swaps one")
    known = blueprint.facts.get("denoisers")
    return Choice(
        ("own",),
        why="name another one: --knob swap_denoiser=own,FOLDER (or a hub id)",
        on_request=tuple(known) if isinstance(known, dict) else (),
        open_to="the folder or hub id of another denoiser of the same class",
    )


def turn(setup: Setup, value: str) -> None:
    """Load the other denoiser, once its configuration was seen to fit, in the number format of its place."""
    import pathlib
    from typing import Any

    import torch

    pipeline = setup.pipeline
    name = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
    own = getattr(pipeline, name)
    kind, folder = type(own), pathlib.Path(value).expanduser()
    # An architecture has no weights: inside its folder are the configurations of other denoisers.
    known: Any = setup.facts.get("denoisers") or {}
    draw = setup.draw if value in known else None
    if draw is not None:
        folder = pathlib.Path(setup.model_path, known[value])
    source = str(folder) if folder.is_dir() else value
    where: dict[str, str] = {"subfolder": name}
    try:
        # A whole pipeline holds the part in a folder of its own; else it is the part itself.
        config = kind.load_config(source, **where)
    except (OSError, ValueError):
        where = {}
        try:
            config = kind.load_config(source)
        except (OSError, ValueError) as error:
            raise FileNotFoundError(
                f"'{value}' holds no {name}: neither a folder with config.json or {name}/config.json, nor "
                "a model that the hub or its cache has."
            ) from error
    if config.get("_class_name") != kind.__name__:
        raise ValueError(
            f"'{value}' is of class {config.get('_class_name')}, this pipeline's {name} of {kind.__name__}."
        )
    with torch.device("meta"):
        plan = kind.from_config(config)
    widths = (
        *("in_channels", "out_channels", "patch_size", "patch_size_t", "cross_attention_dim"),
        *("caption_channels", "joint_attention_dim", "pooled_projection_dim", "text_dim", "encoder_hid_dim"),
        *("addition_embed_type", "projection_class_embeddings_input_dim", "addition_time_embed_dim"),
    )
    there = [(width, own.config.get(width), plan.config.get(width)) for width in widths]
    differing = [f"{width} is {its}, not {ours}" for width, ours, its in there if its != ours]
    if differing:
        raise ValueError(f"The {name} of '{value}' does not fit this pipeline: {'; '.join(differing)}.")
    if draw is not None:
        other = draw(kind, source, own.dtype)
    else:
        other = kind.from_pretrained(source, dtype=own.dtype, use_safetensors=True, **where).eval()
    setattr(pipeline, name, other)
    setup.notes[f"swapped_{name}"] = (value, other)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a folder that does not exist."""
    value = str(settings.get("swap_denoiser", "own"))
    known = situation.blueprint.facts.get("denoisers")
    if value == "own" or (isinstance(known, dict) and value in known):
        return None
    if value.startswith("arch:"):
        return f"swap_denoiser = {value} goes with the architecture that it was made for, not with this."
    missing = why_no_such_folder(value)
    if missing:
        return f"swap_denoiser cannot load its denoiser: {missing}."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at which module stands in the denoiser's place."""
    name = "unet" if getattr(setup.pipeline, "unet", None) is not None else "transformer"
    return why_not_swapped(setup, name, value)


KNOB = Knob(
    name="swap_denoiser",
    summary="Another denoiser of the same class in the model's place, such as a distilled one.",
    effect="BK-SDM-Small for SD 1.4, four pictures, A100: 6.37 to 4.18 s (diffusers' guide, 0.30).",
    stage=Stage.EDIT,
    order=2,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    steps_alike=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
