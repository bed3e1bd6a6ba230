"""Plan: its file, its JSON, and the plans that are refused."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autotune.budget import Budget
from autotune.errors import PlanError
from autotune.job import Protocol
from autotune.objective import LATENCY, MEMORY, NAMES, OBJECTIVES, SIMILARITY, Limit
from autotune.plan import OWN_LIMITS, Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.plan_text import describe_limits
from autotune.workload import Workload

LAW = settings(max_examples=100, deadline=None)
TRICKY = st.sampled_from(
    ['"', "'''", "\\", "\n", "\r\n", "\x7f", "\x00", "\x1b[0m", "\u2028", "\ufeff", "😀", "none", "#"]
)
TEXTS = TRICKY | st.text(max_size=20)
SAID = TEXTS.filter(str.strip)
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
WORKLOADS = st.builds(
    Workload,
    model=SAID,
    revision=TEXTS,
    prompts=st.lists(SAID, min_size=1, max_size=3).map(tuple),
    seeds=st.lists(st.integers(), min_size=1, max_size=3).map(tuple),
    guidance=st.floats(0, 1e300),
    trust_remote_code=st.booleans(),
)
SOME = st.floats(1e-6, 1e9)
GOALS = st.lists(
    st.sampled_from([name for name in NAMES if name not in OWN_LIMITS]), max_size=4, unique=True
).flatmap(
    lambda names: st.fixed_dictionaries(
        {
            "bounds": st.fixed_dictionaries(dict.fromkeys(names[::2], SOME)),
            "goals": st.fixed_dictionaries(dict.fromkeys(names[1::2], SOME)),
            "images": st.integers(1, 10**6),
            "price": st.sampled_from(["2.50 USD/h", "0.4 €/h", "$3 per hour"]),
            "objectives": st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
        }
    )
)
PLANS = st.builds(
    Plan,
    study=SAID,
    workload=WORKLOADS,
    device=SAID,
    objectives=st.lists(st.sampled_from(list(OBJECTIVES)), min_size=1, unique=True).map(tuple),
    memory_limit_bytes=st.none() | st.integers(1, 2**60),
    host_memory_limit_bytes=st.none() | st.integers(1, 2**60),
    min_similarity=st.none() | st.floats(0, 1),
    budget=st.builds(Budget, st.none() | st.integers(1, 10**6), st.none() | st.floats(1e-3, 1e9)),
    trial_time_s=st.floats(1e-3, 1e9),
    seed=st.integers(0, 2**32 - 1),
    allow_approximate=st.booleans(),
    knobs=st.dictionaries(TEXTS, st.lists(VALUES, max_size=3).map(tuple), max_size=3),
    protocol=st.builds(
        Protocol, calls_max=st.integers(5, 50), interval=st.floats(0, 1), timing_s=st.floats(0, 1e20)
    ),
    threads=st.integers(0, 64),
)
PLANS_WITH_GOALS = st.builds(lambda plan, goals: replace(plan, **goals), PLANS, GOALS)
SAMPLE = Plan(
    study="sdxl on a small card",
    workload=Workload(
        model="stabilityai/stable-diffusion-xl-base-1.0",
        revision="fp16",
        prompts=('a cat that says "hello"', "eine Straße bei Nacht"),
        seeds=(0, 7),
        width_px=1024,
        height_px=1024,
    ),
    device="cuda:0",
    memory_limit_bytes=8 * 2**30,
    min_similarity=None,
    budget=Budget(trials=40, seconds=7200.0),
    allow_approximate=True,
    knobs={"dtype": ("bfloat16", "float16"), "vae_tiling": (True,), "guidance_cutoff": (1.0, 0.5)},
)


@LAW
@given(PLANS | PLANS_WITH_GOALS)
@example(SAMPLE)
def test_a_plan_survives_its_toml_file(plan: Plan) -> None:
    """Whatever is in its texts, and with every value of the same kind as before."""
    again = parse_plan(format_plan(plan))

    assert plan == again
    assert json.dumps(plan.to_json()) == json.dumps(again.to_json())


@LAW
@given(PLANS | PLANS_WITH_GOALS)
def test_a_plan_survives_json(plan: Plan) -> None:
    """It is stored with its study."""
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))

    assert plan == again


def test_a_plan_file_is_written_as_ever(golden: Callable[[str, str], None]) -> None:
    """A reviewer sees what changes for files that people keep."""
    golden("plan.toml", format_plan(SAMPLE))


def test_limits_of_none_are_no_limits() -> None:
    """Written out, so that nobody takes the default for an oversight."""
    plan = parse_plan(
        '[workload]\nmodel = "demo"\n[limits]\nmemory = "none"\nhost_memory = "none"\nsimilarity = "none"\n'
    )

    assert () == plan.limits()
    assert describe_limits(plan) == "none"


def test_limits_and_objectives_are_found_by_name() -> None:
    """In the plan's order."""
    plan = Plan(
        study="s",
        workload=Workload(model="demo"),
        objectives=("memory_bytes", "latency_s"),
        memory_limit_bytes=2**33,
    )

    assert (MEMORY, LATENCY) == plan.measured_objectives()
    assert (Limit(objective=MEMORY, bound=2.0**33), Limit(objective=SIMILARITY, bound=0.9)) == plan.limits()
    assert describe_limits(plan) == "memory <= 8 GiB, similarity >= 0.9000"


