"""tf32: 19-bit multiplication for 32-bit models, for several times faster matrix products on a recent GPU."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it on CUDA GPUs from compute capability 8.0."""
    if situation.target.kind != "cuda":
        return Choice((False,), why="TF32 needs a CUDA GPU")
    if not situation.target.is_at_least(8, 0):
        return Choice((False,), why="TF32 needs a CUDA GPU of compute capability 8.0 or more")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Let 32-bit matrix products round their inputs to TF32, in the whole process."""
    import torch

    # One API only: mixing this with `fp32_precision` makes later reads of the older flags raise.
    torch.set_float32_matmul_precision("high" if value else "highest")


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it for models that do not compute in 32 bits."""
    if settings.get("tf32", False) and settings.get("dtype", "float32") != "float32":
        return f"tf32 only acts on float32 products, and dtype is {settings['dtype']}: it would do nothing."
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Multiply two matrices whose product TF32 cannot represent."""
    import torch

    # 1 + 2^-12 needs 12 bits of mantissa; TF32 has 10, so it rounds to 1. A large product: for a small one
    # cuBLAS may choose a kernel that does without TF32 where it is allowed.
    fine = torch.full((1024, 128), 1 + 2**-12, device=setup.device, dtype=torch.float32)
    error = ((fine @ fine.T).double() - fine.double() @ fine.double().T).abs().max().item()
    if error < 1e-2:
        return f"A float32 product on {setup.device} is still exact to {error:.1e}: TF32 is not in use."
    return None


KNOB = Knob(
    name="tf32",
    summary="Lets 32-bit matrix products round their inputs to 19 bits: faster, slightly less exact.",
    effect="Up to 8 times faster matrix products than float32 on an A100 (NVIDIA A100 white paper).",
    stage=Stage.LOAD,
    order=10,
    touches=frozenset({Touches.TEXT, Touches.STEP, Touches.DECODE, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
