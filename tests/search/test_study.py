"""The study as plain values: front, answer, and what to say when nothing fits."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import optuna
import pytest

from autotune.budget import Budget
from autotune.errors import BudgetError, StoreError, UnknownName
from autotune.knob import Value
from autotune.measurement import Failure, FailureKind, Likeness, Measurement, Memory, Outcome
from autotune.search.door import open_study
from autotune.search.study import Study
from autotune.store.records import TrialRecord, TrialState
from tests.search import synthetic
from tests.search.conftest import Tuner

MIB = 2**20


def measured(latency_s: float, memory_mib: int, similarity: float) -> Measurement:
    """Return a measurement with these figures."""
    return Measurement(
        calls_s=(latency_s,),
        phases_s={"load": 1.0},
        memory=Memory(peak_bytes=memory_mib * MIB),
        likeness=Likeness(haarpsi=(similarity,)),
    )


def study_of(*outcomes: Outcome | None, **plan: object) -> Study:
    """Return a study of these trials; the first is the untuned baseline."""
    trials = tuple(trial_of(number, outcome) for number, outcome in enumerate(outcomes))
    fields = {"memory_limit_bytes": 1000 * MIB, "min_similarity": 0.9}
    return Study(
        plan=synthetic.plan(**{**fields, **plan}),
        situation=synthetic.SITUATION,
        choices={},
        trials=trials,
        storage="sqlite:///x.db",
    )


def trial_of(number: int, outcome: Outcome | None) -> TrialRecord:
    """Return a trial of a recipe of its own."""
    changed: dict[str, Value] = {"steps": 20 - number} if number else {}
    return TrialRecord(
        number=number,
        digest=f"{number:012x}",
        settings={"steps": 20 - number},
        changed=changed,
        folder=Path("trials") / str(number),
        state=TrialState.TOLD,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        outcome=outcome,
        seconds=1.0,
    )


STUDY = study_of(
    measured(4.0, 900, 1.0),
    measured(1.0, 950, 0.95),
    measured(2.0, 300, 0.92),
    measured(1.5, 500, 0.97),
    measured(3.0, 950, 0.93),
    measured(0.5, 2000, 0.99),
    measured(0.4, 100, 0.5),
    Failure(kind=FailureKind.CRASH, message="It died."),
    Failure(kind=FailureKind.CANCELLED, message="You stopped it."),
)


@pytest.mark.parametrize(("pick", "number"), [("fastest", 1), ("smallest", 2), ("closest", 0), ("knee", 3)])
def test_the_answer_follows_the_rule(pick: str, number: int) -> None:
    """Each rule has its own answer, and none is beyond a limit."""
    assert number == STUDY.best_trial(pick).number


def test_the_front_holds_what_fits_and_is_not_beaten() -> None:
    """Trial 4 is beaten, 5 is too large, 6 too unlike, 7 and 8 have no figures."""
    assert [0, 1, 2, 3] == [trial.number for trial in STUDY.front()]
    assert [0, 1, 2, 3, 4] == [trial.number for trial in STUDY.fit()]
    assert {FailureKind.CRASH: 1} == STUDY.failures()


def test_the_front_follows_the_plans_objectives() -> None:
    """Who does not care for likeness gets a smaller front."""
    plan = replace(STUDY.plan, objectives=("latency_s", "memory_bytes"))

    assert [1, 2, 3] == [trial.number for trial in replace(STUDY, plan=plan).front()]


def test_the_recipe_says_where_it_is_from_and_how_good_it_is() -> None:
    """A recipe file can be judged without the study."""
    recipe = STUDY.best("fastest")

    assert ("first", {"steps": 19}) == (recipe.study, recipe.settings)
    size = {"width_px": 64, "height_px": 64}
    drawn = {"prompts": list(synthetic.SITUATION.workload.prompts), "seeds": [0], "untuned_steps": 20}
    assert {"steps": 19, "guidance": 5.0, "batch": 1, **size, **drawn} == recipe.call
    assert "Abacus" == recipe.target["name"]
    expected = {
        "latency_s": 1.0,
        "speedup": 4.0,
        "memory_bytes": 950 * MIB,
        "similarity": 0.95,
        "tier": "close",
        "pairs": 1,
        "cold_s": 1.0,
    }
    assert expected == recipe.measured


def test_an_unknown_rule_is_answered_with_the_nearest() -> None:
    """A typing error in a rule is no answer."""
    with pytest.raises(UnknownName, match="Did you mean 'fastest'"):
        STUDY.best("fast")


def test_nothing_small_enough_names_the_smallest() -> None:
    """The user learns how far the limit is from what is possible."""
    study = study_of(measured(4.0, 900, 1.0), measured(1.0, 214, 0.95), memory_limit_bytes=100 * MIB)

    with pytest.raises(BudgetError) as caught:
        study.best()
    limits, nearest = str(caught.value).split("; ")
    assert "Nothing fits memory <= 100 MiB, similarity >= 0.9000" == limits
    assert nearest.startswith("the smallest recipe measured needs 214 MiB: steps=19. Allow more")
    assert "Allow more with --vram" in str(caught.value)


def test_nothing_alike_enough_names_the_closest() -> None:
    """So it is for the floor of similarity."""
    study = study_of(
        measured(4.0, 900, 0.3), measured(1.0, 214, 0.4), min_similarity=0.8, memory_limit_bytes=None
    )

    with pytest.raises(
        BudgetError, match=r"the closest recipe measured reaches a similarity of 0\.4000: steps=19"
    ):
        study.best()


def test_limits_that_exclude_each_other_are_both_named() -> None:
    """Of the small ones the closest, of the close ones the smallest."""
    study = study_of(measured(4.0, 900, 1.0), measured(1.0, 50, 0.4), memory_limit_bytes=100 * MIB)

    with pytest.raises(BudgetError) as caught:
        study.best()
    assert "the smallest recipe measured needs 900 MiB: untuned" in str(caught.value)
    assert "the closest recipe measured reaches a similarity of 0.4000: steps=19" in str(caught.value)


def test_nothing_measured_names_the_failures() -> None:
    """Where every trial failed, the last message and its log are the clue."""
    failure = Failure(kind=FailureKind.OVER_BUDGET, message="It took 3 GiB.")
    study = study_of(failure, failure)

    with pytest.raises(BudgetError) as caught:
        study.best()
    assert "None of the 2 trials could be measured (2 over budget)." in str(caught.value)
    assert "'steps=19', said: It took 3 GiB. Its log is 'trials/1/log.txt'." in str(caught.value)


def test_no_trial_at_all_says_so() -> None:
    """An empty study is not a failed one."""
    with pytest.raises(BudgetError, match="has no finished trial yet"):
        study_of().best()


def test_the_hypervolume_only_grows() -> None:
    """Each trial adds to what is covered, or nothing; it stays a share."""
    volumes = [
        replace(STUDY, trials=STUDY.trials[:count]).hypervolume() for count in range(len(STUDY.trials) + 1)
    ]

    assert sorted(volumes) == volumes
    assert 0.0 == volumes[0]
    assert 0.0 < volumes[-1] < 1.0


def test_without_a_baseline_there_is_no_speedup_and_no_hypervolume() -> None:
    """What cannot be compared is left out, not made up."""
    study = study_of(Failure(kind=FailureKind.CRASH, message="It died."), measured(1.0, 10, 1.0))

    assert None is study.speedup(study.trials[1])
    assert "speedup" not in study.best().measured
    assert 0.0 == study.hypervolume()


def test_optunas_best_trials_are_our_front(sixty: Study, sixty_url: str) -> None:
    """Limits reach Optuna as constraints, so that both tell the same story."""
    optuna_study = optuna.load_study(study_name="first", storage=sixty_url)

    assert [t.number for t in sixty.front()] == [t.number for t in optuna_study.best_trials]


def test_a_study_is_opened_by_its_name(sixty: Study, sixty_url: str) -> None:
    """What the loop returned is what anybody reads later."""
    assert sixty == open_study("first", storage=sixty_url)
    with pytest.raises(UnknownName, match="Did you mean 'first'"):
        open_study("fist", storage=sixty_url)


def test_opening_a_study_makes_no_database(tmp_path: Path) -> None:
    """A question leaves nothing behind."""
    with pytest.raises(StoreError, match="There is no database"):
        open_study("first", storage=f"sqlite:///{tmp_path / 'x.db'}")
    assert [] == list(tmp_path.iterdir())


def test_a_study_of_the_baseline_alone_says_that_nothing_wanted_was_measured(tune: Tuner) -> None:
    """The untuned baseline is measured although the plan does not want its values; it is no answer."""
    plan = synthetic.plan(knobs={"dtype": ("bfloat16",)}, min_similarity=None, budget=Budget(trials=1))
    study = tune(plan)

    with pytest.raises(BudgetError, match="was measured yet, but the untuned baseline"):
        study.best()
