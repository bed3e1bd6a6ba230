"""The page of effects: it stands alone, holds every setting, and is drawn in a real browser."""

import subprocess
from pathlib import Path

import pytest

from autotune.report.effects import ablation_figure, effects_figure, effects_page
from autotune.search.explain import Explanation, explain
from tests.report.test_browser import QUIET
from tests.search import synthetic
from tests.search.synthetic_study import GOOD, drawn_study


@pytest.fixture(scope="module")
def found() -> Explanation:
    """What a study knows of its settings, and of a recipe."""
    return explain(drawn_study(), synthetic.knobs(), recipe="1")


def test_every_setting_has_a_point_for_every_objective(found: Explanation) -> None:
    """With its interval on both sides; the axis of ratios is a logarithm."""
    assert found.effects is not None
    figure = effects_figure(found.effects)

    assert [trace.y for trace in figure.data] == [figure.data[0].y] * 3
    assert {"dtype=float16", "vae_slicing", "compile=full"} <= set(figure.data[0].y)
    assert all(width >= 0 for trace in figure.data for width in trace.error_x.array)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis3.type != "log"


def test_measured_and_predicted_are_told_apart(found: Explanation) -> None:
    """Each line of the recipe says how it is known."""
    lines = ablation_figure(found.ablation).data[0].y

    assert len(lines) == len(GOOD)
    assert "compile=regional, measured" in lines
    assert "dtype=float16, predicted" in lines


def test_the_page_reaches_for_nothing(found: Explanation) -> None:
    """The browser itself is told to refuse any other source; plotly is inside once."""
    html = effects_page(found, version="1.0")

    assert html.startswith("<!doctype html>")
    assert "default-src &#x27;none&#x27;" in html
    assert html.count("plotly.js v") == 1
    assert "Written by autotune 1.0." in html


@pytest.mark.browser
@pytest.mark.slow
def test_the_plots_are_drawn(browser: str, found: Explanation, tmp_path: Path) -> None:
    """Both, three panels each, and the browser refused nothing."""
    file = tmp_path / "effects.html"
    file.write_text(effects_page(found), encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [browser, *QUIET, "--enable-logging=stderr", profile, "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.count('class="trace scatter') == 6
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if "Refused" in line or "Content Security Policy" in line], console
