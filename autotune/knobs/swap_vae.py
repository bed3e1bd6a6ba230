"""swap_vae: another VAE in the model's place, such as one tuned for less memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._swaps import why_no_such_folder, why_not_swapped


def domain(situation: Situation) -> Choice:
    """Offer nothing by itself: only the user knows which one reads these latents."""
    if "vae" not in situation.blueprint.parts:
        return Choice(("own",), why="this pipeline has no VAE")
    return Choice(
        ("own",),
        why="name another one: --knob swap_vae=own,FOLDER (or a hub id)",
        open_to="the folder or hub id of another VAE of the same class",
    )


def turn(setup: Setup, value: str) -> None:
    """Load the other VAE, once its configuration was seen to fit, in the number format of its place."""
    import pathlib

    import torch

    pipeline = setup.pipeline
    name = "vae"
    own = getattr(pipeline, name)
    kind, folder = type(own), pathlib.Path(value).expanduser()
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
        *("latent_channels", "z_dim", "in_channels", "out_channels"),
        *("spatial_compression_ratio", "temporal_compression_ratio"),
    )
    there = [(width, own.config.get(width), plan.config.get(width)) for width in widths]
    # How many pixels a latent stands for, which pipelines read once when they are made.
    levels = [len(part.config.get("block_out_channels") or ()) for part in (own, plan)]
    there.append(("the number of levels", *levels))  # type: ignore[arg-type]
    differing = [f"{width} is {its}, not {ours}" for width, ours, its in there if its != ours]
    if differing:
        raise ValueError(f"The {name} of '{value}' does not fit this pipeline: {'; '.join(differing)}.")
    other = kind.from_pretrained(source, dtype=own.dtype, use_safetensors=True, **where).eval()
    setattr(pipeline, name, other)
    setup.notes[f"swapped_{name}"] = (value, other)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a folder that does not exist, and what loads a VAE in its place."""
    value = str(settings.get("swap_vae", "own"))
    if value == "own":
        return None
    missing = why_no_such_folder(value)
    if missing:
        return f"swap_vae cannot load its VAE: {missing}."
    if settings.get("tiny_vae", False):
        return "swap_vae does not go with tiny_vae, which replaces the VAE in turn."
    if settings.get("vae_upcast", "auto") in ("float32", "fp16_fix"):
        upcast = settings["vae_upcast"]
        return f"swap_vae does not go with vae_upcast = {upcast}, which loads the model's own VAE anew."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at which module stands in the VAE's place."""
    return why_not_swapped(setup, "vae", value)


KNOB = Knob(
    name="swap_vae",
    summary="Another VAE of the same class in the model's place; it must read the same latents.",
    effect="",
    stage=Stage.EDIT,
    order=3,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    steps_alike=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
