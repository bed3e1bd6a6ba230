"""offload_disk: keep offloaded weights in files, for machines with little host memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._groups import (
    bytes_of,
    denoiser_of,
    group_hooks,
    is_grouped,
    quantized_formats,
    why_no_groups,
)


def domain(situation: Situation) -> Choice:
    """Offer it where weights can be offloaded in groups."""
    return Choice.of(default=False, others={True: why_no_groups(situation)})


def turn(setup: Setup, value: bool) -> None:
    """Make a fresh folder, which lives as long as the pipeline: diffusers takes files that it finds."""
    import tempfile

    setup.pipeline.offload_folder = tempfile.TemporaryDirectory(prefix="offload-")
    options = setup.notes.setdefault("offload_options", {})
    options["offload_to_disk_path"] = setup.pipeline.offload_folder.name


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where nothing is moved in groups, and for weights that the files cannot hold."""
    if not settings.get("offload_disk", False):
        return None
    if not is_grouped(settings):
        return "offload_disk needs offload = group_block or group_leaf."
    if quantized_formats(settings):
        return (
            "offload_disk does not go with quantization: safetensors cannot hold quantized tensors "
            "(diffusers 0.42 refuses those of torchao)."
        )
    is_first = situation.target.device in ("cpu", "cuda", "cuda:0")
    if not is_first and settings.get("offload_stream", "none") == "none":
        return (
            "offload_disk on another GPU than the first needs offload_stream: without streams diffusers 0.42 "
            "reads the weights back to 'cuda', whichever GPU was asked for."
        )
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Weigh the files of the denoiser's groups against its weights."""
    from pathlib import Path

    part = denoiser_of(setup.pipeline)
    paths = {getattr(hook.group, "safetensors_file_path", None) for hook in group_hooks(part)}
    files = [Path(path) for path in paths if path is not None and Path(path).is_file()]
    stored, wanted = sum(file.stat().st_size for file in files), bytes_of(list(part.parameters()))
    return None if stored >= wanted else f"{stored} of the {wanted} bytes of the denoiser are in files."


KNOB = Knob(
    name="offload_disk",
    summary="Keeps offloaded weights in files of the system's temporary folder: little host memory, slow.",
    stage=Stage.PLACE,
    order=46,
    touches=frozenset({Touches.TEXT, Touches.STEP}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
