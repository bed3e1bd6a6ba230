"""Carry: what a bare machine without a network lacks, downloaded as wheels and installed there."""

import argparse
import email.parser
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MOST_BYTES = 40 * 2**20
"""All wheels together: a working tree may travel with them."""
OPTIONAL_EXTRAS = ("caches", "quantization")
"""Extras that single knobs need: carried where they are small."""
TEST_PACKAGES = ("pytest", "pytest-timeout", "hypothesis")
"""Of the extra dev: what the tests of a card need."""
LEFT_THERE = frozenset(
    {
        *("torch", "triton", "numpy", "scipy", "pillow", "hf-xet", "ninja"),
        *("transformers", "tokenizers", "safetensors", "accelerate", "huggingface-hub"),
        *("bitsandbytes", "optimum-quanto", "xformers"),
    }
)
"""Too large, tied to the machine's own torch, or compiling on first use: the machine has them or not."""
_LEFT_PREFIXES = ("nvidia-", "cuda-")
_NEWEST_GLIBC = 39
_RESOLVING = 4  # downloads at a time


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel file.

    Attributes:
        file: Where it is.
        name: Normalised, such as "optuna-dashboard".
        version: As its metadata says.
        needs: Its requirements, those of extras included.
        python: Versions of Python that it takes, such as ">=3.10"; "" for any.
    """

    file: Path
    name: str
    version: str
    needs: tuple[Requirement, ...]
    python: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to be installed.

    Attributes:
        wheels: Those that are missing on the machine, or too old there.
        lacking: What is missing and not carried, a sentence each; nothing can run without it.
        without: The same of what only single knobs need.
    """

    wheels: tuple[Wheel, ...]
    lacking: tuple[str, ...]
    without: tuple[str, ...]


def requirements(pyproject: Path = ROOT / "pyproject.toml") -> tuple[list[Requirement], list[Requirement]]:
    """Return what the check needs, and what only single knobs need."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tools = [Requirement(text) for text in extras["dev"]]
    needed = [Requirement(text) for text in project["dependencies"]]
    needed += [need for need in tools if canonicalize_name(need.name) in TEST_PACKAGES]
    return needed, [Requirement(text) for extra in OPTIONAL_EXTRAS for text in extras[extra]]


def is_left_there(name: str) -> bool:
    """Whether a package is never carried.

    >>> is_left_there("nvidia-cublas"), is_left_there("nvidia-ml-py"), is_left_there("optuna")
    (True, False, False)
    """
    plain = canonicalize_name(name)
    return plain in LEFT_THERE or (plain.startswith(_LEFT_PREFIXES) and plain != "nvidia-ml-py")


def read_wheel(file: Path) -> Wheel:
    """Return what a wheel says of itself."""
    with zipfile.ZipFile(file) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = email.parser.Parser().parsestr(archive.read(inside).decode())
    return Wheel(
        file=file,
        name=canonicalize_name(told["Name"]),
        version=told["Version"],
        needs=tuple(Requirement(text) for text in told.get_all("Requires-Dist") or []),
        python=told["Requires-Python"] or "",
    )


def wheels_in(folder: Path) -> dict[str, Wheel]:
    """Return the wheels of a folder by name."""
    return {wheel.name: wheel for wheel in map(read_wheel, sorted(folder.glob("*.whl")))}


def installed_version(name: str) -> str | None:
    """Return the version that this Python would import; None where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def choose(
    needed: Iterable[Requirement],
    optional: Iterable[Requirement],
    wheels: Mapping[str, Wheel],
    installed: Callable[[str], str | None] = installed_version,
) -> Choice:
    """Return which wheels are to be installed so that all requirements hold, those of the wheels too.

    What is installed and new enough stays as it is, and its own needs are taken to be met.

    Args:
        needed: Without which nothing can run.
        optional: Without which single knobs are not offered.
        wheels: What is carried, by name.
        installed: Returns the version that the machine has of a name.
    """
    chosen: dict[str, Wheel] = {}
    lacking = _walk(list(needed), wheels, installed, chosen)
    without: list[str] = []
    for need in optional:
        more = dict(chosen)
        problems = _walk([need], wheels, installed, more)
        without += problems
        chosen = chosen if problems else more
    return Choice(wheels=tuple(chosen.values()), lacking=tuple(lacking), without=tuple(without))


def _walk(
    waiting: list[Requirement],
    wheels: Mapping[str, Wheel],
    installed: Callable[[str], str | None],
    chosen: dict[str, Wheel],
) -> list[str]:
    """Add to `chosen` what the requirements come to; return what cannot be met."""
    problems: list[str] = []
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if not applies(need):
            continue
        has = chosen[name].version if name in chosen else installed(name)
        if has is not None and need.specifier.contains(has, prereleases=True):
            continue
        wheel = wheels.get(name)
        if wheel is None or not need.specifier.contains(wheel.version, prereleases=True):
            carried = f", {wheel.version} is carried" if wheel else ""
            problems.append(f"{need.name}{need.specifier} is needed, {has or 'none'} is here{carried}")
            continue
        chosen[name] = wheel
        waiting += wheel.needs
    return problems


def applies(need: Requirement, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a requirement holds in an environment, this one's by default; those of extras do not."""
    return need.marker is None or need.marker.evaluate({**(environment or {}), "extra": ""})


def install(choice: Choice, site: Path) -> None:
    """Install the wheels of a choice into a folder of their own, without a network and without a compiler.

    Raises:
        SystemExit: pip refuses.
    """
    if not choice.wheels:
        return
    flags = ("--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--quiet")
    files = [str(wheel.file) for wheel in choice.wheels]
    said = _pip("install", *flags, "--target", str(site), *files)
    if said.returncode:
        raise SystemExit(f"pip cannot install the carried wheels: {said.stderr.strip()}")


def use(site: Path) -> None:
    """Let this process, and all that it starts, import from a folder of wheels and from the repository."""
    paths = [str(path.resolve()) for path in (site, ROOT) if path.is_dir()]
    known = [
        path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in paths
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *known])
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    importlib.invalidate_caches()


