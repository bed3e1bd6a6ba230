"""Imports go down only, and each library has its owners; each rule is shown to fail on a small package."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "autotune"

# A folder imports from its own and from lower floors; modules directly in the package are floor 0.
FLOORS = {
    "knobs": 1,
    "pipeline": 2,
    "demo": 2,
    "runners": 2,
    "store": 2,
    "search": 3,
    "report": 4,  # below the two doors, which both show it
    "service": 5,
    "cli": 6,  # starts the service too
}
DOOR_KEYS = ("service", "cli")  # these may use the public names, as the user's program does
DOOR, MAIN = "__init__", "__main__"

# Which places may import a library: a folder, or one file. "lazily" is inside functions only.
# A command that plays the user's program, with a pipeline in its own process, is named as a file.
TORCH = {"pipeline": "", "demo": "", "knobs": "lazily", "cli/generate.py": "lazily"}
WITH_TORCH = (
    *("torch", "diffusers", "transformers", "accelerate", "torchao", "safetensors", "xformers"),
    *("bitsandbytes", "DeepCache", "gguf", "onnx", "onnxruntime", "openvino", "optimum", "tomesd"),
    *("torch_tensorrt", "torchmetrics"),
)
OWNERS: dict[str, dict[str, str]] = {
    **dict.fromkeys(WITH_TORCH, TORCH),
    "tokenizers": {"demo": ""},
    "huggingface_hub": {"pipeline": "", "knobs": "lazily"},
    "numpy": {"pipeline": "", "demo": "", "store": "", "search": "", "report": ""},
    "scipy": {"search": ""},
    "PIL": {"pipeline": "", "demo": "", "store": "", "report": "", "cli": "lazily"},
    "sqlalchemy": {"store": ""},
    "alembic": {"store": ""},
    "optuna": {"search": "", "store": ""},  # store: the URL and engine that both sets of tables share
    "optuna_dashboard": {"search": "", "service": "", "cli": ""},
    "ray": {"runners/on_ray.py": ""},
    "psutil": {"pipeline": "", "runners": "", "cli": "lazily"},
    "pynvml": {"pipeline": "", "runners": "", "cli": "lazily"},  # cli: the doctor asks the driver
    "typer": {"cli": ""},
    "click": {"cli": ""},
    "rich": {"cli": ""},
    "plotly": {"report": "", "search": ""},  # search: the plots that the dashboard shows
    "fastapi": {"service": ""},
    "starlette": {"service": ""},
    "pydantic": {"service": ""},
    "uvicorn": {"service": "", "cli": "lazily"},
    "a2wsgi": {"service": ""},
    "yaml": {"recipe.py": "lazily", "plan.py": "lazily", "cli": ""},  # a recipe is a file
}
VAGUE = re.compile(r"(?:^|_)(?:utils?|utilit(?:y|ies)|helpers?|managers?|common|misc)(?:_|$)")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module: where the import stands and when it happens."""

    path: Path
    line: int
    source: str
    target: str
    is_lazy: bool
    is_for_types: bool


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A broken rule: where, which, and what to do about it."""

    path: Path
    line: int
    rule: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.what} {self.remedy}"


def modules_in(root: Path) -> dict[str, Path]:
    """The modules of the package under root by dotted name, a folder's `__init__` under the folder's name."""
    paths = sorted((root / PACKAGE).rglob("*.py"))
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]
    return {name.removesuffix("." + DOOR): path for name, path in zip(names, paths, strict=True)}


def imports_in(root: Path) -> list[Import]:
    """Every import in the package under root, resolved to the module it names."""
    modules = modules_in(root)
    return [
        Import(
            path=path.relative_to(root),
            line=node.lineno,
            source=source,
            target=target,
            is_lazy=is_lazy,
            is_for_types=is_for_types,
        )
        for source, path in modules.items()
        for node, is_lazy, is_for_types in _import_nodes(ast.parse(path.read_text(encoding="utf-8")))
        for target in _targets(node, source, path, modules)
    ]


def _import_nodes(
    node: ast.AST, *, is_lazy: bool = False, is_for_types: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """Each import below a node, with whether it stands in a function and whether it is for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, is_lazy, is_for_types
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _import_nodes(ast.Module(child.body, []), is_lazy=is_lazy, is_for_types=True)
            yield from _import_nodes(ast.Module(child.orelse, []), is_lazy=is_lazy, is_for_types=is_for_types)
        else:
            inside = is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _import_nodes(child, is_lazy=inside, is_for_types=is_for_types)


