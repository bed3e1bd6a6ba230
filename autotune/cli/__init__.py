"""The command line: one file a command, which parses, calls and prints."""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line on the arguments of this process, and exit with its code."""
    from autotune.cli.app import run

    raise SystemExit(run())
