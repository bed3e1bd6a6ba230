"""What travels to a bare machine and back: wheels that it lacks, and the state of a check as one file."""

import email.message
import os
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

from tests.gpu_check import carry
from tests.gpu_check.pack import pack, unpack

ROOT = Path(__file__).parent.parent


def wheel(folder: Path, name: str, version: str, *needs: str) -> Path:
    """A wheel that holds its metadata alone."""
    told = email.message.Message()
    told["Metadata-Version"], told["Name"], told["Version"] = "2.1", name, version
    for need in needs:
        told["Requires-Dist"] = need
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        about = f"{name}-{version}.dist-info"
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{about}/METADATA", told.as_string())
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return file


def test_only_what_is_missing_or_too_old_is_installed(tmp_path: Path) -> None:
    """With what the chosen wheels need themselves; what the machine has and is new enough stays."""
    for made in (
        ("missing", "2.0", "below>=1", 'elsewhere; sys_platform == "win32"', 'more; extra == "x"'),
        ("below", "1.5"),
        ("too-old", "3.0"),
        ("there", "9.0"),
    ):
        wheel(tmp_path, *made)
    needed = [Requirement(text) for text in ("missing>=1", "too-old>=2.5", "there>=4")]
    has = {"too-old": "2.4", "there": "4.0+cu130"}
    choice = carry.choose(needed, [Requirement("rare")], carry.wheels_in(tmp_path), has.get)

    assert {one.name for one in choice.wheels} == {"missing", "below", "too-old"}
    assert choice.lacking == ()
    assert choice.without == ("rare is needed, none is here",)


def test_what_nobody_carried_is_named(tmp_path: Path) -> None:
    """Nothing runs then; what is there and what is carried are said."""
    wheel(tmp_path, "torch", "1.0")
    choice = carry.choose([Requirement("torch>=2.9")], [], carry.wheels_in(tmp_path), {"torch": "2.0"}.get)

    assert choice.lacking == ("torch>=2.9 is needed, 2.0 is here, 1.0 is carried",)


@pytest.mark.slow
def test_carried_wheels_are_installed_beside_and_used_by_children(tmp_path: Path) -> None:
    """No network, no folder but the named one; a second look finds nothing missing."""
    wheel(tmp_path, "carried_over", "1.0")
    needs, site = [Requirement("carried-over>=1")], tmp_path / "site"
    carry.install(carry.choose(needs, [], carry.wheels_in(tmp_path)), site)
    child = "import autotune, carried_over as c; print(c.VERSION)"
    program = (
        "from pathlib import Path; from tests.gpu_check import carry; import subprocess, sys; "
        f"carry.use(Path({str(site)!r})); "
        "print(carry.installed_version('carried-over')); sys.stdout.flush(); "
        f"subprocess.run([sys.executable, '-c', {child!r}], cwd='/')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["1.0", "1.0"]


def test_the_project_says_what_the_check_needs() -> None:
    """All of the project's own needs, and of the developer's tools what tests of a card need."""
    needed, optional = carry.requirements()
    names = {need.name for need in needed}

    assert {"torch", "diffusers", "optuna", *carry.TEST_PACKAGES} <= names
    assert "mypy" not in names
    assert "DeepCache" in {need.name for need in optional}


def test_state_that_was_packed_goes_on_elsewhere(tmp_path: Path) -> None:
    """A database in use travels with what is only in its log; pictures, caches and locks stay behind."""
    work, results = tmp_path / "work" / "card", tmp_path / "results" / "card"
    reference = work / "s-files" / "references" / "1a"
    for folder in (
        work / "s-files" / "cache",
        reference,
        work / "s-files" / "s" / "trials" / "0001-ab",
        results,
    ):
        folder.mkdir(parents=True)
    (work / "s-files" / "cache" / "kernel.so").write_bytes(b"compiled")
    (work / "s-files" / "s" / "trials" / "0001-ab" / "0.png").write_bytes(b"picture")
    (work / "s-files" / "s" / "trials" / "0001-ab" / "log.txt").write_text("log", encoding="utf-8")
    (results / "check.json").write_text("{}", encoding="utf-8")
    (work / "weights.safetensors").write_bytes(os.urandom(20_000))
    (reference / "made.json").write_text("small, but worth nothing without the other", encoding="utf-8")
    (reference / "0.png").write_bytes(os.urandom(15_000))
    file = tmp_path / "state.tar.gz"
    with closing(sqlite3.connect(work / "s.db")) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE trial (number)")
        live.execute("INSERT INTO trial VALUES (7)")
        live.commit()
        packed = pack({"work/card": work, "results/card": results}, file, most_bytes=10_000)

    there = tmp_path / "there"
    old = there / "work" / "card" / "s.db-wal"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of another database")
    written = unpack(file, {"work": there / "work", "results": there / "results"})

    names = {path.relative_to(there).as_posix() for path in written}
    log = "work/card/s-files/s/trials/0001-ab/log.txt"
    assert names == {"work/card/s.db", "results/card/check.json", log}
    assert packed.count == len(names)
    assert [PurePosixPath(name).name for name in packed.left_out] == [
        "weights.safetensors",
        "0.png",
        "made.json",
    ]
    assert not old.exists()
    with closing(sqlite3.connect(there / "work" / "card" / "s.db")) as again:
        assert again.execute("SELECT number FROM trial").fetchall() == [(7,)]


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    """A name that leads out of the folders is refused, and so is what is no archive."""
    file, source = tmp_path / "evil.tar.gz", tmp_path / "x"
    source.write_text("x", encoding="utf-8")
    roots = {"work": tmp_path / "work", "results": tmp_path / "results"}
    for name in ("../out", "elsewhere/x"):
        with tarfile.open(file, "w:gz") as archive:
            archive.add(source, arcname=name)
        with pytest.raises(SystemExit):
            unpack(file, roots)
    file.write_bytes(b"no archive")
    with pytest.raises(SystemExit, match="cannot be unpacked"):
        unpack(file, roots)

    assert not (tmp_path.parent / "out").exists()