def _targets(
    node: ast.Import | ast.ImportFrom, source: str, path: Path, modules: dict[str, Path]
) -> Iterator[str]:
    """The modules that an import names: `from a import b` is a.b where that is a module, else a."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
        return
    base = node.module or ""
    if node.level:
        package = source.split(".") if path.stem == DOOR else source.split(".")[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
    yield from {f"{base}.{n.name}" if f"{base}.{n.name}" in modules else base for n in node.names}


def part_of(module: str) -> str:
    """The folder a module of the package lives in, "" for floor 0, or the door's or `__main__`'s own name."""
    part = f"{module}.{DOOR}".split(".")[1]
    return part if part in FLOORS or part in (DOOR, MAIN) else ""


def floor_of(module: str) -> int:
    """The floor of a module: the door and `__main__` stand above everything."""
    part = part_of(module)
    return max(FLOORS.values()) + 1 if part in (DOOR, MAIN) else FLOORS.get(part, 0)


def check_floors(root: Path) -> Iterator[Violation]:
    """Imports go down only, never up or across; nobody imports `pipeline`; the door opens lazily."""
    for path in sorted((root / PACKAGE).iterdir()):
        if path.is_dir() and any(path.glob("*.py")) and path.name not in FLOORS:
            yield Violation(
                path=path.relative_to(root),
                line=1,
                rule="floors",
                what=f"The folder '{path.name}' stands on no floor.",
                remedy="Move it into a folder that is there, or give it a floor in tests/test_floors.py.",
            )
    for found in imports_in(root):
        if found.target.split(".")[0] == PACKAGE and (complaint := _floor_complaint(found)):
            yield Violation(path=found.path, line=found.line, rule="floors", **complaint)


def _floor_complaint(found: Import) -> dict[str, str] | None:
    """What is wrong with an import of our own, and what to do, or nothing."""
    source, target = part_of(found.source), part_of(found.target)
    if source == DOOR:
        if found.is_lazy or found.is_for_types:
            return None
        return {
            "what": f"The public door imports '{found.target}' while it is itself imported.",
            "remedy": "Import it inside a function, so that 'import autotune' stays light.",
        }
    if target == "pipeline" and source != "pipeline":
        return {
            "what": f"'{found.source}' imports '{found.target}', which runs in a trial's own process.",
            "remedy": "Start it by module name, or move what both need to floor 0.",
        }
    is_down = floor_of(found.target) < floor_of(found.source)
    if source == target or is_down or (target == DOOR and source in DOOR_KEYS):
        return None
    direction = "across" if floor_of(found.target) == floor_of(found.source) else "up"
    return {
        "what": f"'{found.source}' imports {direction}: '{found.target}'.",
        "remedy": "Take what it needs as an argument, or move that to a lower floor.",
    }


def check_owners(root: Path) -> Iterator[Violation]:
    """A third-party library is imported by its owners only."""
    for found in imports_in(root):
        library = found.target.split(".")[0]
        if library in sys.stdlib_module_names or library == PACKAGE:
            continue
        places = OWNERS.get(library, {})
        inside = found.path.relative_to(PACKAGE)
        permission = places.get(inside.as_posix(), places.get(inside.parts[0]))
        if permission is None:
            owners = ", ".join(places) or "nobody: give it an owner in tests/test_floors.py"
            remedy = f"It belongs to {owners}. Call that instead."
        elif permission == "lazily" and not found.is_lazy:
            remedy = "Import it inside the function that needs it."
        else:
            continue
        yield Violation(
            path=found.path,
            line=found.line,
            rule="owners",
            what=f"'{found.source}' imports '{library}'.",
            remedy=remedy,
        )


def check_cycles(root: Path) -> Iterator[Violation]:
    """No module reaches itself through imports; imports for type checkers and the lazy door do not count."""
    edges: dict[str, dict[str, Import]] = {}
    for found in imports_in(root):
        ours = found.target.split(".")[0] == PACKAGE and PACKAGE not in (found.source, found.target)
        if ours and not found.is_for_types and found.source != found.target:
            edges.setdefault(found.source, {}).setdefault(found.target, found)
    seen: set[frozenset[str]] = set()
    for start in sorted(edges):
        cycle = _way_back(start, edges)
        if cycle and frozenset(cycle) not in seen:
            seen.add(frozenset(cycle))
            first = edges[cycle[0]][cycle[1]]
            yield Violation(
                path=first.path,
                line=first.line,
                rule="cycles",
                what=f"Imports in a circle: {' -> '.join(cycle)}.",
                remedy="Move what both need to a module below them.",
            )


def _way_back(start: str, edges: dict[str, dict[str, Import]]) -> list[str]:
    """The shortest way of imports from a module back to itself, both ends included, or nothing."""
    ways, reached = [[start]], {start}
    while ways:
        way = ways.pop(0)
        for target in sorted(edges.get(way[-1], ())):
            if target == start:
                return [*way, start]
            if target not in reached:
                reached.add(target)
                ways.append([*way, target])
    return []


def check_names(root: Path) -> Iterator[Violation]:
    """A file or folder is named for what it holds, not for being useful."""
    for folder in (PACKAGE, "tests"):
        for path in sorted((root / folder).rglob("*")):
            name = path.stem if path.suffix == ".py" else path.name
            if (path.suffix == ".py" or path.is_dir()) and VAGUE.search(name.lower()):
                yield Violation(
                    path=path.relative_to(root),
                    line=1,
                    rule="names",
                    what=f"'{path.name}' says nothing about what is inside.",
                    remedy="Name it for the thing it holds.",
                )


Check = Callable[[Path], Iterator[Violation]]
CHECKS: Sequence[Check] = (check_floors, check_owners, check_cycles, check_names)


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_keeps_the_rule(check: Check) -> None:
    """No module of autotune breaks a rule; the message says what to do."""
    broken = [str(violation) for violation in check(ROOT)]

    assert not broken, "\n" + "\n".join(broken)


# Each row: the check, a small package, and the words of its complaint.
FAULTS: list[tuple[Check, dict[str, str], str]] = [
    (check_floors, {"units.py": "import autotune.knobs"}, "units.py:1: [floors] 'autotune.units' imports up"),
    (
        check_floors,
        {"units.py": "from .search import tune", "search/tune.py": ""},
        "imports up: 'autotune.search.tune'",
    ),
    (check_floors, {"units.py": "def f():\n    from autotune.cli import main"}, "units.py:2: [floors]"),
    (check_floors, {"units.py": "import autotune"}, "imports up: 'autotune'"),
    (
        check_floors,
        {"store/a.py": "from autotune import demo", "demo/__init__.py": ""},
        "imports across: 'autotune.demo'",
    ),
    (check_floors, {"demo/a.py": "from autotune.runners import x"}, "imports across"),
    (check_floors, {"report/a.py": "from autotune.cli import x"}, "imports up"),
    (check_floors, {"search/a.py": "from autotune.pipeline import worker"}, "Start it by module name"),
    (check_floors, {"__init__.py": "from autotune.units import x"}, "Import it inside a function"),
    (check_floors, {"tools/a.py": ""}, "The folder 'tools' stands on no floor."),
    (check_floors, {"units.py": "if TYPE_CHECKING:\n    import autotune.cli"}, "units.py:2: [floors]"),
    (check_owners, {"units.py": "import torch"}, "[owners] 'autotune.units' imports 'torch'"),
    (check_owners, {"recipe.py": "import yaml"}, "Import it inside the function"),
    (check_owners, {"knobs/a.py": "from torch import nn"}, "Import it inside the function"),
    (check_owners, {"search/a.py": "def f():\n    import torch"}, "It belongs to pipeline, demo, knobs"),
    (check_owners, {"report/a.py": "import sqlalchemy.orm"}, "It belongs to store"),
    (check_owners, {"runners/local.py": "import ray"}, "It belongs to runners/on_ray.py"),
    (check_owners, {"cli/a.py": "import requests"}, "It belongs to nobody"),
    (check_cycles, {"a.py": "import autotune.b", "b.py": "import autotune.a"}, "autotune.a -> autotune.b"),
    (
        check_cycles,
        {"a.py": "from autotune import b", "b.py": "def f():\n    from . import a"},
        "in a circle",
    ),
    (check_names, {"model_utils.py": ""}, "[names] 'model_utils.py'"),
    (check_names, {"search/helpers.py": ""}, "'helpers.py'"),
    (check_names, {"common/a.py": ""}, "'common'"),
]

SOUND: list[tuple[Check, dict[str, str]]] = [
    (check_floors, {"knobs/a.py": "from autotune.units import x", "units.py": "import json"}),
    (check_floors, {"search/a.py": "from autotune.runners import x", "search/b.py": "from . import a"}),
    (check_floors, {"pipeline/a.py": "from autotune.pipeline import b", "pipeline/b.py": ""}),
    (check_floors, {"__init__.py": "def f():\n    from autotune.pipeline.load import g"}),
    (check_floors, {"__main__.py": "from autotune.cli import main", "cli/a.py": "import autotune"}),
    (check_owners, {"knobs/a.py": "def turn():\n    import torch.nn"}),
    (check_owners, {"recipe.py": "import json\ndef f():\n    import yaml"}),
    (check_owners, {"runners/on_ray.py": "import ray"}),
    (check_cycles, {"a.py": "import autotune.b", "b.py": "if TYPE_CHECKING:\n    import autotune.a"}),
    (check_names, {"utilisation.py": "", "search/commonest.py": ""}),
]


def _package(root: Path, files: dict[str, str]) -> Path:
    """A package of these files under root."""
    for name, text in {"__init__.py": "", **files}.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(("check", "files", "words"), FAULTS)
def test_a_fault_is_found(tmp_path: Path, check: Check, files: dict[str, str], words: str) -> None:
    """Each rule fails where it is broken, once, and says so in its own words."""
    broken = [str(violation) for violation in check(_package(tmp_path, files))]

    assert len(broken) == 1
    assert words in broken[0]


@pytest.mark.parametrize(("check", "files"), SOUND)
def test_a_sound_package_passes(tmp_path: Path, check: Check, files: dict[str, str]) -> None:
    """What the rules allow brings no complaint."""
    assert [] == [str(violation) for violation in check(_package(tmp_path, files))]


TRIAL_SIDE = tuple(library for library, places in OWNERS.items() if places is TORCH)
HEAVY = (*TRIAL_SIDE, "optuna", "sqlalchemy", "plotly")
HELP = "import runpy; runpy.run_module('autotune', run_name='__main__')"


@pytest.mark.parametrize("start", ["import autotune", HELP])
def test_the_door_and_the_help_are_light(start: str) -> None:
    """Neither `import autotune` nor `autotune --help` loads a heavy library."""
    assert [] == _loaded_after(start, HEAVY)


def test_the_parent_never_loads_torch() -> None:
    """Everything but the trial's own side imports without torch: see docs/decisions."""
    names = [name for name in modules_in(ROOT) if ".migrations." not in name]  # those are run by alembic only
    parents = [name for name in names if part_of(name) not in ("pipeline", "demo", MAIN)]

    assert [] == _loaded_after(f"import importlib; [*map(importlib.import_module, {parents!r})]", TRIAL_SIDE)


def _loaded_after(start: str, libraries: Sequence[str]) -> list[str]:
    """Which libraries a fresh process has loaded after a statement, `--help` being its argument."""
    program = f"""
import sys, contextlib, io
sys.argv[1:] = ["--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    {start}
print(*[name for name in {libraries!r} if name in sys.modules])
"""
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)

    assert done.returncode == 0, done.stderr
    return done.stdout.split()
