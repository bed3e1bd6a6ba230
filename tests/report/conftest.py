"""What the tests of the report share: a study with pictures, and its page."""

from pathlib import Path

import pytest

from autotune.report.page import page
from autotune.search.study import Study
from tests.drawn_study import make_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of eight trials: a front, unfit ones, a failure; one prompt holds a script."""
    return make_study(tmp_path_factory.mktemp("report") / "x.db")


@pytest.fixture(scope="session")
def html(study: Study) -> str:
    """The study's page."""
    return page(study, storage_flag=" --storage x.db")


@pytest.fixture
def html_file(html: str, tmp_path: Path) -> Path:
    """The study's page as a file."""
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    return file
