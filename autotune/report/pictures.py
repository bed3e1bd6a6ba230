"""Pictures of the page: reference, baseline and picks side by side, as data URLs so that it stands alone."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from autotune.report.figures import Row
from autotune.report.markup import Html, element
from autotune.search.study import Study
from autotune.store.engine import open_database

LARGEST_PX = 512
_MOST_PROMPTS = 8


def picture_grid(study: Study, rows: Iterable[Row]) -> Html:
    """Return a table of pictures: a line a prompt, a column for the reference, the baseline and each pick."""
    shown = [row for row in rows if row.trial.measurement is not None and (row.is_baseline or row.picks)]
    shown.sort(key=lambda row: (not row.is_baseline, "knee" not in row.picks))
    prompts = [prompt for call in study.situation.workload.calls() for prompt in call.prompts]
    reference = _reference_folder(study)
    columns = [("reference", "what all others are compared to", _in_order(reference))]
    columns += [(_title(row), row.trial.describe(), _of_trial(row)) for row in shown]
    heads = (
        element("th", element("b", title), element("small", note), scope="col") for title, note, _ in columns
    )
    lines = [
        element(
            "tr",
            element("th", prompt, scope="row"),
            *(element("td", _image(files, number, prompt)) for _, _, files in columns),
        )
        for number, prompt in enumerate(prompts[:_MOST_PROMPTS])
    ]
    whole = element(
        "table",
        element("thead", element("tr", element("th", "prompt"), *heads)),
        element("tbody", *lines),
        class_="pictures",
    )
    left = len(prompts) - _MOST_PROMPTS
    more = element("p", f"{left} more prompts are not shown.", class_="note") if left > 0 else None
    return element("div", whole, more, class_="scroll")


def data_url(file: Path) -> str | None:
    """Return a picture as a data URL, made smaller where it is large; None where it is gone or no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        content = file.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            if max(picture.size) > LARGEST_PX or picture.format != "PNG":
                picture.thumbnail((LARGEST_PX, LARGEST_PX))
                smaller = io.BytesIO()
                picture.convert("RGB").save(smaller, "PNG")
                content = smaller.getvalue()
    except (OSError, UnidentifiedImageError):
        return None
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _title(row: Row) -> str:
    return " = ".join((*(["untuned"] if row.is_baseline else []), *row.picks))


def _reference_folder(study: Study) -> Path:
    with open_database(study.storage, must_exist=True) as database:
        return database.folders.reference(study.situation)


def _in_order(folder: Path) -> list[Path]:
    return sorted(folder.glob("picture-*.png"))


def _of_trial(row: Row) -> list[Path]:
    measured = row.trial.measurement
    return [row.trial.folder / name for name in measured.pictures] if measured is not None else []


def _image(files: list[Path], number: int, prompt: str) -> Html:
    url = data_url(files[number]) if number < len(files) else None
    if url is None:
        return element("span", "no picture", class_="note")
    return element("img", src=url, alt=prompt)
