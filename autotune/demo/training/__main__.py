"""Command line of the training: one stage, or all of them one after the other.

Every stage reads what earlier ones left in the work folder, resumes when it was
interrupted, and writes its losses to ``<workdir>/<stage>.csv``.
"""

import argparse
import logging
import math
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from autotune.demo.training.autoencoder import (
    encode_pictures,
    train_autoencoder,
    train_sketcher,
)
from autotune.demo.training.denoiser import train_denoiser
from autotune.demo.training.evaluation import PROMPTS, evaluate
from autotune.demo.training.judging import train_judge
from autotune.demo.training.loop import Plan
from autotune.demo.training.packaging import package
from autotune.demo.training.pictures import SCENES, draw_pictures
from autotune.demo.training.tiny import train_tiny
from autotune.demo.training.workers import together

STAGES: dict[str, float] = {
    "data": 0,
    "sketcher": 8,
    "encode": 0,
    "unet": 50,
    "vae": 20,
    "tiny": 5.5,
    "judge": 4,
    "evaluate": 0,
    "package": 0,
}
"""Stages in order with their default budget in minutes of CPU time, 0 for no training."""

ON_GPU: dict[str, float] = {"sketcher": 1.1, "unet": 2.6, "vae": 2.0, "tiny": 0.9, "judge": 0.4}
"""Minutes of wall time on a GPU. There a step takes about as long for each of these networks, so that they go
by the steps that each needed on a CPU; an estimate that no GPU has confirmed yet."""

_PACKAGE_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Order:
    """What the command line asks for.

    Attributes:
        workdir: Folder of data, checkpoints and logs.
        target: Folder the finished model is written to.
        docs: Folder the samples and scores are written to.
        budget_s: CPU seconds of the stage, ``None`` for its default.
        wall_s: Limit in wall seconds, ``None`` for three times the budget.
        workers: Processes that train the denoiser together.
        device: Where networks are trained. On a GPU wall time alone counts, unless a budget is given.
        scenes: How many pictures are drawn.
        prompts: How many unseen prompts the model is judged on.
    """

    workdir: Path
    target: Path
    docs: Path
    budget_s: float | None
    wall_s: float | None
    workers: int = 1
    device: str = "cpu"
    scenes: int = SCENES
    prompts: int = PROMPTS

    def part_for(self, stage: str) -> "Order":
        """Return the order with one stage's part of a budget for all stages."""
        minutes = STAGES if self.device == "cpu" else ON_GPU
        part = minutes.get(stage, 0.0) / sum(minutes.values())
        return replace(
            self,
            budget_s=self.budget_s and self.budget_s * part,
            wall_s=self.wall_s and self.wall_s * part,
        )

    def plan(self, stage: str, rate: float, *, decay: float = 1e-3) -> Plan:
        """Return the plan of a training stage."""
        if self.device == "cpu":
            cpu_s = self.budget_s or 60 * STAGES[stage]
            wall_s = self.wall_s or 3 * cpu_s
        else:
            cpu_s = self.budget_s or math.inf
            wall_s = self.wall_s or 60 * ON_GPU[stage]
        return Plan(stage, cpu_s, wall_s, rate=rate, decay=decay, device=self.device)


def run(stage: str, order: Order) -> None:
    """Run one stage."""
    folder = order.workdir
    match stage:
        case "data":
            draw_pictures(folder, count=order.scenes)
        case "sketcher":
            train_sketcher(folder, order.plan(stage, 2e-3))
        case "encode":
            encode_pictures(folder, order.device)
        case "unet":
            plan = order.plan(stage, 1.5e-3, decay=1e-2)
            together(partial(train_denoiser, folder, plan), order.workers)
        case "vae":
            train_autoencoder(folder, order.plan(stage, 2e-3))
        case "tiny":
            train_tiny(folder, order.plan(stage, 3e-3))
        case "judge":
            train_judge(folder, order.plan(stage, 2e-3, decay=2e-2))
        case "evaluate":
            evaluate(folder, order.docs, count=order.prompts, device=order.device)
        case "package":
            package(folder, order.target)
        case _:
            raise ValueError(f"no such stage: {stage}")


def main() -> None:
    """Read the command line and run the stage, or all stages in order."""
    parser = argparse.ArgumentParser(prog="python -m autotune.demo.training", description=__doc__)
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--budget-minutes", type=float, help="CPU minutes of the stage, or of all")
    parser.add_argument("--wall-minutes", type=float, help="longest wall time of the stage, or of all")
    parser.add_argument("--target", type=Path, default=_PACKAGE_ROOT / "autotune/demo/model")
    parser.add_argument("--docs", type=Path, default=_PACKAGE_ROOT / "docs/demo-model")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--workers", type=int, default=1, help="processes of the unet stage, on a CPU")
    parser.add_argument("--device", default="cpu", help="cpu or cuda: where networks are trained")
    parser.add_argument("--scenes", type=int, default=SCENES, help="pictures to draw; fewer for a trial run")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="prompts to judge the model on")
    given = parser.parse_args()
    if given.workers > 1 and given.device != "cpu":
        parser.error("--workers are processes on a CPU; a GPU has one")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Two single-threaded stages side by side use two cores better than one
    # stage with two threads: these networks are small.
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.benchmark = True  # every stage has one shape, thousands of times
    given.workdir.mkdir(parents=True, exist_ok=True)
    order = Order(
        workdir=given.workdir,
        target=given.target,
        docs=given.docs,
        budget_s=given.budget_minutes and 60 * given.budget_minutes,
        wall_s=given.wall_minutes and 60 * given.wall_minutes,
        workers=given.workers,
        device=given.device,
        scenes=given.scenes,
        prompts=given.prompts,
    )
    try:
        for stage in STAGES if given.stage == "all" else (given.stage,):
            logging.getLogger(__name__).info("%s", stage)
            torch.manual_seed(0)
            run(stage, order if stage == given.stage else order.part_for(stage))
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on where it was.")


if __name__ == "__main__":
    main()
