"""fp16_accumulation: sums of float16 products in float16 too, for faster matrix products on GPUs."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it on CUDA GPUs with tensor cores."""
    if situation.target.kind != "cuda":
        return Choice((False,), why="sums in float16 need a CUDA GPU")
    if not situation.target.is_at_least(7, 0):
        return Choice((False,), why="sums in float16 need tensor cores: compute capability 7.0 or more")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Let float16 matrix products add up in float16, in the whole process."""
    import torch

    torch.backends.cuda.matmul.allow_fp16_accumulation = bool(value)


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it for models that do not compute in float16."""
    if settings.get("fp16_accumulation", False) and settings.get("dtype", "float32") != "float16":
        dtype = settings.get("dtype", "float32")
        return f"fp16_accumulation only acts on float16 products, and dtype is {dtype}: it would do nothing."
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Add up numbers that each round away beside the first one, but not beside each other."""
    import torch

    # Beside 1024 float16 has steps of 1. Even the 16 products that a tensor core adds at once are 1/4: they
    # vanish in a float16 sum, while a float32 sum of all 4095 reaches 1088.
    rows = torch.full((256, 4096), 2.0**-6, device=setup.device, dtype=torch.float16)
    rows[:, 0] = 1024
    found = float((rows @ torch.ones(4096, 256, device=setup.device, dtype=torch.float16)).max())
    if found > 1087:
        return f"A float16 product on {setup.device} still adds up exactly, to {found:.0f}."
    return None


KNOB = Knob(
    name="fp16_accumulation",
    summary="Adds float16 products up in float16: faster on consumer GPUs, with a risk of visible rounding.",
    effect="RTX 4090: 330 instead of 165 dense float16 TFLOPS (NVIDIA Ada architecture white paper).",
    stage=Stage.LOAD,
    order=12,
    touches=frozenset({Touches.TEXT, Touches.STEP, Touches.DECODE, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
