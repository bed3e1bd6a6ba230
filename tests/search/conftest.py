"""What the tests of the search share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from autotune.budget import Budget
from autotune.job import Runner
from autotune.knob import Knob
from autotune.plan import Plan
from autotune.search.events import Listener, Stop, ignore
from autotune.search.study import Study
from autotune.search.tune import run_study
from tests.search import synthetic

Tuner: TypeAlias = Callable[..., Study]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'x.db'}"


@pytest.fixture(scope="session")
def sixty_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the database of `sixty`; tests only read it."""
    return f"sqlite:///{tmp_path_factory.mktemp('sixty') / 'x.db'}"


@pytest.fixture(scope="session")
def sixty(sixty_url: str) -> Study:
    """Return a study of sixty trials."""
    return run_study(
        synthetic.plan(budget=Budget(trials=60), sampler="tpe"),
        url=sixty_url,
        runner=synthetic.runner(),
        situation=synthetic.SITUATION,
        knobs=synthetic.knobs(),
    )


@pytest.fixture
def tune(url: str) -> Tuner:
    """Run a study of the synthetic pipeline; a second call goes on with it."""

    def run(
        plan: Plan | None = None,
        *,
        runner: Runner | None = None,
        listen: Listener = ignore,
        stop: Stop | None = None,
        knobs: Sequence[Knob] | None = None,
        at: str = url,
    ) -> Study:
        return run_study(
            plan or synthetic.plan(),
            url=at,
            runner=runner or synthetic.runner(),
            situation=synthetic.SITUATION,
            listen=listen,
            stop=stop,
            knobs=knobs or synthetic.knobs(),
        )

    return run
