"""The training loop that every stage shares: budget, schedule, log, checkpoint.

On a GPU the forward pass is in bfloat16 and batches are larger; the weights stay in 32 bits.

The learning rate follows how much of the budget is spent, counted in the
workers' own CPU time, so that a busy machine cannot cut the schedule short. A
limit in wall time goes with it: whichever of the two is further advanced drives
the schedule, which therefore always reaches its end in time.
"""

import copy
import csv
import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from autotune.demo.training.workers import average_gradients, first_workers, worker, workers

Losses = dict[str, Tensor]
"""Named losses of one batch; ``"loss"`` is the one to minimise."""

_SAVE_EVERY_S = 60.0
_TIMES_ON_GPU = 32
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How one model is trained.

    Attributes:
        name: Names the log and the checkpoint.
        cpu_s: Budget in seconds of CPU time, all workers together.
        wall_s: Limit in seconds of wall time.
        rate: Highest learning rate; it falls to a fiftieth along a cosine.
        decay: Weight decay of AdamW.
        betas: Betas of AdamW.
        average: Decay per step of the running mean of the weights, 0 for none.
        log_every_s: Seconds of CPU time between two lines of the log.
        device: Where it is trained: "cpu", "cuda".
    """

    name: str
    cpu_s: float
    wall_s: float
    rate: float
    decay: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    average: float = 0.0
    log_every_s: float = 30.0
    device: str = "cpu"

    def batch(self, size: int) -> int:
        """Return the size of a batch: that of one CPU core, or many times as much on a GPU.

        Kernels of networks as small as these take as long to launch as to run there, so that a step of many
        pictures takes hardly longer than one of few.
        """
        return size if self.device == "cpu" else _TIMES_ON_GPU * size


@dataclass
class Spent:
    """What a training run has used so far, carried over a restart."""

    step: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def share_of(self, plan: Plan) -> float:
        """Return the spent share of the budget, 0 to 1."""
        return min(1.0, max(self.cpu_s / plan.cpu_s, self.wall_s / plan.wall_s))


def learning_rate(plan: Plan, spent: Spent, *, warmup: int = 100) -> float:
    """Return the learning rate for the next step.

    >>> plan = Plan("demo", cpu_s=100.0, wall_s=300.0, rate=1.0)
    >>> round(learning_rate(plan, Spent(step=500, cpu_s=50.0, wall_s=60.0)), 2)
    0.51
    >>> round(learning_rate(plan, Spent(step=500, cpu_s=50.0, wall_s=300.0)), 2)
    0.02
    """
    cosine = 0.5 * (1 + math.cos(math.pi * spent.share_of(plan)))
    return plan.rate * min(1.0, (spent.step + 1) / warmup) * (0.02 + 0.98 * cosine)


def fit(
    model: nn.Module,
    losses_of_batch: Callable[[], Losses],
    *,
    plan: Plan,
    folder: Path,
    measure: Callable[[nn.Module], dict[str, float]] | None = None,
) -> nn.Module:
    """Train ``model`` until the budget is spent, resuming from a checkpoint.

    Ctrl-C ends it too; what was learnt until then is in the checkpoint.

    Args:
        model: What to train, in place, where the plan's device is.
        losses_of_batch: Draws a batch and returns the model's losses on it.
        plan: Budget and schedule.
        folder: Where ``<name>.csv`` and the checkpoint are written.
        measure: Returns further figures for each line of the log, given the
            weights that would be kept.

    Returns:
        The running mean of the model, or the model itself without one.
    """
    mean = copy.deepcopy(model).requires_grad_(False) if plan.average else model
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=plan.rate, betas=plan.betas, weight_decay=plan.decay, fused=True
    )
    checkpoint = folder / f"{plan.name}.checkpoint.safetensors"
    spent = _resume(checkpoint, model, mean=mean, optimiser=optimiser)
    clock = _Clock(spent)
    log = _Log(folder / f"{plan.name}.csv", plan)
    if worker() == 0:
        log.rewind(spent.step)
    saved_at = time.monotonic()
    try:
        while clock.tick(spent).share_of(plan) < 1.0:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(plan, spent)
            with _in_half(plan.device):
                losses = losses_of_batch()
            optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            average_gradients(model)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            spent.step += 1
            if plan.average:
                _follow(mean, model, decay=min(plan.average, (1 + spent.step) / (10 + spent.step)))
            if worker() > 0:
                continue
            log.add(losses, spent, lambda: measure(mean) if measure else {})
            if time.monotonic() - saved_at > _SAVE_EVERY_S:
                _save(checkpoint, model, mean=mean, optimiser=optimiser, spent=spent)
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        if worker() == 0 and spent.step:
            _save(checkpoint, model, mean=mean, optimiser=optimiser, spent=spent)
        raise
    if worker() > 0:
        return mean
    log.close(spent, lambda: measure(mean) if measure else {})
    _save(checkpoint, model, mean=mean, optimiser=optimiser, spent=spent)
    return mean


def _in_half(device: str) -> AbstractContextManager[object]:
    """On a GPU, what is computed in bfloat16 where that pays."""
    return nullcontext() if device == "cpu" else torch.autocast(torch.device(device).type, torch.bfloat16)


class _Clock:
    """Adds the time of the first worker, for all workers, to what was spent before."""

    def __init__(self, spent: Spent) -> None:
        self._before = copy.copy(spent)
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def tick(self, spent: Spent) -> Spent:
        cpu_s = self._before.cpu_s + workers() * (time.process_time() - self._cpu)
        wall_s = self._before.wall_s + time.monotonic() - self._wall
        spent.cpu_s, spent.wall_s = first_workers(cpu_s, wall_s)
        return spent


class _Log:
    """Writes the mean losses since the last line to a CSV file and the screen."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._path, self._plan, self._sums = path, plan, dict[str, Tensor]()
        self._count, self._next = 0, 0.0

    def rewind(self, step: int) -> None:
        """Drop the lines after ``step``, which a restart trains again."""
        if not self._path.exists():
            return
        header, *rows = self._path.read_text().splitlines()
        kept = [row for row in rows if int(row.split(",")[0]) <= step]
        self._path.write_text("\n".join([header, *kept]) + "\n" if kept else "")

    def add(self, losses: Losses, spent: Spent, measure: Callable[[], dict[str, float]]) -> None:
        for name, value in losses.items():
            # Still a tensor: to read it would make every step wait for a GPU.
            self._sums[name] = value.detach() + self._sums.get(name, 0.0)
        self._count += 1
        if spent.cpu_s >= self._next and spent.step > 1:
            self.write(spent, measure())

    def close(self, spent: Spent, measure: Callable[[], dict[str, float]]) -> None:
        if self._count:
            self.write(spent, measure())

    def write(self, spent: Spent, measured: dict[str, float]) -> None:
        row: dict[str, float] = {
            "step": spent.step,
            "cpu_s": round(spent.cpu_s, 1),
            "wall_s": round(spent.wall_s, 1),
        }
        row |= {name: round(float(total) / self._count, 5) for name, total in self._sums.items()}
        row |= {name: round(value, 5) for name, value in measured.items()}
        new = not self._path.exists() or self._path.stat().st_size == 0
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        done = f"{100 * spent.share_of(self._plan):3.0f} %"
        figures = " ".join(f"{name} {value}" for name, value in row.items())
        _LOG.info("%s %s %s", self._plan.name, done, figures)
        self._sums, self._count = {}, 0
        self._next = spent.cpu_s + self._plan.log_every_s


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, *, decay: float) -> None:
    torch._foreach_lerp_(list(mean.parameters()), list(model.parameters()), 1 - decay)
    for kept, new in zip(mean.buffers(), model.buffers(), strict=True):
        kept.copy_(new)


