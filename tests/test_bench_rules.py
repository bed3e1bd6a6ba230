"""The bench of measurement ranks, spreads and replays as it says: on series whose truth is known."""

import random

import pytest

from autotune.duel import Verdict
from autotune.job import Protocol
from tests.bench import fixed_cost, rules, series

STEPS = 20


def test_every_rule_takes_the_calls_that_its_name_says() -> None:
    """Calls that are all alike end each rule as early as it can."""
    calls = [5.0, 3.0, *[1.0] * 20]
    taken = {name: rule(calls).calls for name, rule in rules.RULES.items()}
    assert list(taken.values()) == [4, 20, 2, 14, 22]


def test_rules_agree_on_calls_that_are_all_alike() -> None:
    """Without noise there is one answer."""
    assert {rule([0.5] * 22).seconds for rule in rules.RULES.values()} == {0.5}


def test_the_adaptive_rule_goes_on_while_the_interval_is_wide() -> None:
    """Calm calls need ten, noisy ones all there are."""
    calm = [1.0] * 22
    noisy = [1.0, 1.0, *[1.0, 1.3] * 10]
    assert rules.adaptive(calm).calls == 2 + Protocol().bounds(1.0)[0]
    assert rules.adaptive(noisy).calls == len(noisy)


def test_a_slow_process_misleads_rules_of_one_process_but_no_duel() -> None:
    """Rounds differ by 10 %, recipes by 2 %: what is compared within its round is always ranked right."""
    levels = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    fast, slow = levels, [level * 1.02 for level in levels]
    assert rules.right_apart(fast, slow) == 0.5
    assert rules.right_in_duels(fast, slow) == 1.0
    shares, rounds = rules.claims(fast, slow)
    assert shares[Verdict.FASTER] == 1.0
    assert rounds == 5.0


def test_duels_are_counted_as_all_triples_would_be() -> None:
    """The formula equals counting them one by one."""
    dice = random.Random(7)
    fast = [dice.gauss(1.0, 0.05) for _ in range(9)]
    slow = [dice.gauss(1.02, 0.05) for _ in range(9)]
    right = [a < b for a, b in zip(fast, slow, strict=True)]
    triples = [right[i] + right[j] + right[k] >= 2 for i in range(9) for j in range(i) for k in range(j)]
    assert rules.right_in_duels(fast, slow) == pytest.approx(sum(triples) / len(triples))


def test_the_error_of_a_share_falls_with_the_number_of_rounds() -> None:
    """Twenty times the rounds: less than half the error."""
    dice = random.Random(3)

    def error(rounds: int) -> float:
        fast = [dice.gauss(1.0, 0.05) for _ in range(rounds)]
        slow = [dice.gauss(1.05, 0.05) for _ in range(rounds)]
        return rules.standard_error(rules.right_apart, fast, slow)

    assert error(200) < error(10) / 2


def test_spreads_are_those_that_were_planted() -> None:
    """Rounds by 3 %, processes by 1 % and calls by 2 %: each is found again."""
    dice = random.Random(5)
    processes: dict[str, list[list[float]]] = {"A": [], "B": [], "C": []}
    for _ in range(200):
        of_round = 1 + dice.gauss(0, 0.03)
        for of_recipe in processes.values():
            level = of_round * (1 + dice.gauss(0, 0.01))
            of_recipe.append([level * (1 + dice.gauss(0, 0.02)) for _ in range(series.CALLS)])
    told = series.spread(processes)
    assert told.within == pytest.approx(0.02, rel=0.1)
    assert told.between == pytest.approx((0.03**2 + 0.01**2 + told.by_chance**2) ** 0.5, rel=0.15)
    assert told.in_round == pytest.approx((0.01**2 + told.by_chance**2) ** 0.5, rel=0.15)


def test_fixed_cost_counts_phases_that_are_not_known_yet() -> None:
    """A new phase cannot hide."""
    phases = {"load": 1.0, "settle": 1.0, "timing": 9.0, "memory": 2.0, "something new": 0.1, "fork": 0.2}
    assert fixed_cost.fixed_s(phases) == {"fork": 0.2, "something new": 0.1}