def test_goals_are_resolved_by_the_baseline() -> None:
    """Until it was measured they bound nothing; of a card's memory and a goal the tighter one counts."""
    goals = {"latency_s": 0.5, "memory_bytes": 0.7, "similarity": 0.99}
    plan = Plan(study="s", workload=Workload(model="demo"), goals=goals, min_similarity=None)
    on_a_card = replace(plan, target="rtx-4060")
    baseline = {"latency_s": 4.0, "memory_bytes": 10.0, "similarity": 0.98}

    assert () == plan.limits()
    found = {limit.objective.name: limit.bound for limit in plan.limits(baseline)}
    assert {"latency_s": 2.0, "memory_bytes": 7.0, "similarity": pytest.approx(0.9702)} == found
    assert 7.0 == on_a_card.limits(baseline)[0].bound
    assert on_a_card.memory_cap_bytes == on_a_card.limits(baseline | {"memory_bytes": 2.0**40})[0].bound
    assert "latency <= 0.5× the baseline's" in describe_limits(plan)
    assert "latency <= 2 s (0.5× the baseline's)" in describe_limits(plan, baseline=baseline)


def test_a_goal_of_what_the_baseline_lacks_bounds_nothing() -> None:
    """Energy that no counter told."""
    plan = Plan(study="s", workload=Workload(model="demo"), goals={"energy_j": 0.5}, min_similarity=None)

    assert () == plan.limits({"latency_s": 4.0})


