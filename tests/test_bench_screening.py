"""The replay of screening spends, saves and loses as it says: on trials whose truth is known."""

from dataclasses import replace

import pytest

from autotune.knob import Settings
from autotune.measurement import Likeness, Measurement, Memory, Parts
from autotune.objective import SIMILARITY, Limit
from autotune.race import BRIEF_CALLS
from autotune.screen import Rival, Screen
from tests.bench import screening
from tests.bench.screening_cases import Case, Recorded

STEPS = 20
CUTOFF = {"guidance_cutoff": 0.5}
"""A recipe of which few steps do not tell."""


def trial(
    digest: str = "0f3a",
    call_s: float = 1.0,
    *,
    memory_bytes: int = 1000,
    likeness: float = 1.0,
    changed: Settings | None = None,
) -> Recorded:
    """A recipe whose every call takes so long, nine tenths of it in its steps, on a GPU."""
    step_s = 0.9 * call_s / STEPS
    measured = Measurement(
        calls_s=(call_s,) * 10,
        warmup_s=(5 * call_s, call_s),
        phases_s={"load": 1.0, "first call": 5 * call_s, "settle": call_s, "timing": 10 * call_s},
        parts=Parts(text_s=0.05 * call_s, steps_s=(step_s,) * STEPS, decode_s=0.05 * call_s, total_s=call_s),
        memory=Memory(peak_bytes=memory_bytes, detail={"reserved_bytes": memory_bytes}),
        likeness=Likeness(haarpsi=(likeness,) * 2),
    )
    return Recorded(digest=digest, changed=changed or {}, measurement=measured)


def against(call_s: float = 1.0, **changes: object) -> Screen:
    """The screen of a study whose front is one recipe."""
    figures = {"latency_s": call_s, "memory_bytes": 1000.0, "similarity": 1.0}
    fields = {"objectives": screening.OBJECTIVES, "rivals": (Rival(digest="best", figures=figures),)}
    return Screen(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_slow_recipe_costs_its_start_what_it_compiles_and_two_short_calls() -> None:
    """A short call has text, three of twenty steps and decoding."""
    told = screening.screened(trial(call_s=2.0), against())
    short_s = 2.0 * (0.1 + 0.9 * 3 / STEPS)

    assert told.left == "short calls"
    assert told.seconds == pytest.approx(1.0 + 4 * 2.0 + 2 * short_s)


def test_a_recipe_of_which_few_steps_do_not_tell_is_left_in_its_second_call() -> None:
    """It costs its first call, and of the second one text, a step and the four that are watched."""
    told = screening.screened(trial(call_s=2.0, changed=CUTOFF), against())

    assert told.left == "its second call"
    assert told.seconds == pytest.approx(1.0 + 5 * 2.0 + 0.05 * 2 + 5 * 0.09)


def test_a_recipe_that_is_a_little_slower_is_left_after_two_timed_calls() -> None:
    """Short calls may be wrong by more than that."""
    told = screening.screened(trial(call_s=1.12), against())

    assert told.left == "timed calls"


def test_a_recipe_too_unlike_is_left_for_its_first_pictures() -> None:
    """One whole call was made of it."""
    limits = (Limit(objective=SIMILARITY, bound=0.9),)
    told = screening.screened(trial(call_s=0.5, likeness=0.8), against(limits=limits, headroom=0.01))

    assert told.left == "its first pictures"


@pytest.mark.parametrize(
    "found", [trial(call_s=1.05), trial(call_s=0.5), trial(call_s=1.2, memory_bytes=500)]
)
def test_what_is_as_fast_or_smaller_runs_to_its_end(found: Recorded) -> None:
    """Screening is for what is beyond doubt; what it costs such a recipe are its short calls."""
    told = screening.screened(found, against())

    assert told.left == ""
    brief_s = sum(found.measurement.calls_s[BRIEF_CALLS:]) if told.is_brief else 0.0
    short_s = found.measurement.latency_s * (0.1 + 0.9 * 3 / STEPS)
    assert told.seconds == pytest.approx(found.seconds + 2 * short_s - brief_s)


def test_nothing_is_screened_against_nobody() -> None:
    """The baseline runs to its end."""
    found = trial(call_s=9.0)
    told = screening.screened(found, Screen())

    assert told.left == ""
    assert told.seconds == pytest.approx(found.seconds)


def test_a_replay_says_what_is_left_and_what_that_saves() -> None:
    """The slow recipe alone is left, and the front stays."""
    trials = (trial("baseline"), trial("slow", 2.0), trial("fast", 0.5))
    told = screening.replay(Case(name="three", trials=trials), trials)

    assert told.left == {"slow": "short calls"}
    assert told.lost == ()
    assert told.regret == 0
    assert 0 < told.saved < told.saved_of_calls < 1


def test_a_good_recipe_that_is_lost_is_told() -> None:
    """Only the profiled call of a recipe was slow: screening believes it."""
    slow, late = trial("late", 4.0), trial("late", 0.5)
    odd = replace(late.measurement, parts=slow.measurement.parts)
    trials = (trial("baseline"), replace(late, measurement=odd))
    told = screening.replay(Case(name="two", trials=trials), trials)

    assert told.lost == ("late",)
    assert told.regret > 0
