"""The stage that trains: what was trained is compared, and kept only where it is better."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_check import training
from tests.gpu_check.stage import Status, Where

SHIPPED = json.loads((training.SHIPPED / "card.json").read_text())["metrics"]


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """A proof on a CPU, with no time to train."""
    return Where(
        device="cpu",
        results=tmp_path / "results",
        work=tmp_path / "work",
        until=time.monotonic() + 5.0,
        say=lambda line: None,  # noqa: ARG005 - nobody listens
    )


def trained(where: Where, **decibels: float) -> None:
    """Put a trained model where the script would, as good as the one that ships but for some decibels."""
    work = where.work / training._FOLDER
    (work / training.MODEL).mkdir(parents=True)
    (work / "docs").mkdir()
    known: dict[str, Any] = SHIPPED["PSNR in dB on 64 held-out pictures"]
    new = {name: value + decibels.get(name.split()[0], 0.0) for name, value in known.items()}
    metrics = {**SHIPPED, "PSNR in dB on 64 held-out pictures": new}
    (work / training.MODEL / "card.json").write_text(json.dumps({"metrics": metrics}))
    for name in ("score.json", "samples.png"):
        (work / "docs" / name).write_text("{}")
    (work / "unet.csv").write_text("step,cpu_s,wall_s,loss\n10,1.0,2.0,0.5\n5000,60.0,200.5,0.1\n")


def test_a_better_model_is_kept_beside_the_results(where: Where) -> None:
    """With its samples and the command that would ship it; the model that ships stays as it is."""
    trained(where, full=2.0)
    ended = training.run(where)
    text = "\n".join(training.lines(where.results))

    assert (ended.status, "Better" in ended.message) == (Status.DONE, True)
    assert (where.results / "model" / "card.json").is_file()
    assert (where.results / "training-samples.png").is_file()
    assert "cp -r" in text
    assert "| full autoencoder, PSNR in dB | 30.660 | 32.660 |" in text
    assert "- `unet`: 200 s, steps: 5,000" in text


def test_a_worse_model_is_not_kept(where: Where) -> None:
    """Whatever else is better, and with both models' figures."""
    trained(where, full=2.0, tiny=-0.5)
    ended = training.run(where)

    assert ended.message == "Not kept: tiny decoder, PSNR in dB: 26.400, against 26.900."
    assert not (where.results / "model").exists()
    assert "| tiny decoder, PSNR in dB | 26.900 | 26.400 |" in training.lines(where.results)
    assert "cp -r" not in "".join(training.lines(where.results))


def test_nothing_is_trained_without_time(where: Where) -> None:
    """And nothing is said of what was not trained."""
    assert Status.PARTIAL == training.run(where).status
    assert [] == training.lines(where.results)


def test_the_time_to_train_is_what_is_left_and_stays_the_same(where: Where) -> None:
    """A run on a card trains to its end where it can; one with little time begins what others go on with."""
    card = Where(**{**vars(where), "device": "cuda", "until": time.monotonic() + 500.0})
    folders = [where.work / name for name in ("long", "short")]
    for folder in folders:
        folder.mkdir(parents=True)
    long, short = (
        training._training_s(one, folder)
        for one, folder in zip((card, card.within(100.0)), folders, strict=True)
    )

    assert 420.0 <= long <= 425.0
    assert short == training.USUAL_S
    assert long == training._training_s(card.within(10.0), folders[0])