def download(version: str, folder: Path, have: Mapping[str, str]) -> tuple[list[Wheel], list[str]]:
    """Download the wheels that a bare machine lacks, and those that they need.

    Args:
        version: Of the machine's Python, such as "3.12".
        folder: Emptied first.
        have: Versions of what the machine is known to have, by normalised name.

    Returns:
        The wheels, and the requirements that are left to the machine, a line each.

    Raises:
        SystemExit: pip finds no wheel of something, or all are too large to travel.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pins = _pins()
    environment = _environment(version)
    needed, optional = requirements()
    waiting = [*needed, *optional]
    got: dict[str, Wheel] = {}
    left: set[str] = set()
    while waiting:
        wanted: dict[str, Requirement] = {}
        for need in waiting:
            name = canonicalize_name(need.name)
            if not applies(need, environment) or name in got:
                continue
            if name in have and need.specifier.contains(have[name], prereleases=True):
                continue
            if is_left_there(name):
                left.add(f"{need.name}{need.specifier}" + (f" (it has {have[name]})" if name in have else ""))
                continue
            wanted[name] = need
        texts = [f"{name}=={pins[name]}" if name in pins else str(need) for name, need in wanted.items()]
        with ThreadPoolExecutor(_RESOLVING) as pool:
            list(pool.map(lambda text: _download_one(text, version, folder), texts))
        fresh = [wheel for name, wheel in wheels_in(folder).items() if name not in got]
        got |= {wheel.name: wheel for wheel in fresh}
        waiting = [need for wheel in fresh for need in wheel.needs]
    total = sum(wheel.file.stat().st_size for wheel in got.values())
    if total > MOST_BYTES:
        raise SystemExit(
            f"The wheels are {total / 2**20:.1f} MiB, more than {MOST_BYTES >> 20}: leave more there."
        )
    return sorted(got.values(), key=lambda wheel: -wheel.file.stat().st_size), sorted(left)


def unmet(wheels: Mapping[str, Wheel], have: Mapping[str, str], version: str) -> list[str]:
    """Return the requirements of the check and of all wheels that neither a wheel nor the machine meets.

    Args:
        wheels: What is carried, by name.
        have: What the machine has.
        version: Of its Python.
    """
    environment = _environment(version)
    choice = {**have, **{name: wheel.version for name, wheel in wheels.items()}}
    asked = [("autotune", need) for need in requirements()[0]]
    asked += [(wheel.name, need) for wheel in wheels.values() for need in wheel.needs]
    problems = [
        f"{wheel.file.name} takes Python {wheel.python}"
        for wheel in wheels.values()
        if wheel.python and not Requirement(f"python{wheel.python}").specifier.contains(version)
    ]
    for by, need in asked:
        has = choice.get(canonicalize_name(need.name))
        if applies(need, environment) and not (has and need.specifier.contains(has, prereleases=True)):
            problems.append(f"{by} needs {need.name}{need.specifier}, there is {has or 'none'}")
    return problems


def _download_one(text: str, version: str, folder: Path) -> None:
    """Download the pure-Python wheel of a requirement, or where there is none the one for Linux."""
    common = ("--only-binary=:all:", "--no-deps", "--quiet", "--python-version", version, "-d", str(folder))
    pure = ("--platform", "any", "--implementation", "py", "--abi", "none")
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC, 4, -1)]
    tags += [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1")]
    compiled = ("--implementation", "cp", *(word for tag in tags for word in ("--platform", tag)))
    if _pip("download", *common, *pure, text).returncode == 0:
        return
    said = _pip("download", *common, *compiled, text)
    if said.returncode:
        raise SystemExit(f"There is no wheel of {text} for Python {version}: {said.stderr.strip()[-500:]}")


def _pip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return have_from(line for line in lines if not line.startswith("#"))


def have_from(lines: Iterable[str]) -> dict[str, str]:
    """Return versions by normalised name from lines as `pip freeze` prints them.

    >>> have_from(["PyYAML==6.0.3", "torch==2.11.0+cu130", "", "# a remark"])
    {'pyyaml': '6.0.3', 'torch': '2.11.0+cu130'}
    """
    pairs = (line.split("#")[0].strip().partition("==") for line in lines)
    return {canonicalize_name(name.strip()): version.strip() for name, _, version in pairs if version}


def _environment(version: str) -> dict[str, str]:
    """The environment markers of a Linux machine with this Python."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": platform.machine(),
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Download the wheels, say what they are and what is left to the machine; 1 where something is unmet."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check.carry", description=__doc__)
    parser.add_argument("--python", default="3.12", help="version of the machine's Python (default: 3.12)")
    parser.add_argument("--to", type=Path, default=Path("build/wheels"), help="emptied first")
    parser.add_argument("--have", type=Path, help="what the machine has, as pip freeze prints it")
    asked = parser.parse_args(arguments)
    have = have_from(asked.have.read_text(encoding="utf-8").splitlines()) if asked.have else {}
    wheels, left = download(asked.python, asked.to, have)
    for wheel in wheels:
        print(f"{wheel.file.stat().st_size / 2**20:7.2f} MiB  {wheel.file.name}")
    total = sum(wheel.file.stat().st_size for wheel in wheels)
    print(f"{total / 2**20:7.2f} MiB  {len(wheels)} wheels in {asked.to}")
    print("left to the machine: " + ", ".join(left))
    problems = unmet({wheel.name: wheel for wheel in wheels}, have, asked.python) if asked.have else []
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
