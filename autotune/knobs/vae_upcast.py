"""vae_upcast: in which number format pictures are decoded: cheaper than diffusers would, or safer."""

import dataclasses

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches


def domain(situation: Situation) -> Choice:
    """Offer 32 bits for any VAE, and to do without them where diffusers would turn a float16 VAE to 32 bits.

    "off" is for models whose own VAE is known to bear it: the original one of SDXL overflows to black.
    """
    blueprint, backends = situation.blueprint, situation.target.backends
    if "vae" not in blueprint.parts:
        return Choice(("auto",), why="this pipeline has no VAE")
    if not backends & {"bf16", "fp16"}:
        return Choice(("auto",), why="this device computes in 32 bits anyway")
    upcasts = blueprint.can("vae_upcast") and bool(blueprint.facts.get("force_upcast"))
    against = "" if upcasts else "this pipeline does not decode in more bits than it is loaded in"
    if upcasts and "fp16" not in backends:
        against = "this pipeline decodes in more bits only in float16, which this device does not compute in"
    missing = (
        "it needs 'madebyollin/sdxl-vae-fp16-fix' in the hub cache, or a folder vae_fp16_fix of the model"
    )
    fixed = "" if blueprint.facts.get("vae_fp16_fix") else missing
    choice = Choice.of(
        "auto", {"float32": "", "fp16_fix": against or fixed, **({"off": against} if against else {})}
    )
    return choice if against else dataclasses.replace(choice, on_request=("off",))


def turn(setup: Setup, value: str) -> None:
    """Load the VAE again, unrounded or mended, or keep it as it is; and note in which format it decodes."""
    import functools
    import pathlib

    import torch

    pipeline = setup.pipeline
    kind, revision = type(pipeline.vae), setup.workload.revision or None
    if value == "float32" and setup.facts.get("random_weights"):
        pipeline.vae.to(torch.float32)
    elif value == "float32":
        # From its file: what was loaded in 16 bits is rounded already.
        where = {"subfolder": "vae", "revision": revision}
        pipeline.vae = kind.from_pretrained(setup.model_path, dtype=torch.float32, **where).eval()
    elif value == "fp16_fix":
        fixed = str(setup.facts["vae_fp16_fix"])
        beside = pathlib.Path(setup.model_path) / fixed
        source = str(beside) if beside.is_dir() else fixed
        pipeline.vae = kind.from_pretrained(source, dtype=pipeline.vae.dtype).eval()
    if value != "float32":
        pipeline.vae.register_to_config(force_upcast=False)
    vae, decode = pipeline.vae, pipeline.vae.decode
    formats = setup.notes.setdefault("vae_decoded_in", set())

    def note_format() -> int:
        formats.add(str(vae.dtype))
        return 0

    # torch.compile runs this at tracing time instead of breaking the graph.
    note = torch.compiler.assume_constant_result(note_format)

    @functools.wraps(decode)
    def decode_in_own_format(latents: torch.Tensor, *args: object, **kwargs: object) -> object:
        note()
        # Most pipelines hand over what the denoiser made, in its format.
        return decode(latents.to(torch.float32) if value == "float32" else latents, *args, **kwargs)

    vae.decode = decode_in_own_format


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse what would change nothing, and to lose the VAE to the tiny one."""
    value, dtype = settings.get("vae_upcast", "auto"), settings.get("dtype", "float32")
    if value == "auto":
        return None
    if settings.get("tiny_vae", False):
        return "vae_upcast does not go with tiny_vae, which replaces the VAE."
    if value == "float32" and dtype == "float32":
        return "vae_upcast = float32 would do nothing: dtype is float32 already."
    if value != "float32" and dtype != "float16":
        return f"vae_upcast = {value} only acts on a float16 VAE, and dtype is {dtype}."
    return None


def applied(setup: Setup, value: str) -> str | None:
    """Look at the formats in which pictures were decoded, and at whose weights decoded them."""
    import torch

    vae = setup.pipeline.vae
    wanted = "torch.float32" if value == "float32" else "torch.float16"
    formats = sorted(setup.notes.get("vae_decoded_in", ()))
    if formats != [wanted]:
        return (
            f"Pictures were decoded in {', '.join(formats) or 'no format that was noted'}, not in {wanted}."
        )
    if value == "fp16_fix":
        fixed = type(vae).from_pretrained(str(setup.facts["vae_fp16_fix"]), dtype=torch.float16)
        mine, theirs = (part.decoder.conv_in.weight.detach().cpu() for part in (vae, fixed))
        if not torch.equal(mine, theirs):
            return "The VAE in use does not hold the weights of the mended one."
    return None


KNOB = Knob(
    name="vae_upcast",
    summary="Number format of the decode: 'float32' is the safest, 'off' and 'fp16_fix' stay in 16 bits.",
    effect="1024 px: 1.5 instead of 3.0 GiB of decode activations where float16 stays (computed).",
    stage=Stage.EDIT,
    order=12,
    touches=frozenset({Touches.DECODE, Touches.DECODE_MEMORY, Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
