"""The documents: every command that they show exists, with its flags, and the generated pages are fresh."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown_commands(text: str) -> list[str]:
    """Return the lines of the console blocks of a page."""
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


COMMANDS = sorted(
    {(page.name, line) for page in PAGES for line in shown_commands(page.read_text(encoding="utf-8"))}
)


@cache
def help_of(command: str) -> str:
    """Return the help of a command of autotune."""
    done = subprocess.run(
        [sys.executable, "-m", "autotune", command, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_that_a_page_shows_exists(page: str, line: str) -> None:
    """A command of a console block is a make target, or one of autotune with flags that its help knows."""
    words = shlex.split(line)
    if words[0] == "make":
        assert set(words[1:]) <= targets(), page
    elif words[0] == "autotune":
        known = help_of(words[1])
        for flag in (word for word in words[2:] if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", known), (
                f"{page}: {flag} is no flag of {words[1]}"
            )
    else:
        assert words[0] == "source", page


def test_the_pages_show_commands() -> None:
    """The test above has something to check, in the README too."""
    assert len(COMMANDS) > 15
    assert any(page == "README.md" for page, _ in COMMANDS)


def test_the_generated_reference_is_fresh() -> None:
    """The pages that are written from the code say what the code says; 'make docs' writes them."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
