"""A footprint finds the run that comes nearest from below, and survives JSON."""

import json

import pytest

from autotune.footprint import Footprint, Linear, Run, Weights


def _run(variant: str = "fused", dtype: str = "bfloat16", *, pictures: int = 1, guided: bool = True) -> Run:
    live = 100 * pictures * (2 if guided else 1) * (2 if dtype == "float32" else 1)
    return Run(part="unet", dtype=dtype, pictures=pictures, guided=guided, variant=variant, live=live)


RUNS = (
    _run(),
    _run(guided=False),
    _run(pictures=4),
    _run(dtype="float32"),
    Run(part="unet", dtype="bfloat16", pictures=4, guided=True, variant="math", live=9000),
)
FOOTPRINT = Footprint(pipeline_class="X", runs=RUNS, pictures=4)


@pytest.mark.parametrize(
    ("variant", "dtype", "pictures", "guided", "live"),
    [
        ("fused", "bfloat16", 1, True, 200),
        ("fused", "float16", 1, True, 200),  # 16 bits are 16 bits
        ("fused", "float32", 1, True, 400),
        ("fused", "float32", 1, False, 100),  # not run in 32 bits: the 16-bit figure is below it
        ("fused", "bfloat16", 1, False, 100),
        ("fused", "bfloat16", 3, True, 200),  # three pictures need more than one, and less than four
        ("fused", "bfloat16", 4, True, 800),
        ("math", "bfloat16", 4, True, 9000),
        ("math", "bfloat16", 1, True, 200),  # not run for one picture: fused attention needs least
    ],
)
def test_the_nearest_run_from_below_is_found(
    variant: str,
    dtype: str,
    pictures: int,
    guided: bool,  # noqa: FBT001 - a column of the table above
    live: int,
) -> None:
    """What was not run is replaced by what needs no more than it."""
    found = FOOTPRINT.run("unet", variant, dtype, pictures=pictures, guided=guided)

    assert found is not None
    assert found.live == live


def test_a_part_without_runs_has_none() -> None:
    """A part that was never called has no run."""
    assert FOOTPRINT.run("vae", "whole", "bfloat16", pictures=1, guided=True) is None


def test_json_keeps_everything() -> None:
    """A footprint that was written as JSON and read again is the same."""
    layer = Linear(path="blocks.attn.to_q", rows=8, columns=4, count=2)
    part = Weights(stage="denoise", sizes={"float32": 4}, linears=(layer,), stored="float16")
    footprint = Footprint(pipeline_class="X", weights={"unet": part}, runs=RUNS, offload_order=("unet",))

    assert Footprint.from_json(json.loads(json.dumps(footprint.to_json()))) == footprint
