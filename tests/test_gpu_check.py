"""The GPU check's own machinery: time, resuming, what is kept, and what the README says."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_check import readme
from tests.gpu_check.check import CHECK, SUMMARY, Order, run_check
from tests.gpu_check.commands import run_module
from tests.gpu_check.machine import look_at_card, sources
from tests.gpu_check.stage import Ended, Stage, Status, Where
from tests.gpu_check.stages import STAGES
from tests.gpu_check.summary import summary

ROOT = Path(__file__).parent.parent
Run = Callable[[Where], Ended]


def stage(name: str, run: Run, weight: float = 1.0) -> Stage:
    """A stage that does what the test says, and shows one line."""
    return Stage(name=name, title=f"About {name}", weight=weight, run=run, lines=lambda _: ["found it"])


def ends(status: Status, seen: list[float] | None = None) -> Run:
    """A run that notes the seconds that it was given, and ends."""

    def run(where: Where) -> Ended:
        if seen is not None:
            seen.append(where.left_s)
        return Ended(status=status, message="So it was.")

    return run


def order_of(folder: Path, *stages: Stage, seconds: float = 100.0, **changes: Any) -> Order:
    """An order whose stages are worth a start with a second left."""
    fields: dict[str, Any] = {
        "device": "cpu",
        "stages": stages,
        "results": folder / "results" / "here",
        "work": folder / "work" / "here",
        "until": time.monotonic() + seconds,
        "machine": {"device": "Here (cpu, 1 GiB)"},
        "least_s": 1.0,
        "say": lambda _: None,
    }
    return Order(**fields | changes)


def test_each_stage_gets_its_share_of_the_time_that_is_left(tmp_path: Path) -> None:
    """By weight, and what one leaves over is for those after it."""
    seen: list[float] = []
    done = ends(Status.DONE, seen)
    run_check(order_of(tmp_path, stage("a", done, 1), stage("b", done, 2), stage("c", done, 1)))

    assert seen == pytest.approx([25, 66, 99], abs=3)


def test_a_stage_that_is_done_runs_again_only_if_asked(tmp_path: Path) -> None:
    """The same command goes on; a fresh one begins anew."""
    seen: list[float] = []
    order = order_of(tmp_path, stage("a", ends(Status.DONE, seen)))
    for _ in range(2):
        run_check(order)
    assert len(seen) == 1

    run_check(replace(order, is_fresh=True))
    assert len(seen) == 2


def test_time_that_is_left_goes_to_what_is_partial(tmp_path: Path) -> None:
    """A stage that ran out of its share gets another one in the same run, and then no more."""
    seen: list[float] = []
    run_check(order_of(tmp_path, stage("a", ends(Status.PARTIAL, seen)), stage("b", ends(Status.DONE))))

    assert seen == pytest.approx([50, 99], abs=3)


def test_no_stage_is_started_without_time(tmp_path: Path) -> None:
    """It waits for the next run, and is called neither passed nor failed."""
    seen: list[float] = []
    order = order_of(tmp_path, stage("a", ends(Status.DONE, seen)), seconds=0.5)

    assert run_check(order)["stages"] == {}
    assert seen == []


def test_a_stage_that_raises_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    """What it raised is its message, the traceback is said, and it runs again next time."""

    def run(where: Where) -> Ended:
        raise ValueError("no such thing\nand more")

    said: list[str] = []

    def leave(where: Where) -> Ended:
        raise SystemExit("not here")

    order = order_of(
        tmp_path, stage("a", run), stage("b", ends(Status.DONE)), stage("c", leave), say=said.append
    )
    known = run_check(order)["stages"]

    assert known["a"]["status"] == "failed"
    assert known["a"]["message"] == "ValueError: no such thing"
    assert known["b"]["status"] == "done"
    assert known["c"]["message"] == "SystemExit: not here"
    assert any("Traceback" in line and "in run" in line for line in said)
    assert json.loads((order.results / CHECK).read_text(encoding="utf-8"))["stages"] == known


ENDLESS = """
import sys, time
from pathlib import Path
from tests.gpu_check import check
from tests.gpu_check.stage import Ended, Status
from tests.test_gpu_check import order_of, stage

def run(where):
    time.sleep(20)
    return Ended(status=Status.DONE, message="")

