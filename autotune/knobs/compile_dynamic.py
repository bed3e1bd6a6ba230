"""compile_dynamic: one graph for all sizes and batches, or one for each."""

from dataclasses import replace

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs import guidance_cutoff
from autotune.knobs._compiling import NO_COMPILER, changes_batch, is_anything_compiled


def domain(situation: Situation) -> Choice:
    """Offer it where the batch can change between calls; elsewhere only a plan that names it wants it."""
    if not situation.target.has_compiler:
        return Choice.of("auto", dict.fromkeys(("true", "false"), NO_COMPILER))
    if _can_vary(situation):
        return Choice(("auto", "true", "false"))
    why = (
        "every call of this workload has the same shapes: it matters where an application calls several sizes"
    )
    return replace(Choice(("auto",), why=why), on_request=("true", "false"))


def turn(setup: Setup, value: str) -> None:
    """Leave it where the knobs that compile, which are turned next, pick it up."""
    setup.notes.setdefault("compile_arguments", {})["dynamic"] = value == "true"


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse it where nothing is compiled, and where it is searched but no shape changes."""
    value = settings.get("compile_dynamic", "auto")
    if value == "auto":
        return None
    if not is_anything_compiled(settings):
        return f"compile_dynamic = {value} needs compile, compile_vae or compile_text_encoder."
    if _can_vary(situation) and not changes_batch(settings):
        return (
            f"compile_dynamic = {value} is pointless: every call has the same shapes, unless guidance_cutoff "
            "changes the batch midway."
        )
    return None


def _can_vary(situation: Situation) -> bool:
    """Whether a knob can make calls of several shapes out of this workload."""
    return any(0 < float(share) < 1 for share in guidance_cutoff.domain(situation).values)


def applied(setup: Setup, value: str) -> str | None:
    """Look at the sizes that the compiled versions demand of their inputs."""
    from autotune.knobs._compiling import compiled_parts, has_open_sizes

    guards = [each for _, versions, _ in compiled_parts(setup.pipeline) for each in versions]
    if not guards:
        return "No graph was made of anything."
    dynamic = sum(map(has_open_sizes, guards))
    if value == "true":
        # "auto" begins with one size and opens the graph when a second comes: it has some of either kind.
        fixed = len(guards) - dynamic
        return f"{fixed} of {len(guards)} graphs are for inputs of one size." if fixed else None
    return f"{dynamic} of {len(guards)} graphs are for inputs of several sizes." if dynamic else None


KNOB = Knob(
    name="compile_dynamic",
    summary=(
        "'true' makes one graph for all sizes and batches (slower kernels, twice the compile time), 'false' "
        "one for each; 'auto' begins with one and opens it when a second size comes."
    ),
    stage=Stage.COMPILE,
    order=13,
    touches=frozenset(set(Touches) - {Touches.LIKENESS}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
