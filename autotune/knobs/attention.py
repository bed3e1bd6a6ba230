"""attention: the kernel that computes attention, for speed and for memory."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches, Value
from autotune.knobs._kernels import KERNELS, NO_MASK, why_not_here, why_not_on, why_not_these_heads

# PyTorch's kernels by the names that the dispatcher has for them, and by ours.
_NATIVE = {name: f"sdpa_{name}" for name in ("math", "flash", "efficient", "cudnn")}
_HALVES = ("sdpa_flash", "sdpa_cudnn", "dispatch:_native_flash", "dispatch:_native_cudnn")
_IGNORED = "no layer of this denoiser asks diffusers' dispatcher, which would ignore the request"


def domain(situation: Situation) -> Choice:
    """Offer the kernels that run on this device and that this denoiser can be made to use."""
    blueprint = situation.blueprint
    if blueprint.denoiser is None:
        return Choice(("sdpa",), why="this pipeline has no denoiser that is known here")
    plain = blueprint.can("attn_processor_2_0")
    others: dict[Value, str] = {
        "vanilla": "" if plain else "the plain processors compute something else for this denoiser",
        **{name: _why_not_native(kernel, situation) for kernel, name in _NATIVE.items()},
        "xformers": _why_no_xformers(situation),
        **{f"dispatch:{name}": reason for name, reason in _why_not_dispatched(situation).items()},
    }
    # A plan has to name what fetches code from the hub, and what is another name for the same kernel.
    hidden = [f"dispatch:{name}" for name, kernel in KERNELS.items() if kernel.fetches]
    hidden += [f"dispatch:_native_{kernel}" for kernel in _NATIVE]
    offered = {value: reason for value, reason in others.items() if reason or value not in hidden}
    choice = Choice.of("sdpa", offered)
    why = "no other attention kernel runs here" if choice.is_fixed else ""
    return replace(choice, why=why, on_request=tuple(v for v in hidden if not others[v]))


def _why_not_native(kernel: str, situation: Situation) -> str:
    """Why one of PyTorch's kernels cannot be forced around the denoiser, "" where it can."""
    target, blueprint = situation.target, situation.blueprint
    if target.kind == "cpu" and kernel == "flash":
        return "on a CPU it is what PyTorch chooses anyway"
    if target.kind == "cpu" and kernel != "math":
        return "it needs a CUDA GPU"
    if kernel not in target.backends:
        return "it was tried on this machine and does not run"
    if kernel == "flash":
        return NO_MASK if blueprint.can("attention_mask") else why_not_these_heads(256, situation)
    if kernel == "cudnn":
        # pytorch: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, check_cudnn_tensor_shapes
        return why_not_these_heads(256 if target.compute_capability == (9, 0) else 128, situation)
    return ""


def _why_no_xformers(situation: Situation) -> str:
    """Why the processors of xFormers cannot be installed, "" where they can."""
    if situation.blueprint.denoiser != "unet":
        return "its processors are for UNets; for this denoiser there may be dispatch:xformers"
    if not situation.blueprint.can("attn_processor_2_0"):
        return "this UNet's attention is computed by processors of another kind"
    return why_not_on(KERNELS["xformers"], situation.target)


def _why_not_dispatched(situation: Situation) -> dict[str, str]:
    """Why each back end of diffusers' dispatcher cannot be used here, "" where it can."""
    names = [*(f"_native_{kernel}" for kernel in _NATIVE), "flex", *KERNELS]
    if not situation.blueprint.can("attention_dispatcher"):
        return dict.fromkeys(names, _IGNORED)
    reasons = {f"_native_{kernel}": _why_not_native(kernel, situation) for kernel in _NATIVE}
    reasons["flex"] = "" if situation.target.has_compiler else "it needs torch.compile, which has no compiler"
    return reasons | {name: why_not_here(kernel, situation) for name, kernel in KERNELS.items()}


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
    if value == "xformers":
        part.enable_xformers_memory_efficient_attention()
        return
    if value.startswith("dispatch:"):
        from diffusers.models.attention_dispatch import attention_backend

        # Setting it also makes it the default of the whole process, for pipelines of others too: put back.
        with attention_backend(value.removeprefix("dispatch:")):
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
    if value in ("vanilla", "xformers") and settings.get("fuse_qkv", False):
        return f"attention = {value} replaces the processors that use the fused projections of fuse_qkv."
    kernel = KERNELS.get(value.removeprefix("dispatch:"))
    is_16_bit = value in _HALVES or (
        value.startswith("dispatch:") and kernel is not None and kernel.is_16_bit
    )
    if is_16_bit and settings.get("dtype", "float32") == "float32":
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
    if value == "xformers":
        found = [name for name in classes if not name.startswith("XFormers")]
        return f"Attention is computed by {', '.join(found or ['nobody'])}." if found or not classes else None
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
    summary="Which kernel computes attention; 'sdpa' lets PyTorch choose, 'dispatch:' is diffusers' own way; "
    "'sage' rounds to 8 bits.",
    effect="Flux-dev, 28 steps, H200, compiled: SDPA 4.32 s, FlashAttention 3 3.73 s (sglang #19673).",
    stage=Stage.EDIT,
    order=70,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
