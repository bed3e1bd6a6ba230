"""dtype: the number format of weights and activations, for half the memory and, on a GPU, more speed."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer the half-precision formats that this device really computes in."""
    backends = situation.target.backends
    halves = [name for name, backend in (("bfloat16", "bf16"), ("float16", "fp16")) if backend in backends]
    why = "" if halves else "this device does not compute in bfloat16 or float16"
    return Choice(("float32", *halves), why=why)


def turn(setup: Setup, value: str) -> None:
    """Load every part in this format."""
    import torch

    # A real dtype: diffusers loads in float32 when given a string (models/pipeline_utils, 0.42).
    setup.loading["dtype"] = getattr(torch, value)


def applied(setup: Setup, value: str) -> str | None:
    """Look at every floating-point parameter of every part, but for those that are meant to differ."""
    import torch

    from autotune.knobs._evidence import kept_in_fp32

    wanted = getattr(torch, value)
    for name, part in setup.pipeline.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        is_decoder = name == "vae" and setup.settings.get("vae_upcast", "auto") == "float32"
        asked = torch.float32 if is_decoder else wanted
        is_cast = (
            name in ("unet", "transformer") and setup.settings.get("layerwise_casting", "none") != "none"
        )
        for path, weight in part.named_parameters():
            own = torch.float32 if kept_in_fp32(part, path, asked) else asked
            # The knob that stores weights in 8 bits proves that itself.
            is_stored = is_cast and weight.dtype.itemsize == 1
            if weight.is_floating_point() and weight.dtype != own and not is_stored:
                short = str(own).removeprefix("torch.")
                return f"{name}.{path} is {str(weight.dtype).removeprefix('torch.')}, not {short}."
    return None


KNOB = Knob(
    name="dtype",
    summary="Number format of weights and activations: 16 bits halve the memory and are fast on GPUs.",
    effect="SDXL, batch 4, A100: float32 72.2 s, 28 GB; float16 14.8 s, 21.7 GB (Hugging Face blog).",
    stage=Stage.LOAD,
    order=20,
    touches=frozenset(Touches),
    domain=domain,
    turn=turn,
    applied=applied,
)
