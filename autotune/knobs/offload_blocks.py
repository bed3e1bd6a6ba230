"""offload_blocks: how many blocks offload = group_block moves at once: fewer waits, for more memory."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs._groups import denoiser_of, passing_groups, why_no_groups


def domain(situation: Situation) -> Choice:
    """Offer the sizes that are no more than half of the denoiser's longest list of blocks."""
    why, longest = why_no_groups(situation), situation.blueprint.number("denoiser_blocks")
    few = f"half of the denoiser's blocks is fewer: its longest list has {longest}"
    return Choice.of(1, {count: why or ("" if 2 * count <= longest else few) for count in (2, 4, 8)})


def turn(setup: Setup, value: int) -> None:
    """Leave the number where the knob 'offload', which is turned later, picks it up."""
    setup.notes.setdefault("offload_options", {})["num_blocks_per_group"] = value


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where nothing is moved by blocks, and with streams, which move one at a time."""
    value = settings.get("offload_blocks", 1)
    if value == 1:
        return None
    if settings.get("offload", "none") != "group_block":
        return f"offload_blocks = {value} needs offload = group_block."
    if settings.get("offload_stream", "none") != "none":
        return f"offload_blocks = {value} does not go with offload_stream: diffusers resets it to 1 there."
    return None


def applied(setup: Setup, value: int) -> str | None:
    """Count the blocks of the largest group that comes and goes."""
    largest = max((len(group.modules) for group in passing_groups(denoiser_of(setup.pipeline))), default=0)
    return None if largest == value else f"The largest group of the denoiser has {largest} blocks."


KNOB = Knob(
    name="offload_blocks",
    summary="How many blocks are moved at once by offload = group_block: fewer waits, for more memory.",
    stage=Stage.PLACE,
    order=40,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY}),
    is_exact=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
