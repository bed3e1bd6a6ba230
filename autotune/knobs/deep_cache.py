"""deep_cache: the deep layers of a UNet only every few steps, the shallow ones at each."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches

_FEWEST = 8


def domain(situation: Situation) -> Choice:
    """Offer it for UNets, whose skip connections carry what changes from step to step."""
    blueprint, target = situation.blueprint, situation.target
    why = ""
    if blueprint.denoiser is None:
        why = "this pipeline has no denoiser that is known here"
    elif blueprint.parts[blueprint.denoiser].class_name != "UNet2DConditionModel":
        why = "DeepCache is for UNets: a transformer has no deep and shallow layers (see step_cache)"
    elif not target.has("DeepCache"):
        why = "it needs the package 'DeepCache'"
    elif situation.workload.steps < _FEWEST:
        why = f"with fewer than {_FEWEST} steps there is too little to use again"
    return Choice.of(0, dict.fromkeys((2, 3, 5), why))


def turn(setup: Setup, value: int) -> None:
    """Put DeepCache's wrappers around the UNet's blocks, and count how often the deepest one is computed."""
    import functools
    from typing import Any

    import torch
    from DeepCache import DeepCacheSDHelper

    unet = setup.pipeline.unet
    if getattr(unet, "mid_block", None) is None:
        raise ValueError("DeepCache needs a UNet with a middle block, and this one has none.")
    seen = setup.notes.setdefault("deep_cache_seen", {"steps": 0, "deep": 0})

    # Never compiled: code with a count that changes would be compiled anew each time.
    @torch.compiler.disable
    def count_deep() -> None:
        seen["deep"] += 1

    deep = unet.mid_block.forward

    @functools.wraps(deep)
    def deep_forward(*args: object, **kwargs: object) -> object:
        count_deep()
        return deep(*args, **kwargs)

    unet.mid_block.forward = deep_forward
    whole = unet.forward
    helper = DeepCacheSDHelper(pipe=setup.pipeline)
    helper.set_params(cache_interval=value, cache_branch_id=0)
    helper.enable()

    # In the place of DeepCache's own way to learn the step, which each time reads all timesteps from the GPU
    # and is compiled anew: a timestep is a view into the list of them, and lies where it is in it.
    @torch.compiler.disable
    def begin_step(timestep: Any) -> None:
        planned = setup.pipeline.scheduler.timesteps
        helper.cur_timestep = (timestep.storage_offset() - planned.storage_offset()) // planned.stride(0)
        helper.start_timestep = 0
        if helper.cur_timestep == 0:
            seen.update(steps=0, deep=0)
        seen["steps"] += 1

    @functools.wraps(whole)
    def forward(sample: object, timestep: Any, *args: object, **kwargs: object) -> object:
        begin_step(timestep)
        return whole(sample, timestep, *args, **kwargs)

    unet.forward = forward


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse too few steps, and a batch that changes midway."""
    value = int(settings.get("deep_cache", 0))
    if value == 0:
        return None
    steps = int(settings.get("steps", situation.workload.steps))
    if steps < _FEWEST:
        return (
            f"deep_cache does not go with steps = {steps}: below {_FEWEST} there is too little to use again."
        )
    if 0 < float(settings.get("guidance_cutoff", 1.0)) < 1:
        return (
            "deep_cache does not go with a guidance_cutoff midway: the rows that it kept of a guided step do "
            "not fit those of an unguided one ('Sizes of tensors must match', seen with DeepCache 0.1.1)."
        )
    return None


def applied(setup: Setup, value: int) -> str | None:
    """Count in how many steps the UNet's deepest block was computed."""
    seen = setup.notes.get("deep_cache_seen", {})
    steps, deep = seen.get("steps", 0), seen.get("deep", 0)
    if not steps:
        return "The UNet has no wrappers of DeepCache, or was never called through them."
    if deep != -(-steps // value):
        return f"The deepest block was computed in {deep} of {steps} steps, not in one of {value}."
    return None


KNOB = Knob(
    name="deep_cache",
    summary="Computes a UNet's deep layers only every Nth step (DeepCache), 0 always; the picture drifts.",
    effect="SD, 512 px, batch 1: 2.61 to 1.12 s at 3, 0.81 s at 5 (diffusers docs, DeepCache).",
    stage=Stage.EDIT,
    order=91,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