def _save(
    path: Path, model: nn.Module, *, mean: nn.Module, optimiser: torch.optim.Optimizer, spent: Spent
) -> None:
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if mean is not model:
        tensors |= {f"mean.{name}": value for name, value in mean.state_dict().items()}
    for name, weight in model.named_parameters():
        for key, value in optimiser.state[weight].items():
            tensors[f"{key}.{name}"] = value
    whole = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    part = path.with_suffix(".part")
    numbers = {"step": spent.step, "cpu_s": spent.cpu_s, "wall_s": spent.wall_s}
    save_file(whole, part, metadata={name: str(value) for name, value in numbers.items()})
    part.replace(path)


@torch.no_grad()
def _resume(path: Path, model: nn.Module, *, mean: nn.Module, optimiser: torch.optim.Optimizer) -> Spent:
    if not path.exists():
        return Spent()
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        numbers = file.metadata()
    for prefix, module in (("model.", model), ("mean.", mean)):
        part = {n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)}
        if part:
            module.load_state_dict(part)
    for name, weight in model.named_parameters():
        if f"step.{name}" not in stored:  # it had no gradient yet
            continue
        optimiser.state[weight] = {
            "step": stored[f"step.{name}"].to(weight.device),  # where a fused AdamW keeps it
            "exp_avg": torch.empty_like(weight).copy_(stored[f"exp_avg.{name}"]),
            "exp_avg_sq": torch.empty_like(weight).copy_(stored[f"exp_avg_sq.{name}"]),
        }
    return Spent(int(numbers["step"]), float(numbers["cpu_s"]), float(numbers["wall_s"]))
