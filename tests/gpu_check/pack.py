"""Pack: the state and the results of a check as one small file, with which another bare machine goes on."""

import argparse
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOST_BYTES = 15 * 2**20
"""Of a packed file: what brings files back from a lent machine may take 16 MiB of each."""
_NEVER = frozenset(
    {"cache", "artifacts", "__pycache__"}
)  # made again: compiled code, the dashboard's pictures
_WHOLE = "reference"  # begins the name of a folder of pictures that are compared with: all of them, or none
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_PASSING = ("-wal", "-shm", "-journal", ".lock", ".new", ".tar.gz")  # a database's are within its copy
_SQLITE = b"SQLite format 3\0"
_TOO_LARGE_BYTES = 8 * MOST_BYTES  # is not even tried
_HEADER_BYTES = 600  # of a file in an archive, at most, compressed


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed.

    Attributes:
        count: Files in the archive.
        size_bytes: Of the archive.
        left_out: Files for which there was no room.
    """

    count: int
    size_bytes: int
    left_out: tuple[str, ...]


def pack(folders: Mapping[str, Path], file: Path, most_bytes: int = MOST_BYTES) -> Packed:
    """Write the files of folders as one archive, databases first; whole or not at all.

    Databases are copied as they stand at one moment, with what is only in their write-ahead log.
    Pictures of trials and compiled code are left out: nothing goes on from them.

    Args:
        folders: Each under the name that it has in the archive, such as "work/nvidia-h200".
        file: A .tar.gz, replaced where there is one.
        most_bytes: What does not fit into so many is left out, the largest first.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    left_out: list[str] = []
    total = count = 0
    with tempfile.TemporaryDirectory() as kept, tarfile.open(fresh, "w:gz", compresslevel=6) as archive:
        for group in _groups(folders):
            copies = [_copy_of(path, Path(kept) / str(place)) for place, path in enumerate(group.values())]
            size = sum(_compressed_size(copy) + _HEADER_BYTES for copy in copies)
            if total + size > most_bytes:
                left_out += group
                continue
            total += size
            count += len(group)
            for name, copy in zip(group, copies, strict=True):
                archive.add(copy, arcname=name, recursive=False)
    fresh.replace(file)
    return Packed(count=count, size_bytes=file.stat().st_size, left_out=tuple(left_out))


def unpack(file: Path, roots: Mapping[str, Path]) -> list[Path]:
    """Put the files of an archive where they belong, in place of those that are there; return them.

    Args:
        file: As `pack` wrote it.
        roots: Where the first part of each name belongs, such as "work" to build/gpu.

    Raises:
        SystemExit: It is no such archive, or names a place outside of the roots.
    """
    written: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(file, "r:gz") as archive:
                archive.extractall(folder, filter="data")
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise SystemExit(f"'{file}' cannot be unpacked: {error}") from None
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink())
        for source in found:
            kind, *rest = source.relative_to(folder).parts
            if kind not in roots or not rest:
                raise SystemExit(f"'{file}' is no packed state: it holds {source.relative_to(folder)}")
            target = roots[kind].joinpath(*rest)
            target.parent.mkdir(parents=True, exist_ok=True)
            for passing in ("-wal", "-shm", "-journal"):  # of the database that was there
                target.with_name(target.name + passing).unlink(missing_ok=True)
            shutil.move(source, target)
            written.append(target)
    return written


def _groups(folders: Mapping[str, Path]) -> list[dict[str, Path]]:
    """Files by their names in the archive, those of one reference together; what matters most comes first.

    Results and databases, then all others, then references, which can be made again; small ones first.
    """
    groups: dict[str, dict[str, Path]] = {}
    ranks: dict[str, int] = {}
    for prefix, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if not _is_kept(path, parts):
                continue
            name = str(PurePosixPath(prefix, *parts))
            is_reference = any(part.startswith(_WHOLE) for part in parts[:-1])
            group = str(PurePosixPath(name).parent) if is_reference else name
            groups.setdefault(group, {})[name] = path
            is_first = prefix.startswith("results") or _is_database(path)
            ranks[group] = 2 if is_reference else 0 if is_first else 1
    sizes = {group: sum(path.stat().st_size for path in files.values()) for group, files in groups.items()}
    return [groups[group] for group in sorted(groups, key=lambda group: (ranks[group], sizes[group]))]


def _is_kept(path: Path, parts: Sequence[str]) -> bool:
    if path.is_symlink() or not path.is_file() or path.name.endswith(_PASSING) or _NEVER & set(parts):
        return False
    is_picture_of_trial = path.suffix.lower() in _PICTURES and "trials" in parts
    return not is_picture_of_trial


def _is_database(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


def _copy_of(path: Path, copy: Path) -> Path:
    """A database's content at this moment, as a file of its own; any other file as it is."""
    if not _is_database(path):
        return path
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _compressed_size(path: Path) -> int:
    size = path.stat().st_size
    if size > _TOO_LARGE_BYTES:
        return size
    packer = zlib.compressobj(6)
    total = 0
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            total += len(packer.compress(block))
    return total + len(packer.flush())


def main(arguments: Sequence[str] | None = None) -> int:
    """Unpack a file that a check brought back, or pack what a machine has."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check.pack", description=__doc__)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("file", type=Path, help="a .tar.gz")
    parser.add_argument("--name", help="of the machine, to pack")
    parser.add_argument("--results", type=Path, default=Path("studies/gpu"))
    parser.add_argument("--work", type=Path, default=Path("build/gpu"))
    asked = parser.parse_args(arguments)
    roots = {"work": asked.work, "results": asked.results}
    if asked.what == "unpack":
        print(f"{len(unpack(asked.file, roots))} files under {asked.results} and {asked.work}")
        return 0
    if not asked.name:
        parser.error("--name says whose state is packed")
    packed = pack({f"{kind}/{asked.name}": root / asked.name for kind, root in roots.items()}, asked.file)
    print(said_of(packed, asked.file))
    return 0


def said_of(packed: Packed, file: Path) -> str:
    """Return a line for the user.

    >>> said_of(Packed(count=3, size_bytes=2**20, left_out=("work/x/weights",)), Path("state.tar.gz"))
    'state.tar.gz: 3 files, 1.0 MiB; no room for work/x/weights'
    """
    without = f"; no room for {', '.join(packed.left_out)}" if packed.left_out else ""
    return f"{file}: {packed.count} files, {packed.size_bytes / 2**20:.1f} MiB{without}"


if __name__ == "__main__":
    sys.exit(main())
