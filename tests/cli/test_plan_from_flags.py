"""Flags become a plan: what each one sets, what stays, what is refused and how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.budget import Budget
from autotune.cli.plan_from_flags import Flags, parse_knobs, parse_prompts, plan_from_flags, study_name
from autotune.errors import PlanError, UsageError
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.workload import Workload

BASE = Plan(
    study="base",
    workload=Workload(model="demo", prompts=("x",), steps=20, guidance=3.0, batch=4),
    device="cpu",
    memory_limit_bytes=2**30,
    min_similarity=0.9,
    budget=Budget(trials=30, seconds=100.0),
    trial_time_s=30.0,
    seed=7,
    allow_approximate=True,
    knobs={"compile": ("none",)},
    threads=2,
)


def test_every_recipe_is_tried_where_nothing_ends_that_before() -> None:
    """Neither a hundred trials nor a small gain is the end of an exhaustive study."""
    whole = plan_from_flags(Flags(model="m", sampler="exhaustive"))
    bounded = plan_from_flags(Flags(model="m", sampler="exhaustive", trials=7))

    assert (Budget(gain=None), Budget(trials=7, gain=None)) == (whole.budget, bounded.budget)


def test_a_model_alone_is_a_plan_with_a_name_and_a_budget() -> None:
    """Without a plan's file, the study is called like the model and ends after 100 trials."""
    plan = plan_from_flags(Flags(model="hub/some-model"))

    assert ("some-model", "hub/some-model") == (plan.study, plan.workload.model)
    assert Budget(trials=100) == plan.budget


def test_no_flags_leave_a_plan_as_it_is() -> None:
    """A plan's file says everything where no flag is given."""
    assert plan_from_flags(Flags(model="demo"), BASE) == BASE


@pytest.mark.parametrize(
    ("flags", "path", "expected"),
    [
        ({"vram": "8GiB"}, "memory_limit_bytes", 8 * 2**30),
        ({"vram": "none"}, "memory_limit_bytes", None),
        ({"host_memory": "16GiB"}, "host_memory_limit_bytes", 2**34),
        ({"host_memory": "none"}, "host_memory_limit_bytes", None),
        ({"min_similarity": "0.97"}, "min_similarity", 0.97),
        ({"min_similarity": "none"}, "min_similarity", None),
        ({"trials": 5}, "budget", Budget(trials=5, seconds=100.0)),
        ({"time": "20m"}, "budget", Budget(trials=30, seconds=1200.0)),
        ({"trial_time": "90"}, "trial_time_s", 90.0),
        ({"prompts": ("a", "b")}, "workload.prompts", ("a", "b")),
        ({"size": "512x256"}, "workload.width_px", 512),
        ({"size": "512x256"}, "workload.height_px", 256),
        ({"steps": 8}, "workload.steps", 8),
        ({"guidance": 0.0}, "workload.guidance", 0.0),
        ({"batch": 1}, "workload.batch", 1),
        ({"device": "cuda:1"}, "device", "cuda:1"),
        ({"threads": 0}, "threads", 0),
        ({"study": "mine"}, "study", "mine"),
        ({"seed": 0}, "seed", 0),
        ({"allow_approximate": False}, "allow_approximate", False),
        ({"knobs": ("compile=full",)}, "knobs", {"compile": ("full",)}),
        ({"knobs": ("steps=8",)}, "knobs", {"compile": ("none",), "steps": (8,)}),
    ],
)
def test_a_flag_overrides_its_field_and_nothing_else(
    flags: dict[str, object], path: str, expected: object
) -> None:
    """Each flag sets its own field of the plan, zero and false included."""
    plan = plan_from_flags(Flags(model="demo", **flags), BASE)  # type: ignore[arg-type]

    found: object = plan
    for name in path.split("."):
        found = getattr(found, name)
    assert expected == found
    unchanged = {"seed", "study", "device", "threads"} - set(flags)
    assert {name: getattr(BASE, name) for name in unchanged} == {
        name: getattr(plan, name) for name in unchanged
    }


def test_a_plan_from_flags_survives_its_file() -> None:
    """What --write-plan writes is read as the same plan."""
    plan = plan_from_flags(Flags(model="demo", vram="8GiB", time="20m", knobs=("tf32=true,false",)), BASE)

    assert plan == parse_plan(format_plan(plan))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"vram": "lots"}, "'lots' is no amount of memory"),
        ({"host_memory": "lots"}, "'lots' is no amount of memory"),
        ({"vram": "0"}, "no amount of memory"),
        ({"time": "soon"}, "'soon' is no duration"),
        ({"size": "wide"}, "'wide' is no size"),
        ({"size": "500x500"}, "multiple of 8"),
        ({"min_similarity": "1.5"}, "'--min-similarity 1.5' is no similarity"),
        ({"min_similarity": "nan"}, "is no similarity"),
        ({"trials": 0}, "'--trials 0' measures nothing"),
        ({"steps": 0}, "'--steps 0' makes nothing"),
        ({"batch": -1}, "'--batch -1' makes nothing"),
        ({"guidance": -1.0}, "'guidance' is -1.0"),
        ({"study": " "}, "name is empty"),
        ({"knobs": ("steps",)}, "'--knob steps' names no values"),
        ({"knobs": ("=8",)}, "names no values"),
        ({"knobs": ("steps=8,",)}, "names no values"),
    ],
)
def test_a_wrong_flag_is_refused_in_its_own_words(flags: dict[str, object], message: str) -> None:
    """The message holds the offending value and what was expected."""
    with pytest.raises((UsageError, PlanError), match=message) as caught:
        plan_from_flags(Flags(model="demo", **flags), BASE)  # type: ignore[arg-type]

    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("dtype=float32,bfloat16", ("float32", "bfloat16")),
        ("x=true,FALSE", (True, False)),
        ("x=1,1.0,true", (1, 1.0, True)),
        ("x=a=b", ("a=b",)),
        ("x= 8 , 8 ", (8,)),
    ],
)
def test_values_of_a_knob_are_read_as_in_toml(flag: str, values: tuple[object, ...]) -> None:
    """A value is a truth, a number or a word; repeats count once, and True is not 1."""
    found = parse_knobs([flag]).popitem()[1]

    assert [(type(v), v) for v in values] == [(type(v), v) for v in found]


@given(st.lists(st.text(alphabet="abc xyz", min_size=1), max_size=5))
def test_prompts_are_the_lines_that_say_something(lines: list[str]) -> None:
    """Empty lines and comments are left out, the rest is stripped and keeps its order."""
    content = "\n".join(["# note", "", *lines]).encode()
    expected = tuple(line.strip() for line in lines if line.strip())

    if expected:
        assert expected == parse_prompts(content, "p.txt")
    else:
        with pytest.raises(UsageError, match=r"'p\.txt' holds no prompt"):
            parse_prompts(content, "p.txt")


@pytest.mark.parametrize("content", [b"\x89PNG\0\0", b"\xff\xfe\xfa"])
def test_a_picture_is_no_list_of_prompts(content: bytes) -> None:
    """A binary file is refused by name."""
    with pytest.raises(UsageError, match=r"'p\.png' is no text file"):
        parse_prompts(content, "p.png")


def test_a_mark_of_utf8_is_not_part_of_a_prompt() -> None:
    """Windows editors begin a file with a byte order mark."""
    assert ("a cat",) == parse_prompts("\ufeffa cat".encode(), "p.txt")


@given(st.text())
def test_a_study_always_has_a_name(model: str) -> None:
    """Whatever the model is called."""
    assert study_name(model).strip()
