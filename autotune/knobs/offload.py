"""offload: keep weights in host memory and bring them to the GPU when needed, for models that do not fit."""

from autotune.knob import Choice, Knob, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer it on accelerators; on a CPU there is nowhere to offload to."""
    if situation.target.kind not in ("cuda", "xpu"):
        return Choice(("none",), why="weights can only be offloaded from a GPU")
    if not situation.target.has("accelerate"):
        return Choice(("none",), why="offloading needs the package 'accelerate'")
    whole = ("model",) if situation.blueprint.can("model_offload") else ()
    return Choice(("none", *whole, "sequential"))


def turn(setup: Setup, value: str) -> None:
    """Bring parts ("model") or single layers ("sequential") to the device only while they run."""
    if value == "model":
        setup.pipeline.enable_model_cpu_offload(device=setup.device)
    else:
        setup.pipeline.enable_sequential_cpu_offload(device=setup.device)
    setup.is_placed = True


def applied(setup: Setup, value: str) -> str | None:
    """Look at the hooks on the denoiser and at where its weights rest after a picture."""
    part = getattr(setup.pipeline, "unet", None) or setup.pipeline.transformer
    hooks = [type(module._hf_hook).__name__ for module in part.modules() if hasattr(module, "_hf_hook")]  # noqa: SLF001
    wanted = "CpuOffload" if value == "model" else "AlignDevicesHook"
    if wanted not in hooks:
        return f"The denoiser has no {wanted} hook among its {len(hooks)}."
    resting = {weight.device.type for weight in part.parameters()}
    expected = {"cpu"} if value == "model" else {"cpu", "meta"}
    if not resting <= expected:
        return f"The denoiser's weights rest on {', '.join(sorted(resting))} between pictures."
    return None


KNOB = Knob(
    name="offload",
    summary="Keeps weights in host memory: 'model' moves whole parts, 'sequential' layers (very slow).",
    effect="SDXL, batch 4, A100: 21.7 GB resident, 20.2 GB 'model', 19.9 GB and 4.5 × the time 'sequential' "
    "(Hugging Face SDXL blog).",
    stage=Stage.PLACE,
    order=50,
    touches=frozenset(set(Touches) - {Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    applied=applied,
)
