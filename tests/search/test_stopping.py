"""When a study stops by itself: where little is to be gained, and not before it can tell."""

import pytest

from autotune.budget import Budget
from autotune.search.events import Event, GainExpected, StudyStopped
from tests.search import synthetic
from tests.search.conftest import Tuner

NAMES = ("dtype", "attention_slicing", "fuse_qkv", "compile")
KNOBS = synthetic.knobs({name: synthetic.VALUES[name] for name in NAMES})


@pytest.mark.slow
def test_a_study_stops_where_its_front_is_expected_to_gain_little(tune: Tuner) -> None:
    """Before everything was tried, and a resumed one finds the same; without a least gain it goes on."""
    events: list[Event] = []
    study = tune(
        synthetic.plan(sampler="surrogate", budget=Budget(trials=100)), knobs=KNOBS, listen=events.append
    )
    again = tune(synthetic.plan(sampler="surrogate", budget=Budget(trials=100)), knobs=KNOBS)
    more = len(study.trials) + 2
    further = tune(synthetic.plan(sampler="surrogate", budget=Budget(trials=more, gain=None)), knobs=KNOBS)

    (stopped,) = [event for event in events if isinstance(event, StudyStopped)]
    gains = [event.gain for event in events if isinstance(event, GainExpected)]
    begin = "the front is expected to gain less than 0.5 % in the next 20 trials ("
    assert stopped.reason.startswith(begin)
    assert stopped.seen.tried == len(study.trials) < stopped.seen.recipes.value
    assert all(gain >= 0.005 > gains[-1] for gain in gains[:-1])
    assert len(study.trials) == len(again.trials)
    assert more == len(further.trials)


def test_no_gain_is_expected_before_enough_was_measured(tune: Tuner) -> None:
    """Neither while a preset waits, nor with fewer than ten recipes measured."""
    events: list[Event] = []
    study = tune(
        synthetic.plan(sampler="surrogate", budget=Budget(trials=9)), knobs=KNOBS, listen=events.append
    )

    assert 9 == len(study.trials)
    assert not [event for event in events if isinstance(event, GainExpected)]


def test_a_sampler_that_does_not_foresee_never_stops_for_want_of_a_gain(tune: Tuner) -> None:
    """Chance goes on until its budget is spent."""
    events: list[Event] = []
    plan = synthetic.plan(sampler="random", budget=Budget(trials=14, gain=0.9))
    study = tune(plan, knobs=KNOBS, listen=events.append)

    assert 14 == len(study.trials)
    assert not [event for event in events if isinstance(event, GainExpected)]
