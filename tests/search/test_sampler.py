"""The sampler: valid, new, and for the same study always the same."""

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from autotune.knob import Value
from autotune.search.presets import presets
from autotune.search.resume import frozen_choices
from autotune.search.sampler import SpaceExhausted, SpaceSampler
from autotune.space import SearchSpace, build_space, key
from tests.search import synthetic

NAMES = tuple(synthetic.VALUES)


def space_of(values: dict[str, tuple[Value, ...]]) -> SearchSpace:
    """Return a space of the synthetic knobs with these values."""
    return build_space(
        synthetic.knobs({**synthetic.VALUES, **values}), synthetic.SITUATION, allow_approximate=True
    )


def propose(space: SearchSpace, trials: int, *, seed: int = 0, failing: int = 0) -> list[dict[str, Value]]:
    """Ask and tell in memory; every `failing`-th trial has no value."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = SpaceSampler(space, frozen_choices(space), presets=presets(space), seed=seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    proposed = []
    for number in range(trials):
        if not sampler.has_untried(study):
            break
        trial = study.ask(sampler.distributions)
        proposed.append(dict(trial.params))
        if failing and number % failing == 0:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            measured = synthetic.measurement({**space.defaults, **trial.params})
            study.tell(trial, [measured.latency_s, measured.memory_bytes / 2**30])
    return proposed


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 3), min_size=len(NAMES), max_size=len(NAMES)),
    failing=st.integers(0, 3),
)
def test_every_proposal_is_valid_and_new(seed: int, sizes: list[int], failing: int) -> None:
    """Whatever the space and whatever fails: no conflict, no repeat, and no end while something is left."""
    values = {name: synthetic.VALUES[name][:size] for name, size in zip(NAMES, sizes, strict=True)}
    space = space_of(values)
    proposed = propose(space, 25, seed=seed, failing=failing)

    assert all(space.why_not(recipe) is None for recipe in proposed)
    assert len(proposed) == len({key(recipe) for recipe in proposed})
    valid = sum(1 for _ in zip(space.valid(), range(25), strict=False))
    assert min(25, valid) == len(proposed)


def test_the_same_seed_proposes_the_same() -> None:
    """A study can be repeated; another seed searches elsewhere."""
    space = space_of({})

    assert propose(space, 15, seed=1) == propose(space, 15, seed=1)
    assert propose(space, 15, seed=1) != propose(space, 15, seed=2)


def test_the_last_recipe_is_followed_by_a_signal() -> None:
    """Asked once more than there are recipes, the sampler says so instead of repeating."""
    values: dict[str, tuple[Value, ...]] = {name: offered[:1] for name, offered in synthetic.VALUES.items()}
    space = space_of({**values, "dtype": ("float32", "bfloat16")})
    sampler = SpaceSampler(space, frozen_choices(space), presets=presets(space), seed=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(2):
        study.tell(study.ask(sampler.distributions), 1.0)

    assert not sampler.has_untried(study)
    with pytest.raises(SpaceExhausted):
        study.ask(sampler.distributions)


def test_an_unknown_knob_is_refused() -> None:
    """A knob outside the space would escape every check."""
    space = space_of({})
    sampler = SpaceSampler(space, frozen_choices(space), presets=(), seed=0)
    trial = optuna.create_study(sampler=sampler).ask()

    with pytest.raises(LookupError, match="'temperature' is not part"):
        trial._suggest("temperature", CategoricalDistribution((1, 2)))


def test_a_space_that_excludes_its_defaults_is_searched_all_the_same() -> None:
    """Where the plan leaves out defaults, nothing but the baseline has them."""
    narrowed: dict[str, tuple[Value, ...]] = {
        "dtype": ("bfloat16", "float16"),
        "vae_tiling": (256, 512),
        "compile": ("regional",),
    }
    space = build_space(synthetic.knobs(), synthetic.SITUATION, narrowed=narrowed)
    baseline, *others = propose(space, 30)

    assert space.defaults == baseline
    assert 29 == len(others)
    assert all(space.is_searched(recipe) for recipe in others)
