"""Known GPUs: found by any spelling, and what a machine that stands in for one may use."""

from dataclasses import replace

import pytest

from autotune.blueprint import Blueprint
from autotune.errors import PlanError, UnknownName
from autotune.gpus import GPUS, Gpu, as_asked, as_target, known_gpu, stand_in
from autotune.knob import Situation
from autotune.knobs import all_knobs
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.space import build_space
from autotune.target import Target
from autotune.workload import Workload

GIB = 2**30
CPU = Target(device="cpu", name="AMD EPYC", memory_bytes=24 * GIB, backends=frozenset({"bf16", "math"}))
H200 = Target(
    device="cuda:0",
    name="NVIDIA H200",
    memory_bytes=140 * GIB,
    compute_capability=(9, 0),
    backends=frozenset({"bf16", "fp16", "math", "flash", "efficient", "cudnn"}),
)


@pytest.mark.parametrize("gpu", GPUS.values(), ids=GPUS)
def test_a_card_is_found_by_its_name_and_by_what_it_calls_itself(gpu: Gpu) -> None:
    """And its figures are of the right size."""
    assert gpu is known_gpu(gpu.name)
    assert gpu is known_gpu(gpu.title.upper())
    assert 5 * GIB < gpu.usable_bytes < gpu.memory_bytes < 200 * GIB
    assert 200 < gpu.bandwidth_gb_s < 10_000
    assert (6, 0) <= gpu.compute_capability < (13, 0)


def test_an_unknown_card_names_the_nearest() -> None:
    """With a guess at what was meant."""
    with pytest.raises(UnknownName, match=r"rtx-4061.*rtx-4060"):
        known_gpu("rtx-4061")


def test_a_plan_names_a_target_and_gets_its_cap() -> None:
    """The smaller of the card and of what the user allows; the file keeps the name."""
    plan = Plan(study="s", workload=Workload(model="demo"), target="rtx-4060")
    smaller = replace(plan, memory_limit_bytes=4 * GIB)

    assert plan.memory_cap_bytes == known_gpu("rtx-4060").usable_bytes
    assert [4 * GIB] == [limit.bound for limit in smaller.limits() if limit.objective.name == "memory_bytes"]
    assert plan == parse_plan(format_plan(plan))
    with pytest.raises(PlanError, match="voodoo-2"):
        replace(plan, target="voodoo-2")


def test_a_machine_that_stands_in_offers_what_both_have() -> None:
    """Nothing that the card lacks, no more memory than it can give, and its own name first."""
    seen = stand_in(H200, known_gpu("t4"))

    assert (7, 5) == seen.compute_capability
    assert frozenset({"fp16", "math", "efficient"}) == seen.backends
    assert known_gpu("t4").usable_bytes == seen.memory_bytes
    assert "NVIDIA H200 (cuda:0, sm_75) under a cap of 14.6 GiB, for t4" == seen.describe()
    assert seen == Target.from_json(seen.to_json())


def test_a_cpu_stands_in_for_its_memory_alone() -> None:
    """Its own knobs are searched, but for formats that the card does not compute in."""
    seen = stand_in(CPU, known_gpu("t4"))

    assert seen.kind == "cpu"
    assert frozenset({"math"}) == seen.backends
    assert CPU.backends == stand_in(CPU, known_gpu("rtx-4060")).backends


def test_a_smaller_machine_cannot_stand_in() -> None:
    """The message says by how much."""
    with pytest.raises(PlanError, match=r"24 GiB and cannot stand in for 'a100-40gb', which has 40 GiB"):
        stand_in(CPU, known_gpu("a100-40gb"))


def test_the_card_itself_stands_for_itself() -> None:
    """Whoever names the card that he has gets his machine as it is."""
    mine = replace(H200, memory_bytes=known_gpu("h200").memory_bytes)

    assert mine == stand_in(mine, known_gpu("h200"))


def test_a_card_that_is_not_at_hand_has_a_space() -> None:
    """Every knob answers for it, with the packages of this machine."""
    target = as_target(known_gpu("rtx-4090"), replace(CPU, libraries={"torchao": "0.18.0"}))
    situation = Situation(
        target=target,
        blueprint=Blueprint(pipeline_class="StableDiffusionPipeline"),
        workload=Workload(model="m", width_px=512, height_px=512),
    )
    space = build_space(all_knobs(), situation)

    assert ("float32", "bfloat16", "float16") == space.choices["dtype"]
    assert target.has("torchao")
    assert situation == as_asked(situation, "")
