"""compile_fullgraph: whether what breaks a graph is an error, or leaves several smaller graphs."""

from autotune.knob import Choice, Knob, Settings, Setup, Situation, Stage, Touches
from autotune.knobs import step_cache
from autotune.knobs._compiling import NO_COMPILER, is_anything_compiled, why_broken


def domain(situation: Situation) -> Choice:
    """Offer broken graphs where another knob here needs them."""
    why = "" if situation.target.has_compiler else NO_COMPILER
    is_offloaded = situation.target.kind in ("cuda", "xpu")
    if not why and not is_offloaded and step_cache.domain(situation).is_fixed:
        why = "nothing that is offered here breaks a graph"
    return Choice.of(True, {False: why})  # noqa: FBT003 - a value


def turn(setup: Setup, value: bool) -> None:
    """Leave it where the knobs that compile, which are turned next, pick it up."""
    setup.notes.setdefault("compile_arguments", {})["fullgraph"] = value


def conflict(settings: Settings, situation: Situation) -> str | None:
    """Refuse a whole graph where something breaks it, and a broken one where nothing does."""
    value = settings.get("compile_fullgraph", True)
    if not is_anything_compiled(settings):
        return (
            None if value else "compile_fullgraph = False needs compile, compile_vae or compile_text_encoder."
        )
    why = why_broken(settings, situation)
    if value and why:
        return f"compile_fullgraph = True does not go with {why}. Set it to False."
    if not value and not why:
        return "compile_fullgraph = False is pointless: nothing in this recipe breaks the graph."
    return None


def applied(setup: Setup, value: bool) -> str | None:
    """Count the breaks that the compiler met, and the graphs that it made all the same."""
    from torch._dynamo.utils import counters

    from autotune.knobs._compiling import compiled_parts

    parts = compiled_parts(setup.pipeline)
    if not parts:
        return "Nothing is called compiled."
    breaks = sum(counters["graph_break"].values())
    if not breaks:
        return f"No graph was broken: each of the {len(parts)} compiled modules is whole."
    return None if any(versions for _, versions, _ in parts) else f"{breaks} breaks left no graph."


KNOB = Knob(
    name="compile_fullgraph",
    summary="False lets offloading, step caches and the like break the compiled graph into smaller ones.",
    stage=Stage.COMPILE,
    order=14,
    touches=frozenset({Touches.STEP, Touches.DECODE, Touches.TEXT}),
    domain=domain,
    turn=turn,
    conflict=conflict,
    applied=applied,
)