check._OVERDUE_S = 0.1
check.run_check(order_of(Path(sys.argv[1]), stage("a", run), seconds=1.2))
"""


@pytest.mark.slow
def test_a_stage_that_does_not_end_is_interrupted(tmp_path: Path) -> None:
    """It must not take the time of the others, nor that of the machine.

    In a process of its own: the signal is a real one, and pytest's process has handlers of others.
    """
    command = [sys.executable, "-W", "ignore", "-c", ENDLESS, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=15)
    known = json.loads((tmp_path / "results" / "here" / CHECK).read_text(encoding="utf-8"))["stages"]

    assert known["a"]["status"] == "failed"
    assert known["a"]["message"].startswith("Overdue")


def test_ctrl_c_keeps_what_is_known(tmp_path: Path) -> None:
    """The interrupted stage is partial, those before it are as they ended, and all of it is packed."""

    def run(where: Where) -> Ended:
        where.keep("half.json", {"steps": 1})
        raise KeyboardInterrupt

    packed = tmp_path / "state.tar.gz"
    order = order_of(tmp_path, stage("a", ends(Status.DONE)), stage("b", run), pack=packed)
    with pytest.raises(KeyboardInterrupt):
        run_check(order)

    known = json.loads((order.results / CHECK).read_text(encoding="utf-8"))["stages"]
    assert {name: one["status"] for name, one in known.items()} == {"a": "done", "b": "partial"}
    with tarfile.open(packed) as archive:
        assert "results/here/half.json" in archive.getnames()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """What cannot be written is said, and the check comes to its end."""
    said: list[str] = []
    (tmp_path / "results").write_text("a file where the folder should be", encoding="utf-8")
    known = run_check(order_of(tmp_path, stage("a", ends(Status.DONE)), say=said.append))["stages"]

    assert known["a"]["status"] == "done"
    assert any("could not be written" in line for line in said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_ended_from_outside_exits_so(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a termination end it with 130, at once and without a traceback."""
    command = [sys.executable, "-m", "tests.gpu_check", "--device", "cpu", "--name", "x"]
    command += ["--results", str(tmp_path / "r"), "--work", str(tmp_path / "w")]
    # As a shell starts a command that is in front.
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "about to look" in process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert "interrupted" in out
    assert "Traceback" not in err


@pytest.mark.slow
def test_without_a_card_nothing_is_begun(tmp_path: Path) -> None:
    """One sentence, exit code 2, and no file."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "tests.gpu_check", "--results", str(tmp_path / "r")]
    command += ["--work", str(tmp_path / "w"), "--site", str(tmp_path / "s"), "--wheels", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100
    )

    assert done.returncode == 2
    assert done.stderr.startswith("There is no card to check: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_there_was_no_time_for_waits(tmp_path: Path) -> None:
    """The whole command on this machine: it knows all stages and the machine, and calls nothing passed."""
    command = [sys.executable, "-m", "tests.gpu_check", "--device", "cpu", "--minutes", "0.2"]
    command += ["--results", str(tmp_path / "r"), "--work", str(tmp_path / "w")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    last = done.stdout.splitlines()[-1]

    assert done.returncode == 0, done.stderr
    assert "-cpu: " in last
    assert last.endswith(", ".join(f"{one.name} waiting" for one in STAGES))
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_command_is_ended_in_time_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C first, then again, then a kill; what it printed until then is kept."""
    monkeypatch.setattr("tests.gpu_check.commands.GRACE_S", 0.5)
    monkeypatch.setattr("tests.gpu_check.commands._SECOND_S", 0.3)
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('begun')\ntime.sleep(60)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    where = Where(
        device="cpu",
        results=tmp_path,
        work=tmp_path / "work",
        until=time.monotonic() + 2.5,
        say=lambda _: None,
    )
    began = time.monotonic()
    ran = run_module("stubborn", [], where)

    assert ran.was_stopped
    assert ran.out == "begun\n"
    assert ran.code == -signal.SIGKILL
    assert time.monotonic() - began < 10
    assert "begun" in (tmp_path / "work" / "commands.log").read_text(encoding="utf-8")


def test_the_page_says_what_is_not_measured(tmp_path: Path) -> None:
    """What never ran is named, and a stage that cannot show what it found does not lose the page."""

    def broken(results: Path) -> list[str]:
        raise KeyError("no_such_figure")

    ran, slipped, waiting = (stage(name, ends(Status.DONE)) for name in ("ran", "slipped", "waiting"))
    slipped = replace(slipped, lines=broken)
    order = order_of(tmp_path, ran, slipped)
    run_check(order)
    page = summary(order.results, (ran, slipped, waiting))

    assert "# Here (cpu, 1 GiB)" in page
    assert "A proof of the check's own code on a CPU" in page
    assert "## About waiting\n\nNot measured." in page
    assert "found it" in page
    assert "cannot be shown here (KeyError" in page
    assert (order.results / SUMMARY).is_file()


CARD = """
from types import SimpleNamespace
__version__, float16, version = "2.11.0+cu130", "half", SimpleNamespace(cuda="13.0")
class Ones:
    def __matmul__(self, other): return self
    def __getitem__(self, at): return 256.0
def ones(*shape, device, dtype): return Ones()
cuda = SimpleNamespace(
    is_available=lambda: True, mem_get_info=lambda at: (130 * 2**30, 140 * 2**30), synchronize=lambda: None,
    get_device_properties=lambda at: SimpleNamespace(name="Some Card", major=9, minor=0),
)
"""


