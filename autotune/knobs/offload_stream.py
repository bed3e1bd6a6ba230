"""offload_stream: fetch the next group of weights while one computes, for offloading at nearly full speed."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._groups import denoiser_of, group_hooks, has_torchao, is_grouped, why_no_groups

_OLD_TORCHAO = tuple(f"0.{minor}." for minor in range(18))


def domain(situation: Situation) -> Choice:
    """Offer it where weights can be offloaded in groups from a device that has streams."""
    why = why_no_groups(situation)
    return Choice.of("none", {"stream": why, "record_stream": why})


def turn(setup: Setup, value: str) -> None:
    """Leave the choice where the knob 'offload', which is turned later, picks it up."""
    options = setup.notes.setdefault("offload_options", {})
    options.update(use_stream=True, non_blocking=True, record_stream=value == "record_stream")


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where nothing is moved in groups, and for quantized weights that cannot be pinned."""
    value = settings.get("offload_stream", "none")
    if value == "none":
        return None
    if not is_grouped(settings):
        return f"offload_stream = {value} needs offload = group_block or group_leaf."
    has_old_tensors = situation.target.libraries.get("torchao", "").startswith(_OLD_TORCHAO)
    if has_old_tensors and has_torchao(settings):
        return (
            f"offload_stream = {value} does not go with quantization: weights of torchao before 0.18 cannot "
            "be pinned (aten.is_pinned, diffusers #13281)."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look for groups that were fetched by the one before them in the first call."""
    hooks = group_hooks(denoiser_of(setup.pipeline))
    streamed = [hook.group for hook in hooks if hook.group.stream is not None]
    fetched = [group for group in streamed if not group.onload_self]
    if not fetched:
        return f"None of the denoiser's {len(hooks)} groups is fetched while another one computes."
    if any(bool(group.record_stream) != (value == "record_stream") for group in streamed):
        return "The groups wait for the computation in another way than was asked for."
    return None


KNOB = Knob(
    name="offload_stream",
    summary="Fetches the next group of weights while one computes; pins all offloaded weights. "
    "'record_stream' waits less, for more GPU memory.",
    effect="Wan-14B, H100, a step: 4602 ms resident, 4918 ms in streamed groups (diffusers #11605).",
    stage=Stage.PLACE,
    order=42,
    touches=frozenset({Touches.TEXT, Touches.STEP, Touches.TEXT_MEMORY, Touches.STEP_MEMORY}),
    is_exact=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
