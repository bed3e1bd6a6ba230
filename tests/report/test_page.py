"""The page: it stands alone, says the answer first, shows every trial, and nothing in it can act."""

import base64
import html as standard_html
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from autotune.plan_file import parse_plan
from autotune.report.figures import answer, rows
from autotune.report.page import page
from autotune.report.pictures import LARGEST_PX, data_url
from autotune.search.study import Study
from tests.drawn_study import MESSAGE, PROMPTS, make_study


class Reader(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.pictures: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, its links and pictures; none may carry a script."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.links += [given[name] for name in ("src", "href", "srcset", "action", "poster") if name in given]
        assert not any(name.startswith("on") for name in given), given
        if tag == "img":
            self.pictures.append((given["alt"], given["src"]))

    def handle_data(self, data: str) -> None:
        """Note what a person reads."""
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    """The page, taken apart."""
    found = Reader()
    found.feed(html)
    return found


def test_the_page_reaches_for_nothing(reader: Reader, html: str) -> None:
    """No link but to data inside, and the browser itself is told to refuse any other."""
    assert all(link.startswith("data:image/png;base64,") for link in reader.links)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    assert "Content-Security-Policy" in html
    assert "default-src &#x27;none&#x27;" in html


def test_the_answer_comes_first(html: str, study: Study) -> None:
    """Before any table, in a sentence."""
    sentence = standard_html.escape(answer(rows(study)))

    assert html.index(sentence) < html.index("<table")


def test_a_prompt_cannot_act(html: str) -> None:
    """A prompt with a script in it is text, wherever it stands."""
    assert "<script>document" not in html
    assert "&lt;script&gt;document.title=&quot;owned&quot;&lt;/script&gt;" in html


def test_a_message_of_a_failure_cannot_act(html: str) -> None:
    """What a library says in an error is text too."""
    assert standard_html.escape(MESSAGE) in html
    assert "<b>nothing</b>" not in html


def test_every_trial_is_listed(html: str, study: Study) -> None:
    """With its standing and its settings."""
    table = html[html.index("Every trial") : html.index("<h2>Machine")]

    assert table.count("<tr") == 1 + len(study.trials)
    assert "unfit: similarity" in table
    assert "not applied" in table
    for trial in study.trials:
        assert standard_html.escape(trial.describe()) in table


def test_pictures_stand_side_by_side_under_their_prompts(reader: Reader, study: Study) -> None:
    """The reference, the baseline and each distinct pick, for every prompt."""
    picked = {study.best_trial(pick).number for pick in ("knee", "fastest", "smallest", "closest")}
    shown = len(picked | {0}) + 1

    assert [prompt for prompt in PROMPTS for _ in range(shown)] == [alt for alt, _ in reader.pictures]
    for _, source in reader.pictures:
        picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        assert (64, 64) == picture.size


def test_the_plan_on_the_page_can_be_run(html: str, study: Study) -> None:
    """It is the plan, as TOML."""
    text = re.search(r"<h2>Plan</h2><pre>(.*?)</pre>", html, re.DOTALL)

    assert text is not None
    assert study.plan == parse_plan(standard_html.unescape(text[1]))


def test_the_commands_name_the_database(html: str) -> None:
    """They can be typed as they stand."""
    assert "autotune export first -o recipe.json --pick knee --storage x.db" in html


def test_without_javascript_only_the_plot_is_missing(html: str) -> None:
    """And the page says so."""
    assert "<noscript>" in html


def test_a_picture_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    """Somebody may have removed the files of old trials."""
    study = make_study(tmp_path / "x.db", trials=2)
    shutil.rmtree(study.trials[1].folder)

    assert "no picture" in page(study)


def test_a_study_without_a_trial_has_a_page(study: Study) -> None:
    """One that was stopped before anything was measured."""
    from dataclasses import replace

    text = page(replace(study, trials=()))

    assert "No recipe is within the limits yet." in text
    assert "Nothing has been measured yet." in text


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    """So that the page of a study at 1024 px can be sent by mail."""
    Image.new("RGB", (2048, 1024)).save(tmp_path / "large.png")
    url = data_url(tmp_path / "large.png")

    assert url is not None
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert (LARGEST_PX, LARGEST_PX // 2) == picture.size


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    """A half-written one, say."""
    (tmp_path / "x.png").write_bytes(b"\x89PNG")

    assert data_url(tmp_path / "x.png") is None
    assert data_url(tmp_path / "none.png") is None
