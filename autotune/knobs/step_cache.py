"""step_cache: results of one denoising step used again in the next ones, which then cost a fraction."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches

_FEWEST = 8


def domain(situation: Situation) -> Choice:
    """Offer diffusers' caches where each of them really hooks something and keeps what it must apart."""
    blueprint, workload = situation.blueprint, situation.workload
    why_none, why_broadcast, why_ratios = "", "", ""
    if blueprint.denoiser is None:
        why_none = "this pipeline has no denoiser that is known here"
    elif not blueprint.can("step_cache"):
        name = blueprint.parts[blueprint.denoiser].class_name or "this denoiser"
        why_none = f"diffusers has no step caches for {name} (no 'enable_cache', seen with 0.42)"
    elif "transformer_2" in blueprint.parts:
        why_none = "two denoisers take turns, and the caches count the steps of one"
    elif workload.steps < _FEWEST:
        why_none = f"with fewer than {_FEWEST} steps there is too little to use again"
    if not blueprint.can("current_timestep"):
        why_broadcast = "the pipeline does not tell its current timestep, which this cache asks for"
    elif blueprint.pipeline_class.startswith("Wan") and workload.guidance > 1:
        why_broadcast = (
            "the guided and the unguided pass are calls of their own here, and this cache hands the results "
            "of one to the other (diffusers 0.42, PyramidAttentionBroadcastState has no context)"
        )
    if not blueprint.pipeline_class.startswith("Flux"):
        why_ratios = "its ratios are published for Flux only (diffusers 0.42, FLUX_MAG_RATIOS)"
    return Choice.of(
        "none",
        {
            "first_block:0.05": why_none,
            "first_block:0.1": why_none,
            "first_block:0.2": why_none,
            "taylorseer:3": why_none,
            "taylorseer:5": why_none,
            "taylorseer_lite:3": why_none,
            "taylorseer_lite:5": why_none,
            "pab:2": why_none or why_broadcast,
            "fastercache:2": why_none or why_broadcast,
            "magcache:0.06": why_none or why_ratios,
            "magcache:0.24": why_none or why_ratios,
        },
    )


