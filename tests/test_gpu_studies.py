"""The stage "studies": what is asked for, which guides' recipes are taken, what the findings come to."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.errors import StoreError
from autotune.guides import LADDERS
from autotune.knobs import all_knobs
from autotune.ladder import Ladder, Rung
from autotune.plan_file import format_plan, parse_plan
from autotune.runners.local import LocalRunner
from autotune.space import build_space
from autotune.tiers import Tier, tier
from tests.gpu_check import duels, studies
from tests.gpu_check.commands import Ran
from tests.gpu_check.goals import PROOF, State, goals_of
from tests.gpu_check.stage import Where
from tests.gpu_check.studies_found import KEPT, Book
from tests.gpu_check.studies_lines import lines_of
from tests.gpu_check.studies_plans import INDISTINGUISHABLE, asked, listed, offered
from tests.gpu_check.studies_round import CUT, IMPOSSIBLE, OutOfTime, Round, note_command
from tests.knobs.places import HERE, HOPPER

ON_CARD = replace(HERE, target=HOPPER)
GIB = 2**30
FAST = {
    "number": 3,
    "settings": {"dtype": "float16"},
    "latency_s": 0.6,
    "speed_up": 9.0,
    "memory_bytes": 9 * GIB,
    "similarity": 0.995,
    "tier": "equivalent",
    "is_baseline": False,
}
SMALL = FAST | {"latency_s": 1.0, "speed_up": 5.4, "memory_bytes": 4 * GIB}
UNTUNED = FAST | {
    "latency_s": 5.4,
    "speed_up": 1.0,
    "memory_bytes": 17 * GIB,
    "is_baseline": True,
    "settings": {},
}
RATIO = {"value": 1.2, "low": 1.19, "high": 1.21, "rounds": 3, "verdict": "faster"}
KNOWN: dict[str, Any] = {
    "is_proof": False,
    "studies": {
        "sdxl": {
            "model": "arch:sdxl",
            "likeness": "numerical drift only",
            "state": "done",
            "trials": 2,
            "baseline": UNTUNED,
            "front": [UNTUNED, FAST],
            "reason": "the budget of 2 trials is spent",
            "forecast_errors": {"0": -0.02, "1": 0.05},
        },
        "sdxl-5gib": {"state": "done", "trials": 3, "memory_limit_bytes": 5 * GIB, "front": [SMALL]},
        "sdxl-guides": {"state": "done", "trials": 2, "front": [FAST | {"latency_s": 0.1}]},
    },
    "recipes": {
        "sdxl-fastest": {
            "code": 0,
            "result": "pass",
            "ratio": RATIO | {"value": 8.8, "low": 8.7, "high": 8.9},
        }
    },
    "duels": {
        "sdxl": {
            "tuned": {"memory_bytes": 9 * GIB},
            "guide": {"memory_bytes": 9 * GIB},
            "guide_name": "sdxl-fast: bfloat16",
            "ratio": RATIO,
        }
    },
}


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """A proof on a CPU with a minute to go."""
    return Where(
        device="cpu",
        results=tmp_path / "results",
        work=tmp_path / "work",
        until=time.monotonic() + 60.0,
        say=lambda _line: None,
    )


def altered(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return what is known, changed."""
    copied: dict[str, Any] = json.loads(json.dumps(KNOWN))
    change(copied)
    return copied


def states(known: dict[str, Any]) -> dict[str, State]:
    """Return what became of each goal by its name."""
    return {goal.name: goal.state for goal in goals_of(known)}


class TestPlans:
    """What is asked for."""

    def test_the_least_similarity_is_that_of_the_tier_indistinguishable(self) -> None:
        """A recipe that is just fit is just indistinguishable."""
        assert tier(INDISTINGUISHABLE) is Tier.INDISTINGUISHABLE
        assert tier(INDISTINGUISHABLE - 1e-6) is Tier.CLOSE

    @pytest.mark.parametrize("place", ["cpu", "cuda"])
    def test_every_plan_can_be_run_from_its_file(self, place: str) -> None:
        """What is written is read as it was; names are distinct; no knob leaves what is computed."""
        every = asked(is_proof=place == "cpu")
        assert len({one.name for one in every}) == len(every)
        for one in every:
            assert parse_plan(format_plan(one.plan)) == one.plan
            assert (one.plan.study, one.plan.allow_approximate) == (one.name, False)
            assert one.plan.device == place

    def test_models_and_limits_of_a_card_are_those_that_were_asked_for(self) -> None:
        """SDXL and Flux without a limit and under 24, 12 and 8 GiB; SDXL under 5 as well."""
        limits = {(one.plan.workload.model, one.plan.memory_limit_bytes) for one in asked(is_proof=False)}
        wanted = {(m, g and g * GIB) for m in ("arch:sdxl", "arch:flux-dev") for g in (None, 24, 12, 8)}
        assert limits == wanted | {("arch:sdxl", 5 * GIB)}

    def test_values_that_a_machine_does_not_offer_are_not_asked_for(self) -> None:
        """A card without a compiler has one mode of compiling; one that has both keeps them."""
        plan = asked(is_proof=False)[0].plan
        bare = replace(ON_CARD, target=replace(HOPPER, has_compiler=False))
        with_compiler, without = (
            offered(plan, build_space(all_knobs(), place)).knobs for place in (ON_CARD, bare)
        )
        assert with_compiler["compile_mode"] == ("default", "reduce-overhead")
        assert without["compile_mode"] == ("default",)

    def test_a_limit_that_is_a_share_is_filled_in(self) -> None:
        """In whole MiB of what untuned needs."""
        capped = asked(is_proof=True)[1]
        assert capped.with_limit(100 * 2**20).memory_limit_bytes == 95 * 2**20


