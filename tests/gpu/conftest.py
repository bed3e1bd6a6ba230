"""One runner and one card for all tests of this folder, and the cards of further models."""

from collections.abc import Callable, Iterator

import pytest

from autotune.runners.local import LocalRunner

from .card import Card, card_for


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests be marked where the plugins that read the marks are not installed."""
    config.addinivalue_line("markers", "timeout: seconds, for pytest-timeout")
    config.addinivalue_line("markers", "xdist_group: tests that one process runs, for pytest-xdist")


@pytest.fixture(scope="session")
def runner() -> Iterator[LocalRunner]:
    """Return a running local runner."""
    with LocalRunner() as running:
        yield running


@pytest.fixture(scope="session")
def card_of(runner: LocalRunner, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    """Return a function from a model to its card, made once."""
    kept: dict[str, Card | Exception] = {}

    def made(model: str) -> Card:
        if model not in kept:
            try:
                kept[model] = card_for(model, runner, tmp_path_factory.mktemp(model.replace(":", "-")))
            except Exception as error:  # noqa: BLE001 - told by every test of this model, and not tried again
                kept[model] = error
        found = kept[model]
        if isinstance(found, Exception):
            raise found
        return found

    return made


@pytest.fixture(scope="session")
def card(card_of: Callable[[str], Card]) -> Card:
    """Return the card of the demo model."""
    return card_of("demo")
