"""Temporary files of a trial: its own folder, which is gone when it ends, however it ends."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.measurement import Failure, Measurement, Outcome
from autotune.runners.local import LocalRunner

ON_DISK = {"offload": "group_leaf", "offload_disk": True}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which this process, as the user set it, keeps temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_offloaded_weights_are_gone_when_the_trial_has_ended(
    measure: Callable[..., Outcome], runner: LocalRunner, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the CPU to files and back, in a real trial: the pictures are those of the reference."""
    files: dict[str, int] = {}
    monkeypatch.setattr(
        runner, "_listen", lambda phase: files.update({phase: len([*temporary.rglob("*.safetensors")])})
    )
    outcome = measure(ON_DISK)

    assert isinstance(outcome, Measurement), outcome
    assert outcome.similarity == pytest.approx(1.0, abs=1e-4)
    assert files["load"] == 0 < files["first call"]
    assert [] == list(temporary.iterdir())


def test_offloaded_weights_are_gone_when_the_trial_was_killed(
    measure: Callable[..., Outcome], temporary: Path
) -> None:
    """The runner tidies up, since the trial could not."""
    outcome = measure({**ON_DISK, "fault": "killed"})

    assert isinstance(outcome, Failure)
    assert "killed by signal 9" in outcome.message
    assert [] == list(temporary.iterdir())
