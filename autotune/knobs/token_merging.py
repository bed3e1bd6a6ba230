"""token_merging: alike parts of the picture attended to once, for a UNet's largest attention layers."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it for UNets, whose transformer blocks tomesd knows."""
    blueprint, target = situation.blueprint, situation.target
    why = ""
    if blueprint.denoiser is None:
        why = "this pipeline has no denoiser that is known here"
    elif blueprint.parts[blueprint.denoiser].class_name != "UNet2DConditionModel":
        why = "tomesd merges the tokens of UNets only"
    elif not target.has("tomesd"):
        why = "it needs the package 'tomesd'"
    return Choice.of(0.0, dict.fromkeys((0.3, 0.5), why))


def turn(setup: Setup, value: float) -> None:
    """Patch the UNet's transformer blocks, and note whether fewer tokens are attended to than given."""
    import functools
    import types
    from typing import Any

    import tomesd
    import torch

    unet = setup.pipeline.unet
    # SDXL has no attention where the picture is largest: the package's own 1 would merge nothing there.
    deepest = 1 if hasattr(unet.down_blocks[0], "attentions") else 4
    # Chosen at random, the merged tokens would differ from call to call.
    tomesd.apply_patch(setup.pipeline, ratio=value, max_downsample=deepest, use_rand=False)
    about = unet._tome_info  # noqa: SLF001
    # torch.compile knows neither the handles of hooks nor how to make the generator, which goes unused.
    about["hooks"].clear()
    about["args"]["generator"] = types.SimpleNamespace(device=torch.device(setup.device))
    blocks = [module for module in unet.modules() if type(module).__name__ == "ToMeBlock"]
    for block in blocks:
        # One class for all, and of its old name: compile = regional looks for the name, and shares by class.
        block.__class__ = type(blocks[0])
    type(blocks[0]).__name__ = type(blocks[0])._parent.__name__  # noqa: SLF001
    merging = setup.notes.setdefault("token_merging_blocks", set())

    @torch.compiler.assume_constant_result
    def note() -> int:
        merging.add(0)
        return 0

    # One block is watched: each that is would be compiled apart from the others.
    first: Any = blocks[0]
    whole, attend, given = first.forward, first.attn1.forward, [0]

    @functools.wraps(whole)
    def forward(hidden_states: torch.Tensor, *args: object, **kwargs: object) -> object:
        given[0] = hidden_states.shape[1]
        return whole(hidden_states, *args, **kwargs)

    @functools.wraps(attend)
    def attend_and_note(hidden_states: torch.Tensor, *args: object, **kwargs: object) -> object:
        if hidden_states.shape[1] < given[0]:
            note()
        return attend(hidden_states, *args, **kwargs)

    first.forward, first.attn1.forward = forward, attend_and_note


def applied(setup: Setup, value: float) -> str | None:
    """Look for patched blocks, and at whether any of them attended to fewer tokens than it was given."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    patched = [module for module in part.modules() if hasattr(type(module), "_parent")]
    if not patched:
        return "None of the denoiser's blocks merges tokens."
    ratio = patched[0]._tome_info["args"]["ratio"]  # noqa: SLF001
    if ratio != value:
        return f"The denoiser's blocks merge a share of {ratio:g}."
    merging = setup.notes.get("token_merging_blocks", set())
    return None if merging else f"The first of {len(patched)} patched blocks attended to all tokens."


KNOB = Knob(
    name="token_merging",
    summary="Merges this share of a UNet's tokens before self-attention (ToMe); details get coarser.",
    effect="SD 1.5, 512 px, batch 10, A100, at 0.5: 6.88 to 5.26 s (diffusers docs, Token merging).",
    stage=Stage.EDIT,
    order=88,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    steps_alike=True,
    domain=domain,
    turn=turn,
    applied=applied,
)
