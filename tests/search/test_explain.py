"""Explain: what settings do, what a recipe owes to each of its own, and why not another; on known answers."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from autotune.errors import AutotuneError
from autotune.footprint import Footprint
from autotune.knob import Settings, Value
from autotune.measurement import Measurement
from autotune.search.explain import Explanation, explain
from autotune.search.explain_ablation import Basis, PutBack
from autotune.search.explain_estimate import Change
from autotune.search.explain_why import Standing, Why
from autotune.search.study import Study
from autotune.store.records import CheckRecord, Purpose, TrialRecord
from tests.search import synthetic
from tests.search.synthetic_study import GOOD, drawn_study
from tests.test_forecast import FOOTPRINT


@pytest.fixture(scope="module")
def study() -> Study:
    """Return a study of sixty trials of the synthetic pipeline."""
    return drawn_study()


@pytest.fixture(scope="module")
def found(study: Study) -> Explanation:
    """What the study knows, and its best recipe."""
    return explain(study, synthetic.knobs())


def why(study: Study, recipe: str) -> Why:
    """What became of a recipe."""
    told = explain(study, synthetic.knobs(), recipe=recipe, with_effects=False).why
    assert told is not None
    return told


def full(settings: Settings) -> Settings:
    """Settings with a value for every knob."""
    return {**{name: values[0] for name, values in synthetic.VALUES.items()}, **settings}


def by_name(changes: tuple[Change, ...]) -> dict[str, Change]:
    """Changes by the objective's name."""
    return {change.objective.name: change for change in changes}


@pytest.mark.parametrize(
    ("objective", "knob", "value", "truth"),
    [
        ("latency_s", "dtype", "float16", 0.5),
        ("latency_s", "compile", "full", 0.7),
        ("latency_s", "channels_last", True, 0.93),
        ("similarity", "dtype", "float16", -0.01),
        ("similarity", "quantization", "int8_dynamic", -0.06),
    ],
)
def test_effects_are_those_of_the_pipeline(
    found: Explanation, objective: str, knob: str, value: Value, truth: float
) -> None:
    """They are found near to what was put in, and are told from nothing."""
    assert found.effects is not None
    of_one = next(each for each in found.effects.objectives if each.objective.name == objective)
    effect = next(effect for effect in of_one.settings if effect.settings == ((knob, value),))

    assert effect.change.by.value == pytest.approx(truth, rel=0.03, abs=0.003)
    assert effect.change.is_clear


def test_what_has_no_effect_is_not_claimed(found: Explanation) -> None:
    """Slicing the decoder takes no time in the synthetic pipeline, and changes no picture."""
    assert found.effects is not None
    for each in found.effects.objectives:
        effect = next(e for e in each.settings if e.settings == (("vae_slicing", True),))
        assert effect.change.is_clear == (each.objective.name == "memory_bytes")


def test_the_knob_that_matters_has_the_largest_share(found: Explanation, study: Study) -> None:
    """Latency depends most on the number format; the effects say on how many trials they rest."""
    assert found.effects is not None
    latency = next(each for each in found.effects.objectives if each.objective.name == "latency_s")

    assert next(iter(latency.shares)) == "dtype"
    assert found.effects.trials == len(study.measured())


def test_the_best_recipe_is_explained_where_none_is_named(found: Explanation, study: Study) -> None:
    """Each of its settings is put back once."""
    best = study.best_trial()

    assert found.digest == best.digest
    assert {put_back.knob for put_back in found.ablation} == set(best.changed)


def test_a_recipe_without_each_of_its_settings(study: Study) -> None:
    """Measured ones are the trials' own figures, predicted ones near the truth."""
    told = ablation(study, study.trials[1])

    assert {put_back.knob: put_back.basis for put_back in told} == {
        "channels_last": Basis.MEASURED,
        "compile": Basis.MEASURED,
        "dtype": Basis.PREDICTED,
        "vae_tiling": Basis.PREDICTED,
    }
    for put_back in told:
        _check(put_back, study.trials[1], study)


def ablation(study: Study, trial: TrialRecord) -> tuple[PutBack, ...]:
    """A trial's recipe without each of its settings."""
    return explain(study, synthetic.knobs(), recipe=trial.digest, with_effects=False).ablation


def _check(put_back: PutBack, best: TrialRecord, study: Study) -> None:
    without = {**best.settings, put_back.knob: put_back.default}
    without |= {name: synthetic.VALUES[name][0] for name in put_back.also}
    new, old = synthetic.measurement(without), best.measurement
    assert old is not None
    told = by_name(put_back.changes)
    assert told["latency_s"].by.value == pytest.approx(new.latency_s / old.latency_s, rel=0.03)
    assert told["similarity"].by.value == pytest.approx(new.similarity - old.similarity, abs=0.005)
    if put_back.basis is Basis.MEASURED:
        trial = next(trial for trial in study.trials if trial.number == put_back.trial)
        assert dict(trial.settings) == without
        assert told["latency_s"].by.low is None


def test_two_that_met_in_rounds_are_told_by_rounds(study: Study) -> None:
    """The interval comes from the rounds, not from the two trials."""
    good, other = study.trials[1], study.trials[2]
    for number in range(3):
        for trial, seconds in ((good, 1.0), (other, 1.5)):
            study = study.with_check(_round(number, trial, seconds))
    told = next(put_back for put_back in ablation(study, good) if put_back.knob == "compile")
    latency = by_name(told.changes)["latency_s"]

    assert dict(good.changed) == GOOD
    assert told.trial == other.number
    assert latency.by.value == pytest.approx(1.5)
    assert latency.is_clear