class TestGuides:
    """Which recipes of published guides are measured."""

    LADDER = Ladder(
        name="guide",
        title="A guide",
        source="https://example.org",
        hardware="a card",
        model="arch:sdxl",
        width_px=1024,
        height_px=1024,
        steps=20,
        rungs=(
            Rung(name="plain", latency_s=10.0),
            Rung(name="half", settings={"dtype": "float16"}, latency_s=4.0),
            Rung(name="again", settings={"dtype": "float16"}, latency_s=4.0),
            Rung(name="brain", settings={"dtype": "bfloat16"}, latency_s=3.0),
            Rung(name="tiny", settings={"dtype": "float16", "tiny_vae": True}, latency_s=2.0),
            Rung(name="nowhere", settings={"dtype": "float8"}, latency_s=1.0),
            Rung(
                name="long",
                settings={"dtype": "bfloat16", "compile": "full", "compile_mode": "max-autotune"},
                latency_s=1.0,
            ),
        ),
    )

    def test_the_fastest_by_the_guide_come_first_and_long_compilation_last(self) -> None:
        """What cannot run here, changes what is computed or is there twice is left out with its reason."""
        kept, left_out = duels.recipes_of_guides([self.LADDER], ON_CARD)
        assert list(kept) == ["guide: brain", "guide: half", "guide: long"]
        assert set(left_out) == {f"guide: {name}" for name in ("plain", "again", "tiny", "nowhere")}
        assert "changes what is computed" in left_out["guide: tiny"]

    def test_no_more_are_taken_than_there_is_time_for(self) -> None:
        """The others are named."""
        kept, left_out = duels.recipes_of_guides([self.LADDER], ON_CARD, most=1)
        assert list(kept) == ["guide: brain", "guide: long"]
        assert "time for 1" in left_out["guide: half"]

    def test_they_make_a_study_with_the_workload_of_the_tuned(self) -> None:
        """Like is compared with like."""
        first = asked(is_proof=False)[0]
        kept, _ = duels.recipes_of_guides([self.LADDER], ON_CARD)
        plan = listed(first, kept)
        assert (plan.workload, plan.protocol) == (first.plan.workload, first.plan.protocol)
        assert parse_plan(format_plan(plan)) == plan

    @pytest.mark.parametrize("model", ["arch:sdxl", "arch:flux-dev", "demo"])
    def test_there_is_a_guide_about_every_model(self, model: str) -> None:
        """The demo model takes those of SDXL."""
        assert duels.ladders_for(model, LADDERS)