def test_a_card_is_looked_at_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory, what else is on it, and a product computed there; a card that errs is a problem."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "pynvml.py").write_text("raise ImportError('none')\n", encoding="utf-8")
    (tmp_path / "torch.py").write_text(CARD, encoding="utf-8")
    card = look_at_card()
    (tmp_path / "torch.py").write_text(CARD + "mem = 1 / 0\n", encoding="utf-8")
    broken = look_at_card()
    (tmp_path / "torch.py").write_text(CARD.replace("256.0", "255.0"), encoding="utf-8")
    wrong = look_at_card()

    assert (card.name, card.problem) == ("Some Card", "")
    assert card.facts.startswith(
        "Some Card: 130.0 of 140.0 GiB free; processes on it: not known; torch 2.11.0"
    )
    assert broken.problem == "torch cannot be imported: division by zero"
    assert wrong.problem == "the card cannot be used: a product of ones came out wrong"


def test_the_sources_have_one_digest() -> None:
    """Where there is no git, what ran is named by what it was made of."""
    assert sources() == sources()
    assert sources().startswith("sources-")


def results_of(folder: Path, device: str, stages: dict[str, str]) -> Path:
    """A machine's folder of results as far as every machine has one."""
    folder.mkdir(parents=True)
    known = {
        name: {"status": status, "message": "So it was.", "seconds": 1.0, "at": "2026-11-22T01:02:03+00:00"}
        for name, status in stages.items()
    }
    machine = {"device": f"Some Card ({device}, 80 GiB)", "torch": "2.11.0+cu130"}
    text = json.dumps({"device": device, "machine": machine, "stages": known})
    (folder / CHECK).write_text(text, encoding="utf-8")
    return folder


def test_a_proof_on_a_cpu_is_no_result_of_a_card(tmp_path: Path) -> None:
    """The README says that no card was measured, and where the proof is."""
    results_of(tmp_path / "some-cpu", "cpu", {"a": "done"})
    told = readme.section(tmp_path, (stage("a", ends(Status.DONE)),))

    assert "No GPU has been measured yet" in told
    assert "says nothing of a card: [some-cpu](" in told
    assert "found it" not in told


def test_the_readme_shows_cards_and_what_was_not_measured(tmp_path: Path) -> None:
    """Published beside measured, and every stage that is missing or has not got to its end."""
    card = results_of(tmp_path / "some-card", "cuda", {"a": "done", "b": "partial"})
    row = {
        "rung": "fp16",
        "status": "measured",
        "published_speedup": 2.63,
        "speedup": 3.5,
        "published_memory_bytes": None,
        "memory_bytes": 3 * 2**30,
    }
    guide: dict[str, Any] = {
        "title": "A guide",
        "source": "https://example.org",
        "published": {"hardware": "a T4"},
        "here": {"has_random_weights": True},
        "rows": [row, {**row, "rung": "slow", "status": "waiting", "speedup": None, "memory_bytes": None}],
    }
    waiting = {**guide, "title": "Another", "rows": guide["rows"][1:]}
    (card / "guides.json").write_text(json.dumps({"guides": [guide, waiting]}), encoding="utf-8")
    best = {"is_baseline": False, "latency_s": 1.0, "settings": {"dtype": "bfloat16"}, "speed_up": 8.1}
    best |= {"memory_bytes": 2**30, "similarity": 0.99, "tier": "equivalent"}
    studies = {"studies": {"sdxl": {"trials": 5, "front": [best]}}, "recipes": {}, "duels": {}}
    (card / "studies.json").write_text(json.dumps(studies), encoding="utf-8")
    told = readme.section(tmp_path, tuple(stage(name, ends(Status.DONE)) for name in "abc"))

    assert "### Some Card (cuda, 80 GiB)" in told
    assert "torch 2.11.0+cu130, 2026-11-22" in told
    assert "| fp16 | 2.63× | 3.50× |  | 3 GiB |" in told
    assert "| slow | 2.63× | waiting |  |  |" in told
    assert "random weights" in told
    assert "nothing was measured yet: [Another](https://example.org)." in told
    assert "| sdxl | 5 | dtype=bfloat16 | 8.10× | 1 GiB | 0.9900 equivalent |" in told
    assert "- About b: partial. So it was.\n- About c: not measured." in told
    assert "About a" not in told


def test_the_readme_is_what_the_results_give() -> None:
    """`python -m tests.gpu_check.readme` writes it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"{readme.START}\n{readme.section(ROOT / 'studies' / 'gpu')}\n{readme.END}" in text
