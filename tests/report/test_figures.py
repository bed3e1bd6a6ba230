"""Figures: how each trial stands to the baseline, and the answer as a sentence."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autotune.report.figures import Row, Standing, answer, format_speed, front_rows, rows
from autotune.report.plot import front_figure
from autotune.search.study import Study


def row(every: tuple[Row, ...], number: int) -> Row:
    """The row of a trial."""
    return next(found for found in every if found.trial.number == number)


def test_each_trial_has_one_standing(study: Study) -> None:
    """Baseline, front, dominated, unfit or failed."""
    standings = [found.standing.value for found in rows(study)]

    assert standings == ["baseline", "dominated", "front", "front", "failed", "front", "unfit", "unfit"]


def test_the_baseline_is_beside_itself(study: Study) -> None:
    """One times as fast, with all of the memory."""
    baseline = row(rows(study), 0)

    assert (1.0, 1.0, True) == (baseline.speed_up, baseline.memory_share, baseline.is_baseline)


def test_an_unfit_trial_names_the_limits_that_it_breaks(study: Study) -> None:
    """The baseline breaks the memory limit, and is shown all the same."""
    every = rows(study)

    assert ("memory",) == row(every, 0).beyond
    assert ("similarity",) == row(every, 6).beyond


def test_every_pick_is_on_the_front(study: Study) -> None:
    """And each pick names one trial."""
    every = rows(study)
    picked = [pick for found in every for pick in found.picks]

    assert sorted(picked) == ["closest", "fastest", "knee", "smallest"]
    assert all(found.is_on_front for found in every if found.picks)


def test_the_front_is_listed_from_the_fastest_on(study: Study) -> None:
    """After the baseline."""
    listed = front_rows(rows(study))
    latencies = [found.trial.measurement.latency_s for found in listed[1:] if found.trial.measurement]

    assert listed[0].is_baseline
    assert sorted(latencies) == latencies


def test_the_answer_compares_the_knee_with_the_baseline(study: Study) -> None:
    """Speed, memory, similarity."""
    figures = "55 % of the memory, similarity 0.99 (equivalent)"
    assert answer(rows(study)) == f"knee: 2.18× faster than untuned, {figures}."


def test_the_answer_is_honest_when_nothing_was_gained(study: Study) -> None:
    """The baseline itself may be the knee, and there may be no answer at all."""
    only = (replace(row(rows(study), 0), picks=("knee",)),)

    assert "nothing that was tried beats it" in answer(only)
    assert answer(()) == "No recipe is within the limits yet."


@given(st.floats(min_value=0.01, max_value=100))
def test_faster_and_slower_mirror_each_other(factor: float) -> None:
    """Twice as slow is the mirror of twice as fast."""
    mirror = {"faster": "slower", "slower": "faster"}
    word = format_speed(factor).rpartition(" ")[2]

    assert (
        format_speed(factor) == "no faster"
        or mirror[word] in format_speed(1 / factor)
        or 0.98 < factor < 1.02
    )


def test_the_plot_tells_every_standing_apart(study: Study) -> None:
    """A shape each, every measured trial once, and its settings under the pointer."""
    figure = front_figure(rows(study))
    symbols = [trace.marker.symbol for trace in figure.data]

    assert len(set(symbols)) == len(symbols) == 4
    assert len(study.measured()) == sum(len(trace.x) for trace in figure.data)
    assert all("trial" in text for trace in figure.data for text in trace.text)


def test_a_running_trial_has_no_figures(study: Study) -> None:
    """It may be the one that is measured right now."""
    running = replace(study.trials[1], outcome=None)
    found = row(rows(replace(study, trials=(study.trials[0], running))), 1)

    assert (Standing.RUNNING, "-", "-") == (found.standing, found.latency, found.speed)