def test_two_single_processes_are_as_unsure_as_the_machine(study: Study) -> None:
    """The baseline measured again tells how much fresh processes differ: the interval follows from that."""
    for number, seconds in enumerate((1.9, 2.0, 2.1)):
        again = _round(number, study.trials[0], seconds)
        study = study.with_check(replace(again, purpose=Purpose.BASELINE))
    told = next(put_back for put_back in ablation(study, study.trials[1]) if put_back.knob == "channels_last")
    latency = by_name(told.changes)["latency_s"].by

    assert study.machine_sd is not None
    assert latency.low is not None
    assert latency.high is not None
    assert latency.high / latency.low == pytest.approx(math.exp(2 * 1.96 * 2**0.5 * study.machine_sd))


def _round(number: int, trial: TrialRecord, seconds: float) -> CheckRecord:
    assert isinstance(trial.measurement, Measurement)
    return CheckRecord(
        purpose=Purpose.CONFIRM,
        round=number,
        digest=trial.digest,
        changed=trial.changed,
        outcome=replace(trial.measurement, calls_s=(seconds * (1 + number / 1000),) * 5),
        seconds=1.0,
        finished_at=datetime.now(UTC),
    )


def test_why_not_what_cannot_be_run(study: Study) -> None:
    """The knob's own sentence."""
    told = why(study, "compile=full attention_slicing=auto")

    assert told.standing is Standing.CONFLICT
    assert "Automatic slicing cannot be compiled." in told.message


def test_why_not_what_the_plan_leaves_out(study: Study) -> None:
    """Fewer steps change what is computed, and nobody allowed that; narrowed knobs name their values."""
    narrowed = replace(study, plan=replace(study.plan, knobs={"dtype": ("float32", "bfloat16")}))

    assert why(study, "steps=8").standing is Standing.OUTSIDE
    assert "--allow-approximate" in why(study, "steps=8").message
    assert "for float32, bfloat16 only" in why(narrowed, "dtype=float16 compile=none steps=20").message


def test_why_not_what_cannot_fit(study: Study) -> None:
    """The forecast with its figure; the model is weighed once, and only where that matters."""
    small, weighed = replace(study, plan=replace(study.plan, memory_limit_bytes=2000)), list[int]()

    def footprint() -> Footprint:
        weighed.append(1)
        return FOOTPRINT

    for recipe in ("fuse_qkv prompt_embeds=precomputed vae_slicing channels_last", "untuned"):
        told = explain(small, synthetic.knobs(), recipe=recipe, with_effects=False, footprint=footprint).why
        assert told is not None
        assert (told.standing is Standing.REFUSED) == (recipe != "untuned")
        assert ("forecast: at least 3.28 KiB while decoding" in told.message) == (recipe != "untuned")
    assert len(weighed) == 1


def test_why_not_what_failed(study: Study) -> None:
    """The kind and the message of the trial."""
    failed = study.failed()[0]
    told = why(study, failed.describe())

    assert told.standing is Standing.FAILED
    assert told.trial == failed.number
    assert failed.failure is not None
    assert failed.failure.message in told.message


def test_why_not_what_is_beyond_a_limit(study: Study) -> None:
    """The figure and the limit; the untuned baseline needs more memory than the plan allows."""
    told = why(study, "untuned")

    assert told.standing is Standing.UNFIT
    assert "memory 1.17 GiB, the limit is memory <= 900 MiB" in told.message


def test_why_not_what_another_beats(study: Study) -> None:
    """By which trial and by how much in each objective: nowhere worse."""
    front = {trial.number for trial in study.front()}
    beaten = next(trial for trial in study.fit() if trial.number not in front)
    told = why(study, beaten.describe())

    assert told.standing is Standing.DOMINATED
    assert told.rival in front
    assert all(c.is_better or c.size < 1e-9 for c in told.changes)
    assert "is nowhere worse and somewhere better; against this one: latency" in told.message


def test_what_is_on_the_front_says_so(study: Study) -> None:
    """Nothing beats it."""
    assert why(study, "fastest").standing is Standing.FRONT


def test_what_was_not_tried_is_predicted(study: Study) -> None:
    """Near the truth, with an interval, the chance that it works and that it reaches the front."""
    told = why(study, "dtype=float16 vae_slicing channels_last vae_tiling=512")
    changed: Settings = {"dtype": "float16", "vae_slicing": True, "channels_last": True, "vae_tiling": 512}
    truth = synthetic.measurement(full(changed))

    assert told.standing is Standing.UNTRIED
    assert told.figures["latency_s"].value == pytest.approx(truth.latency_s, rel=0.05)
    assert told.figures["similarity"].value == pytest.approx(truth.similarity, abs=0.01)
    assert 0 <= (told.chance or 0) <= (told.works or 0) <= 1


def test_all_of_it_is_json(found: Explanation) -> None:
    """Nothing in it is endless or no number."""
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))

    assert {"study", "recipe", "digest", "why", "ablation", "effects"} == set(told)
    assert [each["objective"] for each in told["effects"]["objectives"]] == [
        "latency_s",
        "memory_bytes",
        "similarity",
    ]


def test_too_few_trials_tell_no_effects(study: Study) -> None:
    """It says how many there are and what to do; a recipe is still told by what was measured."""
    few = replace(study, trials=study.trials[:6])

    with pytest.raises(AutotuneError, match=r"has \d measured trials: .* need at least 8\. Go on"):
        explain(few, synthetic.knobs())
    assert why(few, "untuned").standing is Standing.UNFIT
    assert why(few, "dtype=float16 vae_slicing").message.startswith("It was not tried. Study 'first' has")
