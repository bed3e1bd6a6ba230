"""`autotune show`: the front, every trial, one trial, and all of it as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from tests.cli.conftest import Cli
from tests.drawn_study import MESSAGE, make_study

Golden: TypeAlias = Callable[[str, str], None]


def test_the_front_beside_the_baseline(cli: Cli, folder: Path, golden: Golden) -> None:
    """The baseline first and marked, the front from the fastest on, picks, and the answer."""
    done = cli("show", "first", at=folder)

    assert done.returncode == 0, done.stderr
    golden("cli/show.txt", done.stdout)


def test_every_trial_with_its_reason(call: Cli, folder: Path, golden: Golden) -> None:
    """Failures and unfit recipes say why."""
    done = call("show", "first", "--all", at=folder)

    assert done.returncode == 0, done.stderr
    golden("cli/show-all.txt", done.stdout)


def test_one_trial_in_detail(call: Cli, folder: Path, golden: Golden) -> None:
    """Samples, parts, phases, and the end of its log."""
    done = call("show", "--trial", "1", at=folder)

    assert done.returncode == 0, done.stderr
    golden("cli/show-trial.txt", done.stdout.replace(_files_of(folder), "FILES"))


def test_a_failed_trial_in_detail(call: Cli, folder: Path) -> None:
    """The kind, the message, the phase and the knob."""
    number = next(t["number"] for t in _json(call, folder, "--all")["trials"] if t["standing"] == "failed")
    done = call("show", "--trial", str(number), at=folder)

    assert f"not applied: {MESSAGE}" in done.stdout
    assert "first call (knob fuse_qkv)" in done.stdout


def test_no_control_characters_outside_a_terminal(call: Cli, folder: Path) -> None:
    """A table in a log is plain text, one line a row, however long."""
    done = call("show", "first", "--all", at=folder, COLUMNS="40")

    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_json_holds_what_the_table_holds(call: Cli, folder: Path) -> None:
    """The front, the picks and the baseline as numbers in seconds and bytes."""
    found = _json(call, folder)

    assert found["baseline"]["number"] == 0
    assert found["baseline"]["speed_up"] == 1.0
    assert set(found["picks"]) == {"knee", "fastest", "smallest", "closest"}
    assert set(found["picks"].values()) <= {trial["number"] for trial in found["front"]}
    assert "trials" not in found
    assert found["failures"] == {"not applied": 1}
    latencies = [trial["latency_s"] for trial in found["front"]]
    assert sorted(latencies) == latencies


def test_json_of_every_trial_holds_the_failures(call: Cli, folder: Path) -> None:
    """A failure has no figures, and its kind and message."""
    trials = _json(call, folder, "--all")["trials"]

    assert [trial["number"] for trial in trials] == list(range(8))
    (failed,) = (trial for trial in trials if trial["standing"] == "failed")
    assert failed["failure"]["kind"] == "not applied"
    assert "latency_s" not in failed
    assert any(trial.get("beyond_limits") == ["similarity"] for trial in trials)


def test_json_of_one_trial_holds_the_samples(call: Cli, folder: Path) -> None:
    """The whole outcome, as the store has it."""
    found = _json(call, folder, "--trial", "1")

    assert len(found["outcome"]["calls_s"]) == 5
    assert found["log"] == "drew dtype=float16\n"


def test_without_a_name_several_studies_are_listed(call: Cli, folder: Path) -> None:
    """And one of them can be named."""
    make_study(folder / "autotune.db", name="second", trials=2)
    done = call("show", at=folder)

    assert [line.split()[0] for line in done.stdout.splitlines()[2:4]] == ["first", "second"]
    assert call("show", "second", at=folder).stdout.startswith("Study 'second'")


def test_a_misspelt_study_is_offered_its_name(call: Cli, folder: Path) -> None:
    """Did you mean."""
    done = call("show", "frist", at=folder)

    assert done.returncode == 2
    assert "There is no study 'frist'. Did you mean 'first'?" in done.stderr


def test_a_trial_that_is_not_there(call: Cli, folder: Path) -> None:
    """The known ones are listed."""
    done = call("show", "--trial", "99", at=folder)

    assert done.returncode == 2
    assert "There is no trial '99'. Known: 0, 1, 2" in done.stderr


def test_storage_may_be_a_file_or_come_from_the_environment(call: Cli, folder: Path) -> None:
    """A file needs no URL around it."""
    file = str(folder / "autotune.db")

    assert "Study 'first'" in call("show", "--storage", file).stdout
    assert "Study 'first'" in call("show", AUTOTUNE_STORAGE=f"sqlite:///{file}").stdout


def _json(call: Cli, folder: Path, *arguments: str) -> Any:
    done = call("show", "first", "--json", *arguments, at=folder)

    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _files_of(folder: Path) -> str:
    """Where the study was made: its records name the folder that they were read from."""
    return str(folder / "autotune-files")