def test_a_plan_that_was_stored_before_is_read() -> None:
    """What it does not say takes its default."""
    data = SAMPLE.to_json()
    for name in ("bounds", "goals", "images", "price", "sampler", "warm_from"):
        del data[name]
    del data["budget"]["gain"]

    assert Plan.from_json(data) == SAMPLE


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"goals": {"latency_s": 0.0}}, "The limit on latency is 0.0. It must be above 0."),
        ({"bounds": {"energy_j": -1}}, "The limit on energy is -1. It must be above 0."),
        (
            {"bounds": {"latency_s": "2"}},
            "'bounds' is {'latency_s': '2'}. It must be a number for each name.",
        ),
        ({"goals": {"latncy_s": 0.5}}, "There is no objective 'latncy_s'. Did you mean 'latency_s'?"),
        (
            {"goals": {"similarity": 1.1}},
            "The limit on similarity is 1.1× the baseline's. It must be at most 1x",
        ),
        (
            {"bounds": {"latency_s": 2.0}, "goals": {"latency_s": 0.5}},
            "There are two limits on latency, 2 s and 0.5× the baseline's. Keep one of them.",
        ),
        (
            {"goals": {"memory_bytes": 0.5}},
            "There are two limits on memory, 8 GiB and 0.5× the baseline's. Keep one of them.",
        ),
        (
            {"bounds": {"similarity": 0.9}},
            "The limit on similarity is given among 'bounds'. Give it as 'min_similarity'.",
        ),
        ({"objectives": ("cost",)}, "'cost' needs the price of an hour."),
        ({"goals": {"cost": 0.5}}, "'cost' needs the price of an hour."),
        ({"objectives": ("amortised_s",)}, "'amortised' needs how many images are made after one start."),
        ({"price": "cheap"}, "'cheap' is no price of an hour. Write it like '2.50 USD/h'."),
        ({"images": 0}, "'images' is 0. It must be 1 or more."),
    ],
)
def test_limits_that_contradict_or_lack_something_are_refused(fields: dict[str, object], said: str) -> None:
    """The message says which."""
    with pytest.raises(PlanError) as refusal:
        replace(SAMPLE, **fields)  # type: ignore[arg-type]

    assert str(refusal.value).startswith(said)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("objectives", ("latency",), "There is no objective 'latency'. Did you mean 'latency_s'?"),
        (
            "objectives",
            ("speed_of_light",),
            (
                "There is no objective 'speed_of_light'. Known: amortised_s, cost, energy_j, "
                "first_picture_s, host_memory_bytes, latency_s, memory_bytes, similarity."
            ),
        ),
        (
            "objectives",
            (),
            (
                "The plan has no objectives. Name at least one of: latency_s, memory_bytes, similarity, "
                "first_picture_s, host_memory_bytes, energy_j, amortised_s, cost."
            ),
        ),
        (
            "objectives",
            ("latency_s",) * 2,
            "The plan names an objective twice: latency_s, latency_s. Name each once.",
        ),
        ("objectives", "latency_s", "'objectives' is 'latency_s'. It must be a list of texts."),
        ("min_similarity", 1.5, "The similarity floor is 1.5. It must lie between 0 and 1."),
        ("min_similarity", "high", "'min_similarity' is 'high'. It must be a number."),
        ("memory_limit_bytes", 0, "The memory limit is 0 bytes. It must be above 0."),
        ("host_memory_limit_bytes", 0, "The limit on host memory is 0 bytes. It must be above 0."),
        ("trial_time_s", -1.0, "A trial's time limit is -1.0 seconds. It must be above 0."),
        ("seed", -1, "The seed is -1. It must lie between 0 and 4294967295."),
        ("seed", "0", "'seed' is '0'. It must be a whole number."),
        ("threads", -1, "'threads' is -1. It must be 1 or more, or 0 for torch's own choice."),
        ("study", " ", "The study's name is empty. Give it one with --study."),
        ("device", "", "The device is empty. Write 'auto', 'cpu' or 'cuda'."),
        ("allow_approximate", "no", "'allow_approximate' is 'no'. It must be true or false."),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(field: str, value: object, said: str) -> None:
    """The message names the value and what to write."""
    with pytest.raises(PlanError) as refusal:
        replace(SAMPLE, **{field: value})  # type: ignore[arg-type]

    assert said == str(refusal.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"workload": {"model": "demo"}}, "The study's name is empty. Give it one with --study."),
        ({"study": "s"}, "The workload cannot run: it names no 'model'. Name 'demo', a folder or a hub id."),
        ({"study": "s", "workload": "demo"}, "'workload' is 'demo'. It must be a section: write [workload]."),
        ({"studdy": "s"}, "There is no key 'studdy'. Did you mean 'study'?"),
        (
            {"study": "s", "workload": {"model": "demo"}, "budget": {"time": 1}},
            "There is no key 'time' in [budget]. Known: gain, seconds, trials.",
        ),
        (
            {"study": "s", "workload": {"model": "demo"}, "knobs": {"x": None}},
            "Knob 'x' must list plain values, not None.",
        ),
    ],
)
def test_json_that_is_no_plan_is_refused(data: dict[str, object], said: str) -> None:
    """A request to the service is checked like a file."""
    with pytest.raises(PlanError) as refusal:
        Plan.from_json(data)

    assert str(refusal.value).startswith(said)


JSON = st.recursive(
    st.none() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@LAW
@given(st.sampled_from(list(Plan.__dataclass_fields__)), JSON)
def test_any_json_is_a_plan_or_refused_in_words(name: str, value: object) -> None:
    """No input ends in another error."""
    try:
        said = format_plan(Plan.from_json({"study": "s", "workload": {"model": "demo"}, name: value}))
    except PlanError as refusal:
        said = str(refusal)

    assert said


def test_a_plan_file_is_plain_toml() -> None:
    """Units of bytes and seconds are those of the tables, so that nothing is rounded."""
    data = tomllib.loads(format_plan(SAMPLE))

    assert 8 * 2**30 == data["limits"]["memory"]
    assert ["bfloat16", "float16"] == data["knobs"]["dtype"]
