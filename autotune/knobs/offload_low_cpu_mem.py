"""offload_low_cpu_mem: pin a streamed group only while it is fetched, for less pinned host memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._groups import denoiser_of, group_hooks, has_torchao, why_no_groups


def domain(situation: Situation) -> Choice:
    """Offer it where weights can be offloaded in groups."""
    return Choice.of(default=False, others={True: why_no_groups(situation)})


def turn(setup: Setup, value: bool) -> None:
    """Leave the choice where the knob 'offload', which is turned later, picks it up."""
    setup.notes.setdefault("offload_options", {})["low_cpu_mem_usage"] = value


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where nothing would be pinned anyway, and for weights that cannot be pinned on the fly."""
    if not settings.get("offload_low_cpu_mem", False):
        return None
    if settings.get("offload_stream", "none") == "none":
        return "offload_low_cpu_mem needs offload_stream: without streams nothing is pinned."
    if settings.get("offload_disk", False):
        return "offload_low_cpu_mem does nothing with offload_disk: the weights are not in host memory."
    if has_torchao(settings):
        return (
            "offload_low_cpu_mem does not go with quantization: torchao's weights are on the GPU when they "
            "are to be pinned ('only dense CPU tensors can be pinned', diffusers #14433, open in 0.42)."
        )
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Look at whether the copies in host memory are pinned between calls."""
    hooks = group_hooks(denoiser_of(setup.pipeline))
    # Without a stream a group keeps no copy.
    copies = [copy for hook in hooks for copy in hook.group.cpu_param_dict.values()]
    if not copies:
        return "No weight of the denoiser has a copy in host memory from which a stream fetches it."
    pinned = sum(copy.is_pinned() for copy in copies)
    return f"{pinned} of {len(copies)} copies in host memory are pinned for good." if pinned else None


KNOB = Knob(
    name="offload_low_cpu_mem",
    summary="Pins streamed weights only while they are fetched: less pinned host memory, slower.",
    effect="Flux, 5 forward passes: 35.1 to 22.8 GB of host memory, 9.5 to 13.7 s (diffusers #11106).",
    stage=Stage.PLACE,
    order=44,
    touches=frozenset({Touches.TEXT, Touches.STEP}),
    is_exact=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
