"""timesteps_on_cpu: the scheduler looks timesteps up on the CPU, without waiting for the GPU at each step."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches

_INDEXING = ("DDIMScheduler", "PNDMScheduler", "LCMScheduler")


def domain(situation: Situation) -> Choice:
    """Offer it on GPUs, to schedulers that index a table on the CPU with a timestep on the GPU."""
    blueprint = situation.blueprint
    why = ""
    if situation.target.kind != "cuda":
        why = "timesteps are on the CPU here anyway"
    elif blueprint.scheduler not in _INDEXING and blueprint.prediction not in ("epsilon", "v_prediction"):
        why = f"{blueprint.scheduler or 'this scheduler'} keeps its table of noise levels at hand by itself"
    return Choice.of(default=False, others={True: why})


def turn(setup: Setup, value: bool) -> None:
    """Hand each step its timestep as a number that the CPU knows, found by its place in the list of them."""
    import functools
    from typing import Any

    import torch

    scheduler: Any = setup.pipeline.scheduler
    plan, step = scheduler.set_timesteps, scheduler.step
    known: dict[str, torch.Tensor] = {}
    devices: set[str] = setup.notes.setdefault("timesteps_on_cpu_devices", set())

    @functools.wraps(plan)
    def set_timesteps(*args: object, **kwargs: object) -> None:
        plan(*args, **kwargs)
        known["there"], known["here"] = scheduler.timesteps, scheduler.timesteps.cpu()

    @functools.wraps(step)
    def step_from_cpu(model_output: object, timestep: Any, *args: object, **kwargs: object) -> object:
        there = known.get("there")
        # A timestep of the pipeline's loop is a view into the list: where it lies tells which one it is, and
        # its value need not be fetched from the GPU.
        if (
            there is not None
            and isinstance(timestep, torch.Tensor)
            and timestep.dim() == 0
            and timestep.untyped_storage().data_ptr() == there.untyped_storage().data_ptr()
        ):
            timestep = known["here"][(timestep.storage_offset() - there.storage_offset()) // there.stride(0)]
            devices.add(timestep.device.type)
        else:
            devices.add("unknown")
        # LCM looks up the next timestep too.
        scheduler.timesteps = known.get("here", scheduler.timesteps)
        try:
            return step(model_output, timestep, *args, **kwargs)
        finally:
            scheduler.timesteps = there

    scheduler.set_timesteps, scheduler.step = set_timesteps, step_from_cpu


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse schedulers that have no use for it."""
    if not settings.get("timesteps_on_cpu", False):
        return None
    chosen = str(settings.get("scheduler", "default"))
    indexes = chosen == "ddim" or (chosen == "default" and situation.blueprint.scheduler in _INDEXING)
    if indexes:
        return None
    name = situation.blueprint.scheduler if chosen == "default" else chosen
    return (
        f"timesteps_on_cpu would do nothing for {name}, which keeps its noise levels on the CPU by itself "
        "(seen with diffusers 0.42)."
    )


def applied(setup: Setup, value: bool) -> str | None:
    """Look at where the timesteps were that the scheduler stepped by."""
    devices = setup.notes.get("timesteps_on_cpu_devices", set())
    if not devices:
        return "The scheduler took its timesteps as the pipeline gave them."
    return None if devices == {"cpu"} else "Some timesteps were none of the scheduler's own list."


KNOB = Knob(
    name="timesteps_on_cpu",
    summary="Spares schedulers such as DDIM the wait for the GPU when they look a timestep up.",
    stage=Stage.EDIT,
    order=16,
    touches=frozenset({Touches.STEP}),
    is_exact=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
