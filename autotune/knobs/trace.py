"""trace: the denoiser's operations recorded once by `torch.jit.trace` and repeated without Python."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it where there is a denoiser: every one that diffusers has can be traced."""
    if situation.blueprint.denoiser is None:
        return Choice((False,), why="this pipeline has no denoiser that is known here")
    return Choice((False, True))


def turn(setup: Setup, value: bool) -> None:
    """Put a traced copy in the place of the denoiser's `forward`, traced at the first call of each shape."""
    from autotune.knobs._engines import answer_by, trace_builder

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    answer_by(part, trace_builder(), setup.notes.setdefault("trace", {}))


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what acts in the Python code of the denoiser, which is not run any more."""
    if not settings.get("trace", False):
        return None
    attention = str(settings.get("attention", "sdpa"))
    if attention not in ("sdpa", "vanilla"):
        return (
            f"trace does not go with attention = {attention}: the kernel is chosen in the Python code of the "
            "denoiser, which is not run any more."
        )
    hidden = "its work is done in the Python code of the denoiser, which is not run any more"
    others: tuple[tuple[str, object, str], ...] = (
        ("compile", "none", "the recorded operations are what would be compiled"),
        ("offload", "none", hidden),
        ("layerwise_casting", "none", hidden),
        ("step_cache", "none", hidden),
        ("deep_cache", 0, hidden),
        ("token_merging", 0.0, hidden),
    )
    for name, default, reason in others:
        if settings.get(name, default) != default:
            return f"trace does not go with {name}: {reason}."
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Count the calls that the traced copy answered, and watch every layer of the denoiser in one more."""
    from autotune.knobs._engine_facts import why_not_answered

    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    return why_not_answered(part, setup.notes.get("trace", {}), "trace")


KNOB = Knob(
    name="trace",
    summary="Records the denoiser's operations, repeats them without Python (deprecated torch.jit.trace).",
    effect="SD 1.5, 512², 50 steps: 3.30 to 3.21 s (diffusers' guide 'Memory and speed', 2023).",
    stage=Stage.COMPILE,
    order=60,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
