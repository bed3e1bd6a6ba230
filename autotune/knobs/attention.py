"""attention: the kernel that computes attention, for speed and for memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the kernels that run on this device and that this denoiser can be made to use."""
    target, blueprint = situation.target, situation.blueprint
    if blueprint.denoiser is None:
        return Choice(("sdpa",), why="this pipeline has no denoiser that is known here")
    values = ["vanilla"] if blueprint.can("attn_processor_2_0") else []
    values += [f"sdpa_{name}" for name in ("math",) if name in target.backends]
    if target.kind == "cuda":
        # On a CPU the default is the flash kernel: to force it would be to change nothing.
        values += [f"sdpa_{name}" for name in ("flash", "efficient", "cudnn") if name in target.backends]
    if blueprint.can("attention_dispatcher"):
        values += ["dispatch:flex"] if target.has_compiler else []
        if target.kind == "cuda":
            packages = (("flash", "flash-attn"), ("sage", "sageattention"), ("xformers", "xformers"))
            values += [f"dispatch:{name}" for name, package in packages if target.has(package)]
            hopper = target.is_at_least(9, 0) and not target.is_at_least(10, 0)
            values += ["dispatch:_flash_3_hub"] if hopper and target.has("kernels") else []
    return Choice(("sdpa", *values), why="" if values else "no other attention kernel runs here")


def turn(setup: Setup, value: str) -> None:
    """Install processors or the dispatcher's backend, or force one kernel while the denoiser runs."""
    import functools

    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    if value == "vanilla":
        from diffusers.models.attention_processor import AttnProcessor

        part.set_attn_processor(AttnProcessor())
        return
    if value.startswith("dispatch:"):
        part.set_attention_backend(value.removeprefix("dispatch:"))
        return
    kernel = {
        "sdpa_math": SDPBackend.MATH,
        "sdpa_flash": SDPBackend.FLASH_ATTENTION,
        "sdpa_efficient": SDPBackend.EFFICIENT_ATTENTION,
        "sdpa_cudnn": SDPBackend.CUDNN_ATTENTION,
    }[value]
    allowed = setup.notes.setdefault("attention_kernels", set())
    plain_forward = part.forward

    def note_kernels() -> int:
        cuda = torch.backends.cuda
        on = [cuda.math_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled()]
        names = ("sdpa_math", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn")
        allowed.update(
            name for name, is_on in zip(names, [*on, cuda.cudnn_sdp_enabled()], strict=True) if is_on
        )
        return 0

    # torch.compile runs this at tracing time instead of breaking the graph or recompiling at each call.
    note = torch.compiler.assume_constant_result(note_kernels)

    # Around the denoiser only: an exclusive kernel fails in text encoders (masks) and VAEs (wide heads).
    @functools.wraps(plain_forward)
    def forward(*args: object, **kwargs: object) -> object:
        with sdpa_kernel(kernel):
            note()
            return plain_forward(*args, **kwargs)

    part.forward = forward


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what would be undone, what needs 16 bits and what needs a compiler to make sense."""
    value = str(settings.get("attention", "sdpa"))
    if value == "vanilla" and settings.get("fuse_qkv", False):
        return "attention = vanilla replaces the processors that use the fused projections of fuse_qkv."
    halves = ("sdpa_flash", "sdpa_cudnn", "dispatch:flash", "dispatch:_flash_3_hub", "dispatch:sage")
    if value in halves and settings.get("dtype", "float32") == "float32":
        return f"attention = {value} computes in 16 bits only, and dtype is float32."
    if value == "dispatch:flex" and settings.get("compile", "none") == "none":
        return "attention = dispatch:flex needs compile: else it holds the whole score matrix (#11368)."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the processors of all layers and at the kernels allowed while the denoiser ran."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    processors = list(part.attn_processors.values())
    classes = sorted({type(processor).__name__ for processor in processors})
    if value == "vanilla":
        return None if classes == ["AttnProcessor"] else f"Attention is computed by {', '.join(classes)}."
    if value.startswith("dispatch:"):
        names = {getattr(processor, "_attention_backend", None) for processor in processors}
        found = sorted(str(getattr(name, "value", name)) for name in names)
        wanted = value.removeprefix("dispatch:")
        return (
            None
            if found == [wanted]
            else f"The attention layers use the backends {', '.join(found) or 'of none'}."
        )
    unaware = [name for name in classes if name == "AttnProcessor" or name.startswith("Sliced")]
    if unaware:
        return f"Attention is computed by {', '.join(unaware)}, which does not use these kernels."
    allowed = sorted(setup.notes.get("attention_kernels", ()))
    return (
        None if allowed == [value] else f"The denoiser ran with {', '.join(allowed) or 'the default choice'}."
    )


KNOB = Knob(
    name="attention",
    summary="Which kernel computes attention; 'sdpa' lets PyTorch choose, 'dispatch:' is diffusers' own.",
    effect="Flux-dev, 28 steps, H200, compiled: SDPA 4.32 s, FlashAttention 3 3.73 s (sglang #19673).",
    stage=Stage.EDIT,
    order=70,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