class TestGoals:
    """What the findings come to."""

    def test_all_are_met_where_the_figures_say_so(self) -> None:
        """Each by its own figures."""
        assert set(states(KNOWN).values()) == {State.MET}

    def test_nothing_is_measured_where_nothing_was_kept(self) -> None:
        """No goal counts as met for want of a figure."""
        assert {goal.state for goal in goals_of(None)} == {State.NOT_MEASURED}

    def test_a_proof_on_a_cpu_meets_no_goal(self) -> None:
        """Its figures are shown and labelled."""
        proof = altered(lambda known: known.update(is_proof=True))
        assert {goal.state for goal in goals_of(proof)} == {State.NOT_MEASURED}
        assert all(PROOF in goal.found for goal in goals_of(proof))

    def test_rounds_count_and_not_the_trial(self) -> None:
        """A trial was lucky: 9 times; its rounds say 7."""
        slower = altered(lambda known: known["recipes"]["sdxl-fastest"]["ratio"].update(value=7.0))
        assert states(slower)["speed"] is State.NOT_MET

    def test_a_speed_up_at_another_likeness_is_none(self) -> None:
        """Pictures that are only close do not count."""
        close = altered(lambda known: known["studies"]["sdxl"]["front"][1].update(tier="close"))
        assert states(close)["speed"] is State.NOT_MEASURED

    @pytest.mark.parametrize(
        "change", [{"value": 1.1}, {"verdict": "unclear"}], ids=["too little", "not proved"]
    )
    def test_a_gap_over_the_guides_must_be_large_and_proved(self, change: dict[str, Any]) -> None:
        """Either alone is not enough."""
        known = altered(lambda known: known["duels"]["sdxl"]["ratio"].update(change))
        assert states(known)["over the guides"] is State.NOT_MET

    def test_more_memory_than_the_guide_is_no_win(self) -> None:
        """However fast it is."""
        known = altered(lambda known: known["duels"]["sdxl"]["tuned"].update(memory_bytes=12 * GIB))
        assert states(known)["over the guides"] is State.NOT_MET

    def test_guides_that_were_not_measured_are_told(self) -> None:
        """Who reads of the best guide must know which of them never ran."""
        lost = {"sdxl-fast: compiled": "timeout"}
        known = altered(lambda known: known["duels"]["sdxl"].update(unmeasured=lost, guides=4))
        assert "1 of 4 recipes of guides were not measured (timeout)" in goals_of(known)[1].found

    def test_a_small_recipe_may_be_twice_as_slow(self) -> None:
        """As against the fastest of all studies of the model, the guides' own left aside."""
        slow = altered(lambda known: known["studies"]["sdxl-5gib"]["front"][0].update(latency_s=1.3))
        assert states(slow)["small"] is State.NOT_MET

    def test_one_recipe_that_fails_is_enough(self) -> None:
        """And one of which nothing can be said leaves it open."""
        failed = altered(lambda known: known["recipes"].update(other={"code": 1, "result": "fail"}))
        unsure = altered(lambda known: known["recipes"].update(other={"code": 2, "result": "inconclusive"}))
        assert states(failed)["verified"] is State.NOT_MET
        assert states(unsure)["verified"] is State.NOT_MEASURED


class TestLines:
    """What is to be read of it."""

    def test_every_study_recipe_and_duel_has_a_row(self) -> None:
        """And likeness of random weights is called what it is."""
        text = "\n".join(lines_of(KNOWN))
        for words in (
            "| sdxl-5gib |",
            "`sdxl-fastest.json`",
            "sdxl-fast: bfloat16",
            "numerical drift",
            "| small |",
        ):
            assert words in text

    def test_tables_have_one_number_of_cells(self) -> None:
        """No text of a finding breaks a row."""
        broken = altered(lambda known: known["studies"]["sdxl"].update(reason="a | b\nc"))
        rows = [line.count("|") for line in lines_of(broken) if line.startswith("| sdxl")]
        assert len(set(rows[:3])) == 1

    def test_a_stage_that_never_ran_has_none(self, tmp_path: Path) -> None:
        """Nothing is invented."""
        assert studies.lines(tmp_path) == []


class TestBook:
    """What is kept, and what is done again."""

    def test_what_is_noted_is_there_in_the_next_run(self, where: Where) -> None:
        """At once, with what was noted before."""
        Book.opened(where).note("studies", "a", trials=1)
        Book.opened(where).note("studies", "a", state="done")
        assert where.kept(KEPT)["studies"] == {"a": {"trials": 1, "state": "done"}}

    def test_a_study_that_was_never_begun_is_none(self, where: Where) -> None:
        """There may be no database yet."""
        assert Book.opened(where).study("sdxl") is None

    def test_a_study_whose_database_is_gone_is_no_study_that_never_was(self, where: Where) -> None:
        """Else what is left to be done with it would pass for done."""
        book = Book.opened(where)
        book.note("studies", "sdxl", trials=5, state="done")
        with LocalRunner() as runner, pytest.raises(StoreError, match="was begun"):
            Round(where=where, book=book, runner=runner).study("sdxl")

    def test_a_command_that_is_cut_is_begun_again_once(self, where: Where) -> None:
        """Then it is said that it needs more time than there is."""
        book = Book.opened(where)
        cut = Ran(code=130, out="", err="Interrupted", was_stopped=True)
        with LocalRunner() as runner:
            this = Round(where=where, book=book, runner=runner)
            found = []
            for _ in range(2):
                with pytest.raises(OutOfTime):
                    note_command(this, "recipes", "a", cut)
                found.append(book.of("recipes", "a")["state"])
        assert found == [CUT, IMPOSSIBLE]

    def test_the_reason_of_the_end_is_read_from_the_events(self) -> None:
        """The last one counts; without one nobody knows."""
        events = ['{"event": "trial_finished"}', '{"event": "study_stopped", "reason": "spent"}', "{}"]
        assert studies.reason_of("\n".join(events)) == "spent"
        assert studies.reason_of("") is None
