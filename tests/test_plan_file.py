"""Plan file: what is read from TOML with its units, and the files that are refused."""

import pytest

from autotune.budget import Budget
from autotune.errors import PlanError
from autotune.plan import Plan
from autotune.plan_file import format_plan, parse_plan
from autotune.workload import Workload


def test_the_shortest_plan_names_a_model_and_takes_every_default() -> None:
    """The study is called after the model's last name."""
    plan = parse_plan('[workload]\nmodel = "hf-internal-testing/tiny-sd/"')

    assert Plan(study="tiny-sd", workload=Workload(model="hf-internal-testing/tiny-sd/")) == plan


def test_limits_and_budget_are_read_with_their_units() -> None:
    """As on the command line."""
    plan = parse_plan(
        '[workload]\nmodel = "demo"\n[limits]\nmemory = "8 GiB"\nhost_memory = "16 GiB"\n'
        'similarity = 0.95\ntrial_time = "10 min"\n'
        '[budget]\ntrials = 40\ntime = "2 h"\n[knobs]\ndtype = "bfloat16"\n'
    )

    assert (8 * 2**30, 0.95, 600.0) == (plan.memory_limit_bytes, plan.min_similarity, plan.trial_time_s)
    assert 16 * 2**30 == plan.host_memory_limit_bytes
    assert Budget(trials=40, seconds=7200.0) == plan.budget
    assert {"dtype": ("bfloat16",)} == plan.knobs


def test_objectives_and_goals_are_read_as_people_write_them() -> None:
    """Short names of objectives, limits on any with their units, and shares of the baseline's."""
    plan = parse_plan(
        'objectives = ["cost", "first-picture", "similarity"]\nimages = 500\nprice = "2.50 USD/h"\n'
        '[workload]\nmodel = "demo"\n[limits]\nlatency = "0.5x"\nsimilarity = "0.99x"\nmemory = "0.7x"\n'
        'first_picture = "1 min"\nenergy = "50 J"\ncost = "1.20 USD"\n'
    )

    assert ("cost", "first_picture_s", "similarity") == plan.objectives
    assert {"latency_s": 0.5, "similarity": 0.99, "memory_bytes": 0.7} == plan.goals
    assert {"first_picture_s": 60.0, "energy_j": 50.0, "cost": 1.2} == plan.bounds
    assert (None, None) == (plan.memory_limit_bytes, plan.min_similarity)
    assert (500, "2.50 USD/h") == (plan.images, plan.price)


def test_recipes_are_listed_by_name() -> None:
    """Any name will do, and the plan is written as it was read."""
    plan = parse_plan(
        'sampler = "listed"\n[workload]\nmodel = "demo"\n'
        '[recipes."fp16 + tf32"]\ndtype = "float16"\ntf32 = true\n[recipes.untuned]\n'
    )

    assert {"fp16 + tf32": {"dtype": "float16", "tf32": True}, "untuned": {}} == plan.recipes
    assert plan == parse_plan(format_plan(plan))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("sed = 1", "There is no key 'sed'. Did you mean 'seed'?"),
        ("[limits]\nmemry = 1", "There is no key 'memry' in [limits]. Did you mean 'memory'?"),
        ("[budget]\ntrails = 1", "There is no key 'trails' in [budget]. Did you mean 'trials'?"),
        ("[protocol]\ncalls = 1", "There is no key 'calls' in [protocol]. Did you mean 'calls_min'?"),
        ("[workload.x]\na = 1", "The workload cannot run: There is no key 'x' in [workload]."),
        ("sampler = 'listed'", "The sampler is 'listed', and the plan lists no recipe."),
        ("[recipes.a]\nsteps = 8", "The plan lists recipes, which the sampler 'surrogate' does not try."),
        ("[recipes]\na = 8", "Recipe 'a' is 8. It must be settings"),
        ("limits = 8", "'limits' is 8. It must be a section: write [limits]."),
        ("[[budget]]\ntrials = 1", "'budget' is [{'trials': 1}]. It must be a section: write [budget]."),
        ("[limits]\nmemory = '8 X'", "'8 X' is no amount of memory."),
        ("[limits]\nmemory = 0", "'0' is no amount of memory."),
        ("[limits]\ntrial_time = 'soon'", "'soon' is no duration."),
        (
            "[limits]\nsimilarity = 'high'",
            "'similarity' is 'high'. It must be a number from 0 to 1, or \"none\".",
        ),
        (
            "[limits]\nsimilarity = true",
            "'similarity' is True. It must be a number from 0 to 1, or \"none\".",
        ),
        ("[budget]\ntime = true", "'True' is no duration."),
        ("[budget]\ntrials = '40'", "The budget is '40' trials. It must be a whole number of 1 or more."),
        ("[knobs]\ndtype = [[1]]", "Knob 'dtype' must list plain values, not [[1]]."),
        ("[knobs.dtype]\na = 1", "Knob 'dtype' must list plain values, not {'a': 1}."),
        ("[knobs]\ndate = 2001-01-01", "Knob 'date' must list plain values, not datetime.date(2001, 1, 1)."),
        ("[protocol]\ncalls_min = 0", "The protocol cannot run: 'calls_min' is 0. It must be 1 or more."),
        ("[limits]\ncost = 1", "'cost' needs the price of an hour."),
        (
            "price = '2 EUR/h'\n[limits]\ncost = '1 USD'",
            "'1 USD' is no amount of EUR. Write it like '1.20 EUR'.",
        ),
        ("[limits]\nenergy = 'much'", "'much' is no amount of energy. Write it like '50 J'."),
        ("objectives = ['speed']", "There is no objective 'speed'."),
        ("objectives = [[1]]", "'objectives' is ([1],). It must be a list of texts."),
    ],
)
def test_a_file_that_is_no_plan_is_refused_with_the_file_and_the_reason(lines: str, said: str) -> None:
    """The message says which file, which value, and what to write."""
    text = f'{lines}\n[workload]\nmodel = "demo"'
    with pytest.raises(PlanError) as refusal:
        parse_plan(text, source="mine.toml")

    assert str(refusal.value).startswith(f"Plan 'mine.toml': {said}")


@pytest.mark.parametrize("text", ["", "seed = 1", "[workload]\nsteps = 5"])
def test_a_plan_without_a_model_is_refused(text: str) -> None:
    """There is nothing to tune."""
    with pytest.raises(PlanError) as refusal:
        parse_plan(text)

    expected = (
        "Plan 'plan.toml': The workload cannot run: it names no 'model'. Name 'demo', a folder or a hub id."
    )
    assert expected == str(refusal.value)


def test_a_file_that_is_no_toml_is_refused() -> None:
    """The parser's word on where is kept."""
    with pytest.raises(PlanError, match=r"Plan 'mine.toml' is not valid TOML: .*line 1"):
        parse_plan("seed 1", source="mine.toml")
