"""fuse_qkv: one matrix product for query, key and value instead of three, for fewer and larger kernels."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where the denoiser's attention can be fused."""
    if not situation.blueprint.can("fuse_qkv"):
        return Choice((False,), why="this denoiser's attention projections cannot be fused")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Fuse the projections of the denoiser; the separate weights stay in memory beside the fused ones."""
    import functools
    from typing import Any

    import torch

    # Of the denoiser, not of the pipeline: the pipeline's method refuses any VAE but AutoencoderKL.
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    part.fuse_qkv_projections()
    used = setup.notes.setdefault("fuse_qkv_used", set())
    names = ("to_qkv", "to_kv", "to_added_qkv")
    fused = [module for path, module in part.named_modules() if path.rpartition(".")[2] in names]

    @torch.compiler.assume_constant_result
    def note() -> int:
        used.add(0)
        return 0

    # One layer is watched: each that is would be compiled apart from the others.
    for layer in fused[:1]:
        plain = layer.forward

        @functools.wraps(plain)
        def forward(states: torch.Tensor, plain: Any = plain) -> Any:
            note()
            return plain(states)

        layer.forward = forward


def applied(setup: Setup, value: bool) -> str | None:
    """Count the fused weights, and look at whether they were multiplied by."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    attentions = [module for module in part.modules() if hasattr(module, "fused_projections")]
    fused = [module for module in attentions if module.fused_projections]
    names = ("to_qkv", "to_kv", "to_added_qkv")
    weights = [path for path, _ in part.named_modules() if path.rpartition(".")[2] in names]
    if not fused or not weights:
        return f"None of the {len(attentions)} attention layers holds fused weights."
    unaware = {type(p).__name__ for p in part.attn_processors.values()} & {
        "AttnProcessor2_0",
        "AttnProcessor",
        "SlicedAttnProcessor",
    }
    if unaware or not setup.notes.get("fuse_qkv_used"):
        return "The fused weights are there, but the attention processors do not use them."
    return None


KNOB = Knob(
    name="fuse_qkv",
    summary="Computes query, key and value in one matrix product; keeps those weights in memory twice.",
    effect="+1.2 GiB of weights on SDXL in 16 bits (computed); part of PyTorch's 'diffusion-fast' recipe.",
    stage=Stage.EDIT,
    order=40,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    applied=applied,
)