def turn(setup: Setup, value: str) -> None:  # noqa: C901 - four kinds of hook in one source that stands alone
    """Hook the cache into the denoiser, and count what it computes and what it skips."""
    from collections.abc import Callable
    from typing import Any

    import diffusers.hooks
    import torch
    from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

    pipeline, part = setup.pipeline, setup.pipeline.transformer
    kind, _, number = value.partition(":")
    seen = setup.notes.setdefault("step_cache_seen", {"asked": 0, "computed": 0})
    latest: list[Any] = [None, 0.0]
    every = int(float(number))

    def timestep_now() -> float:
        # Each attention layer asks: read from the device once a step, not once a layer.
        if pipeline.current_timestep is not latest[0]:
            latest[:] = [pipeline.current_timestep, float(pipeline.current_timestep)]
        return float(latest[1])

    def configured() -> tuple[str, dict[str, object]]:
        configs: dict[str, tuple[str, dict[str, object]]] = {
            "first_block": ("FirstBlockCacheConfig", {"threshold": float(number)}),
            # diffusers' own pattern wants names that end in "attn": Wan and LTX have attn1 and attn2.
            "taylorseer": (
                "TaylorSeerCacheConfig",
                {
                    "cache_interval": every,
                    "cache_identifiers": [r"[^.]*blocks\.\d+\.(attn\d?|ff|ffn|ff_context|proj_mlp)"],
                },
            ),
            "taylorseer_lite": ("TaylorSeerCacheConfig", {"cache_interval": every, "use_lite_mode": True}),
            "pab": (
                "PyramidAttentionBroadcastConfig",
                {"spatial_attention_block_skip_range": every, "current_timestep_callback": timestep_now},
            ),
            # "Distilled" leaves the unguided half alone: packed latents are not what its filter can split.
            "fastercache": (
                "FasterCacheConfig",
                {
                    "spatial_attention_block_skip_range": every,
                    "attention_weight_callback": lambda _: 0.5,
                    "is_guidance_distilled": True,
                    "current_timestep_callback": timestep_now,
                },
            ),
            "magcache": (
                "MagCacheConfig",
                {
                    "threshold": float(number),
                    "num_inference_steps": int(setup.settings.get("steps", setup.workload.steps)),
                    "mag_ratios": FLUX_MAG_RATIOS,
                },
            ),
        }
        return configs[kind]

    config, arguments = configured()
    part.enable_cache(getattr(diffusers.hooks, config)(**arguments))
    hooks = [
        hook
        for module in part.modules()
        if hasattr(module, "_diffusers_hook")
        for name, hook in module._diffusers_hook.hooks.items()  # noqa: SLF001
        if name.startswith(("fbc_", "taylorseer_", "pyramid_", "faster_cache_block", "mag_cache_"))
    ]
    if not hooks:
        raise ValueError(f"{type(part).__name__} has no layer that the cache '{kind}' can hook.")

    def counted(decide: Callable[..., Any]) -> Callable[..., Any]:
        @torch.compiler.disable
        def decide_and_count(*args: object, **kwargs: object) -> object:
            decision = decide(*args, **kwargs)
            seen["asked"] += 1
            seen["computed"] += bool(decision[0] if isinstance(decision, tuple) else decision)
            return decision

        return decide_and_count

    def counting(run: Callable[..., Any], what: str) -> Callable[..., Any]:
        # Never compiled: a count that changes would be compiled anew each time.
        @torch.compiler.disable
        def run_and_count(*args: object, **kwargs: object) -> object:
            seen[what] += 1
            return run(*args, **kwargs)

        return run_and_count

    # The first two ask in a function of their own, which is never compiled; the others decide in passing.
    first = hooks[0]
    for ask in ("_should_compute_remaining_blocks", "_measure_should_compute"):
        if hasattr(first, ask):
            setattr(first, ask, counted(getattr(first, ask)))
            return
    first.fn_ref.original_forward = counting(first.fn_ref.original_forward, "computed")
    first.fn_ref.forward = counting(first.fn_ref.forward, "asked")


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse too few steps, and to compile what the hooks keep from being compiled."""
    value = str(settings.get("step_cache", "none"))
    if value == "none":
        return None
    steps = int(settings.get("steps", situation.workload.steps))
    if steps < _FEWEST:
        return (
            f"step_cache = {value} does not go with steps = {steps}: below {_FEWEST} there is too little "
            "to use again."
        )
    if value.startswith("magcache") and settings.get("compile", "none") != "none":
        return (
            f"step_cache = {value} keeps the denoiser's blocks from being compiled: its hooks are marked "
            "torch.compiler.disable (seen with diffusers 0.42, mag_cache.py)."
        )
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Count the hooks in the denoiser, and the steps in which one of them had nothing computed."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    registries = [
        module._diffusers_hook  # noqa: SLF001
        for module in part.modules()
        if hasattr(module, "_diffusers_hook")
    ]
    prefix = {
        "first_block": "fbc_",
        "taylorseer": "taylorseer_",
        "taylorseer_lite": "taylorseer_",
        "pab": "pyramid_",
        "fastercache": "faster_cache_block",
        "magcache": "mag_cache_",
    }[value.partition(":")[0]]
    hooks = [name for registry in registries for name in registry.hooks if name.startswith(prefix)]
    if not hooks:
        return f"None of the denoiser's layers has a hook of the cache '{value}'."
    seen = setup.notes.get("step_cache_seen", {})
    asked, computed = seen.get("asked", 0), seen.get("computed", 0)
    if not asked:
        return f"The {len(hooks)} hooks of the cache were never asked."
    return (
        f"Nothing was skipped: the first of {len(hooks)} hooks computed {computed} times of {asked}."
        if computed >= asked
        else None
    )


KNOB = Knob(
    name="step_cache",
    summary=(
        "Uses results of a denoising step again in the next: first_block:THRESHOLD, taylorseer:INTERVAL "
        "(more memory; '_lite': hardly any), pab and fastercache:EVERY (attention only), magcache:THRESHOLD."
    ),
    effect="Flux, B200, first block, threshold 0.08: 2.83 to 2.03 s at LPIPS 0.08 (unsloth #6703).",
    stage=Stage.EDIT,
    order=90,
    touches=frozenset({Touches.STEP, Touches.STEP_MEMORY, Touches.LIKENESS}),
    changes_result=True,
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
