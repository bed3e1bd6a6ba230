"""The page in a real browser: the plot is drawn, no script of a prompt runs, nothing is fetched."""

import subprocess
from pathlib import Path

import pytest

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=10000",
)


@pytest.mark.browser
@pytest.mark.slow
def test_the_plot_is_drawn_and_nothing_else_runs(browser: str, html_file: Path, tmp_path: Path) -> None:
    """Every group of points is there as SVG; the title is ours; the browser refused nothing."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [browser, *QUIET, "--enable-logging=stderr", profile, "--dump-dom", html_file.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.count('class="trace scatter') == 4
    assert done.stdout.count('class="point"') >= 7
    assert "<title>autotune: first</title>" in done.stdout
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if "Refused" in line or "Content Security Policy" in line], console
