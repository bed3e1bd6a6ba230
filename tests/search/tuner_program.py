"""A tuner to be killed: forks children that run a study, and kills each at a random moment."""

import os
import random
import signal
import sys
import time

from autotune.budget import Budget
from autotune.job import Job
from autotune.measurement import Outcome
from autotune.search.events import Event, TrialStarted
from autotune.search.tune import run_study
from tests.search import synthetic


def slow_runner(job: Job) -> Outcome:
    """Take long enough to be killed while it runs."""
    time.sleep(0.02)
    return synthetic.runner()(job)


def tune(url: str, trials: int, progress: int) -> None:
    """Run the study, or go on with it; each trial that starts is a byte in the pipe."""

    def listen(event: Event) -> None:
        if isinstance(event, TrialStarted):
            os.write(progress, b".")

    run_study(
        synthetic.plan(budget=Budget(trials=trials)),
        url=url,
        runner=slow_runner,
        situation=synthetic.SITUATION,
        listen=listen,
        knobs=synthetic.knobs(),
    )


def main(url: str, trials: int, kills: int) -> None:
    """Kill a tuner `kills` times with SIGKILL, each time at another moment, and say how each ended."""
    rng = random.Random(0)
    for _ in range(kills):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                tune(url, trials, writer)
            finally:
                os._exit(0)
        os.close(writer)
        for _ in range(rng.randint(1, 4)):
            os.read(reader, 1)
        time.sleep(rng.uniform(0.0, 0.3))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reader)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
