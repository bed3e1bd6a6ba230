"""Family: which studies are about one kind of pipeline, how near they are, and what a recipe is there."""

from collections.abc import Mapping, Sequence

from autotune.blueprint import Blueprint
from autotune.knob import Settings, Situation, Value, is_same

_BY_SHARE = ("steps",)  # numbers of the workload's own: what counts is the share of the default that they are
_NEAR = 0.1  # shares that differ by no more, relatively, are the same


def family(blueprint: Blueprint) -> str:
    """Return the family of a pipeline: its class, and that of what it runs at every step.

    >>> from autotune.blueprint import Part
    >>> parts = {"unet": Part(class_name="UNet2DConditionModel")}
    >>> family(Blueprint(pipeline_class="StableDiffusionPipeline", parts=parts))
    'StableDiffusionPipeline with UNet2DConditionModel'
    """
    denoiser = blueprint.denoiser
    of = f" with {blueprint.parts[denoiser].class_name}" if denoiser is not None else ""
    return f"{blueprint.pipeline_class}{of}"


def is_kin(there: Situation, here: Situation) -> bool:
    """Whether two situations are of one family and on one kind of device: what helps one, helps the other."""
    return family(there.blueprint) == family(here.blueprint) and there.target.kind == here.target.kind


def nearness(there: Situation, here: Situation) -> tuple[bool, ...]:
    """Return how near two situations of a family are: the larger, the nearer.

    The same model on the same machine comes first, then the same model, then the same machine; of equals, the
    same size of pictures and as many of them, and then the same number of steps.
    """
    model = _model(there) == _model(here)
    machine = _machine(there) == _machine(here)
    return (
        model and machine,
        model,
        machine,
        _picture(there) == _picture(here),
        there.workload.steps == here.workload.steps,
    )


def counterpart(
    settings: Settings, there: Mapping[str, Sequence[Value]], here: Mapping[str, Sequence[Value]]
) -> dict[str, Value] | None:
    """Return what a recipe of one study is in another, or None where that has no such recipe.

    A default stands for the other's default, since all figures are told relative to the untuned pipeline. A
    knob that only one of them has must have its default. A number of steps stands for the same share of the
    default.

    Args:
        settings: The value of every knob there.
        there: The values of each knob where the recipe was tried, the default first.
        here: As above, where it is to be known.

    >>> there = {"dtype": ("float32", "float16"), "steps": (20, 15, 10)}
    >>> here = {"dtype": ("float32", "float16"), "steps": (30, 15), "tf32": (False, True)}
    >>> counterpart({"dtype": "float16", "steps": 10}, there, here)
    {'dtype': 'float16', 'steps': 15, 'tf32': False}
    >>> counterpart({"dtype": "float16", "steps": 15}, there, here) is None
    True
    """
    if any(name not in here and not is_same(settings[name], there[name][0]) for name in there):
        return None
    found: dict[str, Value] = {}
    for name, values in here.items():
        if name not in there or is_same(settings[name], there[name][0]):
            found[name] = values[0]
            continue
        value = _same_value(name, settings[name], there[name][0], values)
        if value is None:
            return None
        found[name] = value
    return found


def _same_value(name: str, value: Value, default: Value, values: Sequence[Value]) -> Value | None:
    """The value that is no default and means the same here; None where there is none."""
    if name in _BY_SHARE:
        return _same_share(value, default, values)
    return next((other for other in values[1:] if is_same(value, other)), None)


def _same_share(value: Value, default: Value, values: Sequence[Value]) -> Value | None:
    if not isinstance(value, int | float) or not isinstance(default, int | float) or not default:
        return None
    share = value / default

    def gap(other: Value) -> float:
        return abs(float(other) / float(values[0]) / share - 1.0)

    nearest = min(values[1:], key=gap, default=None)
    return nearest if nearest is not None and gap(nearest) <= _NEAR else None


def _model(situation: Situation) -> tuple[str, str]:
    return situation.workload.model, situation.workload.revision


def _machine(situation: Situation) -> tuple[str, str, str]:
    target = situation.target
    return target.kind, target.name, target.stands_for


def _picture(situation: Situation) -> tuple[int, int, int, int]:
    workload = situation.workload
    return workload.width_px, workload.height_px, workload.batch, workload.frames
