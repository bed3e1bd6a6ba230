"""Which studies are of one family, how near they are, and what a recipe of one is in another."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from autotune.blueprint import Blueprint, Part
from autotune.knob import Settings, Situation, Value
from autotune.search.family import counterpart, family, is_kin, nearness
from autotune.target import Target
from autotune.workload import Workload

HERE = Situation(
    target=Target(device="cuda:0", name="RTX 4090"),
    blueprint=Blueprint(
        pipeline_class="StableDiffusionPipeline", parts={"unet": Part(class_name="UNet2DConditionModel")}
    ),
    workload=Workload(model="models/sd15", width_px=512, height_px=512, steps=20),
)
THERE: Mapping[str, tuple[Value, ...]] = {
    "dtype": ("float32", "float16"),
    "tf32": (False, True),
    "steps": (20, 15, 10),
    "tile": (0, 64),
}


def other(**changes: object) -> Situation:
    """Return the situation with another machine, model, size or number of steps."""
    target = replace(HERE.target, **{k: v for k, v in changes.items() if k in ("name", "device")})  # type: ignore[arg-type]
    work = {k: v for k, v in changes.items() if k not in ("name", "device")}
    return replace(HERE, target=target, workload=replace(HERE.workload, **work))  # type: ignore[arg-type]


def test_a_family_is_a_class_of_pipeline_and_what_it_runs_at_every_step() -> None:
    """Other weights, sizes and machines are of the same family; another architecture is not."""
    flux = Blueprint(
        pipeline_class="FluxPipeline", parts={"transformer": Part(class_name="FluxTransformer2DModel")}
    )

    assert "FluxPipeline with FluxTransformer2DModel" == family(flux)
    assert is_kin(other(model="models/other", name="H200", width_px=768, steps=50), HERE)
    assert not is_kin(replace(HERE, blueprint=flux), HERE)
    assert not is_kin(other(device="cpu"), HERE)


def test_the_nearest_is_the_same_model_on_the_same_machine() -> None:
    """Then the model counts before the machine, and the machine before the size and the steps."""
    ordered = [
        HERE,
        other(steps=30),
        other(width_px=768),
        other(name="H200"),
        other(name="H200", width_px=768),
        other(model="models/sd14"),
        other(model="models/sd14", name="H200"),
        other(model="models/sd14", name="H200", width_px=768, steps=30),
    ]

    mixed = ordered[4:] + ordered[:4]

    assert ordered == sorted(mixed, key=lambda there: nearness(there, HERE), reverse=True)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"dtype": "float16"}, {"dtype": "float16"}),
        ({"tile": 64}, None),  # no such value here
        ({"tf32": True}, None),  # no such knob here
        ({"steps": 10}, {"steps": 15}),  # half of the steps
        ({"steps": 15}, {"steps": 22}),
        ({"steps": 15, "dtype": "float16"}, {"steps": 22, "dtype": "float16"}),
    ],
)
def test_a_recipe_is_the_one_that_differs_from_the_default_in_the_same(
    settings: Settings, expected: Settings | None
) -> None:
    """What cannot be had here is known of no recipe here, unless it is the default."""
    here = {"dtype": ("float32", "float16"), "steps": (30, 22, 15), "tile": (0, 128), "fused": (False, True)}
    untuned = {"dtype": "float32", "steps": 30, "tile": 0, "fused": False}

    found = counterpart({**{name: values[0] for name, values in THERE.items()}, **settings}, THERE, here)

    assert (None if expected is None else {**untuned, **expected}) == found


def test_the_default_here_is_no_change_there() -> None:
    """Figures are told relative to the untuned pipeline: what was tuned there is none of it here."""
    here = {"dtype": ("float16", "float32")}
    there = {"dtype": ("float32", "float16")}

    assert {"dtype": "float16"} == counterpart({"dtype": "float32"}, there, here)
    assert counterpart({"dtype": "float16"}, there, here) is None


def test_false_is_not_nought() -> None:
    """Values are compared with their kind."""
    assert counterpart({"a": True}, {"a": (False, True)}, {"a": (0, 1)}) is None
