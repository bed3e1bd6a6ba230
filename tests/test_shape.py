"""Files and functions stay small and are documented: so that a reader can hold each one in mind.

The limits are at the top; each rule is also shown to fail on a small package made for the purpose.
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "autotune"

FILE_LINES = 400
FUNCTION_LINES = 60  # without the docstring: documenting is never punished
PARAMETERS = 5  # without self; more means that a dataclass is missing
MANY_PARAMETERS = "cli"  # each option of a command is a parameter of its function
EXCUSE = r"# noqa: [A-Z0-9, ]*{}\b[A-Z0-9, ]* - \w+"  # as ruff reads it, and then the reason

# Where objects of torch, of Optuna or of JSON columns live, which have no types of their own. Everywhere else
# `Any` stands as the value type of a JSON object only, or says why beside it.
JSON_OBJECT = re.compile(r"(?:dict|Mapping)\[str, Any\]")
ANY_PLACES = ("knob.py", "knobs", "pipeline", "demo", "store", "search")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[Path, ast.Module, str], Iterator[str]]


def check_file_length(path: Path, tree: ast.Module, text: str) -> Iterator[str]:
    """A file has at most FILE_LINES lines."""
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield f"{path}:1: [shape] {lines} lines, of {FILE_LINES} at most. Split it at its second subject."


def check_function_length(path: Path, tree: ast.Module, text: str) -> Iterator[str]:
    """A function has at most FUNCTION_LINES lines beside its docstring."""
    for function in _functions(tree):
        first = function.body[0].lineno if MANY_PARAMETERS in path.parts else function.lineno
        lines = _length(function, first) - _docstring_lines(function)
        if function.name == "turn" and "knobs" in path.parts:
            # It must stand alone, so its steps are functions inside of it: each of them is counted by itself.
            inner = [node for node in function.body if isinstance(node, Function)]
            lines -= sum(_length(node, node.lineno) for node in inner)
        if lines > FUNCTION_LINES:
            yield (
                f"{path}:{function.lineno}: [shape] '{function.name}' has {lines} lines, of {FUNCTION_LINES} "
                "at most. Name its steps."
            )


def _length(function: Function, first: int) -> int:
    return (function.end_lineno or first) - first + 1


def check_parameters(path: Path, tree: ast.Module, text: str) -> Iterator[str]:
    """A function has at most PARAMETERS parameters, or says why it needs more."""
    if MANY_PARAMETERS in path.parts:
        return
    lines = text.splitlines()
    for function in _functions(tree):
        arguments = function.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
        count = len([name for name in names if name not in ("self", "cls")])
        head = "\n".join(lines[function.lineno - 1 : function.body[0].lineno])
        if count > PARAMETERS and not re.search(EXCUSE.format("PLR0913"), head):
            yield (
                f"{path}:{function.lineno}: [shape] '{function.name}' has {count} parameters, of "
                f"{PARAMETERS} at most. Make what travels together a dataclass, "
                "or write '# noqa: PLR0913 - why' beside it."
            )


def check_docstrings(path: Path, tree: ast.Module, text: str) -> Iterator[str]:
    """A module and every public class and function in it has a docstring."""
    if not ast.get_docstring(tree):
        yield f"{path}:1: [shape] The module has no docstring. Say what it is and why one would want it."
    for node in _public(tree.body):
        if not ast.get_docstring(node):
            yield f"{path}:{node.lineno}: [shape] '{node.name}' has no docstring. Say what the caller gets."


def check_any(path: Path, tree: ast.Module, text: str) -> Iterator[str]:
    """`Any` stands only where objects without types live, or in a JSON object."""
    if len(path.parts) > 1 and path.parts[1] in ANY_PLACES:
        return
    for annotation in _annotations(tree):
        is_excused = re.search(EXCUSE.format("ANN401"), text.splitlines()[annotation.lineno - 1])
        if not is_excused and re.search(r"\bAny\b", JSON_OBJECT.sub("", ast.unparse(annotation))):
            yield f"{path}:{annotation.lineno}: [shape] 'Any' in an annotation. Name it, or use 'object'."


CHECKS: Sequence[Check] = (
    check_file_length,
    check_function_length,
    check_parameters,
    check_docstrings,
    check_any,
)
ALSO_OF_TESTS: Sequence[Check] = (check_file_length, check_function_length)


def _functions(tree: ast.Module) -> Iterator[Function]:
    """Every function, at whatever depth."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _docstring_lines(function: Function) -> int:
    """How many lines the docstring of a function takes."""
    first = function.body[0]
    return (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """The public classes and functions of a body and the public methods of those classes."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Every annotation, those written as text included."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            found = node.returns
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found = node.annotation
        else:
            continue
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            found = ast.copy_location(ast.parse(found.value, mode="eval").body, found)
        if found is not None:
            yield found


def _complaints(root: Path, folder: str, check: Check) -> list[str]:
    """What a check says about the files of a folder."""
    found: list[str] = []
    for path in sorted((root / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found += check(path.relative_to(root), ast.parse(text), text)
    return found


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_is_in_shape(check: Check) -> None:
    """No file of autotune breaks a rule; the message says what to do."""
    broken = _complaints(ROOT, PACKAGE, check)

    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize("check", ALSO_OF_TESTS)
def test_the_tests_are_in_shape(check: Check) -> None:
    """Test files and functions keep the limits on length too."""
    broken = _complaints(ROOT, "tests", check)

    assert not broken, "\n" + "\n".join(broken)


BODY = "\n    x = 1" * 60
FAULTS: list[tuple[Check, str, str, str]] = [
    (check_file_length, "units.py", "x = 1\n" * 401, "units.py:1: [shape] 401 lines"),
    (check_function_length, "units.py", "x = 1\ndef f():" + BODY, "units.py:2: [shape] 'f' has 61 lines"),
    (check_parameters, "units.py", "def f(a, b, c, /, d, *, e, **g): ...", "'f' has 6 parameters"),
    (check_parameters, "units.py", "def f(a, b, c, d, e, g): ...  # noqa: PLR0913", "'f' has 6 parameters"),
    (check_parameters, "units.py", "class A:\n    def f(self, a, b, c, d, *e, **g): ...", "units.py:2:"),
    (check_docstrings, "units.py", "x = 1", "The module has no docstring"),
    (check_docstrings, "units.py", "'''M.'''\ndef f(): ...", "units.py:2: [shape] 'f' has no docstring"),
    (check_docstrings, "units.py", "'''M.'''\nclass A:\n    '''A.'''\n    def f(self): ...", "units.py:4:"),
    (check_docstrings, "units.py", "'''M.'''\nclass A: ...", "'A' has no docstring"),
    (check_any, "units.py", "def f(a: dict[int, Any]) -> int: ...", "units.py:1: [shape] 'Any'"),
    (check_any, "cli/a.py", "x: typing.Any = 1", "'Any' in an annotation"),
    (check_any, "cli/a.py", "def f() -> 'list[Any]': ...", "'Any' in an annotation"),
]
SOUND: list[tuple[Check, str, str]] = [
    (check_file_length, "units.py", "x = 1\n" * 400),
    (check_function_length, "units.py", "def f():\n    '''F.\n\n    More.\n    '''" + BODY[:-10]),
    (check_parameters, "units.py", "class A:\n    def f(self, a, b, c, d, e): ..."),
    (
        check_parameters,
        "units.py",
        "def f(a, b, c, d, e, g): ...  # noqa: PLR0913 - the formula has six terms",
    ),
    (check_parameters, "cli/a.py", "def f(a, b, c, d, e, g): ..."),
    (check_docstrings, "units.py", "'''M.'''\ndef _f(): ...\nclass _A:\n    def g(self): ..."),
    (check_docstrings, "units.py", "'''M.'''\ndef f():\n    '''F.'''\n    def g(): ..."),
    (check_any, "knobs/a.py", "def f(a: Any) -> Any: ..."),
    (check_any, "units.py", "def f(a: Any): ...  # noqa: ANN401 - whatever a program hands over"),
    (check_any, "knob.py", "def f(a: Any) -> Any: ..."),
    (check_any, "units.py", "def f(a: object) -> Mapping[str, Any]: ..."),
]


@pytest.mark.parametrize(("check", "name", "text", "words"), FAULTS)
def test_a_fault_is_found(tmp_path: Path, check: Check, name: str, text: str, words: str) -> None:
    """Each rule fails where it is broken, once, and says so in its own words."""
    _write(tmp_path / PACKAGE / name, text)

    broken = _complaints(tmp_path, PACKAGE, check)

    assert len(broken) == 1
    assert words in broken[0]


@pytest.mark.parametrize(("check", "name", "text"), SOUND)
def test_what_is_in_shape_passes(tmp_path: Path, check: Check, name: str, text: str) -> None:
    """What the rules allow brings no complaint."""
    _write(tmp_path / PACKAGE / name, text)

    assert [] == _complaints(tmp_path, PACKAGE, check)


def _write(path: Path, text: str) -> None:
    """Write a file, its folder included."""
    path.parent.mkdir(parents=True)
    path.write_text(text)
